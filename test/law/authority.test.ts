// Laws of authority over random histories: the fold can be cut anywhere, decisions are functions of their arguments, a
// grant that has ended never passes again, nothing starts without a license, and nothing is decided twice. An observer
// beside the state keeps its own books from the entries alone.
import { describe, expect, it } from "vitest"
import type { Caveats, Grant, Risk } from "../../protocol/authority.ts"
import type { Executor } from "../../protocol/executor.ts"
import type { SystemStatus } from "../../protocol/lifecycle.ts"
import type { Recovery } from "../../protocol/warrant.ts"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import { decideAction } from "../../kernel/authority/decide/action.ts"
import { decideAnswer } from "../../kernel/authority/decide/answer.ts"
import { decideCapability } from "../../kernel/authority/decide/capability.ts"
import type { Decision, Rules } from "../../kernel/authority/decide/decision.ts"
import { decideExpiry } from "../../kernel/authority/decide/expiry.ts"
import { refuseRequest } from "../../kernel/authority/decide/request.ts"
import { decideDock, decideStatus, decideUndock } from "../../kernel/authority/decide/system.ts"
import { decideFinish, decideReconcile, decideRestart } from "../../kernel/authority/decide/warrant.ts"
import type { Entry, RequestReference } from "../../kernel/authority/entry.ts"
import { freeze, thaw, type FrozenState } from "../../kernel/authority/state/frozen.ts"
import { initial, lookup, type AuthorityState, type Placed } from "../../kernel/authority/state/state.ts"
import { step } from "../../kernel/authority/state/step.ts"
import { allows } from "../../kernel/authority/verify.ts"
import { canonical } from "../../kernel/guard/canonical.ts"
import { makePolicy } from "../../kernel/guard/policy.ts"
import * as Granted from "../../kernel/policy/granted.ts"
import { sha256Hex } from "../../kernel/power/digest.ts"
import { makeRandom, type Random } from "../kit/random.ts"

const systems = ["a", "b", "team/c"] as const
const targets = ["src/a.ts", "src/deep/b.ts", "out/c.md", ""] as const
const risks: ReadonlyArray<Risk> = ["low", "medium", "high", "irreversible"]
const recoveries: ReadonlyArray<Recovery> = ["none", "idempotent", "queryable"]

const executors: ReadonlyArray<Executor> = [
  { name: "harmless", description: "", risk: "low", recovery: "idempotent", perform: () => Effect.void },
  { name: "asked", description: "", risk: "medium", recovery: "queryable", perform: () => Effect.void },
  { name: "final", description: "", risk: "irreversible", recovery: "none", perform: () => Effect.void },
  { name: "undeclared", description: "", perform: () => Effect.void }
]
const names = [...executors.map(({ name }) => name), "ghost"]

const rules: Rules = {
  policy: makePolicy([Granted.rule]),
  digestOf: (value) => sha256Hex(canonical(value)),
  executor: (name) => executors.find((executor) => executor.name === name),
  approvalMillis: 5_000
}

/** The observer's own idea of a grant, from entries alone. */
interface Book {
  readonly grant: Grant
  uses: number
  ended: boolean
}

const rank = { low: 0, medium: 1, high: 2, irreversible: 3 } as const

/** What the observer thinks of a chain: every link alive, in time, not used up, and no link's caveat broken. */
const permits = (
  books: ReadonlyMap<string, Book>, token: string, holder: string, resource: string, target: string, risk: Risk, now: number, isCharged: boolean
): boolean => {
  for (let id: string | null = token, first = true; id !== null; first = false) {
    const book = books.get(id)
    if (book === undefined || book.ended) return false
    const { caveats } = book.grant
    if (first && book.grant.holder !== holder) return false
    if (book.grant.resource !== resource || book.grant.access !== "execute") return false
    if (caveats.expiresAt !== undefined && now >= caveats.expiresAt) return false
    if (!isCharged && caveats.usesMax !== undefined && book.uses >= caveats.usesMax) return false
    if (caveats.riskMax !== undefined && rank[risk] > rank[caveats.riskMax]) return false
    if (caveats.targets !== undefined && !caveats.targets.some((glob) => (glob === "src/**" ? target.startsWith("src/") : glob === "**" || glob === target))) return false
    id = book.grant.parent
  }
  return true
}

const sorted = (frozen: FrozenState): unknown => {
  const by = <A>(list: ReadonlyArray<A>): ReadonlyArray<A> => [...list].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
  return JSON.parse(JSON.stringify({
    ...frozen, systems: by(frozen.systems), grants: by(frozen.grants), requests: by(frozen.requests), floors: by(frozen.floors),
    warrants: by(frozen.warrants), modules: by(frozen.modules), recent: by(frozen.recent)
  }))
}

const heldOf = (state: AuthorityState): unknown => [...HashMap.entries(state.held)].sort(([a], [b]) => (a < b ? -1 : 1))

const makeWorld = (random: Random) => {
  let state = initial
  let now = 1_000_000
  let requests = 0
  let boot = 0
  const log: Array<Placed> = []
  const books = new Map<string, Book>()
  const verdicts = new Map<string, number>()
  const answers = new Map<string, string>()
  const started = new Map<string, { attempt: number; epoch: number; grant: string | null }>()
  const finished = new Set<string>()
  const unknownOnes = new Set<string>()
  const decidedStarts = new Set<string>()
  const stats = { started: 0, refused: 0, ended: 0, answered: 0 }

  const license = (warrant: string, token: string | null, holder: string, resource: string, target: string, risk: Risk, isCharged: boolean): void => {
    expect(permits(books, token ?? "", holder, resource, target, risk, now, isCharged), `${warrant} started without authority`).toBe(true)
    if (isCharged) return
    for (let id = token; id !== null; ) {
      const book = books.get(id)!
      book.uses++
      expect(book.uses, `${id} was used more often than it allows`).toBeLessThanOrEqual(book.grant.caveats.usesMax ?? Infinity)
      id = book.grant.parent
    }
    stats.started++
  }

  /** What hangs below one that ends is not named, and ends too. */
  const end = (id: string): void => {
    const book = books.get(id)!
    if (book.ended) return
    book.ended = true
    stats.ended++
    for (const below of books.values()) if (below.grant.parent === id) end(below.grant.id)
  }

  const verdict = (request: string): void => {
    expect(verdicts.get(request), `${request} has two verdicts`).toBeUndefined()
    verdicts.set(request, now)
  }

  const warrants = new Map<string, Extract<Entry, { kind: "action.decided" }>["warrant"]>()

  const observe = (entry: Entry): void => {
    switch (entry.kind) {
      case "grant.issued":
        books.set(entry.grant.id, { grant: entry.grant, uses: 0, ended: false })
        return
      case "capability.decided":
        verdict(entry.request)
        if (entry.grant !== null && !(books.get(entry.grant.id)?.ended === false)) books.set(entry.grant.id, { grant: entry.grant, uses: 0, ended: false })
        return
      case "request.refused":
        return verdict(entry.request)
      case "grants.ended":
        for (const id of entry.grants) end(id)
        return
      case "action.decided": {
        verdict(entry.request)
        const { grant, id, risk, system, target } = entry.warrant
        warrants.set(id, entry.warrant)
        if (entry.warrant.state === "denied") stats.refused++
        if (entry.warrant.state !== "started") return
        license(id, grant, system, entry.warrant.executor, target, risk, false)
        expect(rank[risk], "what is risky started without a human").toBeLessThanOrEqual(rank.medium)
        decidedStarts.add(id)
        started.set(id, { attempt: 1, epoch: boot, grant })
        return
      }
      case "warrant.answered":
        expect(answers.has(entry.warrant), `${entry.warrant} was answered twice`).toBe(false)
        expect(warrants.get(entry.warrant)?.state).toBe("escalated")
        expect(entry.by).not.toBe(entry.system)
        answers.set(entry.warrant, entry.outcome)
        stats.answered++
        return
      case "warrant.expired":
        expect(answers.has(entry.warrant), `${entry.warrant} expired after its answer`).toBe(false)
        answers.set(entry.warrant, "expired")
        return
      case "warrant.started": {
        const warrant = warrants.get(entry.warrant)!
        const before = started.get(entry.warrant)
        expect(finished.has(entry.warrant), `${entry.warrant} started after its end`).toBe(false)
        if (before === undefined) {
          expect(answers.get(entry.warrant), `${entry.warrant} started without an approval`).toBe("approved")
          expect(entry.attempt).toBe(1)
        } else {
          expect(warrant.recovery, "what may not be repeated was repeated").not.toBe("none")
          expect(entry.attempt).toBe(before.attempt + 1)
          expect(entry.kernelEpoch).toBeGreaterThan(before.epoch)
        }
        license(entry.warrant, warrant.grant, warrant.system, warrant.executor, warrant.target, warrant.risk, before !== undefined)
        started.set(entry.warrant, { attempt: entry.attempt, epoch: entry.kernelEpoch, grant: warrant.grant })
        return
      }
      case "warrant.finished":
        expect(started.has(entry.warrant), `${entry.warrant} ended before it started`).toBe(true)
        expect(finished.has(entry.warrant), `${entry.warrant} ended twice`).toBe(false)
        if (entry.outcome === "unknown") unknownOnes.add(entry.warrant)
        else finished.add(entry.warrant)
        expect(entry.reconciledBy === null || unknownOnes.has(entry.warrant)).toBe(true)
        return
      default:
        return
    }
  }

  const keep = (entries: ReadonlyArray<Entry>): void => {
    for (const entry of entries) {
      observe(entry)
      // As a journal keeps it: what it loses in JSON must not be missed.
      const placed = { cursor: log.length * 3 + 1, hash: `h${log.length}`, entry: JSON.parse(JSON.stringify(entry)) as Entry }
      log.push(placed)
      state = step(state, placed)
    }
  }

  const submit = <A>(decision: Decision<A>): A => {
    const before = canonical(freeze(state))
    const first = decision(state, now)
    const second = decision(state, now)
    expect(second, "the same question had two answers").toEqual(first)
    expect(canonical(freeze(state)), "a decision changed the state that it was asked about").toBe(before)
    expect(first.entries.every((entry) => entry.at === now)).toBe(true)
    keep(first.entries)
    return first.answer
  }

  const reference = (system: string): RequestReference => {
    requests++
    return { request: `r${requests}`, requestCursor: requests, channel: "aaax.action-gate", system, floor: random.chance(0.2) ? Math.max(0, requests - 10) : 0 }
  }

  return {
    state: () => state, log, books, stats, submit, keep, reference, rules, warrants, started,
    now: () => now,
    advance: (millis: number) => (now += millis),
    boot: () => keep([{ kind: "kernel.booted", at: now, boot: ++boot, kernel: "law", version: "0" }])
  }
}

type World = ReturnType<typeof makeWorld>

/** A grant below another one, as a delegation would make it: its own caveats can be anything. */
const delegate = (world: World, random: Random): void => {
  const parents = [...HashMap.values(world.state().grants)]
  if (parents.length === 0) return
  const { grant: parent } = random.pick(parents)
  const caveats: Caveats = {
    ...(random.chance(0.5) ? { usesMax: 1 + random.int(3) } : {}),
    ...(random.chance(0.4) ? { riskMax: random.pick(risks) } : {}),
    ...(random.chance(0.4) ? { targets: [random.pick(["src/**", "**", "out/c.md"])] } : {}),
    ...(random.chance(0.4) ? { expiresAt: world.now() + random.int(20_000) } : {})
  }
  world.keep([{
    kind: "grant.issued", at: world.now(),
    grant: {
      id: `child${world.log.length}`, holder: random.pick(systems), resource: parent.resource, access: parent.access, caveats,
      parent: parent.id, issuedAt: world.now(), origin: "delegation", scope: {}
    }
  }])
}

const act = (world: World, random: Random): void => {
  const system = random.pick(systems)
  const held = [...world.books.values()].filter(({ ended, grant }) => grant.holder === system && (!ended || random.chance(0.1)))
  const book = held.length > 0 && random.chance(0.9) ? random.pick(held) : random.chance(0.5) && world.books.size > 0 ? random.pick([...world.books.values()]) : undefined
  const reference = world.reference(system)
  const decision = decideAction(rules, reference, {
    action: "do",
    executor: book !== undefined && random.chance(0.95) ? book.grant.resource : random.pick(names),
    target: random.pick(targets),
    payload: { n: random.int(3) },
    ...(book === undefined ? {} : { capability: book.grant.id }),
    ...(random.chance(0.8) ? { risk_level: random.pick(["low", "low", ...risks, "odd"]) } : {})
  })
  world.submit(decision)
  if (random.chance(0.3)) expect(world.submit(decision), "a request that is known was decided again").toEqual({})
}

const turn = (world: World, random: Random): void => {
  const warrants = [...HashMap.values(world.state().warrants)]
  const warrant = warrants.length === 0 ? undefined : random.pick(warrants)
  const system = random.pick(systems)
  switch (random.int(14)) {
    case 0:
      world.submit(decideDock(rules, {
        system, manifest: `manifest-${random.int(2)}`.padEnd(64, "0"), framework: "esm", privileged: false, configured: random.chance(0.8), reads: [], writes: [],
        takes: [], provides: [], executors: names.filter(() => random.chance(0.6)), remoteChannels: [], powers: [], module: undefined
      }))
      return
    case 1:
      // A revoked one comes back only so.
      if (random.chance(lookup(world.state().systems, system)?.status === "revoked" ? 0.9 : 0.2)) world.submit(decideUndock(system, undefined, "law"))
      return
    case 2:
      if (random.chance(0.3)) world.submit(decideStatus(system, random.pick<SystemStatus>(["paused", "running", "running", "revoked", "quarantined", "drained"]), "law"))
      return
    case 3:
    case 4: {
      const reference = world.reference(system)
      if (random.chance(0.1)) return void world.submit(refuseRequest(reference, "capability_deny", "law"))
      return void world.submit(decideCapability(rules, reference, {
        resource: random.pick(names), access: random.pick(["execute", "execute", "read"]),
        ...(random.chance(0.5) ? { scope: { ttl: 1 + random.int(30), note: "x" } } : {})
      }))
    }
    case 5:
      return delegate(world, random)
    case 6:
      world.advance(random.int(3_000))
      return void world.submit(decideExpiry)
    case 7:
      if (warrant !== undefined) {
        world.submit(decideAnswer(
          rules, warrant.id, random.pick(["operator", ...systems]), random.pick(["approved", "approved", "refused"]), "",
          random.chance(0.3) ? random.pick([warrant.digest, "other"]) : undefined
        ))
      }
      return
    case 8:
      if (warrant !== undefined) {
        world.submit(decideFinish(warrant.id, random.chance(0.9) ? warrant.attempt : warrant.attempt + 1, {
          outcome: random.pick(["succeeded", "failed", "unknown"]), reason: "", result: null, resultArtifact: null
        }))
      }
      return
    case 9:
      if (warrant !== undefined) world.submit(decideReconcile(warrant.id, random.pick(["operator", ...systems]), random.pick(["succeeded", "failed"]), "law"))
      return
    case 10:
      if (random.chance(0.3)) world.boot()
      for (const { id } of warrants) if (random.chance(0.5)) world.submit(decideRestart(id, random.pick(["no", "perhaps"])))
      return
    default:
      return act(world, random)
  }
}

const given = Number(process.env["SEED"] ?? 0)
const seeds = given > 0 ? [given] : Array.from({ length: 10 }, (_, at) => at + 1)

const history = (seed: number, turns = 800): { readonly world: World; readonly random: Random } => {
  const random = makeRandom(seed)
  const world = makeWorld(random)
  world.boot()
  for (let at = 0; at < turns; at++) turn(world, random)
  return { world, random }
}

describe("authority, over random histories (SEED=n repeats one),", () => {
  it.each(seeds)("starts nothing without authority, decides nothing twice, and repeats nothing that must not be (seed %i)", (seed) => {
    const { world } = history(seed)
    // A history in which nothing happens would obey every law.
    expect(world.stats.started).toBeGreaterThan(5)
    expect(world.stats.refused).toBeGreaterThan(5)
    expect(world.stats.ended).toBeGreaterThan(5)
    expect(world.stats.answered).toBeGreaterThan(0)
  })

  it.each(seeds)("comes to the same state from a snapshot anywhere and the entries behind it (seed %i)", (seed) => {
    const { random, world: { log, state } } = history(seed)
    for (const cut of [0, 1, log.length, ...Array.from({ length: 5 }, () => random.int(log.length))]) {
      const prefix = log.slice(0, cut).reduce(step, initial)
      const restored = thaw(JSON.parse(JSON.stringify(freeze(prefix))) as FrozenState)
      expect(sorted(freeze(restored))).toEqual(sorted(freeze(prefix)))
      expect(heldOf(restored)).toEqual(heldOf(prefix))
      const whole = log.slice(cut).reduce(step, restored)
      expect(sorted(freeze(whole))).toEqual(sorted(freeze(state())))
      expect(heldOf(whole)).toEqual(heldOf(state()))
    }
  })

  it.each(seeds)("never lets a grant pass that has ended, nor one that the books refuse, and no other (seed %i)", (seed) => {
    const { random, world } = history(seed)
    // Something that passes is there in any case.
    world.submit(decideUndock("a", undefined, "law"))
    world.submit(decideDock(rules, {
      system: "a", manifest: "last".padEnd(64, "0"), framework: "esm", privileged: false, configured: true, reads: [], writes: [], takes: [], provides: [],
      executors: names, remoteChannels: [], powers: [], module: undefined
    }))
    let passed = 0
    for (const { ended, grant } of world.books.values()) {
      for (let ask = 0; ask < 10; ask++) {
        const target = random.pick(targets)
        const risk = random.pick(risks)
        const holder = random.chance(0.7) ? grant.holder : random.pick(systems)
        const at = world.now() + random.int(10_000)
        const allowed = allows(world.state(), { token: grant.id, holder, resource: grant.resource, access: "execute", target, risk }, at)
        expect(allowed).toBe(permits(world.books, grant.id, holder, grant.resource, target, risk, at, false))
        if (ended) expect(allowed).toBe(false)
        if (allowed) passed++
      }
    }
    expect(passed).toBeGreaterThan(0)
  })

  it.each(seeds)("allows a child nothing that any of its ancestors would not (seed %i)", (seed) => {
    const { random, world } = history(seed)
    const { grants } = world.state()
    for (const { grant } of HashMap.values(grants)) {
      for (let ask = 0; ask < 10; ask++) {
        const asked = { resource: grant.resource, access: "execute", target: random.pick(targets), risk: random.pick(risks) } as const
        const at = world.now() + random.int(5_000)
        if (!allows(world.state(), { ...asked, token: grant.id, holder: grant.holder }, at)) continue
        for (let id = grant.parent; id !== null; ) {
          const parent = lookup(grants, id)!.grant
          expect(allows(world.state(), { ...asked, token: parent.id, holder: parent.holder }, at)).toBe(true)
          id = parent.parent
        }
      }
    }
  })

  it.each(seeds)("keeps what is open open, and forgets what is closed (seed %i)", (seed) => {
    const { world } = history(seed)
    for (const warrant of HashMap.values(world.state().warrants)) {
      expect(["escalated", "started", "unknown"]).toContain(warrant.state)
      expect(recoveries).toContain(warrant.recovery)
    }
    for (const [id, record] of world.state().systems) {
      const held = [...HashMap.values(world.state().grants)].filter(({ grant }) => grant.holder === id && grant.parent === null)
      if (record.status === "revoked") expect(held, `${id} is revoked and holds something`).toEqual([])
    }
  })
})
