// The modules that come with AAAX, by the names that a config may use for them.

export const bundledModules = [
  "aaax/modules/approvals", "aaax/modules/coordinator", "aaax/modules/directory", "aaax/modules/echo", "aaax/modules/llm", "aaax/modules/relay", "aaax/modules/report",
  "aaax/modules/supervisor", "aaax/modules/survey", "aaax/modules/watch", "aaax/modules/worker"
] as const
export type BundledModule = (typeof bundledModules)[number]

/** Gives one of them. */
export type LoadBundled = (name: BundledModule) => Promise<{ readonly default: unknown }>

/** As they are installed: by its name, as anybody would import it. */
export const installed: LoadBundled = (name) => import(name) as Promise<{ readonly default: unknown }> // each has a default export

export const isBundled = (name: string): name is BundledModule => bundledModules.some((known) => known === name)
