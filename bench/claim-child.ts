// The process that wrote a long log of claims and is killed, and the one that comes back over it.
import { writeSync } from "node:fs"
import * as Effect from "effect/Effect"
import { decide } from "../modules/coordinator/decide.ts"
import { coordinator } from "../modules/coordinator/index.ts"
import { keep } from "../modules/coordinator/keep.ts"
import { Life, open } from "../modules/coordinator/life.ts"
import { chatsMax, pastDefault, stateEvery } from "../modules/coordinator/limits.ts"
import * as coordination from "../protocol/coordination.ts"
import type { Returned } from "./child.ts"
import { dock, makeWorld } from "./world.ts"

const turnRequests = 200
/** Claims that stay. */
const liveClaims = 1_000

/**
 * Claims and releases, as the coordinator keeps them, until so many entries were written, and then until it would write its
 * state down with the next ones: a start has as much to read behind the state as there can be.
 */
export const writeClaims = Effect.fnUntraced(function*(directory: string, entries: number) {
  const kernel = yield* makeWorld({ directory, launch: false })
  const { manifest } = coordinator()
  const port = yield* dock(kernel, "coordinator", { provides: manifest.provides, snapshots: manifest.snapshots })
  const life = new Life(port, yield* Effect.scope, yield* open(port, chatsMax), pastDefault)
  const { desk } = life
  const began = Date.now()
  let count = 0
  const ask = (sender: string, payload: unknown): void => decide(desk, { id: `bench-${++count}`, sender, at: began, payload })
  for (let at = 0; at < liveClaims; at++) ask(`holder-${at % 20}`, { verb: "claim", task: `live-${at}`, paths: [`live/${at}`], ttlSeconds: 2_592_000 })
  yield* keep(life)
  while (count < entries || life.behind + 2 * turnRequests < stateEvery) {
    for (let at = 0; at < turnRequests; at++) {
      const task = `task-${count}`
      ask("asker", { verb: "claim", task, paths: [`src/${count % 500}/${count}.ts`], note: "as many do" })
      ask("asker", { verb: "release", task })
    }
    yield* keep(life)
  }
  writeSync(1, "written\n")
  return yield* Effect.never
})

/** Opens the store, then the coordinator on it, and asks it what is claimed; the processor time is that of the latter. */
export const restartClaims = Effect.fnUntraced(function*(directory: string) {
  const kernel = yield* makeWorld({ directory, launch: false })
  const openMillis = performance.now()
  const opened = process.cpuUsage()
  yield* kernel.dock(coordinator(), { configured: true })
  const port = yield* dock(kernel, "asker", { reads: [coordination.replies], writes: [coordination.requests] })
  yield* kernel.launch
  yield* port.append(coordination.requests, [{ payload: { verb: "state", task: "live-0" } }])
  let answer: coordination.Answer<"state"> | undefined
  for (let after = 0; answer === undefined;) {
    const page = yield* port.read(coordination.replies, { after })
    answer = page.events[0]?.payload as unknown as coordination.Answer<"state"> | undefined // what the coordinator answers
    if (answer === undefined) yield* port.awaitBeyond(coordination.replies, after = page.next)
  }
  const readyMillis = performance.now() - openMillis
  const { system, user } = process.cpuUsage(opened)
  const peakBytes = process.resourceUsage().maxRSS * 1_024
  const { gc } = globalThis as { readonly gc?: () => void } // present with --expose-gc
  gc?.()
  yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 300)))
  gc?.()
  const returned: Returned = {
    readyMillis, openMillis, cpuSeconds: (user + system) / 1e6, peakBytes, steadyBytes: process.memoryUsage().rss,
    events: answer.ok && answer.items.length === 1 ? kernel.channels.store.statisticsOf(coordination.ledger)?.head ?? 0 : 0,
    kept: kernel.channels.store.statisticsOf(coordination.ledger)?.events ?? 0
  }
  writeSync(1, `${JSON.stringify(returned)}\n`)
  process.kill(process.pid, "SIGKILL")
  return yield* Effect.never
})
