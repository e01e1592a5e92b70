// Laws of budgets over random histories: nothing is started that an account does not cover, what is held is settled or
// belongs to an open action, and an observer that knows the entries alone comes to the same numbers as the fold.
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import { describe, expect, it } from "vitest"
import { budgetUnits, type BudgetUnit, type Cost, type Limits } from "../../protocol/budget.ts"
import type { Executor } from "../../protocol/executor.ts"
import { decideAction } from "../../kernel/authority/decide/action.ts"
import { decideAnswer } from "../../kernel/authority/decide/answer.ts"
import { decideBudget } from "../../kernel/authority/decide/budget.ts"
import { decideDelegateFor, decideIssue, decideRevoke } from "../../kernel/authority/decide/delegate.ts"
import type { Decision, Rules } from "../../kernel/authority/decide/decision.ts"
import { decideDock } from "../../kernel/authority/decide/system.ts"
import { decideFinish, decideReconcile, decideRestart } from "../../kernel/authority/decide/warrant.ts"
import type { Entry } from "../../kernel/authority/entry.ts"
import { freeze, thaw, type FrozenState } from "../../kernel/authority/state/frozen.ts"
import { initial, type AuthorityState, type Placed } from "../../kernel/authority/state/state.ts"
import { step } from "../../kernel/authority/state/step.ts"
import { canonical } from "../../kernel/guard/canonical.ts"
import { makePolicy } from "../../kernel/guard/policy.ts"
import * as Granted from "../../kernel/policy/granted.ts"
import { sha256Hex } from "../../kernel/power/digest.ts"
import { makeRandom, type Random } from "../kit/random.ts"

const systems = ["a", "a/b", "a/b/c", "d"] as const
const globs = ["*", "a", "a/*", "d"] as const
const cost = ({ payload }: { readonly payload: unknown }): Cost => (payload as { readonly cost: Cost }).cost
const executors: ReadonlyArray<Executor> = [
  { name: "model", description: "", risk: "low", recovery: "idempotent", timeoutMillis: 10, cost, perform: () => Effect.void },
  { name: "asked", description: "", risk: "high", recovery: "none", timeoutMillis: 10, cost, perform: () => Effect.void },
  { name: "plain", description: "", risk: "low", recovery: "none", timeoutMillis: 10, perform: () => Effect.void }
]
const rules: Rules = {
  policy: makePolicy([Granted.rule]), digestOf: (value) => sha256Hex(canonical(value)), executor: (name) => executors.find((executor) => executor.name === name)
}

type Amounts = { [Unit in BudgetUnit]?: number }
/** The observer's account. `excess`: by how much it may be above its limit: overruns, and limits that were lowered. */
interface Book {
  limits: Limits
  spent: Amounts
  reserved: Amounts
  excess: Amounts
}

const add = (to: Amounts, cost: Cost, sign = 1, ...without: ReadonlyArray<BudgetUnit>): void => {
  for (const unit of budgetUnits) if (!without.includes(unit)) to[unit] = (to[unit] ?? 0) + sign * (cost[unit] ?? 0)
}
const amounts = (cost: Amounts): Amounts => Object.fromEntries(budgetUnits.map((unit) => [unit, cost[unit] ?? 0]))

const makeWorld = (random: Random) => {
  let state: AuthorityState = initial
  let now = 1_000
  let requests = 0
  const log: Array<Placed> = []
  const books = new Map<string, Book>()
  const open = new Map<string, { readonly charged: ReadonlyArray<string>; held: Amounts }>()
  const grants: Array<string> = []
  const stats = { started: 0, refused: 0, overran: 0, settled: 0 }

  const started = (warrant: string, charged: ReadonlyArray<string> | undefined, reserved: Cost | undefined): void => {
    stats.started++
    if (charged === undefined || reserved === undefined) return
    open.set(warrant, { charged, held: { ...reserved } })
    for (const id of charged) {
      const book = books.get(id)!
      add(book.reserved, reserved)
      for (const unit of budgetUnits) {
        const limit = book.limits[unit]
        if (limit === undefined) continue
        // No excess helps: what is started is covered there and then.
        const drawn = (book.spent[unit] ?? 0) + (book.reserved[unit] ?? 0)
        if (drawn > limit) expect.fail(`${warrant} was started, and ${id} does not cover its ${unit}: ${drawn} of ${limit}`)
      }
    }
  }

  const observe = (entry: Entry): void => {
    if (entry.kind === "budget.set") {
      const id = `system:${entry.system}`
      const book = books.get(id) ?? { limits: {}, spent: {}, reserved: {}, excess: {} }
      if (entry.limits === null) Object.assign(book, { limits: {}, spent: {}, excess: {} })
      else {
        book.limits = entry.limits
        for (const unit of budgetUnits) book.excess[unit] = Math.max(0, (book.spent[unit] ?? 0) + (book.reserved[unit] ?? 0) - (entry.limits[unit] ?? Infinity))
      }
      books.set(id, book)
    }
    if (entry.kind === "grant.issued" && entry.grant.caveats.budget !== undefined) books.set(`grant:${entry.grant.id}`, { limits: entry.grant.caveats.budget, spent: {}, reserved: {}, excess: {} })
    if (entry.kind === "grants.ended") {
      const fallen = new Set<string>(entry.grants)
      for (const { grant } of HashMap.values(state.grants)) {
        for (let up: string | null = grant.id; up !== null; ) {
          if (fallen.has(up)) fallen.add(grant.id)
          const above: Placed["entry"] | undefined = log.find(({ entry: one }) => one.kind === "grant.issued" && one.grant.id === up)?.entry
          up = above?.kind === "grant.issued" ? above.grant.parent : null
        }
      }
      for (const id of fallen) {
        const book = books.get(`grant:${id}`)
        if (book !== undefined) Object.assign(book, { limits: {}, spent: {}, excess: {} })
      }
    }
    if (entry.kind === "action.decided" && entry.warrant.state === "denied") stats.refused++
    if (entry.kind === "action.decided" && entry.warrant.state === "started") started(entry.warrant.id, entry.warrant.charged, entry.warrant.reserved)
    if (entry.kind === "warrant.started" && entry.attempt === 1) started(entry.warrant, entry.charged, entry.reserved)
    if (entry.kind === "warrant.finished") {
      const held = open.get(entry.warrant)
      if (held === undefined) return
      const isUnknown = entry.outcome === "unknown"
      for (const id of held.charged) {
        const book = books.get(id)!
        if (isUnknown) add(book.reserved, { concurrency: held.held.concurrency ?? 0 }, -1)
        else {
          add(book.reserved, held.held, -1)
          if (Object.keys(book.limits).length > 0) add(book.spent, entry.spent ?? {}, 1, "concurrency")
          if (entry.overrun !== undefined && Object.keys(book.limits).length > 0) add(book.excess, entry.overrun)
        }
      }
      if (entry.overrun !== undefined) stats.overran++
      if (isUnknown) held.held = { ...held.held, concurrency: 0 }
      else {
        open.delete(entry.warrant)
        stats.settled++
      }
    }
  }

  const submit = <A>(decision: Decision<A>): A => {
    const isWatched = random.chance(0.05)
    const before = isWatched ? canonical(freeze(state)) : ""
    const decided = decision(state, now)
    if (isWatched) {
      expect(decision(state, now), "the same question had two answers").toEqual(decided)
      expect(canonical(freeze(state)), "a decision changed the state that it was asked about").toBe(before)
    }
    for (const entry of decided.entries) {
      observe(entry)
      const placed = { cursor: log.length + 1, hash: `h${log.length}`, entry: JSON.parse(JSON.stringify(entry)) as Entry }
      log.push(placed)
      state = step(state, placed)
    }
    return decided.answer
  }

  const check = (): void => {
    const accounts = new Map([...HashMap.values(state.budgets), ...HashMap.values(state.accounts)].map((account) => [account.id, account]))
    for (const [id, book] of books) {
      const account = accounts.get(id)
      for (const unit of budgetUnits) {
        const [spent, reserved, limit] = [book.spent[unit] ?? 0, book.reserved[unit] ?? 0, book.limits[unit]]
        if ((account?.reserved[unit] ?? 0) !== reserved) expect.fail(`${id} holds ${account?.reserved[unit] ?? 0} ${unit}, and the entries say ${reserved}`)
        if ((account?.spent[unit] ?? 0) !== spent) expect.fail(`${id} has spent ${account?.spent[unit] ?? 0} ${unit}, and the entries say ${spent}`)
        if (limit !== undefined && spent + reserved > limit + (book.excess[unit] ?? 0)) expect.fail(`${id} is above its limit of ${limit} ${unit}: ${spent} + ${reserved}`)
      }
    }
    const held = [...HashMap.values(state.warrants)].filter(({ charged, state: one }) => charged !== undefined && one !== "escalated").map(({ id }) => id)
    expect(held.sort(), "what is held belongs to an action that is open").toEqual([...open.keys()].sort())
  }

  return {
    random, submit, check, log, grants, stats, open, state: () => state,
    advance: () => (now += 1 + random.int(50)),
    reference: (system: string) => ({ request: `r${++requests}`, requestCursor: requests, channel: "aaax.action-gate", system, floor: Math.max(0, requests - 20) }),
    boot: () => submit((before, at) => ({ entries: [{ kind: "kernel.booted", at, boot: before.boot + 1, kernel: "law", version: "0" }], answer: undefined }))
  }
}

const limitsOf = (random: Random): Limits => ({
  ...(random.chance(0.6) ? { tokens: random.int(200) } : {}), ...(random.chance(0.3) ? { microdollars: random.int(150) } : {}),
  ...(random.chance(0.2) ? { actions: random.int(30) } : {}), ...(random.chance(0.2) ? { concurrency: 1 + random.int(5) } : {}),
  ...(random.chance(0.2) ? { millis: random.int(400) } : {})
})
const costOf = (random: Random): Cost => ({ ...(random.chance(0.8) ? { tokens: random.int(15) } : {}), ...(random.chance(0.4) ? { microdollars: random.int(9) } : {}) })

const turn = (world: ReturnType<typeof makeWorld>): void => {
  const { grants, random, reference, state, submit } = world
  const warrants = [...HashMap.values(state().warrants)]
  const warrant = warrants.length === 0 ? undefined : random.pick(warrants)
  world.advance()
  switch (random.int(12)) {
    case 0:
      return void submit(decideBudget(random.pick(globs), random.chance(0.2) ? null : { limits: limitsOf(random) }, "operator"))
    case 1: {
      const budget = limitsOf(random)
      const made = grants.length === 0 || random.chance(0.5)
        ? submit(decideIssue("operator", { to: random.pick(systems), resource: random.pick(executors).name, access: "execute", caveats: random.chance(0.7) ? { budget } : {} }))
        : submit(decideDelegateFor("operator", { token: random.pick(grants), to: random.pick(systems), caveats: random.chance(0.7) ? { budget: { ...budget } } : {} }))
      if ("id" in made) grants.push(made.id)
      return
    }
    case 2:
      return grants.length === 0 || random.chance(0.7) ? undefined : void submit(decideRevoke(random.pick(grants)))
    case 3:
      return warrant === undefined ? undefined : void submit(decideAnswer(rules, warrant.id, "operator", random.pick(["approved", "approved", "refused"]), ""))
    case 4:
    case 5:
    case 6:
      return warrant === undefined ? undefined : void submit(decideFinish(warrant.id, warrant.attempt, {
        outcome: random.pick(["succeeded", "succeeded", "failed", "unknown"]), reason: "", result: null, resultArtifact: null,
        ...(random.chance(0.6) ? { spent: random.chance(0.1) ? { nonsense: 1 } : random.chance(0.2) ? { tokens: random.int(80) } : costOf(random) } : {}),
        ...(random.chance(0.8) ? { millis: random.int(14) } : {}), isFree: random.chance(0.1)
      }))
    case 7:
      return warrant === undefined ? undefined : void submit(decideReconcile(warrant.id, "operator", random.pick(["succeeded", "failed"]), "law"))
    case 8:
      if (random.chance(0.3)) world.boot()
      for (const { id } of warrants) if (random.chance(0.5)) submit(decideRestart(id, "perhaps"))
      return
    default: {
      if (grants.length === 0) return
      const id = random.pick(grants)
      const grant = [...HashMap.values(state().grants)].find((held) => held.grant.id === id)?.grant
      if (grant === undefined) return
      submit(decideAction(rules, reference(grant.holder), {
        action: "do", executor: grant.resource, target: "t", payload: { cost: costOf(random) }, capability: id, risk_level: "low"
      }))
    }
  }
}

const given = Number(process.env["SEED"] ?? 0)
const seeds = given > 0 ? [given] : Array.from({ length: 6 }, (_, at) => at + 1)

const made = (seed: number): ReturnType<typeof makeWorld> => {
  const world = makeWorld(makeRandom(seed))
  world.boot()
  for (const system of systems) {
    world.submit(decideDock(rules, {
      system, manifest: system.padEnd(64, "0"), framework: "esm", privileged: false, configured: true, reads: [], writes: [], takes: [], provides: [],
      executors: [], remoteChannels: [], powers: [], module: undefined
    }))
  }
  for (let at = 0; at < 400; at++) {
    turn(world)
    world.check()
  }
  return world
}

const sorted = (frozen: FrozenState): unknown =>
  JSON.parse(JSON.stringify(frozen), (_, value: unknown) => (Array.isArray(value) ? [...value].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)) : value))

let overran = 0

describe("budgets, over random histories (SEED=n repeats one),", () => {
  it.each(seeds)("cover what is started, settle what was held, and are what the entries say (seed %i)", (seed) => {
    const { open, random, stats, submit, ...world } = made(seed)
    overran += stats.overran
    // A history in which nothing happens would obey every law.
    expect(stats.started).toBeGreaterThan(10)
    expect(stats.refused).toBeGreaterThan(5)
    expect(stats.settled).toBeGreaterThan(5)
    // Whatever is held still is settled when its action ends.
    for (const id of open.keys()) {
      const warrant = HashMap.get(world.state().warrants, id)
      if (warrant._tag === "None") throw new Error(`${id} holds something and is not open`)
      if (warrant.value.state === "unknown") submit(decideReconcile(id, "operator", "failed", "law"))
      else submit(decideFinish(id, warrant.value.attempt, { outcome: "succeeded", reason: "", result: null, resultArtifact: null, millis: random.int(9) }))
    }
    world.check()
    for (const account of [...HashMap.values(world.state().budgets), ...HashMap.values(world.state().accounts)]) expect(amounts(account.reserved)).toEqual(amounts({}))
  })

  it.each(seeds)("are the same when the journal is folded again, from any snapshot (seed %i)", (seed) => {
    const { log, random, state } = made(seed)
    for (const cut of [0, log.length, random.int(log.length)]) {
      const restored = thaw(JSON.parse(JSON.stringify(freeze(log.slice(0, cut).reduce(step, initial)))) as FrozenState)
      expect(sorted(freeze(log.slice(cut).reduce(step, restored)))).toEqual(sorted(freeze(state())))
    }
  })

  it("overran somewhere, and some of it is debt", () => {
    expect(overran).toBeGreaterThan(given > 0 ? -1 : 5)
  })

  it("fold a journal of the first layout, that knows nothing of them", () => {
    const { log } = made(seeds[0]!)
    const before = new Set(["cost", "reserved", "charged", "spent", "overrun", "labels", "fence", "key", "undo", "budget"])
    const old = log.filter(({ entry }) => entry.kind !== "budget.set").map((placed) => ({
      ...placed, entry: JSON.parse(JSON.stringify(placed.entry), (key, value: unknown) => (before.has(key) ? undefined : value)) as Entry
    }))
    const folded = old.reduce(step, initial)
    expect(HashMap.size(folded.budgets) + HashMap.size(folded.accounts)).toBe(0)
    const { accounts: _, artifactLabels: _1, budgets: _2, declassified: _3, laterLabels: _4, ...frozen } = freeze(folded)
    expect(sorted(freeze(thaw(frozen)))).toEqual(sorted(freeze(folded)))
  })
})
