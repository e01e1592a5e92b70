// The modules that come with AAAX, by the names that a config may use for them.
import { createHash } from "node:crypto"
import { version } from "../kernel/version.ts"

type Loader = () => Promise<{ readonly default: unknown }>

const loaders: Readonly<Record<string, Loader>> = {
  "aaax/modules/approvals": () => import("aaax/modules/approvals"),
  "aaax/modules/echo": () => import("aaax/modules/echo"),
  "aaax/modules/report": () => import("aaax/modules/report"),
  "aaax/modules/survey": () => import("aaax/modules/survey"),
  "aaax/modules/watch": () => import("aaax/modules/watch")
}

export const bundledModules: ReadonlyArray<string> = Object.keys(loaders)

/** A bundled module, or nothing. Its digest changes with the version of AAAX: its code is part of that. */
export const bundledModule = (name: string): { readonly load: Loader; readonly digest: string } | undefined => {
  const load = loaders[name]
  return load === undefined ? undefined : { load, digest: createHash("sha256").update(`${name}@${version}`).digest("hex") }
}
