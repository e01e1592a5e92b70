// A service: one loop over one of the kernel's request channels. Takes what is there, decides it, waits until the answers
// are projected, and settles. A malformed request is refused with a sentence; it never stops the loop nor delays others.
//
// The order of a request R: (a) R is kept in its channel; (b) it is taken; (c) if the fold knows R, go to (e); (d) one
// journal batch with R's verdict and what it creates; (e) the reply, projected with a key; (f) R is settled.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { InvalidPayload, TooLarge } from "../../protocol/errors.ts"
import type { ChannelId, Cursor } from "../../protocol/names.ts"
import { kernelSystem } from "../../protocol/names.ts"
import type { Taken } from "../../protocol/subscription.ts"
import { falseClaim, refuseRequest } from "../authority/decide.ts"
import type { RequestReference } from "../authority/entry.ts"
import type { Journal } from "../authority/journal.ts"
import type { Projections } from "../authority/projections.ts"
import { lookup } from "../authority/state.ts"
import type { ChannelsService } from "../channel/channels.ts"
import type { PendingRequests } from "../guard/admission.ts"

export interface ServiceRoom {
  readonly channels: ChannelsService
  readonly journal: Journal
  readonly projections: Projections
  readonly pending: PendingRequests
}

export interface ServiceOptions<A> {
  readonly room: ServiceRoom
  readonly channel: ChannelId
  readonly schema: Schema.Codec<A, unknown>
  /** Kind of the reply to a malformed request. */
  readonly refusal: string
  /** In these requests `system_id` is the target and no claim of identity. */
  readonly targets?: boolean
  /** Decides one request; answers the position of its verdict in the journal. */
  readonly decide: (reference: RequestReference, request: A) => Effect.Effect<Cursor>
}

export interface Service {
  /** Handles what is pending now, and answers how many there were. */
  readonly step: Effect.Effect<number>
  /** Handles requests for ever, without polling. One that takes its time does not hold up those behind it. */
  readonly run: Effect.Effect<never, never, Scope.Scope>
}

/** Requests that are taken at once, and pages of them that are under way at once. */
const pageItems = 128
const pagesMax = 16
/** After so many failures of the kernel's own the requester is told. */
const attemptsMax = 4

export const make = <A>(options: ServiceOptions<A>): Service => {
  const { channel, decide, refusal, room } = options
  const { channels, journal, pending, projections } = room
  const decode = Schema.decodeUnknownResult(options.schema, { onExcessProperty: "ignore" })

  const refuse = (reference: RequestReference, reason: string): Effect.Effect<Cursor> =>
    Effect.map(journal.submit(refuseRequest(reference, refusal, reason)), ({ cursor }) => cursor)

  const handle = Effect.fnUntraced(function*(reference: RequestReference, payload: unknown): Effect.fn.Return<Cursor> {
    const before = lookup(journal.state().requests, reference.request)
    if (before !== undefined) return before.verdict
    if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
      return yield* refuse(reference, "Malformed request: the payload must be an object")
    }
    const { system } = reference
    const claim = options.targets === true ? falseClaim({ ...payload, system_id: undefined }, system) : falseClaim(payload, system)
    if (claim !== undefined) return yield* refuse(reference, claim)
    const request = decode(payload)
    if (Result.isFailure(request)) {
      return yield* refuse(reference, `Malformed request: ${request.failure.message.replace(/\s+/gu, " ").slice(0, 500)}`)
    }
    return yield* decide(reference, request.success)
  })

  /** Decides an item; answers its verdict's position, or nothing when it has to be tried again. */
  const verdictOf = Effect.fnUntraced(function*({ attempt, event }: Taken) {
    const reference: RequestReference = {
      request: event.id,
      requestCursor: event.cursor,
      channel,
      system: event.sender,
      floor: channels.settledFloor(channel)
    }
    const verdict = yield* Effect.exit(handle(reference, event.payload))
    if (verdict._tag === "Success") return verdict.value
    if (Cause.hasInterruptsOnly(verdict.cause)) return yield* Effect.interrupt
    const defect = Cause.squash(verdict.cause)
    // What no entry can hold is the requester's mistake; everything else may be a disk that comes back.
    if (defect instanceof InvalidPayload || defect instanceof TooLarge) return yield* refuse(reference, `Malformed request: ${defect.message}`)
    yield* Effect.logError(`${channel}#${event.cursor} could not be decided`, verdict.cause)
    if (attempt < attemptsMax || channels.store.stopped() !== undefined) return undefined
    return yield* refuse(reference, "The kernel failed to decide it; see its log")
  })

  /** One page of requests, decided side by side, settled together. A defect in one leaves the others alone. */
  const serve = Effect.fnUntraced(function*(taken: ReadonlyArray<Taken>) {
    yield* Effect.forEach(taken, Effect.fnUntraced(function*(item) {
      const { event: { cursor, sender }, epoch } = item
      const verdict = yield* verdictOf(item)
      if (verdict === undefined) {
        return yield* Effect.ignore(channels.settle(kernelSystem, channel, [{ cursor, epoch, outcome: "nack", delayMillis: 1_000 }]))
      }
      yield* projections.reached(verdict)
      yield* Effect.ignore(channels.settle(kernelSystem, channel, [{ cursor, epoch, outcome: "ack" }]))
      pending.answered(sender)
    }), { concurrency: "unbounded", discard: true })
    return taken.length
  })

  const take = (wait: boolean) =>
    channels.take(kernelSystem, channel, { limit: pageItems, wait, unrecorded: true }).pipe(
      // A stopped or damaged store is the kernel's to mend; meanwhile nothing is taken.
      Effect.catch((error) => Effect.as(Effect.andThen(Effect.logWarning(`${channel}: ${error.message}`), Effect.sleep(1_000)), []))
    )

  return {
    step: Effect.gen(function*() {
      let handled = 0
      for (;;) {
        const taken = yield* take(false)
        if (taken.length === 0) return handled
        handled += yield* serve(taken)
      }
    }),
    run: Effect.flatMap(Semaphore.make(pagesMax), (pages) =>
      Effect.forever(pages.take(1).pipe(
        Effect.andThen(take(true)),
        Effect.flatMap((taken) => Effect.forkScoped(Effect.ensuring(serve(taken), pages.release(1)), { startImmediately: true }))
      )))
  }
}
