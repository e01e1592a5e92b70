// Projections: replies, registries and the approvals channel, made from the journal behind a durable cursor with a key
// per entry, so that a crash redoes them without doubling them.
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { Draft } from "../../protocol/event.ts"
import { kernelSystem, type ChannelId, type Cursor } from "../../protocol/names.ts"
import { replyKinds, type Warrant } from "../../protocol/warrant.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import type { ChannelsService } from "../channel/channels.ts"
import { correlationOf, entryOf, type Entry } from "./entry.ts"
import type { Journal } from "./journal.ts"

export interface Projections {
  /** Completes when everything up to this position of the journal is projected. */
  readonly reached: (cursor: Cursor) => Effect.Effect<void>
  /** Completes when everything that is committed now is projected. */
  readonly caughtUp: Effect.Effect<void>
  /** Keeps how far it came, when that has changed: a key lives for a day, and no entry may be projected again after that. */
  readonly save: Effect.Effect<void>
}

export interface ProjectionsOptions {
  readonly journal: Journal
  readonly channels: ChannelsService
  readonly payloadOf: (warrant: Warrant) => Effect.Effect<unknown>
}

/** Entries between writes of the durable cursor: what a crash makes it look at again. */
const cursorEvery = 500

type Projected = readonly [ChannelId, Draft]

const reply = (entry: Entry & { readonly system: string }, kind: string, payload: Readonly<Record<string, unknown>>): Projected => [
  wellKnown.kernelReplies,
  { kind, payload, recipient: entry.system, correlationId: correlationOf(entry) }
]

/** What one entry becomes elsewhere. `payload` is the final payload of the action that it is about. */
const projected = (entry: Entry, payload: unknown): ReadonlyArray<Projected> => {
  switch (entry.kind) {
    case "capability.decided": {
      if (entry.grant === null) {
        return [reply(entry, replyKinds.refusedCapability, { resource: entry.resource, reason: entry.reason })]
      }
      const { caveats, id } = entry.grant
      const expires = caveats.expiresAt === undefined ? null : caveats.expiresAt / 1000
      return [
        reply(entry, replyKinds.granted, { resource: entry.resource, token: id, expires }),
        [wellKnown.capabilityRegistry, { kind: "grant", payload: entry.grant }]
      ]
    }
    case "request.refused":
      return [reply(entry, entry.reply, { request_id: entry.request, reason: entry.reason })]
    case "action.decided": {
      const { executor, id, reason, state } = entry.warrant
      if (state === "denied") return [reply(entry, replyKinds.denied, { request_id: id, reason })]
      if (state === "started") return [reply(entry, replyKinds.approved, { request_id: id, executor, modified_payload: payload ?? null })]
      return [
        reply(entry, replyKinds.escalated, { request_id: id, reason, escalated_to: entry.escalatedTo }),
        [wellKnown.approvals, { kind: "approval.waiting", subject: id, payload: { ...entry.warrant, payload: payload ?? null } }]
      ]
    }
    case "warrant.answered": {
      const answer: Projected = [wellKnown.approvals, {
        kind: "approval.answered", subject: entry.warrant, payload: { id: entry.warrant, outcome: entry.outcome, by: entry.by, reason: entry.reason }
      }]
      return entry.outcome === "approved"
        ? [reply(entry, replyKinds.approved, { request_id: entry.warrant, executor: entry.executor, modified_payload: payload ?? null }), answer]
        : [reply(entry, replyKinds.denied, { request_id: entry.warrant, reason: entry.reason === "" ? `Denied by ${entry.by}` : entry.reason }), answer]
    }
    case "warrant.expired":
      return [
        reply(entry, replyKinds.expired, { request_id: entry.warrant, reason: "Nobody answered before it expired" }),
        [wellKnown.approvals, { kind: "approval.expired", subject: entry.warrant, payload: { id: entry.warrant } }]
      ]
    case "warrant.finished": {
      const { executor, outcome, reason, result, resultArtifact, warrant } = entry
      if (outcome === "succeeded") {
        const artifact = resultArtifact === null ? {} : { result_artifact: resultArtifact }
        return [reply(entry, replyKinds.completed, { request_id: warrant, executor, result: result ?? null, ...artifact })]
      }
      return [reply(entry, outcome === "failed" ? replyKinds.failed : replyKinds.unknown, { request_id: warrant, executor, reason })]
    }
    case "module.decided":
      return [entry.outcome === "accepted"
        ? reply(entry, replyKinds.moduleAccepted, {
            module_id: entry.module, system_id: entry.module, granted_wiring: entry.wiring, granted_capabilities: entry.capabilities
          })
        : reply(entry, replyKinds.moduleRejected, { module_id: entry.module, reason: entry.reason })]
    case "lifecycle.decided":
      return [entry.outcome === "ok"
        ? reply(entry, replyKinds.lifecycleOk, { command: entry.command, system_id: entry.target })
        : reply(entry, replyKinds.lifecycleError, { command: entry.command, system_id: entry.target, reason: entry.reason })]
    case "grant.issued":
      return [[wellKnown.capabilityRegistry, { kind: "grant", payload: entry.grant }]]
    case "grants.ended":
      return [[wellKnown.capabilityRegistry, { kind: entry.reason === "expired" ? "expire" : "revoke", payload: { grants: entry.grants, holder: entry.holder } }]]
    case "system.docked": {
      const { at: _, kind: __, ...record } = entry
      return [[wellKnown.moduleRegistry, { kind: "dock", payload: record }]]
    }
    case "system.undocked":
      return [[wellKnown.moduleRegistry, { kind: "undock", payload: { system: entry.system, reason: entry.reason } }]]
    case "system.changed":
      return [[wellKnown.moduleRegistry, { kind: "status", payload: { system: entry.system, status: entry.status, reason: entry.reason } }]]
    case "policy.activated":
      return [[wellKnown.policyStore, { kind: "policy", payload: { version: entry.version, description: entry.description } }]]
    case "kernel.booted":
    case "power.granted":
    case "module.loaded":
    case "module.unloaded":
    case "warrant.started":
    case "clock.jumped":
    case "clock.confirmed":
    case "snapshot.taken":
      return []
  }
}

const warrantIn = (entry: Entry): string | undefined =>
  (entry.kind === "action.decided" && entry.warrant.state !== "denied") || (entry.kind === "warrant.answered" && entry.outcome === "approved")
    ? (correlationOf(entry) ?? undefined)
    : undefined

export const make = Effect.fnUntraced(function*(options: ProjectionsOptions): Effect.fn.Return<Projections, never, Scope.Scope> {
  const { channels, journal } = options
  const { store } = channels
  let cursor = store.subscription(kernelSystem, "projections", wellKnown.journal)?.cursor ?? 0
  let saved = cursor
  let wake: Deferred.Deferred<void> | undefined
  let waiters: Array<{ readonly cursor: Cursor; readonly done: Deferred.Deferred<void> }> = []

  journal.onCommitted(() => {
    if (wake === undefined) return
    const woken = wake
    wake = undefined
    Deferred.doneUnsafe(woken, Effect.void)
  })

  /** The warrant of an entry, for its payload: in the entry, or in the one that decided it. */
  const payloadFor = Effect.fnUntraced(function*(entry: Entry) {
    const id = warrantIn(entry)
    if (id === undefined) return undefined
    if (entry.kind === "action.decided") return yield* options.payloadOf(entry.warrant)
    for (const { entry: about } of yield* journal.about(id)) {
      if (about.kind === "action.decided") return yield* options.payloadOf(about.warrant)
    }
    return undefined
  })

  const project = Effect.fnUntraced(function*(at: Cursor, entry: Entry) {
    const drafts = projected(entry, yield* payloadFor(entry))
    // Each goes to a channel of its own, and all of them into one commit.
    yield* Effect.forEach(drafts, ([channel, draft], part) =>
      channels.appendSurely(kernelSystem, channel, [draft], { key: `journal/${at}/${part}` }).pipe(
        // Too large or otherwise not acceptable is a fault of ours; the journal still has the truth, so go on and say so.
        Effect.catch((error) => Effect.logWarning(`a projection of ${wellKnown.journal}#${at} was dropped: ${error.message}`))
      ), { concurrency: "unbounded", discard: true })
  })

  const save = Effect.suspend(() => {
    if (saved === cursor) return Effect.void
    saved = cursor
    return Effect.ignore(store.advance(kernelSystem, "projections", wellKnown.journal, cursor))
  })

  const run = Effect.fnUntraced(function*() {
    for (;;) {
      // What cannot be read now may be readable when the store was opened anew.
      const events = yield* journal.read(cursor, cursorEvery).pipe(
        Effect.tapError((error) => Effect.logWarning(`replies wait: ${error.message}`)),
        Effect.retry(Schedule.spaced(1_000)),
        Effect.orDie
      )
      if (events.length === 0) {
        wake = Deferred.makeUnsafe<void>()
        // A commit between the read and here has found no one to wake.
        if (journal.state().cursor === cursor) yield* Deferred.await(wake)
        wake = undefined
        continue
      }
      // Entries about one request stay in order; others go side by side, into one commit.
      const lanes = new Map<string, Array<readonly [Cursor, Entry]>>()
      for (const event of events) {
        const entry = entryOf(event)
        const lane = correlationOf(entry) ?? ""
        const entries = lanes.get(lane)
        if (entries === undefined) lanes.set(lane, [[event.cursor, entry]])
        else entries.push([event.cursor, entry])
      }
      yield* Effect.forEach(
        lanes.values(),
        (entries) => Effect.forEach(entries, ([at, entry]) => project(at, entry), { discard: true }),
        { concurrency: "unbounded", discard: true }
      )
      cursor = events[events.length - 1]!.cursor
      waiters = waiters.filter((waiter) => {
        if (waiter.cursor > cursor) return true
        Deferred.doneUnsafe(waiter.done, Effect.void)
        return false
      })
      if (cursor - saved >= cursorEvery) yield* save
    }
  })

  yield* Effect.addFinalizer(() => save)
  yield* Effect.forkScoped(run())

  const reached = (target: Cursor): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (cursor >= target) return Effect.void
      const done = Deferred.makeUnsafe<void>()
      waiters.push({ cursor: target, done })
      return Deferred.await(done)
    })

  return { reached, save, caughtUp: Effect.suspend(() => reached(journal.state().cursor)) }
})
