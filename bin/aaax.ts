#!/usr/bin/env node
// The command `aaax`. What needs nothing loads nothing; everything else is loaded when it is asked for.
import { rootHelp } from "./help.ts"
import { version } from "../kernel/version.ts"

const [first, ...others] = process.argv.slice(2)
const alone = others.length === 0

if (alone && (first === "--version" || first === "-v")) {
  process.stdout.write(`${version}\n`)
} else if (alone && (first === undefined || first === "--help" || first === "-h" || first === "help")) {
  process.stdout.write(`${rootHelp(version)}\n`)
} else {
  // Node 22 and newer keep compiled code between starts; older ones have no such function.
  const { enableCompileCache } = (await import("node:module")) as { readonly enableCompileCache?: () => unknown }
  enableCompileCache?.()
  const { main } = await import("./main.ts")
  await main(process.argv.slice(2))
}
