// How long it takes, and how much memory, until a kernel is back that was killed with -9 over a long log.
import { spawn } from "node:child_process"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type { Returned } from "./child.ts"
import { median } from "./measure.ts"
import { row, type Row } from "./row.ts"
import type { Sized } from "./size.ts"

/** Starts the child; completes with its first line, when it has been killed and is gone. */
export const firstLine = (program: string, args: ReadonlyArray<string>): Effect.Effect<string> =>
  Effect.callback((resume) => {
    const child = spawn(process.execPath, ["--expose-gc", program, ...args], { stdio: ["ignore", "pipe", "inherit"] })
    let text = ""
    child.stdout.on("data", (bytes: Buffer) => {
      text += bytes.toString()
      if (text.includes("\n")) child.kill("SIGKILL")
    })
    child.on("exit", (code, signal) => {
      resume(signal === "SIGKILL" && text.includes("\n") ? Effect.succeed(text) : Effect.die(new Error(`${args[0]} ended with ${signal ?? code} after "${text}"`)))
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

export const restart = Effect.fnUntraced(function*({ count, directory, programs, rounds, size: given }: Sized): Effect.fn.Return<ReadonlyArray<Row>> {
  const rows: Array<Row> = []
  for (const size of [100, 1]) {
    const own = join(directory, `commits-of-${size}`)
    mkdirSync(own)
    const events = count(1_000_000, size)
    yield* firstLine(programs.child, ["write", own, String(events), String(size)])
    const all: Array<Returned> = []
    for (let at = 0; at < Math.min(3, rounds); at++) {
      const returned = JSON.parse(yield* firstLine(programs.child, ["restart", own])) as Returned // what child.ts prints
      if (returned.events !== events) return yield* Effect.die(new Error(`${returned.events} of ${events} events came back`))
      all.push(returned)
    }
    const of = (name: keyof Returned): number => median(all.map((returned) => returned[name]))
    const what = `restart after kill -9, ${events.toLocaleString("en")} messages, commits of ${size}`
    rows.push(
      row({
        id: `restart/commits of ${size}`, what, unit: "ms", lowerIsBetter: true, figure: of("readyMillis"), floor: { of: null, bar: 1_000 },
        cpuMicros: of("cpuSeconds") * 1e6,
        others: { openMillis: of("openMillis"), fastestMillis: Math.min(...all.map(({ readyMillis }) => readyMillis)), events }
      }),
      row({
        id: `restart/memory, commits of ${size}`, what: `${what}: peak to steady memory`, unit: "x", lowerIsBetter: true,
        figure: median(all.map(({ peakBytes, steadyBytes }) => peakBytes / steadyBytes)), floor: { of: null, bar: 1.5 },
        others: { peakMegabytes: of("peakBytes") / 1e6, steadyMegabytes: of("steadyBytes") / 1e6 },
        ...(given === "full" ? {} : { note: "fewer messages than the bar is for" })
      })
    )
  }
  return rows
})
