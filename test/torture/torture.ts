// The torturer: starts the tortured process, kills it with -9, starts it again, and in the end compares what was
// acknowledged with what the store and the world hold.
import { spawn } from "node:child_process"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { expectation, points, type Instructions, type Told } from "./terms.ts"

export interface TortureOptions {
  /** The bundled `world.ts`. */
  readonly world: string
  readonly cycles: number
  readonly seed: number
  readonly onCycle?: (cycle: number, killedAt: string) => void
}

export interface TortureReport {
  readonly cycles: number
  readonly seed: number
  readonly millis: number
  /** Kills at each named point and at random moments. */
  readonly kills: Readonly<Record<string, number>>
  readonly pieces: number
  readonly effects: number
  readonly acknowledged: { readonly events: number; readonly receipts: number }
  readonly eventsLost: number
  readonly effectsDoubled: number
  readonly effectsUnauthorized: number
  readonly receiptsWithoutEffect: number
  readonly tasksLost: number
  readonly factsDoubled: number
  /** Requests whose verdict or receipt was told more than once, or never. */
  readonly repliesWrong: number
  /** Outcomes that nobody knew after a kill; all were reconciled by looking at the file. */
  readonly unknown: { readonly listed: number; readonly reconciled: number; readonly left: number }
  readonly chainVerified: boolean
  readonly storeProblems: ReadonlyArray<string>
  readonly ok: boolean
}

/** A small seeded generator (mulberry32). */
const random = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface Run {
  readonly told: ReadonlyArray<Told>
  readonly killed: boolean
  readonly errors: string
}

/** One life of the tortured process. It is killed after `killAfterMillis` of work unless it dies before. */
const live = (world: string, given: Instructions, killAfterMillis: number | undefined): Promise<Run> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [world, JSON.stringify(given)], { stdio: ["ignore", "pipe", "pipe"] })
    const told: Array<Told> = []
    let errors = ""
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
    let timer: NodeJS.Timeout | undefined
    // A process that neither dies nor works is a failure of its own.
    const tooLong = setTimeout(() => child.kill("SIGKILL"), 120_000)
    const lines = createInterface({ input: child.stdout })
    lines.on("line", (line) => {
      // A kill may cut the last line.
      let one: Told
      try {
        one = JSON.parse(line) as Told
      } catch {
        return
      }
      told.push(one)
      if (one.told === "boot" && killAfterMillis !== undefined) timer = setTimeout(() => child.kill("SIGKILL"), killAfterMillis)
    })
    child.on("error", reject)
    child.on("close", (_, signal) => {
      clearTimeout(timer)
      clearTimeout(tooLong)
      resolve({ told, killed: signal === "SIGKILL", errors })
    })
  })

export const torture = async (options: TortureOptions): Promise<TortureReport> => {
  const begun = Date.now()
  const next = random(options.seed)
  const directory = mkdtempSync(join(tmpdir(), "aaax-torture-"))
  const store = join(directory, "kernel.db")
  const effects = join(directory, "effects.txt")
  writeFileSync(effects, "")
  const kills: Record<string, number> = { random: 0, ...Object.fromEntries(points.map((point) => [point, 0])) }
  const notes = new Map<number, string>()
  const tasks = new Map<number, string>()
  const requests = new Map<number, string>()
  const receipts = new Map<number, string>()
  const pieces = new Set<number>()
  let chainVerified = true
  let listed = 0
  let reconciled = 0
  let end: Extract<Told, { readonly told: "end" }> | undefined
  let changed = 0

  const hear = (run: Run): void => {
    // An acknowledged id must be the same whenever the same piece is repeated.
    const keep = (map: Map<number, string>, n: number, id: string): void => {
      if (map.has(n) && map.get(n) !== id) changed++
      map.set(n, id)
    }
    for (const one of run.told) {
      switch (one.told) {
        case "boot":
          chainVerified &&= one.chain
          break
        case "begin":
          pieces.add(one.n)
          break
        case "note":
          keep(notes, one.n, one.id)
          break
        case "task":
          keep(tasks, one.n, one.id)
          break
        case "request":
          keep(requests, one.n, one.id)
          break
        case "reply":
          receipts.set(one.n, one.kind)
          break
        case "unknown":
          listed++
          reconciled++
          break
        case "end":
          chainVerified &&= one.chain
          end = one
          break
      }
    }
  }
  const open = (): ReadonlyArray<number> => [...pieces].filter((n) => !receipts.has(n))
  const following = (): number => Math.max(-1, ...pieces) + 1

  for (let cycle = 0; cycle < options.cycles; cycle++) {
    const point = cycle % (points.length + 1) === points.length ? undefined : points[cycle % (points.length + 1)]
    const run = await live(options.world, {
      store, effects, ...(point === undefined ? {} : { point }), countdown: 1 + Math.floor(next() * 6), open: open(), next: following(), finish: false
    }, point === undefined ? Math.floor(next() * 250) : undefined)
    if (!run.killed) throw new Error(`the tortured process ended by itself in cycle ${cycle}: ${run.errors}`)
    hear(run)
    kills[point ?? "random"]!++
    options.onCycle?.(cycle + 1, point ?? "random")
  }
  const last = await live(options.world, { store, effects, countdown: 0, open: open(), next: following(), finish: true }, undefined)
  if (end === undefined) hear(last)
  if (end === undefined) throw new Error(`the last run did not end: ${last.errors}`)

  const lines = (existsSync(effects) ? readFileSync(effects, "utf8") : "").split("\n").filter((line) => line !== "")
  const perWarrant = new Map<string, number>()
  for (const line of lines) perWarrant.set(line, (perWarrant.get(line) ?? 0) + 1)
  const started = new Set(end.started)
  const replies = new Map(end.replies)
  const numberOf = new Map([...requests].map(([n, id]) => [id, n]))
  const forbidden = (id: string): boolean => {
    const n = numberOf.get(id)
    return !started.has(id) || (n !== undefined && ["refused", "forged"].includes(expectation(n)))
  }
  const held = new Set([...end.notes, ...end.tasks])
  const factsPerTask = new Map<string, number>()
  for (const task of end.facts) factsPerTask.set(task, (factsPerTask.get(task) ?? 0) + 1)
  const wrong = (id: string): boolean => {
    const kinds = replies.get(id) ?? []
    const verdicts = kinds.filter((kind) => kind === "action_approved" || kind === "action_denied")
    const ends = kinds.filter((kind) => kind === "action_completed" || kind === "action_failed")
    return verdicts.length !== 1 || (verdicts[0] === "action_approved" ? ends.length !== 1 : ends.length !== 0)
  }
  const report = {
    cycles: options.cycles,
    seed: options.seed,
    millis: Date.now() - begun,
    kills,
    pieces: pieces.size,
    effects: lines.length,
    acknowledged: { events: notes.size + tasks.size + requests.size, receipts: receipts.size },
    eventsLost: changed + [...notes.values(), ...tasks.values()].filter((id) => !held.has(id)).length,
    effectsDoubled: [...perWarrant.values()].filter((count) => count > 1).length,
    effectsUnauthorized: [...perWarrant.keys()].filter(forbidden).length,
    receiptsWithoutEffect: [...receipts].filter(([n, kind]) => kind === "action_completed" && !perWarrant.has(requests.get(n) ?? "")).length,
    tasksLost: end.tasks.filter((id) => !factsPerTask.has(id)).length,
    factsDoubled: [...factsPerTask.values()].filter((count) => count > 1).length,
    repliesWrong: [...requests.values()].filter(wrong).length,
    unknown: { listed, reconciled, left: end.unknown.length },
    chainVerified,
    storeProblems: end.problems
  }
  rmSync(directory, { recursive: true, force: true })
  return {
    ...report,
    ok: report.eventsLost + report.effectsDoubled + report.effectsUnauthorized + report.receiptsWithoutEffect + report.tasksLost +
        report.factsDoubled + report.repliesWrong + report.unknown.left + report.storeProblems.length === 0 && chainVerified
  }
}
