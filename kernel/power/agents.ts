// What a config entry of framework `llm` or `lllm` says to the module that docks it, and what its package adds.
import type { ModuleConfig } from "../config.ts"
import { readPackage, type LllmPackage, type PackageOptions } from "./lllm-package.ts"

export interface Agents extends Pick<LllmPackage, "files" | "ignored"> {
  /** Settings of `aaax/modules/llm`. */
  readonly settings: Readonly<Record<string, unknown>>
}

const frameworkOf = ({ framework, manifest }: ModuleConfig): string | undefined => framework ?? manifest?.framework

/** Whether an entry docks a tactic. `lllm`, the ancestor's default, needs a package: without one there is nothing to dock. */
export const isTactic = (entry: ModuleConfig): boolean => {
  if (entry.file !== undefined || entry.system !== undefined) return false
  const framework = frameworkOf(entry)
  const hasPackage = (entry.lllmToml ?? entry.manifest?.lllm_toml ?? undefined) !== undefined
  return framework === "llm" || ((framework ?? "lllm") === "lllm" && hasPackage)
}

/**
 * What the entry's settings say wins over its package. Its executors are tools of the model unless `tools` says which are, and
 * the channels that it is wired to may be read and appended to by the model unless `reads` and `writes` say which. Throws
 * `PackageInvalid`.
 */
export const agentsOf = (entry: ModuleConfig, toml: string | undefined, options: Omit<PackageOptions, "config">): Agents => {
  const { config, ...given } = entry.settings as Readonly<Record<string, unknown>>
  const found = toml === undefined ? undefined : readPackage(toml, { ...options, ...(typeof config === "string" ? { config } : {}) })
  const executors = (entry.manifest?.requires_executors ?? entry.manifest?.executors ?? entry.executors).filter((name) => name !== "llm.chat")
  const channels = [...new Set([...entry.channels, ...(entry.manifest?.requires_channels ?? [])])].filter((name) => !name.startsWith("aaax."))
  return {
    files: found?.files ?? [],
    ignored: found?.ignored ?? [],
    settings: {
      id: entry.id,
      ...(found === undefined
        ? {}
        : {
            tactic: found.tactic, prompts: found.prompts,
            ...(found.agents.length === 0 ? {} : { agents: found.agents }),
            ...(found.description === "" ? {} : { description: found.description })
          }),
      tools: executors.map((executor) => ({ executor })),
      reads: channels,
      writes: channels,
      ...given,
      executors
    }
  }
}
