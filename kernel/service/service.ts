// A service: one loop over one of the kernel's request channels. Takes what is there, decides it, waits until the answers
// are projected, and settles. A malformed request is refused with a sentence; it never stops the loop nor delays others.
//
// The order of a request R: (a) R is kept in its channel; (b) it is taken; (c) if the fold knows R, go to (e); (d) one
// journal batch with R's verdict and what it creates; (e) the reply, projected with a key; (f) R is settled.
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
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

export const make = <A>(options: ServiceOptions<A>): Service => {
  const { channel, decide, refusal, room } = options
  const { channels, journal, pending, projections } = room
  const decode = Schema.decodeUnknownResult(options.schema, { onExcessProperty: "ignore" })

  const handle = Effect.fnUntraced(function*({ event }: Taken): Effect.fn.Return<Cursor> {
    const reference: RequestReference = {
      request: event.id,
      requestCursor: event.cursor,
      channel,
      system: event.sender,
      floor: channels.settledFloor(channel)
    }
    const before = lookup(journal.state().requests, event.id)
    if (before !== undefined) return before.verdict
    const refuse = (reason: string) => Effect.map(journal.submit(refuseRequest(reference, refusal, reason)), ({ cursor }) => cursor)
    const { payload } = event
    if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
      return yield* refuse("Malformed request: the payload must be an object")
    }
    const claim = options.targets === true ? falseClaim({ ...payload, system_id: undefined }, event.sender) : falseClaim(payload, event.sender)
    if (claim !== undefined) return yield* refuse(claim)
    const request = decode(payload)
    if (Result.isFailure(request)) return yield* refuse(`Malformed request: ${request.failure.message.replace(/\s+/gu, " ").slice(0, 500)}`)
    return yield* decide(reference, request.success)
  })

  /** One page of requests, decided side by side, settled together. A defect in one leaves the others alone. */
  const serve = Effect.fnUntraced(function*(taken: ReadonlyArray<Taken>) {
    yield* Effect.forEach(taken, Effect.fnUntraced(function*(item) {
      const verdict = yield* Effect.exit(handle(item))
      if (verdict._tag === "Failure") {
        yield* Effect.logError(`${channel}#${item.event.cursor} could not be decided`, verdict.cause)
        yield* Effect.ignore(channels.settle(kernelSystem, channel, [
          { cursor: item.event.cursor, epoch: item.epoch, outcome: "nack", delayMillis: 1_000 }
        ]))
        return
      }
      yield* projections.reached(verdict.value)
      yield* Effect.ignore(channels.settle(kernelSystem, channel, [{ cursor: item.event.cursor, epoch: item.epoch, outcome: "ack" }]))
      pending.answered(item.event.sender)
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
