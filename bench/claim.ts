// Claims: a decision alone, and whole questions to the coordinator over its channels, from asking to reading the answer.
import { join } from "node:path"
import { mkdirSync } from "node:fs"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { decide } from "../modules/coordinator/decide.ts"
import { Desk } from "../modules/coordinator/desk.ts"
import { coordinator } from "../modules/coordinator/index.ts"
import { makeState } from "../modules/coordinator/state.ts"
import { makeClock } from "../kernel/clock.ts"
import { policyFromConfig } from "../kernel/guard/policy.ts"
import * as Kernel from "../kernel/kernel.ts"
import { sha256Bytes, sha256Hex } from "../kernel/power/digest.ts"
import * as Memory from "../kernel/store/memory.ts"
import * as Sqlite from "../kernel/store/sqlite.ts"
import * as coordination from "../protocol/coordination.ts"
import type { Port } from "../protocol/port.ts"
import * as Result from "effect/Result"
import type { Returned } from "./child.ts"
import { inTurns, median, medianOf, timed, timedEach, timedEachSync, type Side } from "./measure.ts"
import { firstLine } from "./restart.ts"
import { row, rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"
import { dock } from "./world.ts"

const claimsPerHolder = 100
const askersMany = 16

/** A desk with so many live claims, each on three folders and a glob. */
const deskOf = (claims: number): Desk => {
  const desk = new Desk(makeState())
  for (let at = 0; at < claims; at++) {
    decide(desk, {
      id: `c${at}`, sender: `holder-${Math.floor(at / claimsPerHolder)}`, at: 1_000,
      payload: { verb: "claim", task: `task-${at}`, paths: [`src/${at % 100}/${at}`, `docs/${at}.md`, `test/${at % 50}/${at}/**/*.ts`] }
    })
    desk.ledger = []
    desk.epochs = []
    desk.replies = []
    desk.presence = []
    desk.granted = []
  }
  return desk
}

/** Claims and releases in turns; only the claims are timed. */
const decisions = (desk: Desk, operations: number): Side => {
  let at = 0
  const clear = (): void => {
    desk.ledger = []
    desk.epochs = []
    desk.replies = []
    desk.granted = []
  }
  return Effect.suspend(() => timedEachSync(operations, () => {
    const task = `new-${++at}`
    decide(desk, { id: "c", sender: "asker", at: 2_000, payload: { verb: "claim", task, paths: [`src/new/${at}`, `lib/${at}`] } })
    clear()
    decide(desk, { id: "r", sender: "asker", at: 2_000, payload: { verb: "release", task } })
    clear()
  }))
}

const makeWorld = Effect.fnUntraced(function*(directory: string, where: "memory" | "strict", live = 0): Effect.fn.Return<Kernel.Hosted, unknown, Scope.Scope> {
  const clock = makeClock()
  const store = where === "memory" ? yield* Memory.make({ clock }) : yield* Sqlite.make({ path: join(directory, "aaax.db"), clock })
  const kernel = yield* Kernel.make({
    id: "bench", name: "Bench", version: "0", directory, store, clock, policy: Result.getOrThrow(policyFromConfig(undefined)), executors: [],
    source: () => Effect.die("loads no modules"), powers: { sha256: sha256Hex, sha256Bytes, readingPower: () => Effect.die("reads no files") }, pid: process.pid
  })
  yield* kernel.launch
  if (live > 0) {
    // As a coordinator left them that was there before.
    const { manifest } = coordinator()
    const port = yield* dock(kernel, manifest.id, { provides: manifest.provides })
    const claims = [...deskOf(live).state.claims.values()]
    for (let at = 0; at < claims.length; at += 500) {
      yield* port.append(coordination.ledger, claims.slice(at, at + 500).map((one) => ({ kind: "claimed", payload: { claim: { ...one, expiresAt: clock.now() + 3_600_000 }, renewed: false } })))
    }
    yield* kernel.undock(manifest.id)
  }
  yield* kernel.dock(coordinator(), { configured: true })
  return kernel
})

const ask = Effect.fnUntraced(function*(port: Port, seen: { cursor: number }, payload: coordination.Ask) {
  const [asked] = yield* port.append(coordination.requests, [{ kind: "request", payload }])
  for (;;) {
    const page = yield* port.read(coordination.replies, { after: seen.cursor, limit: 100 })
    seen.cursor = page.next
    const answer = page.events.find(({ correlationId }) => correlationId === asked!.id)
    if (answer === undefined) yield* port.awaitBeyond(coordination.replies, seen.cursor)
    else return answer.payload as unknown as coordination.Answer // what the coordinator answers
  }
})

/** A claim and its release, one after the other. */
const pairOf = (port: Port, id: string) => {
  const seen = { cursor: 0 }
  let at = 0
  return Effect.fnUntraced(function*() {
    const task = `${id}-${++at}`
    const claimed = yield* ask(port, seen, { verb: "claim", task, paths: [`src/${id}/${at}`] })
    if (!claimed.ok) return yield* Effect.die(new Error(claimed.message))
    yield* ask(port, seen, { verb: "release", task })
  })
}

const pairs = Effect.fnUntraced(function*({ count, directory, rounds }: Sized, where: "memory" | "strict") {
  const own = join(directory, where)
  mkdirSync(own)
  const kernel = yield* makeWorld(own, where)
  const askers = yield* Effect.forEach(Array.from({ length: askersMany }, (_, at) => `asker-${at}`), (id) =>
    Effect.map(dock(kernel, id, { reads: [coordination.replies], writes: [coordination.requests] }), (port) => pairOf(port, id)))
  const operations = count(where === "memory" ? 5_000 : 2_000, askersMany)
  const each = Math.ceil(operations / askersMany)
  const figures = yield* inTurns(rounds, {
    one: timedEach(count(where === "memory" ? 5_000 : 500, 2), askers[0]!),
    many: timed(each * askersMany, Effect.forEach(askers, (pair) => Effect.repeat(pair(), { times: each - 1 }), { concurrency: "unbounded", discard: true }))
  })
  return [
    rowOf({ ours: figures.one }, "rate", { id: `claim/pairs, ${where}, 1 asker`, what: `claim and release over the channels, ${where}, one asker` }),
    rowOf({ ours: figures.many }, "rate", { id: `claim/pairs, ${where}, 16 askers`, what: `claim and release over the channels, ${where}, 16 askers` })
  ]
})

/** Claim and release by one asker, beside few live claims and beside many. */
const flat = Effect.fnUntraced(function*({ count, directory, rounds }: Sized) {
  const live = count(100_000, 10)
  const pairBeside = Effect.fnUntraced(function*(name: string, claims: number) {
    const own = join(directory, name)
    mkdirSync(own)
    const kernel = yield* makeWorld(own, "memory", claims)
    return yield* Effect.map(dock(kernel, "asker", { reads: [coordination.replies], writes: [coordination.requests] }), (port) => pairOf(port, "asker"))
  })
  const sides = { few: yield* pairBeside("few", 0), ours: yield* pairBeside("many", live) }
  for (const pair of [sides.few, sides.ours]) yield* pair()
  const operations = count(4_000, 2)
  return yield* inTurns(rounds, { few: timedEach(operations, sides.few), ours: timedEach(operations, sides.ours) })
})

/** Killed over a long ledger, and back until the first answer. */
const restarts = Effect.fnUntraced(function*({ count, directory, programs, rounds, size }: Sized): Effect.fn.Return<ReadonlyArray<Row>> {
  const own = join(directory, "restart")
  mkdirSync(own)
  const entries = count(1_000_000, 2_000)
  yield* firstLine(programs.child, ["claims", own, String(entries)])
  const all: Array<Returned> = []
  for (let at = 0; at < Math.min(3, rounds); at++) {
    const returned = JSON.parse(yield* firstLine(programs.child, ["claims-again", own])) as Returned // what claim-child.ts prints
    if (returned.events < entries) return yield* Effect.die(new Error(`${returned.events} of ${entries} entries came back`))
    all.push(returned)
  }
  const of = (name: keyof Returned): number => median(all.map((returned) => returned[name]))
  const what = `coordinator back after kill -9 over ${entries.toLocaleString("en")} entries, right before it writes its state down`
  return [
    row({
      id: "claim/restart", what: `${what}, from the opened store to the first answer`, unit: "ms", lowerIsBetter: true, figure: of("readyMillis"), floor: { of: null, bar: 1_000 },
      cpuMicros: of("cpuSeconds") * 1e6, others: { openMillis: of("openMillis"), fastestMillis: Math.min(...all.map(({ readyMillis }) => readyMillis)), entries, kept: median(all.map(({ kept }) => kept)) }
    }),
    row({
      id: "claim/restart memory", what: `${what}: peak to steady memory`, unit: "x", lowerIsBetter: true,
      figure: median(all.map(({ peakBytes, steadyBytes }) => peakBytes / steadyBytes)), floor: { of: null, bar: 1.5 },
      others: { peakMegabytes: of("peakBytes") / 1e6, steadyMegabytes: of("steadyBytes") / 1e6 },
      ...(size === "full" ? {} : { note: "fewer entries than the bar is for" })
    })
  ]
})

export const claim = Effect.fnUntraced(function*(sized: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const { count, rounds } = sized
  const sizes = [0, 1_000, 10_000, 100_000].map((size) => count(size, 0))
  const operations = count(20_000, 20)
  const points = yield* inTurns(rounds, Object.fromEntries(sizes.map((size): [string, Side] => [`live${size}`, decisions(deskOf(size), operations)])))
  const p50 = (size: number): number => medianOf(points[`live${size}`]!, "p50Micros")
  const [, , tenThousand = 0, most = 0] = sizes
  const beside = yield* Effect.scoped(flat(sized))
  return [
    row({
      id: "claim/decision", what: `claim and release decided, ${tenThousand.toLocaleString("en")} live claims, p50`, unit: "us", lowerIsBetter: true, figure: p50(tenThousand),
      p99Micros: medianOf(points[`live${tenThousand}`]!, "p99Micros"), floor: { of: null, bar: 20 }, others: Object.fromEntries(sizes.map((size) => [`live${size}Micros`, p50(size)]))
    }),
    rowOf(beside, "p50Micros", {
      id: "claim/flat", what: `claim and release over the channels beside ${most.toLocaleString("en")} live claims, p50`, floor: { of: "few", bar: 1.5 }
    }),
    ...yield* Effect.scoped(pairs(sized, "memory")),
    ...yield* Effect.scoped(pairs(sized, "strict")),
    ...yield* restarts(sized)
  ]
})
