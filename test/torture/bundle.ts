// Bundles the tortured process, because Node 20 runs no TypeScript.
import { join } from "node:path"
import { build } from "rolldown"

/** Writes `<directory>/world.mjs` and answers its path. */
export const bundleWorld = async (directory: string, source: string): Promise<string> => {
  await build({
    input: { world: source },
    platform: "node",
    external: ["better-sqlite3", "jiti"],
    output: { dir: directory, format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "[name]-[hash].mjs" },
    logLevel: "warn"
  })
  return join(directory, "world.mjs")
}
