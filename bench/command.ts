// How long the command line takes to answer, and a constellation to stand, against a Node that does nothing.
import { spawn, spawnSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { inTurns, timedEach, timedEachSync, type Side } from "./measure.ts"
import { absent, rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"

const versionWhat = "aaax --version"
const launchWhat = "warm aaax launch until its banner"

const env = { ...process.env, NO_COLOR: "1" }

const run = (args: ReadonlyArray<string>): void => {
  const { status } = spawnSync(process.execPath, args, { stdio: "ignore", env })
  if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}`)
}

/** Launches in a folder; the sample ends at the banner, the effect when the process is gone. */
const launched = (aaax: string, directory: string): Side =>
  Effect.suspend(() => {
    let gone: Promise<unknown> = Promise.resolve()
    const banner: Effect.Effect<void> = Effect.callback((resume) => {
      const child = spawn(process.execPath, [aaax, "launch"], { cwd: directory, stdio: ["ignore", "ignore", "pipe"], env })
      let text = ""
      gone = new Promise((resolve) => child.once("exit", resolve))
      child.once("exit", (code) => resume(Effect.die(new Error(`launch ended with ${code}: ${text}`))))
      child.stderr.on("data", (bytes: Buffer) => {
        text += bytes.toString()
        if (!text.includes("ready in")) return
        resume(Effect.void)
        child.kill("SIGTERM")
      })
    })
    return Effect.tap(timedEach(1, () => banner), () => Effect.promise(() => gone))
  })

const folder = (directory: string): string => {
  const path = join(directory, "folder")
  mkdirSync(path)
  for (let at = 0; at < 40; at++) writeFileSync(join(path, `file-${at}.ts`), `// TODO ${at}\nexport const n = ${at}\n`)
  return path
}

export const command = Effect.fnUntraced(function*({ directory, programs: { aaax }, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown> {
  if (aaax === null) return [absent("command/version", versionWhat, "not built"), absent("command/launch", launchWhat, "not built")]
  const place = folder(directory)
  const nothing = timedEachSync(3, () => run(["-e", "0"]))
  const version = yield* inTurns(rounds, { ours: timedEachSync(3, () => run([aaax, "--version"])), nothing })
  const launch = yield* inTurns(rounds, { ours: launched(aaax, place), nothing })
  // Processor time is that of other processes here.
  return [
    rowOf(version, "p50Micros", { id: "command/version", what: versionWhat, floor: { of: "nothing", bar: 3 } }),
    rowOf(launch, "p50Micros", { id: "command/launch", what: launchWhat, floor: { of: "nothing", bar: 8 } })
  ].map((each) => ({ ...each, cpuMicros: null, cpuRatios: {} }))
})
