// Bundles the torture and runs it: Node 20 runs no TypeScript.
import { spawnSync } from "node:child_process"
import { build } from "rolldown"

const directory = new URL("../node_modules/.cache/aaax/torture/", import.meta.url).pathname
await build({
  input: Object.fromEntries(["world", "party", "cli"].map((name) => [name, new URL(`../test/torture/${name}.ts`, import.meta.url).pathname])),
  platform: "node",
  external: ["better-sqlite3", "jiti"],
  output: { dir: directory, format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "[name]-[hash].mjs" },
  logLevel: "warn"
})
const { status } = spawnSync(process.execPath, ["--expose-gc", `${directory}cli.mjs`, "--world", `${directory}world.mjs`, "--party", `${directory}party.mjs`, ...process.argv.slice(2)], { stdio: "inherit" })
process.exit(status ?? 1)
