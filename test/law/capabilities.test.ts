// Laws of capabilities over random trees of them: a chain allows nothing that a link of it would not, what ends ends with
// everything below it and with nothing else, what is counted is counted on every link, and what follows from the grants
// alone follows from them wherever the fold is cut.
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import { describe, expect, it } from "vitest"
import type { ArgumentCaveat, Caveats, Delegation, Grant, Risk } from "../../protocol/authority.ts"
import type { Executor } from "../../protocol/executor.ts"
import { decideAction } from "../../kernel/authority/decide/action.ts"
import { decideDelegate, decideDelegateFor, decideGiveUp, decideIssue, decideRevoke } from "../../kernel/authority/decide/delegate.ts"
import type { Decision, Rules } from "../../kernel/authority/decide/decision.ts"
import { decideExpiry } from "../../kernel/authority/decide/expiry.ts"
import { decideDock, decideUndock } from "../../kernel/authority/decide/system.ts"
import { decideFinish } from "../../kernel/authority/decide/warrant.ts"
import type { Entry, RequestReference } from "../../kernel/authority/entry.ts"
import { freeze, thaw, type FrozenState } from "../../kernel/authority/state/frozen.ts"
import { initial, lookup, type AuthorityState, type Placed } from "../../kernel/authority/state/state.ts"
import { step } from "../../kernel/authority/state/step.ts"
import { allows, refusalOf, type Asked } from "../../kernel/authority/verify.ts"
import { canonical } from "../../kernel/guard/canonical.ts"
import { makePolicy } from "../../kernel/guard/policy.ts"
import * as Granted from "../../kernel/policy/granted.ts"
import { sha256Hex } from "../../kernel/power/digest.ts"
import { makeRandom, type Random } from "../kit/random.ts"

const systems = ["a", "b", "team/c", "d"] as const
const words = ["read", "write", "write.all"] as const
const targets = ["src/a.ts", "src/deep/b.ts", "out/c.md", "src/../etc/passwd", ""] as const
const risks: ReadonlyArray<Risk> = ["low", "medium", "high", "irreversible"]
const payloads = [{ path: "src/a" }, { path: "etc/b", depth: 2 }, { depth: 9 }, { path: "src/x", force: true }, null, JSON.parse("{\"__proto__\":{\"path\":\"src/a\"}}")] as const
const executor: Executor = { name: "x", description: "", risk: "low", recovery: "idempotent", perform: () => Effect.void }
const rules: Rules = {
  policy: makePolicy([Granted.rule]), digestOf: (value) => sha256Hex(canonical(value)), executor: (name) => (name === "x" ? executor : undefined)
}

const predicates: ReadonlyArray<ArgumentCaveat> = [
  { pointer: "/path", op: "glob", value: "src/**" }, { pointer: "/depth", op: "le", value: 3 }, { pointer: "/force", op: "absent" }, { pointer: "/path", op: "in", value: ["src/a", "etc/b"] }
]

const some = (random: Random, now: number): Caveats => ({
  ...(random.chance(0.2) ? { notBefore: now + random.int(8_000) - 4_000 } : {}),
  ...(random.chance(0.2) ? { expiresAt: now + 1 + random.int(40_000) } : {}),
  ...(random.chance(0.2) ? { riskMax: random.pick(risks) } : {}),
  ...(random.chance(0.2) ? { actions: [random.pick(["write*", "read", "*"])] } : {}),
  ...(random.chance(0.2) ? { targets: [random.pick(["src/**", "**", "out/c.md"])] } : {}),
  ...(random.chance(0.2) ? { arguments: [random.pick(predicates)] } : {}),
  ...(random.chance(0.3) ? { usesMax: random.int(4) } : {}),
  ...(random.chance(0.2) ? { rate: { count: 1 + random.int(2), perMillis: 1 + random.int(5_000) } } : {}),
  ...(random.chance(0.2) ? { delegationsMax: random.int(4) } : {})
})

const rank: Readonly<Record<Risk, number>> = { low: 0, medium: 1, high: 2, irreversible: 3 }

/** What the observer keeps of a grant, from entries alone. */
interface Book {
  readonly grant: Grant
  readonly starts: Array<number>
  ended: boolean
}

/** The observer's own word on one link; written anew, and as plainly as it can be. */
const holds = ({ ended, grant, starts }: Book, asked: Asked, depth: number, now: number): boolean => {
  const { actions, arguments: wanted = [], delegationsMax = Infinity, expiresAt = Infinity, notBefore = 0, rate, riskMax = "irreversible", targets: globs, usesMax = Infinity } = grant.caveats
  const glob = (pattern: string, text: string): boolean =>
    !text.includes("..") && (pattern === "**" || pattern === "*" || pattern === text || (pattern === "src/**" && text.startsWith("src/")) || (pattern === "write*" && text.startsWith("write")))
  const at = (pointer: string): unknown => Object.entries(asked.payload ?? {}).find(([name]) => name !== "__proto__" && `/${name}` === pointer)?.[1]
  const argument = ({ op, pointer, value }: ArgumentCaveat): boolean => {
    const found = at(pointer)
    if (op === "absent") return found === undefined
    if (op === "glob") return typeof found === "string" && glob(String(value), found)
    return op === "le" ? typeof found === "number" && found <= Number(value) : (value as ReadonlyArray<unknown>).includes(found)
  }
  return !ended && now < expiresAt && now >= notBefore && depth <= delegationsMax && rank[asked.risk!] <= rank[riskMax] &&
    (actions === undefined || actions.some((pattern) => glob(pattern, asked.action!))) && (globs === undefined || globs.some((pattern) => glob(pattern, asked.target!))) &&
    wanted.every(argument) && starts.length < usesMax && (rate === undefined || starts.filter((start) => now - start < rate.perMillis).length < rate.count)
}

const makeWorld = (random: Random) => {
  let state = initial
  let now = 1_000_000
  let requests = 0
  const log: Array<Placed> = []
  const books = new Map<string, Book>()
  const stats = { allowed: 0, refused: 0, delegated: 0, ended: 0, facets: 0 }

  const chain = (token: string): ReadonlyArray<Book> => {
    const book = books.get(token)
    return book === undefined ? [] : [book, ...(book.grant.parent === null ? [] : chain(book.grant.parent))]
  }
  const end = (id: string): void => {
    const book = books.get(id)!
    if (!book.ended) stats.ended++
    book.ended = true
    for (const below of books.values()) if (below.grant.parent === id && !below.ended) end(below.grant.id)
  }
  const observe = (entry: Entry): void => {
    if (entry.kind === "grant.issued") {
      books.set(entry.grant.id, { grant: entry.grant, starts: [], ended: false })
      if (entry.grant.parent !== null) stats.delegated++
      if (entry.grant.facet === true) stats.facets++
    }
    if (entry.kind === "grants.ended") entry.grants.forEach(end)
    if (entry.kind === "kernel.booted") for (const { grant } of books.values()) if (grant.facet === true) end(grant.id)
    if (entry.kind === "action.decided" && entry.warrant.state === "started") for (const book of chain(entry.warrant.grant!)) book.starts.push(entry.at)
  }
  const keep = (entries: ReadonlyArray<Entry>): void => {
    for (const entry of entries) {
      observe(entry)
      const placed = { cursor: log.length + 1, hash: `h${log.length}`, entry: JSON.parse(JSON.stringify(entry)) as Entry }
      log.push(placed)
      state = step(state, placed)
    }
  }
  const submit = <A>(decision: Decision<A>): A => {
    const first = decision(state, now)
    expect(decision(state, now), "the same question had two answers").toEqual(first)
    keep(first.entries)
    return first.answer
  }
  const reference = (system: string): RequestReference => ({ request: `r${++requests}`, requestCursor: requests, channel: "aaax.action-gate", system, floor: Math.max(0, requests - 10) })
  const alive = (): ReadonlyArray<Grant> => [...HashMap.values(state.grants)].map(({ grant }) => grant)
  const world = {
    state: (): AuthorityState => state, log, books, stats, random, submit, chain, alive, reference,
    now: () => now,
    advance: (millis: number) => (now += millis),
    boot: () => keep([{ kind: "kernel.booted", at: now, boot: state.boot + 1, kernel: "law", version: "0" }]),
    dock: (system: string) => {
      submit(decideDock(rules, {
        system, manifest: "m".padEnd(64, "0"), framework: "esm", privileged: false, configured: true, reads: [], writes: [], takes: [], provides: [], executors: [],
        remoteChannels: [], powers: [], module: undefined
      }))
    },
    /** What the observer says of an act. */
    permits: (asked: Asked): boolean => {
      const links = chain(asked.token)
      return links.length > 0 && links[0]!.grant.holder === asked.holder && links.every((book, depth) => book.grant.resource === asked.resource && holds(book, asked, depth, now))
    },
    asked: (token: string, holder: string): Asked => ({
      token, holder, resource: "x", access: "execute", action: random.pick(words), target: random.pick(targets), risk: random.pick(risks), payload: random.pick(payloads)
    })
  }
  world.boot()
  systems.forEach(world.dock)
  return world
}

type World = ReturnType<typeof makeWorld>

const give = (world: World): void => {
  const { random, reference, submit } = world
  const alive = world.alive()
  if (alive.length === 0 || random.chance(0.15)) {
    submit(decideIssue("operator", { to: random.pick(systems), resource: "x", access: "execute", caveats: some(random, world.now()), ttl: 1 + random.int(60) }))
    return
  }
  const parent = random.pick(alive)
  const delegation: Delegation = {
    token: parent.id, to: random.pick(systems), caveats: { ...some(random, world.now()) } as NonNullable<Delegation["caveats"]>, ...(random.chance(0.2) ? { facet: true } : {}),
    ...(random.chance(0.3) ? { ttl: 1 + random.int(30) } : {})
  }
  if (random.chance(0.3)) submit(decideDelegateFor("operator", delegation))
  else submit(decideDelegate(reference(random.chance(0.9) ? parent.holder : random.pick(systems)), { delegate: delegation }))
}

const act = (world: World): void => {
  const { random, stats } = world
  const grants = world.alive()
  if (grants.length === 0) return
  const { holder, id } = random.pick(grants)
  const asked = world.asked(id, random.chance(0.95) ? holder : random.pick(systems))
  // What an executor declares may be more than what is asked for, never less; and only what is harmless starts by itself.
  const risk = random.pick(["low", "medium"] as const)
  const reference = world.reference(asked.holder)
  const permitted = world.permits({ ...asked, risk })
  world.submit(decideAction(rules, reference, { action: asked.action!, executor: "x", target: asked.target!, payload: asked.payload as never, capability: id, risk_level: risk }))
  const started = lookup(world.state().warrants, reference.request)?.state === "started"
  expect(started, `${id} was ${permitted ? "refused" : "allowed"} by the kernel, and not by the books`).toBe(permitted)
  if (!started) return void stats.refused++
  stats.allowed++
  world.submit(decideFinish(reference.request, 1, { outcome: "succeeded", reason: "", result: null, resultArtifact: null }))
}

const turn = (world: World): void => {
  const { random } = world
  switch (random.int(12)) {
    case 0:
    case 1:
    case 2:
    case 3:
      return give(world)
    case 4: {
      const grants = world.alive()
      if (grants.length === 0 || random.chance(0.6)) return
      const { id } = random.pick(grants)
      if (random.chance(0.5)) world.submit(decideRevoke(id))
      else world.submit(decideGiveUp(world.reference(random.pick(systems)), { revoke: id }))
      return
    }
    case 5:
      world.advance(random.int(4_000))
      return void world.submit(decideExpiry)
    case 6:
      if (random.chance(0.1)) world.boot()
      if (random.chance(0.1)) {
        const system = random.pick(systems)
        world.submit(decideUndock(system, undefined, "law"))
        world.dock(system)
      }
      return
    default:
      return act(world)
  }
}

const given = Number(process.env["SEED"] ?? 0)
const seeds = given > 0 ? [given] : Array.from({ length: 6 }, (_, at) => at + 1)

const history = (seed: number, turns = 500): World => {
  const world = makeWorld(makeRandom(seed))
  for (let at = 0; at < turns; at++) turn(world)
  return world
}

const indexes = (state: AuthorityState): unknown => ({
  children: [...HashMap.entries(state.children)].map(([id, below]) => [id, [...below].sort()]).sort(), facets: [...state.facets].sort(),
  held: [...HashMap.entries(state.held)].sort(([a], [b]) => (a < b ? -1 : 1))
})

describe("capabilities, over random trees (SEED=n repeats one),", () => {
  it.each(seeds)("start what the books permit and nothing else, and count it on every link (seed %i)", (seed) => {
    const { books, stats, state } = history(seed)
    for (const [id, { ended, grant, starts }] of books) {
      expect(starts.length, `${id} was used more often than it allows`).toBeLessThanOrEqual(grant.caveats.usesMax ?? Infinity)
      expect(lookup(state().grants, id)?.uses).toBe(ended ? undefined : starts.length)
    }
    expect(Math.min(stats.allowed, stats.refused, stats.delegated, stats.ended, stats.facets)).toBeGreaterThan(5)
  })

  it.each(seeds)("allow nothing to a chain that any of its prefixes would not (seed %i)", (seed) => {
    const world = history(seed)
    let asks = 0
    for (const grant of world.alive()) {
      for (let ask = 0; ask < 6; ask++) {
        const asked = world.asked(grant.id, grant.holder)
        const at = world.now() + world.random.int(2_000)
        if (!allows(world.state(), asked, at)) continue
        for (const { grant: link } of world.chain(grant.id)) {
          asks++
          expect(refusalOf(world.state(), { ...asked, token: link.id, holder: link.holder }, at), `${grant.id} allows what ${link.id} does not`).toBeUndefined()
        }
      }
    }
    expect(asks).toBeGreaterThan(0)
  })

  it.each(seeds)("end with what they hang below, and leave everything else as it was (seed %i)", (seed) => {
    const world = history(seed)
    const grants = world.alive()
    const before = new Map(grants.map(({ id }) => [id, lookup(world.state().grants, id)!]))
    const root = [...grants].sort((a, b) => world.chain(a.id).length - world.chain(b.id).length)[Math.floor(grants.length / 3)]!
    const falls = (id: string): boolean => world.chain(id).some(({ grant }) => grant.id === root.id)
    expect(world.submit(decideRevoke(root.id))).toBe(grants.filter(({ id }) => falls(id)).length)
    for (const { id } of grants) expect(lookup(world.state().grants, id), id).toEqual(falls(id) ? undefined : before.get(id))
  })

  it.each(seeds)("come to the same indexes wherever the fold is cut (seed %i)", (seed) => {
    const { log, random, state } = history(seed)
    for (const cut of [0, log.length, ...Array.from({ length: 4 }, () => random.int(log.length))]) {
      const prefix = log.slice(0, cut).reduce(step, initial)
      const restored = thaw(JSON.parse(JSON.stringify(freeze(prefix))) as FrozenState)
      expect(indexes(restored)).toEqual(indexes(prefix))
      expect(indexes(log.slice(cut).reduce(step, restored))).toEqual(indexes(state()))
    }
  })
})
