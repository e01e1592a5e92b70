// Coordination in tests: a desk without a kernel, whose time is given; and a kernel in memory with seats that ask over the channels.
import { coordination, type Event, type Port } from "aaax"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import { decide, lapse } from "../../modules/coordinator/decide.ts"
import { Desk } from "../../modules/coordinator/desk.ts"
import { stepLedger, stepTalk, type LedgerEntry, type TalkEntry } from "../../modules/coordinator/fold.ts"
import { coordinator, type CoordinatorOptions } from "../../modules/coordinator/index.ts"
import { textOf } from "../../modules/coordinator/keyed.ts"
import { makeState } from "../../modules/coordinator/state.ts"
import { makeKernel, type TestKernel, type TestOptions } from "../../kernel/testing.ts"
import { emptyManifest } from "../../protocol/manifest.ts"

export type AskOf<V extends coordination.Verb> = Extract<coordination.Ask, { readonly verb: V }>
export type Granted<V extends coordination.Verb> = { readonly ok: true } & coordination.Results[V]

/** What was said at a desk: entries as they would be kept, and what each system was told. */
export interface Table {
  readonly desk: Desk
  /** Kernel time in milliseconds; moved by hand. */
  at: number
  /** Asks as this system, and gives the answer; nothing: it stays. */
  readonly ask: (system: string, ask: coordination.Ask | Record<string, unknown>) => coordination.Answer | undefined
  /** Asks, and expects that it is granted. */
  readonly get: <V extends coordination.Verb>(system: string, ask: AskOf<V> & { readonly verb: V }) => Granted<V>
  /** Time goes on by so many milliseconds, and what falls due is done. */
  readonly pass: (millis: number) => void
  readonly notices: (system: string) => ReadonlyArray<coordination.Notice>
  /** Answers that came later, by what was asked for: the number of the request. */
  readonly later: (system: string) => ReadonlyArray<coordination.Answer>
  readonly ledger: ReadonlyArray<LedgerEntry>
  readonly talk: ReadonlyArray<TalkEntry>
  readonly presence: ReadonlyArray<{ readonly kind: string; readonly payload: unknown }>
  /** A new process with the same log. */
  readonly again: () => Table
}

export const makeTable = (desk = new Desk(makeState()), at = 1_750_000_000_000): Table => {
  const ledger: Array<LedgerEntry> = []
  const talk: Array<TalkEntry> = []
  const times = new Map<unknown, number>()
  const presence: Array<{ readonly kind: string; readonly payload: unknown }> = []
  const told: Array<{ readonly system: string; readonly kind: string; readonly request: string | undefined; readonly payload: unknown }> = []
  let requests = 0
  const collect = (): void => {
    for (const { draft } of desk.ledger) ledger.push({ kind: draft.kind, payload: draft.payload } as LedgerEntry)
    for (const { draft } of desk.talk) talk.push({ kind: draft.kind, payload: draft.payload } as TalkEntry)
    for (const { draft } of [...desk.ledger, ...desk.talk]) times.set(draft.payload, desk.now)
    for (const { draft } of desk.presence) presence.push({ kind: draft.kind ?? "", payload: draft.payload })
    for (const { draft } of desk.replies) told.push({ system: draft.recipient ?? "", kind: draft.kind ?? "", request: draft.correlationId ?? undefined, payload: draft.payload })
    desk.ledger = []
    desk.talk = []
    desk.presence = []
    desk.replies = []
    desk.epochs = []
    desk.granted = []
  }
  const table: Table = {
    desk, at, ledger, talk, presence,
    ask: (system, ask) => {
      const id = `r${++requests}`
      const before = told.length
      const hasKey = "key" in ask && typeof ask.key === "string"
      decide(desk, { id, sender: system, at: table.at, payload: JSON.parse(JSON.stringify(ask)), ...(hasKey ? { digest: textOf(ask) } : {}) })
      collect()
      return told.slice(before).find(({ request }) => request === id)?.payload as coordination.Answer | undefined
    },
    get: (system, ask) => {
      const answer = table.ask(system, ask)
      if (answer?.ok !== true) throw new Error(`${system} ${ask.verb}: ${answer === undefined ? "no answer" : answer.message}`)
      return answer as never
    },
    pass: (millis) => {
      table.at += millis
      lapse(desk, table.at)
      collect()
    },
    notices: (system) => told.filter((one) => one.system === system && one.kind === "notice").map(({ payload }) => payload as coordination.Notice),
    later: (system) => told.filter((one) => one.system === system && one.kind === "answer").map(({ payload }) => payload as coordination.Answer),
    again: () => {
      const state = makeState()
      for (const entry of ledger) stepLedger(state, JSON.parse(JSON.stringify(entry)) as LedgerEntry, times.get(entry.payload) ?? 0)
      for (const entry of talk) stepTalk(state, JSON.parse(JSON.stringify(entry)) as TalkEntry, times.get(entry.payload) ?? 0)
      const next = makeTable(new Desk(state), table.at)
      ;(next.ledger as Array<LedgerEntry>).push(...ledger)
      ;(next.talk as Array<TalkEntry>).push(...talk)
      return next
    }
  }
  return table
}

/** A seat that is docked: asks over the channels, and waits for the answer. */
export interface Asking {
  readonly port: Port
  readonly ask: <V extends coordination.Verb>(ask: AskOf<V> & { readonly verb: V }) => Effect.Effect<coordination.Answer<V>, unknown>
  readonly get: <V extends coordination.Verb>(ask: AskOf<V> & { readonly verb: V }) => Effect.Effect<Granted<V>, unknown>
  readonly notices: Effect.Effect<ReadonlyArray<coordination.Notice>, unknown>
}

export const dockSeat = (kernel: Pick<TestKernel, "dock">, id: string): Effect.Effect<Asking, unknown> =>
  Effect.map(
    kernel.dock({ manifest: { ...emptyManifest(id), reads: [...coordination.seatReads], writes: [...coordination.seatWrites] }, run: () => Effect.never }, { configured: true }),
    ({ port }): Asking => {
      const ask: Asking["ask"] = (asked) => Effect.gen(function*() {
        const [appended] = yield* port.append(coordination.requests, [{ kind: "request", payload: asked }])
        for (let after = 0;;) {
          const page = yield* port.read(coordination.replies, { after, filter: { correlationId: appended!.id } })
          const [answer] = page.events
          if (answer !== undefined) return answer.payload as never
          yield* port.awaitBeyond(coordination.replies, after = page.next)
        }
      })
      return {
        port, ask,
        get: (asked) => Effect.flatMap(ask(asked as never), (answer: coordination.Answer) => answer.ok ? Effect.succeed(answer as never) : Effect.fail(new Error(answer.message))),
        notices: Effect.map(port.read(coordination.replies, { limit: 1_000, filter: { kind: "notice" } }), ({ events }) => events.map(({ payload }) => payload as unknown as coordination.Notice))
      }
    }
  )

export interface World {
  readonly kernel: TestKernel
  readonly seat: (id: string) => Effect.Effect<Asking, unknown>
  readonly events: (channel: string) => Effect.Effect<ReadonlyArray<Event>, unknown>
}

/** A kernel in memory with a coordinator, for as long as the scope. */
export const makeCoordination = (options: TestOptions & { readonly coordinator?: CoordinatorOptions } = {}): Effect.Effect<World, unknown, Scope> =>
  Effect.gen(function*() {
    const kernel = yield* makeKernel(options)
    yield* kernel.dock(coordinator(options.coordinator), { configured: true })
    return {
      kernel,
      seat: (id) => dockSeat(kernel, id),
      events: (channel) => Effect.map(kernel.channels.read("aaax", channel, { limit: 1_000, fullLog: true }), ({ events }) => events)
    }
  })
