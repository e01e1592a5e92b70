// Bundles the torture and runs it: Node 20 runs no TypeScript.
import { spawnSync } from "node:child_process"
import { build } from "rolldown"
import { ourselves } from "./ourselves.mjs"

const directory = new URL("../node_modules/.cache/aaax/torture/", import.meta.url).pathname
/** The command line, and the programs that it starts. */
const programs = { cli: "cli", world: "world", party: "party", "matrix-world": "matrix/world", "seats-hub": "seats/hub" }
await build({
  input: Object.fromEntries(Object.entries(programs).map(([name, file]) => [name, new URL(`../test/torture/${file}.ts`, import.meta.url).pathname])),
  platform: "node",
  plugins: [ourselves],
  external: ["better-sqlite3", "jiti"],
  output: { dir: directory, format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "[name]-[hash].mjs" },
  logLevel: "warn"
})
const { status } = spawnSync(process.execPath, ["--expose-gc", `${directory}cli.mjs`, "--programs", directory, ...process.argv.slice(2)], { stdio: "inherit" })
process.exit(status ?? 1)
