// The surface made real for one run of a system: its channels, its authority and its log, over its port.
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { Scope } from "effect/Scope"
import type { Access } from "../protocol/authority.ts"
import type { Appended, Event } from "../protocol/event.ts"
import type { Fold } from "../protocol/fold.ts"
import type { ChannelId, Cursor } from "../protocol/names.ts"
import type { Port } from "../protocol/port.ts"
import type { ReadFailure, ReadingPower } from "../protocol/power.ts"
import { makeAuthority, type ActOptions, type CapabilityOptions } from "./authority.ts"
import { heldBy, type Capability, type HeldCapability } from "./capability.ts"
import type { FollowOptions, Reader, Received, Writer, WriteOptions } from "./channel.ts"
import { runFold as runFoldEffect, type FoldOptions } from "./fold.ts"
import { keysOf, type Keys } from "./handling.ts"
import { aborted, fromAsync, makeBridge } from "./promise.ts"
import { askMillisDefault, firstAnswer, makeReplies, type Replies } from "./request.ts"
import { periodic as periodicEffect, type Period } from "./source.ts"
import {
  inside, type Act, type AskOptions, type Handler, type Handling, type Log, type Reading, type Reads, type Session, type Snapshots,
  type SubscribeOptions, type Takes, type Writes
} from "./surface.ts"
import { work as workEffect, type WorkOptions } from "./worker.ts"

export const openSession = (
  port: Port, context: Context.Context<never>, signals: { readonly stop: AbortSignal; readonly stopped: AbortSignal }
): Effect.Effect<Session, never, Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const bridge = makeBridge(context, signals.stopped)
    const authority = yield* makeAuthority(port)
    const known = new Map<ChannelId, Promise<Replies>>()
    const opened: Session["opened"] = (make) => bridge.run(Effect.provideService(make, Scope, scope))
    return {
      port,
      bridge,
      authority,
      signal: signals.stop,
      replies: (channel) => {
        const replies = known.get(channel) ?? opened(makeReplies(port, channel))
        known.set(channel, replies)
        return replies
      },
      opened
    }
  })

/** Aborted when one of them is. */
const either = (session: Session, signal: AbortSignal | undefined): AbortSignal =>
  signal === undefined ? session.signal : AbortSignal.any([session.signal, signal])

export const makeReads = <T, X extends string>(session: Session, reader: Reader<T>, durable: string): Reads<T, X> => {
  const { bridge, port } = session
  const named = (options: SubscribeOptions): FollowOptions => {
    const { signal: _, ...follow } = options
    return follow.from === undefined && follow.after === undefined ? { ...follow, from: durable } : follow
  }
  async function* subscribe(options: SubscribeOptions = {}): AsyncGenerator<Received<T>, void, undefined> {
    const signal = either(session, options.signal)
    const follower = reader.follow(named(options))
    let handled: Cursor | undefined
    let saved: Cursor | undefined
    let savedAt = performance.now()
    const save = async (): Promise<void> => {
      if (handled === undefined || handled === saved) return
      saved = handled
      savedAt = performance.now()
      await bridge.run(follower.advance(handled))
    }
    try {
      while (!signal.aborted) {
        for (const event of await bridge.run(follower.pull, signal)) {
          yield event
          handled = event.cursor
          if (signal.aborted) return
          // A slow consumer's every step is remembered, a quick one's now and then.
          if (performance.now() - savedAt > saveMillis) await save()
        }
        await save()
      }
    } catch (error) {
      if (!signal.aborted) throw error
    } finally {
      // Not saved means that it comes again, which is what a subscription promises anyway.
      await save().catch(() => undefined)
    }
  }
  async function* batches(options: SubscribeOptions = {}): AsyncGenerator<ReadonlyArray<Received<T>>, void, undefined> {
    const signal = either(session, options.signal)
    const follower = reader.follow(named(options))
    try {
      while (!signal.aborted) {
        const events = await bridge.run(follower.pull, signal)
        yield events
        await bridge.run(follower.advance(events[events.length - 1]!.cursor)) // a pulled page is never empty
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
  return {
    name: reader.name,
    read: (options) => bridge.run(reader.read(options)),
    subscribe,
    batches,
    each: async (handler, options = {}) => {
      const signal = either(session, options.signal)
      // Asked to stop, the handler may complete what it has begun: only the signal tells it, its calls go on.
      for await (const event of subscribe(options)) await handler(event, handlingOf(session, event, 1, signal, undefined))
    },
    awaitBeyond: (after, signal) => bridge.run(port.awaitBeyond(reader.name, after), either(session, signal)),
    backlog: () => bridge.run(port.backlog(reader.name)),
    [inside]: { reader, session }
  }
}

/** A consumer that takes longer than this for its events has its position saved with each of them. */
const saveMillis = 250

export const makeTakes = <T, X extends string>(session: Session, reader: Reader<T>, durable: string): Takes<T, X> => {
  const takes: Takes<T, X> = {
    ...makeReads<T, X>(session, reader, durable),
    work: (handler, options) => work(takes, handler, options)
  }
  return takes
}

export const makeWrites = <T>(session: Session, writer: Writer): Writes<T> => {
  async function append(values: ReadonlyArray<T>, options?: WriteOptions<T>): Promise<ReadonlyArray<Appended>>
  async function append(value: T, options?: WriteOptions<T>): Promise<Appended>
  async function append(value: T | ReadonlyArray<T>, given?: WriteOptions<T>): Promise<Appended | ReadonlyArray<Appended>> {
    const options = given as WriteOptions | undefined // its functions are called with the payloads that are given here
    if (Array.isArray(value)) return session.bridge.run(writer.append(value, options))
    const [appended] = await session.bridge.run(writer.append([value], options))
    return appended! // one draft, one answer: the port promises it
  }
  return { name: writer.name, append, [inside]: { writer, session } }
}

const handlingOf = <X extends string>(
  session: Session, event: Event | Received<unknown>, attempt: number, signal: AbortSignal, ends: AbortSignal | undefined
): Handling<X> => {
  const keys: Keys = keysOf(event)
  return {
    signal,
    attempt,
    key: keys.next,
    act: (executor, options) => actWith(session, executor, options, keys, ends),
    append: async (channel, value, options) => {
      const [appended] = await session.bridge.run(channel[inside].writer.append([value], {
        ...options as WriteOptions | undefined, // its functions are called with the payload that is given here
        key: options?.key ?? keys.next(channel.name),
        parents: options?.parents ?? keys.causes(),
        ...(options?.traceparent === undefined && event.traceparent !== null ? { traceparent: event.traceparent } : {})
      }))
      return appended! // one draft, one answer: the port promises it
    }
  }
}

const actWith = async (
  session: Session, executor: string, options: ActOptions, keys?: Keys, signal?: AbortSignal
): Promise<unknown> => {
  const acted = await session.bridge.run(session.authority.act(executor, options, keys), signal)
  return options.wait === "verdict" ? acted : acted.result
}

export const makeAct = <X extends string>(session: Session): Act<X> => (executor, options) => actWith(session, executor, options)

export const makeRequest = (session: Session) =>
async (resource: string, access: Access, options?: CapabilityOptions): Promise<HeldCapability> =>
  heldBy(session, await session.bridge.run(session.authority.requestCapability(resource, access, options)))

/** What this system was given by another one, in its own hands. */
export const makeHold = (session: Session) => (given: Capability): HeldCapability => heldBy(session, given)

export const makeAsk = (session: Session) =>
async <T>(channel: Writes<T>, value: T, options: AskOptions = {}): Promise<Event> => {
  const { replies: replyChannel = "aaax.kernel-replies", timeoutMillis = askMillisDefault, ...write } = options
  const replies = await session.replies(replyChannel)
  return session.bridge.run(replies.ask({
    send: Effect.map(channel[inside].writer.append([value], write), (appended) => appended[0]!),
    accept: firstAnswer(replyChannel),
    repeated: write.key !== undefined,
    timeoutMillis,
    what: `The request in ${channel.name}`
  }))
}

export const makeSnapshots = <N extends string>(session: Session): Snapshots<N> => ({
  get: (name) =>
    session.bridge.run(Effect.catchTag(session.port.getSnapshot(name), "SnapshotNotFound", () => Effect.succeed(undefined))),
  put: (name, value, options = {}) => {
    const { expectedRevision, ...source } = options
    return session.bridge.run(
      session.port.putSnapshot({ name, value, ...source }, expectedRevision === undefined ? undefined : { expectedRevision })
    )
  }
})

export const makeReading = (session: Session, power: ReadingPower): Reading => {
  const run = <A>(effect: Effect.Effect<A, ReadFailure>): Promise<A> => session.bridge.run(effect)
  return {
    root: power.root,
    isGit: () => run(power.isGit),
    list: () => run(power.list),
    read: (path, limitBytes) => run(power.read(path, limitBytes)),
    digest: (path) => run(power.digest(path)),
    commits: (since, limit) => run(power.commits(since, limit))
  }
}

export const makeLog = (session: Session): Log => {
  const at = (log: (...message: ReadonlyArray<unknown>) => Effect.Effect<void>) => (message: string, fields?: Readonly<Record<string, unknown>>): void =>
    session.bridge.start(Effect.annotateLogs(log(message), { ...fields, system: session.port.system }))
  return { debug: at(Effect.logDebug), info: at(Effect.logInfo), warn: at(Effect.logWarning), error: at(Effect.logError) }
}

/**
 * Works on a queue until the system stops or `signal` is aborted: acknowledges an item when its handler ends, gives it
 * back with a growing pause when it throws (`Later` says the pause), sends it to the dead letters when it throws
 * `Poison`. Renews what it holds. Stopping, it hands back what was not begun and lets the rest end.
 */
export const work = async <T, X extends string>(
  channel: Takes<T, X>, handler: Handler<T, X>, options: WorkOptions & { readonly signal?: AbortSignal } = {}
): Promise<void> => {
  const { reader, session } = channel[inside]
  await session.bridge.run(workEffect(
    session.port,
    reader,
    ({ attempt, event }) => fromAsync((signal) => handler(event, handlingOf(session, event, attempt, signal, signal)), handlerGraceMillis),
    aborted(either(session, options.signal)),
    options
  ))
}

/** How long a handler may take to end once its signal was aborted. */
const handlerGraceMillis = 1_000

/**
 * Answers every event of a channel: what the handler returns is appended to `to`, correlated with the event and
 * addressed to its sender, once per event. `undefined` answers nothing.
 */
export const answer = <T, R, X extends string>(
  channel: Reads<T, X>, to: Writes<R>, handler: (event: Received<T>, on: Handling<X>) => Promise<R | undefined> | R | undefined,
  options?: SubscribeOptions
): Promise<void> =>
  channel.each(async (event, on) => {
    const reply = await handler(event, on)
    if (reply !== undefined) await on.append(to, reply, { correlationId: event.id, recipient: event.sender, surely: true })
  }, options)

/** Folds a channel until the system stops or `signal` is aborted: see `FoldOptions`. */
export const runFold = async <State, T, X extends string>(
  fold: Fold<State, Received<T>>,
  options: Omit<FoldOptions<State>, "onPage"> & {
    readonly channel: Reads<T, X>
    readonly signal?: AbortSignal
    readonly onPage?: (state: State, cursor: Cursor) => Promise<void> | void
  }
): Promise<void> => {
  const { channel, onPage, signal, ...rest } = options
  const { reader, session } = channel[inside]
  const until = either(session, signal)
  const folding = runFoldEffect(session.port, fold, reader, {
    ...rest,
    ...(onPage === undefined ? {} : { onPage: (state, cursor) => Effect.promise(async () => onPage(state, cursor)) })
  })
  await session.bridge.run(Effect.raceFirst(folding, aborted(until)))
}

/** Runs `pull` at once and then again after each pause, until `signal` is aborted. What it throws ends the loop. */
export const periodic = async (
  options: { readonly every: Period; readonly signal: AbortSignal }, pull: (signal: AbortSignal) => Promise<unknown> | unknown
): Promise<void> => {
  const exit = await Effect.runPromiseExit(
    periodicEffect(options.every, fromAsync(() => pull(options.signal))), { signal: options.signal }
  )
  if (exit._tag === "Failure" && !options.signal.aborted) throw Cause.squash(exit.cause)
}
