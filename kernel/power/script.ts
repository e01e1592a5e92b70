// Scripts of users: configs and modules in TypeScript and JavaScript, run as they are on disk now.
import { homedir } from "node:os"
import { extname, join } from "node:path"

/** Runs the text of a script as the file that it was read from; answers its default export, or else all of them. */
export type RunScript = (file: string, text: string) => Promise<unknown>

/** Of the user alone: what lies there is run. Each file in it says the digest of the text that it was made from. */
const cacheFolder = (): string | false => {
  try {
    return join(homedir(), ".cache", "aaax")
  } catch {
    // Nobody's: then each start makes it anew.
    return false
  }
}

/**
 * `running` are modules that a script gets by their names as they are, whatever is installed beside it. Without them it
 * gets what is installed. A script that is run again is run anew, with the files that it imports.
 */
export const scriptRunner = (running?: () => Promise<Record<string, unknown>>): RunScript => async (file, text) => {
  const [{ createJiti }, virtualModules] = await Promise.all([import("jiti"), running?.()])
  const jiti = createJiti(file, {
    fsCache: cacheFolder(), moduleCache: false, interopDefault: false, tryNative: false,
    ...(virtualModules === undefined ? {} : { virtualModules })
  })
  // Not left to Node, which would keep what it once imported, and find another `aaax`.
  const loaded: unknown = await jiti.evalModule(text, { id: file, filename: file, ext: extname(file), async: true, forceTranspile: true })
  return typeof loaded === "object" && loaded !== null && "default" in loaded ? loaded.default : loaded
}

/** What went wrong, in one line. */
export const sentence = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\s+/gu, " ").trim()
