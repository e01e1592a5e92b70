// What is simulated and what it should be: a tree of grants with a number of uses, a budget that is drawn from and settled, and
// the leases of a queue; each through the kernel's own journal and channels. Each can be broken on purpose, so that it is known
// that the check would see it.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { Grant } from "../../../protocol/authority.ts"
import { channelOf } from "../../../protocol/channel.ts"
import type { Executor } from "../../../protocol/executor.ts"
import { decideAction } from "../../../kernel/authority/decide/action.ts"
import { decideBudget } from "../../../kernel/authority/decide/budget.ts"
import type { Decision, Rules } from "../../../kernel/authority/decide/decision.ts"
import { decideDelegateFor, decideIssue, decideRevoke } from "../../../kernel/authority/decide/delegate.ts"
import { decideDock } from "../../../kernel/authority/decide/system.ts"
import { decideFinish } from "../../../kernel/authority/decide/warrant.ts"
import * as Journal from "../../../kernel/authority/journal.ts"
import { lookup, type AuthorityState } from "../../../kernel/authority/state/state.ts"
import * as Channels from "../../../kernel/channel/channels.ts"
import { makeClock } from "../../../kernel/clock.ts"
import { canonical } from "../../../kernel/guard/canonical.ts"
import { makePolicy } from "../../../kernel/guard/policy.ts"
import * as Granted from "../../../kernel/policy/granted.ts"
import { sha256Bytes, sha256Hex } from "../../../kernel/power/digest.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import { testTime } from "../../../kernel/testing.ts"
import { makeRandom, type Random } from "../../kit/random.ts"
import { isLinearizable, type Model } from "./checker.ts"
import { simulate, type Simulated } from "./simulation.ts"

const executors: ReadonlyArray<Executor> = [
  { name: "x", description: "", risk: "low", recovery: "none", perform: () => Effect.void },
  { name: "costly", description: "", risk: "low", recovery: "none", cost: () => ({ tokens: 7 }), perform: () => Effect.void }
]
const rules: Rules = {
  policy: makePolicy([Granted.rule]), digestOf: (value) => sha256Hex(canonical(value)), executor: (name) => executors.find((executor) => executor.name === name)
}
const systems = ["one", "two", "three"] as const

interface World {
  readonly random: Random
  readonly simulated: Simulated
  readonly channels: Channels.ChannelsService
  readonly time: ReturnType<typeof testTime>
  readonly submit: <A>(decision: Decision<A>) => Promise<A>
  readonly state: () => AuthorityState
  readonly request: (system: string, executor: string, token: string) => { readonly id: string; readonly decision: Decision<unknown> }
}

const withWorld = async <A>(seed: number, body: (world: World) => Promise<A>): Promise<A> => {
  const scope = Scope.makeUnsafe()
  try {
    const time = testTime()
    const clock = makeClock(time)
    const simulated = simulate(await Effect.runPromise(Scope.provide(Memory.make({ clock }), scope)))
    const { channels, journal } = await Effect.runPromise(Scope.provide(Effect.gen(function*() {
      let made: Journal.Journal | undefined
      const opened = yield* Channels.make({ store: simulated.store, clock, boot: () => made?.state().boot ?? 0 })
      made = yield* Effect.orDie(Journal.make({ channels: opened, canonical, sha256: sha256Hex, sha256Bytes, kernel: "simulated", version: "0", durability: "strict" }))
      return { channels: opened, journal: made }
    }), scope))
    const submit: World["submit"] = async (decision) => (await Effect.runPromise(journal.submit(decision))).answer
    for (const system of systems) {
      await submit(decideDock(rules, {
        system, manifest: system.padEnd(64, "0"), framework: "esm", privileged: false, configured: true, reads: [], writes: [], takes: [], provides: [],
        executors: [], remoteChannels: [], powers: [], module: undefined
      }))
    }
    let requests = 0
    return await body({
      random: makeRandom(seed), simulated, channels, time, submit, state: journal.state,
      request: (system, executor, token) => {
        const id = `r${++requests}`
        const reference = { request: id, requestCursor: requests, channel: "aaax.action-gate", system, floor: 0 }
        return { id, decision: decideAction(rules, reference, { action: "simulated", executor, target: "", capability: token, risk_level: "low" }) }
      }
    })
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const grantIn = (made: object): Grant | undefined => ("id" in made ? made as Grant : undefined) // a refusal has no id
const isOpen = (state: AuthorityState, id: string): boolean => lookup(state.warrants, id) !== undefined

/** Decides by what was there when it was asked, as one would who looked first and wrote later. */
const stale = <A>(decision: Decision<A>, seen: AuthorityState): Decision<A> => (_, now) => decision(seen, now)

// --- grants and uses ------------------------------------------------------------------------------------------------------

type TreeInput =
  | { readonly op: "act"; readonly token: string }
  | { readonly op: "delegate"; readonly token: string; readonly to: string; readonly as: string }
  | { readonly op: "revoke"; readonly token: string }

interface Tree {
  /** Live tokens and what each was made of. */
  readonly live: ReadonlyMap<string, string | null>
  readonly uses: number
}

const treeModel = (uses: number): Model<Tree, TreeInput, boolean> => ({
  initial: { live: new Map([["root", null]]), uses },
  key: ({ live, uses: left }) => `${[...live.keys()].sort().join(",")} ${left}`,
  apply: (state, input, ok) => {
    const isLive = state.live.has(input.token)
    switch (input.op) {
      case "act":
        return ok === (isLive && state.uses > 0) ? (ok ? { ...state, uses: state.uses - 1 } : state) : undefined
      case "delegate":
        return ok === isLive ? (ok ? { ...state, live: new Map([...state.live, [input.as, input.token]]) } : state) : undefined
      case "revoke": {
        if (ok !== isLive) return undefined
        const live = new Map(state.live)
        const fall = (token: string): void => {
          live.delete(token)
          for (const [child, parent] of state.live) if (parent === token) fall(child)
        }
        fall(input.token)
        return { ...state, live }
      }
    }
  }
})

export type TreeFault = "looks first" | "is not charged" | "revokes one alone"

const grants = (seed: number, fault?: TreeFault): Promise<boolean> =>
  withWorld(seed, async ({ random, request, simulated, state, submit }) => {
    const uses = 1 + random.int(4)
    const ids = new Map<string, string>()
    const root = grantIn(await submit(decideIssue("operator", { to: "one", resource: "x", access: "execute", caveats: { usesMax: uses } })))
    ids.set("root", root?.id ?? "")
    const holders = new Map([["root", "one"]])
    let children = 0
    // Tokens are known by name before they are there: using one that is not there yet is refused.
    const names = ["root", "c1", "c2", "c3"]
    const script = (): ReadonlyArray<TreeInput> =>
      Array.from({ length: 2 + random.int(3) }, (): TreeInput => {
        const token = random.pick(names)
        if (random.chance(0.25) && children < 3) return { op: "delegate", token: random.pick(names.slice(0, 1 + children)), to: random.pick(systems), as: `c${++children}` }
        return random.chance(0.2) ? { op: "revoke", token } : { op: "act", token }
      })
    const clients = { a: script(), b: script(), c: script() }
    const seen = new Map<TreeInput, AuthorityState>()
    simulated.begin()
    const history = await simulated.run<TreeInput, boolean>({
      random, clients,
      perform: async (_, input) => {
        seen.set(input, state())
        const id = ids.get(input.token) ?? `no such token ${input.token}`
        switch (input.op) {
          case "act": {
            const { decision, id: warrant } = request(holders.get(input.token) ?? "one", "x", id)
            const whole = fault === "looks first" ? stale(decision, state()) : decision
            await submit(fault !== "is not charged" ? whole : (before, now) => {
              const made = whole(before, now)
              return { ...made, entries: made.entries.map((entry) => (entry.kind === "action.decided" ? { ...entry, warrant: { ...entry.warrant, grant: null } } : entry)) }
            })
            return isOpen(state(), warrant)
          }
          case "delegate": {
            const made = grantIn(await submit(decideDelegateFor("operator", { token: id, to: input.to })))
            if (made === undefined) return false
            ids.set(input.as, made.id)
            holders.set(input.as, input.to)
            return true
          }
          case "revoke":
            if (fault !== "revokes one alone") return (await submit(decideRevoke(id))) > 0
            // Its children go on: they are told that they hang on nothing.
            return submit((before, now) => {
              const made = decideRevoke(id)(before, now)
              return { entries: [], answer: made.answer > 0 }
            })
        }
      }
    })
    return isLinearizable(history, treeModel(uses))
  })

// --- budgets --------------------------------------------------------------------------------------------------------------

type BudgetInput =
  | { readonly op: "spend"; readonly as: string }
  | { readonly op: "settle"; readonly as: string; readonly spent: number }

interface Account {
  readonly spent: number
  readonly held: ReadonlySet<string>
}

const budgetModel = (limit: number): Model<Account, BudgetInput, boolean> => ({
  initial: { spent: 0, held: new Set() },
  key: ({ held, spent }) => `${spent} ${[...held].sort().join(",")}`,
  apply: ({ held, spent }, input, ok) => {
    if (input.op === "spend") {
      const fits = spent + 7 * held.size + 7 <= limit
      return ok === fits ? { spent, held: ok ? new Set([...held, input.as]) : held } : undefined
    }
    if (ok !== held.has(input.as)) return undefined
    return ok ? { spent: spent + input.spent, held: new Set([...held].filter((one) => one !== input.as)) } : { spent, held }
  }
})

export type BudgetFault = "looks first" | "gives nothing back" | "settles twice"

const budget = (seed: number, fault?: BudgetFault): Promise<boolean> =>
  withWorld(seed, async ({ random, request, simulated, state, submit }) => {
    const limit = 7 + random.int(25)
    await submit(decideBudget("*", { limits: { tokens: limit } }, "operator"))
    const tokens = new Map<string, string>()
    for (const system of systems) tokens.set(system, grantIn(await submit(decideIssue("operator", { to: system, resource: "costly", access: "execute", caveats: {} })))?.id ?? "")
    const warrants = new Map<string, string>()
    let calls = 0
    const script = (): ReadonlyArray<BudgetInput> => {
      const mine: Array<BudgetInput> = []
      for (let at = 0; at < 2 + random.int(2); at++) {
        const as = `w${++calls}`
        mine.push({ op: "spend", as })
        if (random.chance(0.6)) mine.push({ op: "settle", as, spent: random.int(8) })
      }
      return mine
    }
    const clients = { one: script(), two: script(), three: script() }
    simulated.begin()
    const history = await simulated.run<BudgetInput, boolean>({
      random, clients,
      perform: async (client, input) => {
        if (input.op === "spend") {
          const { decision, id } = request(client, "costly", tokens.get(client) ?? "")
          warrants.set(input.as, id)
          await submit(fault === "looks first" ? stale(decision, state()) : decision)
          return isOpen(state(), id)
        }
        const id = warrants.get(input.as) ?? ""
        const spent = fault === "gives nothing back" ? 7 : input.spent
        const settled = await submit(decideFinish(id, 1, { outcome: "succeeded", reason: "", result: null, resultArtifact: null, spent: { tokens: spent } }))
        return fault === "settles twice" ? true : settled
      }
    })
    return isLinearizable(history, budgetModel(limit))
  })

// --- leases ---------------------------------------------------------------------------------------------------------------

type LeaseInput = { readonly op: "take" } | { readonly op: "ack" } | { readonly op: "expire" }
/** What was taken, or acknowledged, or lost; null: there was nothing. */
interface LeaseOutput {
  readonly cursor: number | null
  readonly epoch: number
  readonly ok: boolean
}

interface Queue {
  /** Items that are not settled, and the epoch that holds each; null: nobody does. */
  readonly items: ReadonlyMap<number, number | null>
}

const queueModel = (count: number): Model<Queue, LeaseInput, LeaseOutput> => ({
  initial: { items: new Map(Array.from({ length: count }, (_, at) => [at + 1, null])) },
  key: ({ items }) => [...items].map(([cursor, epoch]) => `${cursor}:${epoch ?? ""}`).join(" "),
  apply: ({ items }, { op }, { cursor, epoch, ok }) => {
    switch (op) {
      case "expire":
        return { items: new Map([...items.keys()].map((one) => [one, null])) }
      case "take":
        if (cursor === null) return [...items.values()].some((holder) => holder === null) ? undefined : { items }
        return items.get(cursor) === null ? { items: new Map([...items, [cursor, epoch]]) } : undefined
      case "ack":
        if (cursor === null) return { items }
        if (ok !== (items.get(cursor) === epoch)) return undefined
        return ok ? { items: new Map([...items].filter(([one]) => one !== cursor)) } : { items }
    }
  }
})

export type LeaseFault = "hands out twice" | "believes a lost lease"

const leaseMillis = 1_000

const leases = (seed: number, fault?: LeaseFault): Promise<boolean> =>
  withWorld(seed, async ({ channels, random, simulated, time }) => {
    const count = 2 + random.int(3)
    await Effect.runPromise(channels.open(channelOf({ name: "jobs", form: "queue", leaseMillis, attemptsMax: 100 }, "one")))
    await Effect.runPromise(channels.append("one", "jobs", Array.from({ length: count }, (_, at) => ({ payload: at }))))
    const held = new Map<string, { readonly cursor: number; readonly epoch: number }>()
    const script = (): ReadonlyArray<LeaseInput> => Array.from({ length: 3 + random.int(3) }, (): LeaseInput => ({ op: random.chance(0.55) ? "take" : "ack" }))
    const clients = { one: script(), two: script(), three: script() }
    let last: { readonly cursor: number; readonly epoch: number } | undefined
    simulated.begin()
    const history = await simulated.run<LeaseInput, LeaseOutput>({
      random, clients, eventChance: 0.06,
      event: (underWay) => {
        // A lease begins when it is handed out: one that is on its way is not held yet, and does not end.
        if (underWay.some(({ op }) => op === "take")) return undefined
        time.advance(leaseMillis + 1)
        return { input: { op: "expire" }, output: { cursor: null, epoch: 0, ok: true } }
      },
      perform: async (client, { op }) => {
        if (op === "take") {
          const [taken] = fault === "hands out twice" && last !== undefined && random.chance(0.3)
            ? [{ event: { cursor: last.cursor }, epoch: last.epoch + 1 }]
            : await Effect.runPromise(channels.take(client, "jobs", { limit: 1 }))
          if (taken === undefined) return { cursor: null, epoch: 0, ok: true }
          last = { cursor: taken.event.cursor, epoch: taken.epoch }
          held.set(client, last)
          return { ...last, ok: true }
        }
        const lease = held.get(client)
        if (lease === undefined) return { cursor: null, epoch: 0, ok: true }
        held.delete(client)
        const exit = await Effect.runPromiseExit(channels.settle(client, "jobs", [{ ...lease, outcome: "ack" }]))
        return { ...lease, ok: fault === "believes a lost lease" || Exit.isSuccess(exit) }
      }
    })
    return isLinearizable(history, queueModel(count))
  })

export const subjects = { grants, budget, leases } as const
export type Subject = keyof typeof subjects
