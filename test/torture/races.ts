// Races for the last of something: requesters that ask at the same time, in an order that a seed chooses, through the real
// journal on a store in memory that answers late and fails. However they meet, one of them gets it and the others do not.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Caveats, Grant } from "../../protocol/authority.ts"
import type { Executor } from "../../protocol/executor.ts"
import { decideAction } from "../../kernel/authority/decide/action.ts"
import { decideAnswer } from "../../kernel/authority/decide/answer.ts"
import { decideBudget } from "../../kernel/authority/decide/budget.ts"
import { decideDelegateFor, decideIssue, decideRevoke } from "../../kernel/authority/decide/delegate.ts"
import type { Decision, Rules } from "../../kernel/authority/decide/decision.ts"
import { decideDock } from "../../kernel/authority/decide/system.ts"
import { decideFinish } from "../../kernel/authority/decide/warrant.ts"
import type { RequestReference } from "../../kernel/authority/entry.ts"
import * as Journal from "../../kernel/authority/journal.ts"
import { lookup } from "../../kernel/authority/state/state.ts"
import * as Channels from "../../kernel/channel/channels.ts"
import { makeClock } from "../../kernel/clock.ts"
import { canonical } from "../../kernel/guard/canonical.ts"
import { makePolicy } from "../../kernel/guard/policy.ts"
import * as Granted from "../../kernel/policy/granted.ts"
import { sha256Bytes, sha256Hex } from "../../kernel/power/digest.ts"
import * as Memory from "../../kernel/store/memory.ts"
import { testTime } from "../../kernel/testing.ts"
import { makeRandom, type Random } from "../kit/random.ts"
import { numbers, seconds, type Torment } from "./torment.ts"

const executors: ReadonlyArray<Executor> = [
  { name: "x", description: "", risk: "low", recovery: "none", perform: () => Effect.void },
  { name: "final", description: "", risk: "irreversible", recovery: "none", perform: () => Effect.void },
  { name: "costly", description: "", risk: "low", recovery: "none", cost: () => ({ tokens: 7 }), perform: () => Effect.void }
]
const rules: Rules = {
  policy: makePolicy([Granted.rule]), digestOf: (value) => sha256Hex(canonical(value)), executor: (name) => executors.find((executor) => executor.name === name)
}
const requesters = ["one", "two", "three"] as const

/** Where races are run: the journal, and what it has started. */
interface Arena {
  readonly random: Random
  readonly submit: <A>(decision: Decision<A>) => Promise<A>
  readonly state: Journal.Journal["state"]
  readonly reference: (system: string) => RequestReference
  /** How many of these warrants were started. */
  readonly started: (warrants: ReadonlyArray<string>) => number
  /** So many turns of the event loop's queue, so that those who race do not always come in the same order. */
  readonly pause: () => Promise<void>
}

const isGrant = (made: object): made is Grant => "id" in made

const issue = async ({ submit }: Arena, to: string, resource: string, caveats: Caveats): Promise<string> => {
  const made = await submit(decideIssue("operator", { to, resource, access: "execute", caveats }))
  if (!isGrant(made)) throw new Error(made.reason)
  return made.id
}

/** Everybody gets a part of one grant, and uses it at the same time: answers how many actions were started. */
const useTogether = async (arena: Arena, caveats: Caveats): Promise<number> => {
  const { pause, random, reference, started, state, submit } = arena
  const root = await issue(arena, "one", "x", caveats)
  const warrants = await Promise.all(random.shuffle(requesters).map(async (system) => {
    // One of them uses the root itself, the others what was made of it, at some depth.
    let token = root
    for (let depth = system === "one" ? 0 : 1 + random.int(2); depth > 0; depth--) {
      const child = await submit(decideDelegateFor("operator", { token, to: system }))
      if (!isGrant(child)) throw new Error(child.reason)
      token = child.id
    }
    await pause()
    const asked = reference(system)
    await submit(decideAction(rules, asked, { action: "race", executor: "x", target: "", capability: token, risk_level: "low" }))
    return asked.request
  }))
  const winners = started(warrants)
  if (lookup(state().grants, root)?.uses !== winners) throw new Error(`${root} says that it was used ${lookup(state().grants, root)?.uses} times, and it was used ${winners} times`)
  for (const id of warrants) await submit(decideFinish(id, 1, { outcome: "succeeded", reason: "", result: null, resultArtifact: null }))
  await submit(decideRevoke(root))
  return winners
}

/** Everybody has a grant of its own, and all draw from one account that covers one call: answers how many were started. */
const spendTogether = async (arena: Arena): Promise<number> => {
  const { pause, random, reference, started, state, submit } = arena
  await submit(decideBudget("*", { limits: { tokens: 7 + random.int(7) } }, "operator"))
  const grants = await Promise.all(requesters.map((system) => issue(arena, system, "costly", {})))
  const warrants = await Promise.all(random.shuffle(requesters.map((system, at) => [system, grants[at]!] as const)).map(async ([system, token]) => {
    await pause()
    const asked = reference(system)
    await submit(decideAction(rules, asked, { action: "race", executor: "costly", target: "", capability: token, risk_level: "low" }))
    return asked.request
  }))
  const winners = started(warrants)
  const held = lookup(state().budgets, "*")?.reserved.tokens ?? 0
  if (held !== 7 * winners) throw new Error(`${held} tokens are held for ${winners} calls of 7`)
  for (const id of warrants) await submit(decideFinish(id, 1, { outcome: "succeeded", reason: "", result: null, resultArtifact: null }))
  await submit(decideBudget("*", null, "operator"))
  for (const token of grants) await submit(decideRevoke(token))
  return winners
}

/** Several humans answer one question at the same time: answers how often it was started. */
const answerTogether = async (arena: Arena): Promise<number> => {
  const { pause, random, reference, started, state, submit } = arena
  const asked = reference("one")
  const root = await issue(arena, "one", "final", {})
  await submit(decideAction(rules, asked, { action: "race", executor: "final", target: "", capability: root, risk_level: "low" }))
  if (lookup(state().warrants, asked.request)?.state !== "escalated") throw new Error("it did not wait for a human")
  await Promise.all(random.shuffle(["ada", "ben", "eve"]).map(async (human) => {
    await pause()
    await submit(decideAnswer(rules, asked.request, human, "approved", ""))
  }))
  const starts = started([asked.request])
  await submit(decideFinish(asked.request, 1, { outcome: "succeeded", reason: "", result: null, resultArtifact: null }))
  await submit(decideRevoke(root))
  return starts
}

/** Two of these have to agree, and one of them says yes twice: answers how often it was started. */
const agreeTogether = async (arena: Arena): Promise<number> => {
  const { pause, random, reference, started, state, submit } = arena
  const asked = reference("one")
  const root = await issue(arena, "one", "final", {})
  const inTwos: Rules = { ...rules, quorum: { irreversible: 2 } }
  await submit(decideAction(inTwos, asked, { action: "race", executor: "final", target: "", capability: root, risk_level: "low" }))
  await submit(decideAnswer(inTwos, asked.request, "ada", "approved", ""))
  if (started([asked.request]) > 0) throw new Error("one approver was enough")
  await Promise.all(random.shuffle(["ada", "ada", "ben", "eve"]).map(async (human) => {
    await pause()
    await submit(decideAnswer(inTwos, asked.request, human, "approved", ""))
  }))
  const starts = started([asked.request])
  const by = new Set(lookup(state().warrants, asked.request)?.approvals?.map((approval) => approval.by))
  if (by.size !== 2 || !by.has("ada")) throw new Error(`it was approved by ${[...by].join(", ")}`)
  await submit(decideFinish(asked.request, 1, { outcome: "succeeded", reason: "", result: null, resultArtifact: null }))
  await submit(decideRevoke(root))
  return starts
}

/** One more of the same is allowed, and several ask: answers how many were started. */
const allowedTogether = async (arena: Arena): Promise<number> => {
  const { pause, random, reference, started, state, submit } = arena
  const root = await issue(arena, "one", "final", {})
  const ask = async (target: string): Promise<string> => {
    const asked = reference("one")
    await submit(decideAction(rules, asked, { action: "race", executor: "final", target, capability: root, risk_level: "low" }))
    return asked.request
  }
  const first = await ask("a/0")
  await submit(decideAnswer(rules, first, "ada", "approved", "", undefined, { millis: 60_000, target: "a/*", uses: 1 }))
  const warrants = await Promise.all(random.shuffle(["a/1", "a/2", "a/3"]).map(async (target) => {
    await pause()
    return ask(target)
  }))
  const winners = started(warrants)
  for (const id of [first, ...warrants]) {
    if (lookup(state().warrants, id)?.state === "escalated") await submit(decideAnswer(rules, id, "ada", "refused", ""))
    else await submit(decideFinish(id, 1, { outcome: "succeeded", reason: "", result: null, resultArtifact: null }))
  }
  await submit(decideRevoke(root))
  return winners
}

/** What is raced for, and how many got it: always one. */
export const races = {
  "last use": (arena: Arena) => useTogether(arena, { usesMax: 1 }),
  "last start of a rate": (arena: Arena) => useTogether(arena, { rate: { count: 1, perMillis: 60_000 } }),
  "last unit of a budget": (arena: Arena) => useTogether(arena, { budget: { actions: 1 } }),
  "last tokens of all systems": spendTogether,
  "one approval": answerTogether,
  "the last of two approvers": agreeTogether,
  "last use of a standing approval": allowedTogether
} as const
export type RaceName = keyof typeof races

export interface RaceReport {
  readonly race: RaceName
  readonly races: number
  readonly seed: number
  readonly millis: number
  readonly doubleWinners: number
  readonly noWinners: number
  readonly ok: boolean
}

const faults = { failedKept: 0.05, failedLost: 0.05, failedLate: 0.05, latencyMillisMax: 0 }

interface Won {
  readonly doubleWinners: number
  readonly noWinners: number
}

/** Races on one store; a hostile one also loses answers, and keeps what it said it did not. */
const run = async (name: RaceName, count: number, seed: number, isHostile: boolean, onRace: (done: number) => void): Promise<Won> => {
  const scope = Scope.makeUnsafe()
  try {
    const random = makeRandom(seed)
    const clock = makeClock(testTime())
    const journal = await Effect.runPromise(Scope.provide(Effect.gen(function*() {
      const store = yield* Memory.make({ clock, ...(isHostile ? { hostile: { seed, ...faults } } : {}) })
      let made: Journal.Journal | undefined
      const channels = yield* Channels.make({ store, clock, boot: () => made?.state().boot ?? 0 })
      made = yield* Effect.orDie(Journal.make({ channels, canonical, sha256: sha256Hex, sha256Bytes, kernel: "races", version: "0", durability: "strict" }))
      return made
    }), scope))
    const starts = new Map<string, number>()
    journal.onCommitted((entries) => {
      for (const { entry } of entries) {
        const id = entry.kind === "action.decided" && entry.warrant.state === "started" ? entry.warrant.id : entry.kind === "warrant.started" ? entry.warrant : undefined
        if (id !== undefined) starts.set(id, (starts.get(id) ?? 0) + 1)
      }
    })
    let requests = 0
    const arena: Arena = {
      random,
      submit: async (decision) => (await Effect.runPromise(journal.submit(decision))).answer,
      state: journal.state,
      reference: (system) => {
        requests++
        return { request: `r${requests}`, requestCursor: requests, channel: "aaax.action-gate", system, floor: Math.max(0, requests - 16) }
      },
      started: (warrants) => warrants.reduce((sum, id) => sum + (starts.get(id) ?? 0), 0),
      pause: async () => {
        for (let turns = random.int(4); turns > 0; turns--) await (random.chance(0.2) ? new Promise((resolve) => setImmediate(resolve)) : Promise.resolve())
      }
    }
    for (const system of requesters) {
      await arena.submit(decideDock(rules, {
        system, manifest: system.padEnd(64, "0"), framework: "esm", privileged: false, configured: true, reads: [], writes: [], takes: [], provides: [],
        executors: [], remoteChannels: [], powers: [], module: undefined
      }))
    }
    let doubleWinners = 0
    let noWinners = 0
    for (let done = 0; done < count; done++) {
      const winners = await races[name](arena)
      if (winners > 1) doubleWinners++
      if (winners < 1) noWinners++
      starts.clear()
      onRace(done + 1)
    }
    return { doubleWinners, noWinners }
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

/** One race of so many is run on a hostile store, which takes its time. */
const hostileEvery = 20

/** Races of one kind, `count` times. The same seed gives the same pauses and the same faults. */
export const race = async (
  name: RaceName, { count, onRace = () => undefined, seed }: { readonly count: number; readonly seed: number; readonly onRace?: (done: number) => void }
): Promise<RaceReport> => {
  const began = performance.now()
  const hostile = Math.ceil(count / hostileEvery)
  const plain = await run(name, count - hostile, seed, false, onRace)
  const beset = await run(name, hostile, seed, true, (done) => onRace(count - hostile + done))
  const doubleWinners = plain.doubleWinners + beset.doubleWinners
  const noWinners = plain.noWinners + beset.noWinners
  return { race: name, races: count, seed, millis: Math.round(performance.now() - began), doubleWinners, noWinners, ok: doubleWinners + noWinners === 0 }
}

/** `npm run torture -- --races COUNT`. */
export const racesTorment: Torment = {
  option: "races",
  argument: "COUNT",
  says: "lets requesters race COUNT times each for the last use, the last start of a rate, the last unit of a budget, the last tokens of all systems, one approval, the last of two approvers, and the last use of a standing approval",
  run: async ({ count, progress, seed }) => {
    const reports: Array<RaceReport> = []
    // The keys of the table.
    for (const name of Object.keys(races) as ReadonlyArray<RaceName>) {
      reports.push(await race(name, { count, seed, onRace: (done) => done % 100 === 0 && progress(`${name}: ${done}/${count}`) }))
    }
    return {
      report: { ok: reports.every(({ ok }) => ok), races: reports },
      lines: reports.flatMap((report) => [`${report.race}: ${report.races} races in ${seconds(report.millis)}`, ...numbers(report, "doubleWinners", "noWinners")])
    }
  }
}
