// Bundles the torture and runs it: Node 20 runs no TypeScript.
import { spawnSync } from "node:child_process"
import { build } from "rolldown"

const directory = new URL("../node_modules/.cache/aaax/torture/", import.meta.url).pathname
await build({
  input: { world: new URL("../test/torture/world.ts", import.meta.url).pathname, cli: new URL("../test/torture/cli.ts", import.meta.url).pathname },
  platform: "node",
  external: ["better-sqlite3", "jiti"],
  output: { dir: directory, format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "[name]-[hash].mjs" },
  logLevel: "warn"
})
const { status } = spawnSync(process.execPath, [`${directory}cli.mjs`, "--world", `${directory}world.mjs`, ...process.argv.slice(2)], { stdio: "inherit" })
process.exit(status ?? 1)
