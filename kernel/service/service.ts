// A service: one loop over one of the kernel's request channels. Takes what is there, decides it, waits until the answers
// are projected, and settles. A malformed request is refused with a sentence; it never stops the loop nor delays others.
//
// The order of a request R: (a) R is kept in its channel; (b) it is taken; (c) if the fold knows R, go to (e); (d) one
// journal batch with R's verdict and what it creates; (e) the reply, projected; (f) R is settled.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { InvalidPayload, TooLarge } from "../../protocol/errors.ts"
import type { ChannelId, Cursor } from "../../protocol/names.ts"
import { kernelSystem } from "../../protocol/names.ts"
import type { Taken } from "../../protocol/subscription.ts"
import { submitAsking, Unjudged } from "../authority/decide/ask.ts"
import type { Decision } from "../authority/decide/decision.ts"
import { falseClaim, refuseRequest } from "../authority/decide/request.ts"
import type { RequestReference } from "../authority/entry.ts"
import type { Journal } from "../authority/journal.ts"
import type { Projections } from "../authority/projections.ts"
import { lookup } from "../authority/state/state.ts"
import type { ChannelsService, TakeFailure } from "../channel/channels.ts"
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
  /** Schemas of other requests, by the field that they alone have. They know every field: one too many may be a limit that was put in the wrong place. */
  readonly others?: Readonly<Record<string, Schema.Codec<A, unknown>>>
  /** Kind of the reply to a malformed request. */
  readonly refusal: string
  /** In these requests `system_id` is the target and no claim of identity. */
  readonly targets?: boolean
  /** The request of a payload that is the most usual one, told without asking the schema. */
  readonly plain?: (payload: object) => A | undefined
  /** Decides one request: the decision, or, where more has to be done for it, what answers the position of its verdict in the journal. */
  readonly decide: (reference: RequestReference, request: A) => Decision<unknown> | Effect.Effect<Cursor>
}

export interface Service {
  /** Handles what is pending now, and answers how many there were. */
  readonly step: Effect.Effect<number>
  /** Handles requests for ever, without polling. One that takes its time does not hold up those behind it. */
  readonly run: Effect.Effect<never>
}

/** A request whose verdict and reply are kept, and whom to tell when it is settled. */
interface Answered {
  readonly item: Taken
  readonly done: () => void
}

const nothing = (): void => undefined

/** Requests that are taken at once, and those that are under way at once before no more are taken. */
const pageItems = 128
const openMax = 2_048
/** So many answered requests are settled at once, or those that there are after so long. */
const settledAtOnce = 64
const settleMillis = 2
/** After so many failures of the kernel's own the requester is told. */
const attemptsMax = 4

export const make = <A>(options: ServiceOptions<A>): Service => {
  const { channel, decide, refusal, room } = options
  const { channels, journal, pending, projections } = room
  const decodePlain = Schema.decodeUnknownResult(options.schema, { onExcessProperty: "ignore" })
  const others = Object.entries(options.others ?? {}).map(([field, schema]) =>
    [field, Schema.decodeUnknownResult(schema, { onExcessProperty: "error" })] as const)
  const decoderOf = (payload: object): typeof decodePlain => others.find(([field]) => Object.hasOwn(payload, field))?.[1] ?? decodePlain
  /** Requests that were taken and are not settled. */
  let open = 0
  let whenFewer: (() => void) | undefined
  const working = new Set<Fiber.Fiber<unknown>>()
  /** Answered requests that are settled together. Nobody waits for that: a crash hands them out again, and their verdicts are known. */
  let answered: Array<Answered> = []
  let timer: ReturnType<typeof setTimeout> | undefined
  /** A step waits for what it handled to be settled. */
  let isStepping = false

  /** What has to be done about a request: wait for a verdict that it has, decide, or do more. */
  const plan = (reference: RequestReference, payload: unknown): Cursor | Decision<unknown> | Effect.Effect<Cursor> => {
    const before = lookup(journal.state().requests, reference.request)
    if (before !== undefined) return before.verdict
    if (typeof payload !== "object" || payload === null || Array.isArray(payload)) {
      return refuseRequest(reference, refusal, "Malformed request: the payload must be an object")
    }
    const { system } = reference
    const claim = options.targets === true ? falseClaim({ ...payload, system_id: undefined }, system) : falseClaim(payload, system)
    if (claim !== undefined) return refuseRequest(reference, refusal, claim)
    const plain = options.plain?.(payload)
    if (plain !== undefined) return decide(reference, plain)
    const request = decoderOf(payload)(payload)
    if (Result.isFailure(request)) {
      return refuseRequest(reference, refusal, `Malformed request: ${request.failure.message.replace(/\s+/gu, " ").slice(0, 500)}`)
    }
    return decide(reference, request.success)
  }

  const ended = (done: () => void): void => {
    open--
    done()
    if (whenFewer === undefined) return
    const wake = whenFewer
    whenFewer = undefined
    wake()
  }

  /** Runs what is more than plain code; it ends when the service does. */
  const start = <A>(work: Effect.Effect<A>, then: (exit: Exit.Exit<A>) => void): void => {
    const fiber = Effect.runFork(work)
    working.add(fiber)
    fiber.addObserver((exit) => {
      working.delete(fiber)
      then(exit)
    })
  }

  const settle = (then = nothing): void => {
    clearTimeout(timer)
    timer = undefined
    const batch = answered
    answered = []
    if (batch.length === 0) return then()
    const settlements = batch.map(({ item: { epoch, event: { cursor } } }) => ({ cursor, epoch, outcome: "ack" }) as const)
    // One whose lease was lost is handed out again, and its verdict is known then.
    channels.beginSettle(kernelSystem, channel, settlements, () => {
      for (const { done } of batch) ended(done)
      then()
    })
  }

  /** The verdict is in the journal: when the reply is there too, the request may be settled, with others. */
  const conclude = (item: Taken, verdict: Cursor, done: () => void): void =>
    projections.whenReached(verdict, () => {
      pending.answered(item.event.sender)
      answered.push({ item, done })
      if (isStepping) {
        if (answered.length === 1) queueMicrotask(() => settle())
      } else if (answered.length >= settledAtOnce) settle()
      else timer ??= setTimeout(() => settle(), settleMillis)
    })

  /** The kernel failed to decide it: it is told to the requester, or tried again. */
  const fail = Effect.fnUntraced(function*(item: Taken, reference: RequestReference, cause: Cause.Cause<never>) {
    const { attempt, event: { cursor }, epoch } = item
    if (Cause.hasInterruptsOnly(cause)) return
    const refuse = (reason: string) => Effect.map(journal.submit(refuseRequest(reference, refusal, reason)), (submitted) => submitted.cursor)
    const defect = Cause.squash(cause)
    // What no entry can hold is the requester's mistake; everything else may be a disk that comes back.
    if (defect instanceof InvalidPayload || defect instanceof TooLarge) return yield* refuse(`Malformed request: ${defect.message}`)
    yield* Effect.logError(`${channel}#${cursor} could not be decided`, cause)
    if (attempt >= attemptsMax && channels.store.stopped() === undefined) return yield* refuse("The kernel failed to decide it; see its log")
    yield* Effect.ignore(channels.settle(kernelSystem, channel, [{ cursor, epoch, outcome: "nack", delayMillis: 1_000 }]))
    return undefined
  })

  const handle = (item: Taken, done: () => void): void => {
    const { event } = item
    const reference: RequestReference = {
      request: event.id,
      requestCursor: event.cursor,
      channel,
      system: event.sender,
      floor: channels.settledFloor(channel),
      ...(event.traceparent === null ? {} : { traceparent: event.traceparent }),
      ...(event.labels.length === 0 ? {} : { labels: [...event.labels].sort() })
    }
    const failed = (cause: Cause.Cause<never>): void =>
      start(fail(item, reference, cause), (exit) => {
        if (Exit.isFailure(exit) || exit.value === undefined) ended(done)
        else conclude(item, exit.value, done)
      })
    let planned: ReturnType<typeof plan>
    try {
      planned = plan(reference, event.payload)
    } catch (thrown) {
      return failed(Cause.die(thrown))
    }
    if (typeof planned === "number") return conclude(item, planned, done)
    if (typeof planned === "function") {
      const decision = planned
      return journal.decide(decision, (exit) => {
        if (Exit.isSuccess(exit)) return conclude(item, exit.value.cursor, done)
        if (!(Cause.squash(exit.cause) instanceof Unjudged)) return failed(exit.cause)
        start(submitAsking(journal, decision), (again) => (Exit.isSuccess(again) ? conclude(item, again.value.cursor, done) : failed(again.cause)))
      })
    }
    start(planned, (exit) => (Exit.isSuccess(exit) ? conclude(item, exit.value, done) : failed(exit.cause)))
  }

  /** A stopped or damaged store is the kernel's to mend; meanwhile nothing is taken. */
  const patient = (taking: Effect.Effect<ReadonlyArray<Taken>, TakeFailure>): Effect.Effect<ReadonlyArray<Taken>> =>
    Effect.catch(taking, (error) => Effect.as(Effect.andThen(Effect.logWarning(`${channel}: ${error.message}`), Effect.sleep(1_000)), []))

  const begin = (taken: ReadonlyArray<Taken>, done: () => void): void => {
    open += taken.length
    for (const item of taken) handle(item, done)
  }

  return {
    step: Effect.gen(function*() {
      let handled = 0
      for (;;) {
        const taken = yield* patient(channels.take(kernelSystem, channel, { limit: pageItems, unrecorded: true }))
        if (taken.length === 0) return handled
        handled += taken.length
        let left = taken.length
        isStepping = true
        yield* Effect.callback<void>((resume) => begin(taken, () => {
          if (--left === 0) resume(Effect.void)
        })).pipe(Effect.ensuring(Effect.sync(() => {
          isStepping = false
        })))
      }
    }),
    run: Effect.callback<never>(() => {
      let isOver = false
      let cancel: (() => void) | undefined
      const takeMore = (): void => {
        if (isOver) return
        if (open >= openMax) {
          whenFewer = takeMore
          return
        }
        cancel = channels.beginTake(kernelSystem, channel, { limit: pageItems, wait: true, unrecorded: true }, (taken) => {
          const go = (exit: Exit.Exit<unknown, unknown>): void => {
            if (Exit.isSuccess(exit)) begin(exit.value as ReadonlyArray<Taken>, nothing) // what the take succeeded with
            takeMore()
          }
          // What was taken is there already; only a failure has to be waited out.
          if (Exit.isExit(taken) && Exit.isSuccess(taken)) go(taken)
          else start(patient(taken), go)
        })
      }
      takeMore()
      return Effect.suspend(() => {
        isOver = true
        cancel?.()
        return Effect.andThen(Fiber.interruptAll(working), Effect.callback<void>((resume) => settle(() => resume(Effect.void))))
      })
    })
  }
}
