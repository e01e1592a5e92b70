// defineModule: a manifest and plain async code become the system that the kernel docks.
import * as Effect from "effect/Effect"
import type { ChannelSpec } from "../protocol/channel.ts"
import { seatReads, seatWrites } from "../protocol/coordination.ts"
import type { Executor } from "../protocol/executor.ts"
import type { Manifest, PowerRequest, System } from "../protocol/manifest.ts"
import { isReserved } from "../protocol/well-known.ts"
import { isSegment, isSystemId, type ChannelId, type SystemId } from "../protocol/names.ts"
import type { Port } from "../protocol/port.ts"
import type { StandardSchemaV1 } from "../protocol/standard-schema.ts"
import { makeReader, makeWriter } from "./channel.ts"
import {
  makeAct, makeAsk, makeHold, makeLog, makeReading, makeReads, makeRequest, makeSnapshots, makeTakes, makeWrites, openSession
} from "./context.ts"
import { coordinate, type Coordination } from "./coordination.ts"
import { toStandard, type Input, type Output, type PayloadSchema } from "./payload.ts"
import { awaitAtMost } from "./promise.ts"
import type { Act, Log, Reading, Reads, Session, Snapshots, Takes, Writes } from "./surface.ts"

/** A channel to read or take from: its name, or its name and a schema that every payload must pass. */
export type ReadSpec = ChannelId | { readonly channel: ChannelId; readonly schema?: PayloadSchema }
/** A channel to append to: its name, or its name, the kind of what is appended, and a schema. */
export type WriteSpec = ChannelId | { readonly channel: ChannelId; readonly kind?: string; readonly schema?: PayloadSchema }
/** A channel that the module brings along. The kernel refuses payloads that `schema` refuses, whoever writes them. */
export type ProvideSpec = Omit<ChannelSpec, "schema"> & { readonly schema?: PayloadSchema | string | null }

type Named<S> = Readonly<Record<string, S>>
type NameOf<S> = S extends { readonly channel: infer N } ? N : S
/** The schema said beside the name, else the one that the module provides the channel with. */
type SchemaOf<S, P extends ReadonlyArray<ProvideSpec>> =
  S extends { readonly schema: infer X extends PayloadSchema } ? X
  : Extract<P[number], { readonly name: NameOf<S>; readonly schema: PayloadSchema }> extends { readonly schema: infer X extends PayloadSchema } ? X
  : undefined
type ReadOf<S, P extends ReadonlyArray<ProvideSpec>> = SchemaOf<S, P> extends infer X extends PayloadSchema ? Output<X> : unknown
type WriteOf<S, P extends ReadonlyArray<ProvideSpec>> = SchemaOf<S, P> extends infer X extends PayloadSchema ? Input<X> : unknown

/** What `run` is given. Every name is one that the module declared; another does not compile. */
export interface ModuleContext<R, W, T, P extends ReadonlyArray<ProvideSpec>, S extends string, X extends string, C extends boolean = false> {
  readonly id: SystemId
  readonly reads: { readonly [K in keyof R]: Reads<ReadOf<R[K], P>, X> }
  readonly writes: { readonly [K in keyof W]: Writes<WriteOf<W[K], P>> }
  readonly takes: { readonly [K in keyof T]: Takes<ReadOf<T[K], P>, X> }
  /** Acts through the gate with one of the declared executors. In a handler, prefer the handler's own `act`. */
  readonly act: Act<X>
  /** Asks the kernel for a capability. */
  readonly request: ReturnType<typeof makeRequest>
  /** A capability that another system gave to this one, to act with and to pass on. */
  readonly hold: ReturnType<typeof makeHold>
  /** Appends a request to any channel and waits for the event that answers it. */
  readonly ask: ReturnType<typeof makeAsk>
  readonly snapshots: Snapshots<S>
  /** Claims, plan, messages and presence, for a module that takes part in coordination. */
  readonly coordination: C extends true ? Coordination : undefined
  /** The reading powers, in the order in which they were asked for. */
  readonly powers: ReadonlyArray<Reading>
  /** The system calls themselves, as Effects. */
  readonly port: Port
  /** Aborted when the system is to end. Calls go on working, so that what was begun can be completed. */
  readonly signal: AbortSignal
  readonly log: Log
}

export interface ModuleSpec<
  R extends Named<ReadSpec>, W extends Named<WriteSpec>, T extends Named<ReadSpec>, P extends ReadonlyArray<ProvideSpec>,
  S extends string, X extends string, C extends boolean = boolean
> {
  readonly id: SystemId
  readonly description?: string
  readonly reads?: R
  readonly writes?: W
  /** Queues that it takes work from. */
  readonly takes?: T
  readonly provides?: P
  /** Snapshots that it puts. */
  readonly snapshots?: ReadonlyArray<S>
  /** Executors that it acts with. */
  readonly executors?: ReadonlyArray<X>
  /** Executors that it serves to others. */
  readonly serves?: ReadonlyArray<Executor>
  readonly powers?: ReadonlyArray<PowerRequest>
  readonly privileged?: boolean
  /** Takes part in coordination, under its own id: is wired to what a seat reads and writes, and gets `context.coordination`. */
  readonly coordination?: C
  /** Once before each `run`. */
  readonly setup?: (context: ModuleContext<R, W, T, P, S, X, C>) => Promise<void> | void
  /** Its life: ends when the work is done or `signal` is aborted; is started again when it throws. */
  readonly run?: (context: ModuleContext<R, W, T, P, S, X, C>) => Promise<void> | void
  /** Called when it is to end, beside `signal`, and awaited. */
  readonly drain?: () => Promise<void> | void
}

/**
 * A module: what it is wired to, and an async function. Names of channels and executors are checked when it is
 * compiled, payloads when they are written and read.
 */
export const defineModule = <
  const R extends Named<ReadSpec> = {}, const W extends Named<WriteSpec> = {}, const T extends Named<ReadSpec> = {},
  const P extends ReadonlyArray<ProvideSpec> = readonly [], const S extends string = never, const X extends string = never, const C extends boolean = false
>(spec: ModuleSpec<R, W, T, P, S, X, C>): System => {
  const provides = spec.provides ?? []
  const schemas = new Map<ChannelId, StandardSchemaV1>()
  for (const { name, schema } of provides) if (typeof schema === "object" && schema !== null || typeof schema === "function") schemas.set(name, toStandard(schema))
  const manifest = manifestOf(spec, provides)
  const schemaOf = (wish: ReadSpec): StandardSchemaV1 | undefined =>
    typeof wish === "object" && wish.schema !== undefined ? toStandard(wish.schema) : schemas.get(channelName(wish))

  const contextOf = (session: Session): ModuleContext<R, W, T, P, S, X, C> => {
    const { port } = session
    const readers = mapValues(spec.reads ?? {}, (wish, key) =>
      makeReads(session, makeReader(port, channelName(wish), schemaOf(wish)), key))
    const takers = mapValues(spec.takes ?? {}, (wish, key) =>
      makeTakes(session, makeReader(port, channelName(wish), schemaOf(wish)), key))
    const writers = mapValues(spec.writes ?? {}, (wish) =>
      // What the module's own channels are given is checked by the kernel, once.
      makeWrites(session, makeWriter(port, channelName(wish), typeof wish === "object" ? wish.kind : undefined, typeof wish === "object" ? schemaOf(wish) : undefined)))
    return {
      id: port.system,
      // The keys are those of the spec, and each channel was made with the schema that its type was taken from.
      reads: readers as ModuleContext<R, W, T, P, S, X, C>["reads"],
      writes: writers as ModuleContext<R, W, T, P, S, X, C>["writes"],
      takes: takers as ModuleContext<R, W, T, P, S, X, C>["takes"],
      act: makeAct(session),
      request: makeRequest(session),
      hold: makeHold(session),
      ask: makeAsk(session),
      snapshots: makeSnapshots(session),
      // As C says, which was taken from the spec.
      coordination: (spec.coordination === true ? coordinate(session) : undefined) as ModuleContext<R, W, T, P, S, X, C>["coordination"],
      powers: port.powers.map((power) => makeReading(session, power)),
      port,
      signal: session.signal,
      log: makeLog(session)
    }
  }

  const { drain, run, setup } = spec
  const life = run === undefined && setup === undefined
    ? {}
    : runAsync(async (session) => {
        const context = contextOf(session)
        await setup?.(context)
        await run?.(context)
      }, drain)
  return {
    manifest,
    ...(schemas.size === 0 ? {} : { schemas: Object.fromEntries(schemas) }),
    ...(spec.serves === undefined ? {} : { executors: spec.serves }),
    ...life
  }
}

const channelName = (wish: ReadSpec): ChannelId => (typeof wish === "string" ? wish : wish.channel)

const mapValues = <A, B>(record: Named<A>, make: (value: A, key: string) => B): Readonly<Record<string, B>> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, make(value, key)]))

/** A spec without its code, whose types are of no interest to the manifest. */
type Wishes = Omit<
  ModuleSpec<Named<ReadSpec>, Named<WriteSpec>, Named<ReadSpec>, ReadonlyArray<ProvideSpec>, string, string>, "setup" | "run" | "drain"
>

/** A mistake in a module is found when it is written, not when it is docked. */
const manifestOf = (
  spec: Wishes,
  provides: ReadonlyArray<ProvideSpec>
): Manifest => {
  const fail = (reason: string): never => {
    throw new TypeError(`module ${JSON.stringify(spec.id)}: ${reason}`)
  }
  if (!isSystemId(spec.id)) fail("its id must be one or more path segments joined by /")
  const own = new Set(provides.map(({ name }) => name))
  if (own.size !== provides.length) fail("it provides one channel twice")
  for (const name of own) if (isReserved(name)) fail(`it provides ${name}, but names that begin with aaax. are the kernel's`)
  const others = (wishes: Named<ReadSpec> | undefined, seat: ReadonlyArray<ChannelId> = []): ReadonlyArray<ChannelId> => {
    const names = [...Object.values(wishes ?? {}).map(channelName), ...seat]
    for (const name of names) if (!isSegment(name)) fail(`${JSON.stringify(name)} is not a channel name`)
    return [...new Set(names)].filter((name) => !own.has(name))
  }
  return {
    id: spec.id,
    framework: "esm",
    description: spec.description ?? "",
    reads: others(spec.reads, spec.coordination === true ? seatReads : []),
    writes: others(spec.writes, spec.coordination === true ? seatWrites : []),
    takes: others(spec.takes),
    provides: provides.map(({ schema, ...channel }) => (typeof schema === "string" ? { ...channel, schema } : channel)),
    snapshots: spec.snapshots ?? [],
    executors: spec.executors ?? [],
    remoteChannels: [],
    powers: spec.powers ?? [],
    privileged: spec.privileged ?? false,
    riskProfile: "medium"
  }
}

/** How long interrupted code may go on calling, and then how long it may take to notice that it cannot. */
const endMillis = 1_000

interface Run {
  readonly stop: AbortController
  readonly ended: Promise<unknown>
}

/**
 * A system's life from async code. Drain aborts the code's signal and awaits its end; interruption does the same for a
 * short while, and then ends its calls too.
 */
export const runAsync = (
  body: (session: Session) => Promise<void>, drain?: () => Promise<void> | void
): Required<Pick<System, "run" | "drain">> => {
  const runs = new WeakMap<Port, Run>()
  return {
    run: (port) =>
      Effect.scoped(Effect.flatMap(Effect.context<never>(), (context) => {
        const stop = new AbortController()
        const stopped = new AbortController()
        return Effect.flatMap(openSession(port, context, { stop: stop.signal, stopped: stopped.signal }), (session) =>
          Effect.callback<void, unknown>((resume) => {
            const ended = body(session).then(
              () => resume(Effect.void),
              // Asked to stop, it may end with the error of a call that was stopped with it.
              (thrown: unknown) => resume(stop.signal.aborted ? Effect.void : Effect.fail(thrown))
            )
            runs.set(port, { stop, ended })
            return Effect.suspend(() => {
              stop.abort()
              return awaitAtMost(ended, endMillis).pipe(
                Effect.andThen(Effect.sync(() => stopped.abort())), Effect.andThen(awaitAtMost(ended, endMillis))
              )
            })
          }))
      })),
    drain: (port) =>
      Effect.suspend(() => {
        const run = runs.get(port)
        run?.stop.abort()
        const own = drain === undefined ? Effect.void : Effect.tryPromise({ try: async () => drain(), catch: (thrown) => thrown })
        return run === undefined ? own : Effect.andThen(own, Effect.promise(() => run.ended))
      })
  }
}
