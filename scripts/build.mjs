// Builds `dist`: the library with tsc, the command line with rolldown. Does nothing when nothing has changed, because
// `npm install` and `npm start` call it every time. `--force` builds anyway, `--bundle-only` only the command line,
// `--tier-only` only the child that runs modules, `--clean` from an empty `dist`, as `npm pack` wants it. `--prepare` lets an installation without the tools be one.
import { spawn } from "node:child_process"
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const dist = join(root, "dist")
const stamp = join(dist, ".built")
const sources = ["protocol", "kernel", "libos", "modules", "bin", "scripts", "package.json", "tsconfig.json", "tsconfig.build.json"]

/** Time of the newest change below a path. A removed file changes its folder. */
const newest = (path) => {
  const found = statSync(path, { throwIfNoEntry: false })
  if (found === undefined) return 0
  if (!found.isDirectory()) return found.mtimeMs
  return readdirSync(path).reduce((time, name) => Math.max(time, newest(join(path, name))), found.mtimeMs)
}

const clean = process.argv.includes("--clean")
const forced = clean || process.argv.includes("--force")
const bundleOnly = process.argv.includes("--bundle-only")
const began = Date.now()
const child = join(dist, "tier/child.cjs")
// For tests: the child alone, when it is older than what it is made of.
const tierOnly = process.argv.includes("--tier-only")
if (tierOnly && existsSync(child) && Math.max(...["protocol", "libos", "modules", "bin", "kernel/power/bundled.ts"].map((name) => newest(join(root, name)))) < statSync(child).mtimeMs) process.exit(0)
if (process.argv.includes("--prepare") && !existsSync(join(root, "node_modules/typescript"))) {
  console.error("not built: that needs the development dependencies (npm install --include=dev)")
  process.exit(0)
}
if (!forced && !tierOnly && existsSync(stamp) && Math.max(...sources.map((name) => newest(join(root, name)))) < statSync(stamp).mtimeMs) process.exit(0)

if (clean) rmSync(dist, { recursive: true, force: true })
// Until both halves are there, what is there counts as old.
if (!bundleOnly && !tierOnly) rmSync(stamp, { force: true })
mkdirSync(dist, { recursive: true })

/** Runs a program of node_modules; its output is ours. */
const run = (program, args) =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(root, "node_modules", program), ...args], { cwd: root, stdio: ["ignore", 2, 2] })
    child.on("error", reject)
    child.on("exit", (code) => (code === 0 ? resolve() : reject(new Error(`${program} ended with ${code}`))))
  })

const library = () => run("typescript/bin/tsc", ["-p", "tsconfig.build.json", "--incremental", "--tsBuildInfoFile", join(dist, ".tsbuildinfo")])

const commandLine = async () => {
  const { rolldown } = await import("rolldown")
  const { ourselves } = await import("./ourselves.mjs")
  const bundle = await rolldown({
    input: { aaax: join(root, "bin/aaax.ts") },
    cwd: root,
    platform: "node",
    external: ["better-sqlite3", "jiti"],
    plugins: [ourselves],
    logLevel: "warn",
    onLog: (level, log, handle) => {
      // Known and harmless in a dependency.
      if (log.code !== "EVAL" && log.code !== "CIRCULAR_DEPENDENCY") handle(level, log)
    }
  })
  const { output } = await bundle.write({
    dir: join(dist, "bin"),
    format: "esm",
    minify: true,
    entryFileNames: "[name].js",
    // A kernel that runs while this is built finds its own chunks still: they are named by content.
    chunkFileNames: "chunks/[name]-[hash].js"
  })
  await bundle.close()
  // Chunks of earlier builds stay for a while: a kernel that runs may still load one.
  const chunks = join(dist, "bin/chunks")
  const written = new Set(output.map(({ fileName }) => join(dist, "bin", fileName)))
  for (const name of readdirSync(chunks)) {
    const file = join(chunks, name)
    if (!written.has(file) && statSync(file).mtimeMs < began - 3_600_000) rmSync(file)
  }
  chmodSync(join(dist, "bin/aaax.js"), 0o755)
}

/** Checks evidence, on any machine: one file that needs nothing else, and can be read. */
const verifier = async () => {
  const { rolldown } = await import("rolldown")
  const bundle = await rolldown({ input: join(root, "bin/aaax-verify.ts"), cwd: root, platform: "node", logLevel: "warn" })
  await bundle.write({ file: join(dist, "bin/aaax-verify.js"), format: "esm", minify: false })
  await bundle.close()
  chmodSync(join(dist, "bin/aaax-verify.js"), 0o755)
}

/** What runs a module in a tier of its own: one file, because nothing else is readable there. */
const tierChild = async () => {
  const { rolldown } = await import("rolldown")
  const { ourselves } = await import("./ourselves.mjs")
  const bundle = await rolldown({ input: { child: join(root, "bin/tier-child.ts") }, cwd: root, platform: "node", plugins: [ourselves], external: ["ws"], logLevel: "warn" })
  const { output } = await bundle.generate({ format: "cjs", minify: true, codeSplitting: false })
  await bundle.close()
  // Whole or not at all: tests build it at the same time, and kernels start it.
  const partial = `${child}.${process.pid}`
  mkdirSync(dirname(child), { recursive: true })
  writeFileSync(partial, output[0].code)
  renameSync(partial, child)
}

try {
  await Promise.all(tierOnly ? [tierChild()] : [bundleOnly ? undefined : library(), commandLine(), verifier(), tierChild()])
  if (!bundleOnly && !tierOnly) writeFileSync(stamp, "")
  console.error(`built in ${((Date.now() - began) / 1000).toFixed(1)} s`)
} catch (error) {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
}
