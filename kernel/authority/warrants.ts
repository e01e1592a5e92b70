// From started to receipt: a durable `started` licenses exactly one call on the executor's port; its outcome is an
// entry again. After a crash, a start without an outcome is treated as the executor's recovery says.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as HashMap from "effect/HashMap"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { ActionRequest, Fence } from "../../protocol/authority.ts"
import { epochs } from "../../protocol/coordination.ts"
import { reportOf, type Call, type CallPowers, type Compensated, type Executor, type ExecutorFailure } from "../../protocol/executor.ts"
import { kernelSystem } from "../../protocol/names.ts"
import type { SecretView } from "../../protocol/view.ts"
import type { Warrant } from "../../protocol/warrant.ts"
import type { ChannelsService } from "../channel/channels.ts"
import { executorCallsMax, executorMillisDefault, labelLengthMax, labelsMax, resultTextMax, statusMillisMax } from "../limits.ts"
import { toText } from "../store/codec.ts"
import { circuitFor, contained, inWords, recoveryFor } from "../executor/executor.ts"
import { makeCircuits, type Circuits } from "../guard/circuit.ts"
import type { Redaction } from "../guard/redaction.ts"
import { ended, makeCalls, makeStop, stop as stopCall, type Stop } from "./calls.ts"
import { finalOf, type Final } from "./decide/action.ts"
import { compensationPayload, doneOf } from "./decide/compensate.ts"
import { decideFinish, decideRestart, type Finish } from "./decide/warrant.ts"
import { sameTrace } from "./entry.ts"
import type { Placed } from "./state/state.ts"
import { makeProgress } from "./progress.ts"
import { unavailable, type Barred, type Scopes } from "./scopes.ts"
import { lookup } from "./state/state.ts"
import type { Journal } from "./journal.ts"
import { allows } from "./verify.ts"

export interface WarrantsOptions {
  readonly journal: Journal
  readonly channels: ChannelsService
  readonly executor: (name: string) => Executor | undefined
  readonly digestOf: (value: unknown) => string
  /** Names the system whose code runs, for the watchdog. */
  readonly entered: (system: string) => void
  /** Kernel time in Unix milliseconds. */
  readonly now?: () => number
  /** What others have claimed, for executors that change files; without it nobody claims anything. */
  readonly scopes?: Scopes
  /** What could not be reached several times in a row; default: its own. */
  readonly circuits?: Circuits
  /** Values that config names; without it there are none. */
  readonly secrets?: ExecutorSecrets
}

/** The secrets of a config, as executors are handed them and as they are struck out of what they give back. */
export interface ExecutorSecrets {
  readonly secret: (executor: string, name: string) => Effect.Effect<string, ExecutorFailure>
  readonly redaction: Redaction
  /** All but their values. */
  readonly list: () => ReadonlyArray<SecretView>
}

export interface Warrants {
  /** Deals with calls that an earlier kernel started; those of one executor when it is registered later. */
  readonly recover: (executor?: string) => Effect.Effect<void>
  /** The final payload of a warrant: what is digested, approved and executed; undefined when its body is gone. */
  readonly payloadOf: (warrant: Warrant) => Effect.Effect<unknown>
  readonly underWay: () => number
  /** Completes when no call is under way. */
  readonly settled: Effect.Effect<void>
}

const failed = (reason: string): Finish => ({ outcome: "failed", reason, result: null, resultArtifact: null, isFree: true })
const unknown = (reason: string): Finish => ({ outcome: "unknown", reason, result: null, resultArtifact: null })

/** Labels as an executor gives them: what is none is left out. */
const labelsIn = (labels: ReadonlyArray<unknown>): ReadonlyArray<string> =>
  labels.filter((label): label is string => typeof label === "string" && label.length > 0 && label.length <= labelLengthMax).slice(0, labelsMax)

/** It never came to a call. */
const failedFor = ({ reason, scope }: Barred): Finish => ({ ...failed(reason), scope })

const movedOn = ({ channel, epoch, key }: Fence): string => `the fence ${channel}/${key} has moved on from epoch ${epoch}`

/** The newest word on a key is of this epoch; of a claim: it has not ended either. */
const isAt = (fence: Fence, newest: unknown, now: number): boolean => {
  if (typeof newest !== "object" || newest === null) return false
  // Members are compared and not used.
  const { ended, epoch, expiresAt } = newest as Readonly<Record<string, unknown>>
  return epoch === fence.epoch && (fence.channel !== epochs || (ended !== true && Number(expiresAt) > now))
}

const staleOf = (fence: Fence): Barred => ({
  reason: movedOn(fence),
  scope: {
    code: "EPOCH_STALE", task: fence.key, epoch: fence.epoch,
    how: fence.channel === epochs ? "claim it again, and ask under the epoch of that" : "ask under its newest epoch"
  }
})

/** The grant that it was started under, and those above: the end of one of them is the end of all below. */
const grantsOf = ({ chain = [], grant }: Warrant): ReadonlyArray<string> => (grant === null ? chain : [grant, ...chain])

/** A typed failure's own words, or whatever was thrown. */
const reasonIn = (cause: Cause.Cause<ExecutorFailure>): unknown => {
  const thrown = Cause.squash(cause)
  return typeof thrown === "object" && thrown !== null && "reason" in thrown ? thrown.reason : thrown
}

const requestOf = (payload: unknown): Partial<ActionRequest> =>
  typeof payload === "object" && payload !== null ? (payload as Partial<ActionRequest>) : {}

export const make = Effect.fnUntraced(function*(options: WarrantsOptions): Effect.fn.Return<Warrants, never, Scope.Scope> {
  const { channels, digestOf, executor: executorOf, journal } = options
  const calls = yield* makeCalls(executorCallsMax)
  /** Calls that wait for a place or are under way, so that a revocation finds them all. */
  const dispatched = new Map<string, { readonly grants: ReadonlyArray<string>; readonly stop: Stop }>()

  const circuits = options.circuits ?? makeCircuits()
  const now = options.now ?? Date.now

  const payloadOf = (warrant: Warrant): Effect.Effect<unknown> =>
    (warrant.compensates !== undefined
      ? Effect.succeed<unknown>(compensationPayload(warrant.compensates))
      : warrant.payloadArtifact === null
      ? channels.store.event(warrant.id).pipe(Effect.map((event) => requestOf(event?.payload).payload ?? null))
      : channels.store.getArtifact(warrant.payloadArtifact).pipe(
          Effect.map((bytes): unknown => JSON.parse(new TextDecoder().decode(bytes)))
        )
    ).pipe(Effect.orElseSucceed(() => undefined))

  const callOf = (warrant: Warrant, payload: unknown): Call => ({
    warrant: warrant.id,
    key: warrant.key ?? warrant.id,
    attempt: warrant.attempt,
    principal: warrant.system,
    grant: warrant.grant,
    action: warrant.action,
    target: warrant.target,
    payload,
    digest: warrant.digest,
    risk: warrant.risk,
    ...sameTrace(warrant)
  })

  const struck = (text: string): string => options.secrets?.redaction.text(text) ?? text
  /** What others threw or failed with, without secrets: struck out before it is cut short, so that no part of one is left. */
  const told = (thrown: unknown): string => inWords(thrown, struck)

  /** Nothing for a call where nobody claims anything. */
  const entered = (warrant: Warrant, fence: Fence | undefined, paths: ReadonlyArray<string>): Effect.Effect<Barred | undefined> =>
    options.scopes === undefined || options.scopes.isIdle()
      ? Effect.succeed(undefined)
      : Effect.catchDefect(options.scopes.enter({ warrant: warrant.id, system: warrant.system, paths, fence }), (defect) => Effect.succeed(unavailable(told(defect))))

  const progressOf = makeProgress(channels, options.secrets?.redaction)
  const powersOf = (
    warrant: Warrant, fence: Fence | undefined, stop?: Stop, barred: (by: Barred) => void = () => {}
  ): CallPowers => ({
    stillHolds: Effect.suspend(() => {
      if (stop?.reason !== undefined) return Effect.fail({ reason: "its capability was revoked before it began" })
      if (fence === undefined) return Effect.void
      return Effect.flatMap(holds(fence), (isHeld) => {
        if (isHeld) return Effect.void
        barred(staleOf(fence))
        return Effect.fail({ reason: movedOn(fence) })
      })
    }),
    mayChange: (paths) =>
      Effect.flatMap(entered(warrant, fence, paths), (by) => {
        if (by === undefined) return Effect.void
        barred(by)
        return Effect.fail({ reason: by.reason })
      }),
    covers: (target) =>
      allows(journal.state(), {
        token: warrant.grant ?? "", holder: warrant.system, resource: warrant.executor, access: "execute", action: warrant.action, target,
        risk: warrant.risk, isBound: true, isCharged: true
        // What was in force when it was asked for; what was revoked since is not in the state.
      }, warrant.requestedAt),
    progress: progressOf(warrant),
    secret: (name) => options.secrets?.secret(warrant.executor, name) ?? Effect.fail({ reason: `there is no secret ${name}` }),
    keep: (bytes, mediaType) =>
      Effect.mapBoth(channels.store.putArtifact(options.secrets?.redaction.bytes(bytes) ?? bytes, mediaType), {
        onFailure: () => ({ reason: "what it gave is too large for a result and could not be kept" }),
        onSuccess: ({ digest }) => ({ artifact: digest, sizeBytes: bytes.length, mediaType })
      }),
    ...(warrant.compensates === undefined
      ? {}
      : { kept: (digest: string) => Effect.mapError(channels.store.getArtifact(digest), () => ({ reason: "what was there before was not kept" })) })
  })

  /** What is taken back, with its arguments and what was said of it; a sentence when that is not there any more. */
  const doneBy = Effect.fnUntraced(function*(id: string): Effect.fn.Return<Compensated, ExecutorFailure> {
    const done = doneOf(yield* Effect.orDie(journal.about(id)))
    const payload = done === undefined ? undefined : yield* payloadOf(done.warrant)
    if (done === undefined || payload === undefined || !isIntact(done.warrant, payload)) return yield* Effect.fail({ reason: "the arguments of what is to be taken back are not there any more" })
    const { result, resultArtifact, undo, warrant } = done
    const whole = resultArtifact === null
      ? result
      : yield* Effect.mapError(artifactJson(resultArtifact), () => ({ reason: "the result of what is to be taken back is not there any more" }))
    return { original: callOf(warrant, payload), result: whole, undo: undo ?? null }
  })

  const artifactJson = (digest: string): Effect.Effect<unknown, unknown> =>
    Effect.map(channels.store.getArtifact(digest), (bytes): unknown => JSON.parse(new TextDecoder().decode(bytes)))

  /** What a call would change, or why that cannot be told. */
  const changesOf = (executor: Executor, call: Call): Effect.Effect<ReadonlyArray<string> | string> =>
    executor.changes === undefined || options.scopes === undefined || options.scopes.isIdle()
      ? Effect.succeed([])
      : Effect.map(Effect.exit(contained(() => executor.changes?.(call) ?? Effect.succeed([]))), (exit) =>
          Exit.isSuccess(exit) ? exit.value : `what it would change cannot be told: ${told(reasonIn(exit.cause))}`)

  /** The call as its warrant says: the effect itself, or taking one back. */
  const called = (executor: Executor, warrant: Warrant, call: Call, powers: CallPowers): Effect.Effect<unknown, ExecutorFailure> =>
    warrant.compensates === undefined
      ? executor.perform(call, powers)
      : Effect.flatMap(doneBy(warrant.compensates), (done) =>
          executor.compensate?.(call, done, powers) ?? Effect.fail({ reason: `${executor.name} cannot take back what it did` }))

  const isIntact = (warrant: Warrant, payload: unknown): boolean =>
    digestOf({ action: warrant.action, executor: warrant.executor, payload, target: warrant.target }) === warrant.digest

  /** The epoch that a fence names is still the newest of its key. */
  const holds = (fence: Fence): Effect.Effect<boolean> =>
    channels.read(kernelSystem, fence.channel, { filter: { subject: fence.key } }).pipe(
      Effect.map((page) => {
        return isAt(fence, page.events.at(-1)?.payload, now())
      }),
      Effect.orElseSucceed(() => false)
    )

  /** Warrants of the first layout do not say it themselves. */
  const fenceOf = (warrant: Warrant): Effect.Effect<Fence | undefined> =>
    warrant.key !== undefined
      ? Effect.succeed(warrant.fence)
      : channels.store.event(warrant.id).pipe(
          Effect.map((event) => requestOf(event?.payload).fence),
          Effect.orElseSucceed(() => undefined)
        )

  /** JSON as an entry can hold it, without secrets; nothing when it cannot. */
  const entryJson = (value: unknown): unknown => {
    try {
      const text = toText(value, "undo")
      const redaction = options.secrets?.redaction
      return text.length > resultTextMax ? undefined : redaction?.isIdle() === false ? redaction.json(JSON.parse(text)) : JSON.parse(text)
    } catch {
      return undefined
    }
  }

  /** What the executor reported, made to fit an entry. */
  const succeeded = (executor: Executor, given: unknown, millis?: number): Effect.Effect<Finish> => {
    const { labels, result, spent, undo } = reportOf(given)
    const beside = {
      ...(spent === undefined ? {} : { spent }),
      ...(millis === undefined ? {} : { millis }),
      ...(undo === undefined ? {} : { undo: entryJson(undo) }),
      labels: labelsIn([...(executor.labels ?? []), ...(Array.isArray(labels) ? labels.map((label) => (typeof label === "string" ? struck(label) : label)) : [])])
    }
    return Effect.map(resulting(result), (finish) => ({ ...finish, ...beside }))
  }

  const resulting = (result: unknown): Effect.Effect<Finish> => {
    let text: string
    try {
      text = toText(result ?? null, "result")
      const redaction = options.secrets?.redaction
      if (redaction?.isIdle() === false) text = toText(redaction.json(JSON.parse(text)), "result")
    } catch (error) {
      return Effect.succeed({ outcome: "succeeded", reason: `its result was dropped: ${told(error)}`, result: null, resultArtifact: null })
    }
    if (text.length <= resultTextMax) return Effect.succeed({ outcome: "succeeded", reason: "", result: JSON.parse(text), resultArtifact: null })
    return Effect.match(channels.store.putArtifact(new TextEncoder().encode(text), "application/json"), {
      onFailure: (): Finish => ({ outcome: "succeeded", reason: "its result was too large and could not be kept", result: null, resultArtifact: null }),
      onSuccess: ({ digest }): Finish => ({ outcome: "succeeded", reason: "", result: null, resultArtifact: digest })
    })
  }

  const statusOf = (executor: Executor, warrant: Warrant, call: Call): Effect.Effect<unknown, ExecutorFailure | Cause.TimeoutError> =>
    contained(() => executor.status?.(call, powersOf(warrant, undefined)) ?? Effect.die(new Error("it cannot be asked"))).pipe(Effect.timeout(statusMillisMax))

  /** Nobody knows how a call ended: ask the executor when it can tell. */
  const askedWhat = Effect.fnUntraced(function*(executor: Executor, warrant: Warrant, call: Call, reason: string): Effect.fn.Return<Finish> {
    if (warrant.recovery !== "queryable" || executor.status === undefined) return unknown(reason)
    const status = yield* Effect.exit(statusOf(executor, warrant, call))
    if (Exit.isFailure(status)) return unknown(reason)
    return status.value === undefined ? failed(`${reason}; it did not happen`) : yield* succeeded(executor, status.value)
  })

  const perform = Effect.fnUntraced(function*(warrant: Warrant, stop: Stop, final: Final | undefined): Effect.fn.Return<Finish> {
    const executor = executorOf(warrant.executor)
    if (executor === undefined) return failed(`nobody serves ${warrant.executor}`)
    // What was decided a moment ago is at hand, and could not change since.
    const payload = final === undefined ? yield* payloadOf(warrant) : final.payload
    if (final === undefined && (payload === undefined || !isIntact(warrant, payload))) return failed("the arguments are not those that were decided on")
    const fence = warrant.key === undefined ? yield* fenceOf(warrant) : warrant.fence
    if (fence !== undefined && !(yield* holds(fence))) return failedFor(staleOf(fence))
    const call = callOf(warrant, payload)
    // What is taken back says itself what it changes: its target is that of another call.
    const declared = warrant.compensates !== undefined ? undefined : yield* changesOf(executor, call)
    if (typeof declared === "string") return failed(told(declared))
    const isClaimed = (declared !== undefined && declared.length > 0) || fence?.channel === epochs
    const already = isClaimed ? yield* entered(warrant, fence, declared ?? []) : undefined
    if (already !== undefined) return failedFor(already)
    if (stop.reason !== undefined) return failed("its capability was revoked before it began")
    const circuit = circuitFor(executor, call)
    const isOpen = circuits.refusal(circuit, now())
    if (isOpen !== undefined) return failed(struck(isOpen))
    const millis = executor.timeoutMillis ?? executorMillisDefault
    const began = performance.now()
    const taken = (): number => Math.ceil(performance.now() - began)
    let barred: Barred | undefined
    // A typed failure is the executor's word that nothing happened; every other end leaves the question open.
    const end = yield* Effect.onInterrupt(ended(() => {
      options.entered(`executor ${warrant.executor}`)
      return called(executor, warrant, call, powersOf(warrant, fence, stop, (by) => {
        barred = by
      }))
    }, millis, stop), () => Effect.sync(() => circuits.ended(circuit, undefined, now())))
    if (end.broken !== undefined) {
      circuits.ended(circuit, end.broken.isReached, now())
      return yield* askedWhat(executor, warrant, call, end.broken.reason)
    }
    if (Exit.isSuccess(end.exit)) {
      circuits.ended(circuit, true, now())
      return yield* succeeded(executor, end.exit.value, taken())
    }
    const typed = Cause.findError(end.exit.cause)
    if (Result.isFailure(typed)) {
      circuits.ended(circuit, false, now())
      // Who stops the kernel does not get here: an interruption that does is the executor's own.
      return yield* askedWhat(executor, warrant, call, `the executor broke off: ${told(Cause.squash(end.exit.cause))}`)
    }
    const failure = typed.success as ExecutorFailure | undefined // as its type says, or whatever somebody failed with
    const reason = told(failure?.reason)
    circuits.ended(circuit, failure?.unavailable !== true, now())
    // It was called: what it does not say that it cost is charged as declared.
    return {
      ...failed(reason), isFree: false, spent: failure?.spent, millis: taken(),
      ...(barred?.reason === reason ? { scope: barred.scope } : {})
    }
  })

  /** The outcome always gets its entry, if need be without a result that no entry can hold. */
  const finished = (warrant: Warrant, finish: Finish): Effect.Effect<unknown> =>
    journal.submit(decideFinish(warrant.id, warrant.attempt, finish)).pipe(
      Effect.catchDefect(() => journal.submit(decideFinish(warrant.id, warrant.attempt, {
        ...finish, result: null, undo: undefined, reason: finish.reason === "" ? "its result could not be kept" : finish.reason.slice(0, 1_000)
      })))
    )

  const dispatch = (warrant: Warrant, final?: Final): void => {
    const call = { grants: grantsOf(warrant), stop: makeStop() }
    dispatched.set(warrant.id, call)
    calls.run(
      perform(warrant, call.stop, final).pipe(
        Effect.ensuring(options.scopes?.leave(warrant.id) ?? Effect.void),
        Effect.onExit(() => Effect.sync(() => {
          if (dispatched.get(warrant.id) === call) dispatched.delete(warrant.id)
          calls.left()
        })),
        Effect.flatMap((finish) => finished(warrant, finish))
      )
    )
  }

  journal.onCommitted((entries: ReadonlyArray<Placed>) => {
    for (const { entry } of entries) {
      if (entry.kind === "action.decided" && entry.warrant.state === "started") dispatch(entry.warrant, finalOf(entry))
      if (entry.kind === "warrant.started") {
        const warrant = lookup(journal.state().warrants, entry.warrant)
        if (warrant !== undefined) dispatch(warrant)
      }
      if (entry.kind === "grants.ended" && entry.reason !== "expired" && dispatched.size > 0) {
        const ended = new Set(entry.grants)
        for (const call of dispatched.values()) {
          if (call.grants.some((grant) => ended.has(grant))) {
            stopCall(call.stop, "its capability was revoked while it was under way")
          }
        }
      }
    }
  })

  const recoverOne = Effect.fnUntraced(function*(warrant: Warrant) {
    const broken = "the kernel ended while it was under way"
    if (warrant.recovery === "none") {
      return yield* Effect.asVoid(journal.submit(decideFinish(warrant.id, warrant.attempt, unknown(broken))))
    }
    const executor = executorOf(warrant.executor)
    if (executor === undefined) return
    const payload = yield* payloadOf(warrant)
    // Declared when it was decided and declared now: the more careful word counts, whatever the risk.
    const declared = warrant.compensates === undefined ? recoveryFor(executor, { target: warrant.target, payload }) : (executor.compensateRecovery ?? "none")
    if (declared === "none") return yield* Effect.asVoid(journal.submit(decideFinish(warrant.id, warrant.attempt, unknown(broken))))
    if (warrant.recovery === "idempotent" && declared === "idempotent") return yield* Effect.asVoid(journal.submit(decideRestart(warrant.id, "perhaps")))
    const status = executor.status === undefined
      ? undefined
      : yield* Effect.exit(statusOf(executor, warrant, callOf(warrant, payload)))
    if (status === undefined || Exit.isFailure(status)) {
      return yield* Effect.asVoid(journal.submit(decideFinish(warrant.id, warrant.attempt, unknown(broken))))
    }
    if (status.value === undefined) return yield* Effect.asVoid(journal.submit(decideRestart(warrant.id, "no")))
    const finish = yield* succeeded(executor, status.value)
    return yield* Effect.asVoid(journal.submit(decideFinish(warrant.id, warrant.attempt, finish)))
  })

  return {
    recover: (name) =>
      Effect.suspend(() => {
        const { boot, warrants } = journal.state()
        const broken = [...HashMap.values(warrants)].filter((warrant) =>
          warrant.state === "started" && warrant.kernelEpoch !== boot && (name === undefined || warrant.executor === name))
        return Effect.forEach(broken, recoverOne, { concurrency: 16, discard: true })
      }),
    payloadOf,
    underWay: () => dispatched.size,
    settled: calls.settled
  }
})
