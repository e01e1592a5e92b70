// Bundles the benchmarks and runs them: Node 20 runs no TypeScript.
import { spawnSync } from "node:child_process"
import { copyFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { build } from "rolldown"
import { ourselves } from "./ourselves.mjs"

const path = (relative) => fileURLToPath(new URL(relative, import.meta.url))
const directory = path("../node_modules/.cache/aaax/bench/")
await build({
  input: Object.fromEntries(["cli", "group", "child"].map((name) => [name, path(`../bench/${name}.ts`)])),
  platform: "node",
  plugins: [ourselves],
  external: ["better-sqlite3", "jiti"],
  output: { dir: directory, format: "esm", entryFileNames: "[name].mjs", chunkFileNames: "[name]-[hash].mjs" },
  logLevel: "warn"
})
copyFileSync(path("../bench/bare-hub.py"), `${directory}bare-hub.py`)
const { status } = spawnSync(process.execPath, [`${directory}cli.mjs`, "--bundle", directory, "--root", path(".."), ...process.argv.slice(2)], { stdio: "inherit" })
process.exit(status ?? 1)
