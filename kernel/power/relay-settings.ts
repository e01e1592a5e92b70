// What a config says of the bundled relay: the file that it writes, which is a power that a module has not by itself.
import { resolve } from "node:path"
import { relayFile } from "./relay-file.ts"

export const relayModule = "aaax/modules/relay"

export type Settings = Readonly<Record<string, unknown>>

const known = new Set(["path", "linesMax", "form", "hub"])

/** The same with a sink; or why it cannot be. A sink of one's own stays. `base`: where a relative path starts. */
export const relaySettings = (settings: Settings, base: string): Settings | string => {
  if ("sink" in settings) return settings
  const { linesMax, path, ...rest } = settings
  const unknown = Object.keys(settings).find((name) => !known.has(name))
  if (unknown !== undefined) return `its settings have ${unknown}; there are ${[...known].join(", ")}`
  if (typeof path !== "string" || path.trim() === "") return "it writes a file: say which in its settings, as path = \"relay.ndjson\""
  if (linesMax !== undefined && !Number.isSafeInteger(linesMax)) return "linesMax in its settings is a number of lines; 0: all of them"
  if (rest["form"] !== undefined && rest["form"] !== "lossless" && rest["form"] !== "lite") return "form in its settings is lossless or lite"
  if (rest["hub"] !== undefined && typeof rest["hub"] !== "string") return "hub in its settings is a text"
  return { ...rest, sink: relayFile({ path: resolve(base, path), ...(linesMax === undefined ? {} : { linesMax: Number(linesMax) }) }) }
}
