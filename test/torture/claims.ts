// Random histories of claims, renewals, releases, hand-offs, waits, expiries, clock jumps and restarts, held against a model
// that knows the live claims as a list and compares each with each: never two owners of what overlaps, epochs only grow.
import type { coordination } from "../../libos/index.ts"
import { normaliseScope, scopesOverlap } from "../../protocol/scope.ts"
import { Desk } from "../../modules/coordinator/desk.ts"
import type { LedgerEntry } from "../../modules/coordinator/fold.ts"
import { pagesOf, stateOfPages } from "../../modules/coordinator/pages.ts"
import { settle } from "../../modules/coordinator/state.ts"
import { makeTable, type Table } from "../kit/coordination.ts"
import { makeRandom, type Random } from "../kit/random.ts"
import { numbers, seconds, type Torment } from "./torment.ts"

export interface ClaimsReport {
  readonly operations: number
  readonly seed: number
  readonly millis: number
  readonly grants: number
  readonly refusals: number
  readonly expiries: number
  readonly handoffs: number
  readonly restarts: number
  /** Live claims of two holders that overlap. */
  readonly twoOwners: number
  /** Grants whose epoch is not larger than all before. */
  readonly epochsBack: number
  /** Answers that the model does not give. */
  readonly different: number
  /** Claims that ended before their time, or did not end in it. */
  readonly leasesWrong: number
  /** Times that somebody waited for itself, through whomever. */
  readonly circles: number
  readonly examples: ReadonlyArray<string>
  readonly ok: boolean
}

type Claim = coordination.Claim

/** Operations of one history: then all begins anew. */
const historyLength = 2_000

const words = ["src", "SRC", "lib", "a", "b", "a.ts", "*", "**", "*.ts", "a*", "docs"]
const seats = ["ann", "bob", "eve", "kim", "zoe"]
const tasks = Array.from({ length: 12 }, (_, at) => `t${at}`)

const pathsOf = (random: Random): ReadonlyArray<string> =>
  random.chance(0.05) ? [] : Array.from({ length: 1 + random.int(2) }, () => Array.from({ length: 1 + random.int(3) }, () => random.pick(words)).join(random.chance(0.1) ? "//" : "/"))

/** Where nobody says a worktree, and which of those that are said are the same. */
const folder = "/repo"
const trees: Readonly<Record<string, string>> = { "": "repo", "/repo//": "repo", "/Repo/./x/..": "repo", w: "w", W: "W", "/other": "other" }

const overlap = (a: Claim, b: Claim): boolean => trees[a.worktree] === trees[b.worktree] && a.mutex !== true && b.mutex !== true && scopesOverlap(a.paths, b.paths)

/** One history; `say` is told what is wrong. */
export class History {
  readonly live = new Map<string, Claim>()
  table: Table
  epoch = 0
  read = 0
  readonly random: Random
  readonly counts: { grants: number; refusals: number; expiries: number; handoffs: number; restarts: number; twoOwners: number; epochsBack: number; different: number; leasesWrong: number; circles: number }
  readonly say: (what: string) => void

  constructor(random: Random, counts: History["counts"], say: (what: string) => void) {
    this.random = random
    this.counts = counts
    this.say = say
    this.table = makeTable()
    settle(this.table.desk.state, folder)
    for (const seat of seats) this.table.get(seat, { verb: "beat" })
  }

  wrong(which: "twoOwners" | "epochsBack" | "different" | "leasesWrong" | "circles", what: string): void {
    this.counts[which]++
    this.say(`${which}: ${what}`)
  }

  get now(): number {
    return this.table.desk.now
  }

  /** What the ledger says now is what the model goes by; each entry has to be one that it allows. */
  follow(): void {
    const { ledger } = this.table
    for (; this.read < ledger.length; this.read++) this.enter(ledger[this.read]!)
    for (const claim of this.live.values()) if (claim.expiresAt <= this.now) this.wrong("leasesWrong", `${claim.task} is live after its time`)
  }

  enter({ kind, payload }: LedgerEntry): void {
    if (kind === "claimed" || kind === "handed") {
      const { claim } = payload
      this.counts[kind === "handed" ? "handoffs" : "grants"]++
      if (claim.epoch <= this.epoch) this.wrong("epochsBack", `${claim.task} has ${claim.epoch} after ${this.epoch}`)
      this.epoch = Math.max(this.epoch, claim.epoch)
      const before = this.live.get(claim.task)
      if (before !== undefined && before.holder !== claim.holder && kind === "claimed") this.wrong("twoOwners", `${claim.task} was ${before.holder}'s and is ${claim.holder}'s`)
      for (const other of this.live.values()) {
        if (other.task !== claim.task && other.holder !== claim.holder && overlap(other, claim)) {
          this.wrong("twoOwners", `${other.task} ${JSON.stringify(other.paths)} and ${claim.task} ${JSON.stringify(claim.paths)}`)
        }
      }
      this.live.set(claim.task, claim)
    } else if (kind === "released" || kind === "expired") {
      const claim = this.live.get(payload.task)
      if (claim === undefined) this.wrong("different", `${payload.task} ended and was not live`)
      else if (kind === "expired" && claim.expiresAt > this.now) this.wrong("leasesWrong", `${claim.task} lapsed ${claim.expiresAt - this.now} ms early`)
      if (kind === "expired") this.counts.expiries++
      this.live.delete(payload.task)
    } else if (kind === "updated" || kind === "checkpointed") this.live.set(payload.claim.task, payload.claim)
  }

  /** What the model says of a claim; nothing: it depends on who waits. */
  expected(seat: string, ask: { readonly task: string; readonly paths: ReadonlyArray<string>; readonly worktree: string; readonly mutex?: boolean }): string | undefined {
    if (this.table.desk.state.lines.size > 0) return undefined
    const at = Math.max(this.now, this.table.at)
    const live = [...this.live.values()].filter((claim) => claim.expiresAt > at)
    const mine = live.find((claim) => claim.task === ask.task)
    if (mine !== undefined && mine.holder !== seat) return "LEASE_LIVE"
    const wanted = { ...mine, ...ask, paths: normaliseScope(ask.paths) } as Claim
    const isMutex = ask.mutex ?? mine?.mutex ?? false
    const conflicts = !isMutex && live.some((claim) => claim.task !== ask.task && claim.holder !== seat && overlap(claim, { ...wanted, mutex: false }))
    return conflicts ? "SCOPE_CONFLICT" : "granted"
  }

  step(): void {
    const { random, table } = this
    const seat = random.pick(seats)
    const task = random.pick(tasks)
    const move = random.int(100)
    if (move < 45) {
      const ask = {
        task, paths: pathsOf(random), worktree: random.pick(["", "", "", "", "w", ...Object.keys(trees)]), ttlSeconds: random.pick([30, 60, 600]),
        ...(random.chance(0.1) ? { mutex: random.chance(0.7) } : {}), ...(random.chance(0.25) ? { wait: true } : {})
      }
      const expected = this.expected(seat, ask)
      const answer = table.ask(seat, { verb: "claim", ...ask })
      const said = answer === undefined ? "waits" : answer.ok ? "granted" : answer.code
      if (said !== "granted") this.counts.refusals++
      if (expected !== undefined && said !== expected && !(said === "waits" && expected !== "granted")) this.wrong("different", `${seat} ${JSON.stringify(ask)}: ${said}, not ${expected}`)
    } else if (move < 62) table.ask(seat, { verb: "release", task })
    else if (move < 70) table.ask(seat, { verb: "handoff", task, to: random.pick(seats) })
    else if (move < 76) table.ask(seat, { verb: "wait", task })
    else if (move < 80) table.ask(seat, { verb: "checkpoint", task, checkpoint: String(move) })
    else if (move < 84) table.ask(seat, { verb: "update", task, status: random.pick(["working", "done"]) })
    else if (move < 86) {
      table.ask(seat, { verb: "leave" })
      table.ask(seat, { verb: "beat" })
    } else if (move < 96) table.pass(random.int(30_000))
    // The clock of a request may lie behind: time does not go back for that.
    else if (move < 98) table.at -= random.int(120_000)
    else if (move < 99) table.pass(3_600_000)
    else this.restart()
    this.follow()
    if (random.chance(0.05)) this.lookForCircle()
  }

  restart(): void {
    this.counts.restarts++
    const before = [...this.table.desk.state.claims.values()]
    const { state } = this.table.desk
    if (this.random.chance(0.5)) this.table = this.table.again()
    else {
      const read = stateOfPages(pagesOf(state, { from: 0, to: 0 }, this.now).map(({ text }) => text).join(""))
      if (read === undefined) return this.wrong("different", "the state cannot be read")
      const { ledger } = this.table
      this.table = makeTable(new Desk(read.state), Math.max(this.now, this.table.at))
      ;(this.table.ledger as Array<LedgerEntry>).push(...ledger)
    }
    settle(this.table.desk.state, folder)
    const after = [...this.table.desk.state.claims.values()]
    if (JSON.stringify(before) !== JSON.stringify(after)) this.wrong("different", "a restart came back to other claims")
    this.table.at = Math.max(this.table.at, this.now)
    for (const seat of seats) this.table.get(seat, { verb: "beat" })
  }

  /** Who waits for whom, looked up one by one. */
  lookForCircle(): void {
    const { claims, lines } = this.table.desk.state
    const on = new Map<string, Set<string>>()
    for (const [task, line] of lines) {
      line.forEach((waiter, at) => {
        if (waiter.isIdle) return
        const ahead = on.get(waiter.system) ?? new Set<string>()
        on.set(waiter.system, ahead)
        const holder = claims.get(task)?.holder
        if (holder !== undefined) ahead.add(holder)
        for (const earlier of line.slice(0, at)) if (!earlier.isIdle && earlier.system !== waiter.system) ahead.add(earlier.system)
      })
    }
    for (const system of on.keys()) {
      const open = [...(on.get(system) ?? [])]
      const seen = new Set<string>()
      for (let next = open.pop(); next !== undefined; next = open.pop()) {
        if (next === system) return this.wrong("circles", `${system} waits for itself`)
        if (seen.has(next)) continue
        seen.add(next)
        open.push(...(on.get(next) ?? []))
      }
    }
  }
}

export const tormentClaims = (
  { onStep, operations, seed }: { readonly operations: number; readonly seed: number; readonly onStep?: (done: number) => void }
): ClaimsReport => {
  const random = makeRandom(seed)
  const counts = { grants: 0, refusals: 0, expiries: 0, handoffs: 0, restarts: 0, twoOwners: 0, epochsBack: 0, different: 0, leasesWrong: 0, circles: 0 }
  const examples: Array<string> = []
  const began = performance.now()
  let history: History | undefined
  for (let done = 0; done < operations; done++) {
    if (history === undefined || done % historyLength === 0) {
      history = new History(random, counts, (what) => examples.length < 10 && examples.push(`${done}: ${what}`))
      onStep?.(done)
    }
    history.step()
  }
  return {
    operations, seed, millis: Math.round(performance.now() - began), ...counts, examples,
    ok: counts.twoOwners + counts.epochsBack + counts.different + counts.leasesWrong + counts.circles === 0
  }
}

/** `npm run torture -- --claims OPERATIONS`. */
export const claimsTorment: Torment = {
  option: "claims",
  argument: "OPERATIONS",
  says: "holds so many random claims, releases, hand-offs, waits, expiries, clock jumps and restarts against a simple model",
  run: async ({ count, progress, seed }) => {
    const report = tormentClaims({ operations: count, seed, onStep: (done) => progress(`${done}/${count}`) })
    return {
      report,
      lines: [
        `${report.operations} operations in ${seconds(report.millis)}: ${report.grants} grants, ${report.refusals} refusals and waits, ${report.handoffs} hand-offs, ${report.expiries} expiries, ${report.restarts} restarts`,
        ...numbers(report, "twoOwners", "epochsBack", "different", "leasesWrong", "circles"),
        ...report.examples.map((example) => `wrong: ${example}`)
      ]
    }
  }
}
