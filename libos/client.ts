// `aaax/client`: a kernel from another process or from a browser. Promises and async iterables over HTTP and WebSocket; every
// failure is the class that the kernel had. Loads nothing of the kernel, and nothing of Node.
import type { ArtifactRecord } from "../protocol/artifact.ts"
import type { Channel, ChannelSpec } from "../protocol/channel.ts"
import type { Appended, Draft, Event, Filter, Page } from "../protocol/event.ts"
import type { ChannelId, Cursor } from "../protocol/names.ts"
import type { AppendOptions, EvictOptions, ReadOptions, TakeOptions } from "../protocol/port.ts"
import type { QueryOf, SuccessOf } from "../protocol/routes.ts"
import type { Snapshot } from "../protocol/snapshot.ts"
import type { Lag, Settlement, SharedSubscription, Taken } from "../protocol/subscription.ts"
import type { MintedToken, TokenRequest, TokenView } from "../protocol/token.ts"
import type { AuditReport, ChannelView, GateView, GrantView, KernelStatus, ModuleView, SystemView } from "../protocol/view.ts"
import { artifactBytes, putArtifact, type ArtifactBytes, type PutArtifactOptions } from "./client/artifact.ts"
import { eventSource } from "./client/event-source.ts"
import { sendUntilAnswered } from "./client/retry.ts"
import { type CallName, failureOf, type InputOf, KernelFault, requestOf, successOf } from "./http.ts"
import { connect, type RemoteKernel } from "./remote.ts"

export * from "../protocol/index.ts"
export { SSSNClient, SSSNClientError, type SSSNClientOptions } from "./client/sssn.ts"
export { type ArtifactBytes, type PutArtifactOptions } from "./client/artifact.ts"
export { KernelFault, KernelUnreachable, type ClientError } from "./http.ts"
export { connect, type ConnectOptions, type DockedRemotely, type DockOptions, type FeedOptions, type RemoteKernel } from "./remote.ts"

export interface ClientOptions {
  /** Where the kernel listens: `http://127.0.0.1:8100`. */
  readonly url: string
  /** The operator's token, or one of `aaax token mint`. */
  readonly token: string
  /** How long one request may take; default 30 seconds. */
  readonly timeoutMillis?: number
  /** How often what may be repeated is sent again when nobody answers or there is no room; default 4. */
  readonly retries?: number
  /** In place of the platform's own. */
  readonly fetch?: typeof fetch
}

/** What one call may be given beside its own options. */
export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface SubscribeOptions extends Filter, CallOptions {
  /** Events behind this cursor, or what comes from now on; default: from the oldest that is kept. */
  readonly after?: Cursor | "now"
}

export interface PutSnapshotOptions {
  /** Put only on this revision; 0: only when there is none. */
  readonly expectedRevision?: number
  readonly channel?: ChannelId | null
  readonly sourceEventId?: string | null
  readonly schema?: string | null
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** A kernel, as a client sees it. Every promise rejects with the tagged error itself. */
export interface Client {
  readonly url: string
  /** Any route of `/v1`, by its name: what the verbs below are made of. */
  readonly call: <Name extends CallName>(name: Name, input?: InputOf<Name>, options?: CallOptions) => Promise<SuccessOf<Name>>
  readonly channels: {
    readonly list: () => Promise<ReadonlyArray<ChannelView>>
    readonly get: (name: ChannelId) => Promise<ChannelView>
    readonly create: (name: ChannelId, spec?: Omit<ChannelSpec, "name">) => Promise<Channel>
    /** One draft or several, all or nothing. Without a key of yours each call makes one, so that sending it again is safe. */
    readonly append: (name: ChannelId, drafts: Draft | ReadonlyArray<Draft>, options?: AppendOptions & CallOptions) => Promise<ReadonlyArray<Appended>>
    /** `waitMillis`: waits so long for an event when there is none. */
    readonly read: (name: ChannelId, options?: Omit<ReadOptions, "fullLog"> & CallOptions & { readonly waitMillis?: number }) => Promise<Page>
    /** Events as they come, without end; after a broken connection from where they were. */
    readonly subscribe: (name: ChannelId, options?: SubscribeOptions) => AsyncGenerator<Event, void, undefined>
    readonly take: (name: ChannelId, options?: Pick<TakeOptions, "limit"> & CallOptions & { readonly waitMillis?: number }) => Promise<ReadonlyArray<Taken>>
    readonly settle: (name: ChannelId, settlements: ReadonlyArray<Settlement>) => Promise<void>
    /** Answers when the lease now ends. */
    readonly renew: (name: ChannelId, cursor: Cursor, epoch: number) => Promise<number>
    readonly backlog: (name: ChannelId) => Promise<number>
    readonly evict: (name: ChannelId, options: EvictOptions) => Promise<Cursor>
    readonly clear: (name: ChannelId, filter?: Filter) => Promise<void>
    readonly remove: (name: ChannelId, ids: ReadonlyArray<string>) => Promise<number>
  }
  readonly events: {
    readonly get: (id: string) => Promise<Event>
    /** For the operator: events of all channels whose names match, as they come. */
    readonly tail: (query: QueryOf<"tail">, options?: CallOptions) => AsyncGenerator<Event, void, undefined>
  }
  readonly snapshots: {
    readonly list: () => Promise<SuccessOf<"snapshots">>
    readonly get: (name: string) => Promise<Snapshot>
    readonly put: (name: string, value: unknown, options?: PutSnapshotOptions) => Promise<Snapshot>
  }
  readonly artifacts: {
    readonly list: (query?: QueryOf<"artifacts">) => Promise<SuccessOf<"artifacts">>
    readonly get: (id: string) => Promise<ArtifactRecord>
    readonly put: (data: ArtifactBytes, options?: PutArtifactOptions) => Promise<ArtifactRecord>
    /** The bytes as they come, or a range of them. */
    readonly bytes: (id: string, options?: CallOptions & { readonly from?: number; readonly to?: number }) => Promise<ReadableStream<Uint8Array>>
    /** All of them at once. */
    readonly read: (id: string, options?: CallOptions) => Promise<Uint8Array>
  }
  readonly subscriptions: {
    readonly list: (query?: QueryOf<"subscriptions">) => Promise<SuccessOf<"subscriptions">>
    readonly get: (id: string) => Promise<SharedSubscription>
    /** The subscription with this id, made when it is not there. */
    readonly open: (options: NonNullable<InputOf<"subscribe">["payload"]>) => Promise<SharedSubscription>
    readonly pull: (id: string, options?: NonNullable<InputOf<"pull">["payload"]> & CallOptions) => Promise<SuccessOf<"pull">>
    readonly ack: (id: string, cursor: Cursor) => Promise<SharedSubscription>
    readonly lag: (id: string) => Promise<Lag>
    /** Events without end, at least once: one counts as handled when the next is asked for. */
    readonly follow: (id: string, options?: CallOptions) => AsyncGenerator<Event, void, undefined>
  }
  readonly systems: {
    readonly list: () => Promise<ReadonlyArray<SystemView>>
    readonly get: (id: string) => Promise<SystemView>
    readonly pause: (id: string) => Promise<void>
    readonly resume: (id: string) => Promise<void>
    readonly drain: (id: string, options?: { readonly timeoutMillis?: number }) => Promise<void>
    readonly revoke: (id: string) => Promise<void>
    readonly undock: (id: string) => Promise<void>
  }
  readonly capabilities: {
    readonly list: (query?: QueryOf<"grants">) => Promise<ReadonlyArray<GrantView>>
    readonly get: (id: string) => Promise<GrantView>
    /** Ends a grant and what was derived from it; answers how many ended. */
    readonly revoke: (id: string) => Promise<number>
  }
  readonly gate: {
    readonly list: (query?: QueryOf<"gate">) => Promise<ReadonlyArray<GateView>>
    readonly show: (id: string) => Promise<GateView>
    /** `digest`: of what was shown; another one is refused. */
    readonly approve: (id: string, answer?: { readonly digest?: string; readonly reason?: string }) => Promise<GateView>
    readonly deny: (id: string, reason: string) => Promise<GateView>
    readonly reconcile: (id: string, outcome: "succeeded" | "failed", reason: string) => Promise<GateView>
  }
  /** Asks the gate for an effect, as the operator. Waits for its end, at most so long; `final` says whether it came. */
  readonly act: (action: NonNullable<InputOf<"act">["payload"]>, options?: CallOptions & { readonly waitMillis?: number }) => Promise<SuccessOf<"act">>
  readonly modules: {
    readonly list: () => Promise<ReadonlyArray<ModuleView>>
    readonly load: (options: { readonly file: string; readonly id?: string }) => Promise<ModuleView>
  }
  readonly tokens: {
    readonly mint: (request: TokenRequest) => Promise<MintedToken>
    readonly list: () => Promise<ReadonlyArray<TokenView>>
    /** By id, or all of a name. */
    readonly revoke: (target: string) => Promise<ReadonlyArray<TokenView>>
  }
  readonly audit: {
    readonly list: (query?: QueryOf<"audit">) => Promise<ReadonlyArray<Event>>
    readonly verify: () => Promise<AuditReport>
  }
  readonly status: () => Promise<KernelStatus>
  /** A WebSocket to the same kernel: subscriptions of many channels, and systems that run here. */
  readonly connect: () => Promise<RemoteKernel>
}

/** Rows that say the same when they are asked twice, beside those that only look. */
const repeatable: ReadonlySet<CallName> = new Set<CallName>([
  "append", "subscribe", "ack", "clear", "evict", "remove", "pause", "resume", "drain", "revoke", "undock", "revokeGrant", "verify"
])
/** A wait of the server ends before that of the client. */
const waitMarginMillis = 10_000

const waitOf = (input: { readonly query?: unknown; readonly payload?: unknown }): number => {
  const of = (from: unknown): number => {
    const { wait } = (from ?? {}) as { readonly wait?: unknown } // looked at below
    return typeof wait === "number" ? wait : 0
  }
  return Math.max(of(input.query), of(input.payload))
}

/** A client of one kernel. Nothing is asked before the first call. */
export const createClient = (options: ClientOptions): Client => {
  const { timeoutMillis, retries, url } = options
  const sending = {
    url,
    ...(retries === undefined ? {} : { retries }),
    ...(timeoutMillis === undefined ? {} : { timeoutMillis }),
    ...(options.fetch === undefined ? {} : { fetch: options.fetch })
  }
  const call = async <Name extends CallName>(name: Name, input: InputOf<Name> = {}, { signal }: CallOptions = {}): Promise<SuccessOf<Name>> => {
    const make = (): Request => requestOf(options, name, input)
    const wait = waitOf(input)
    const { response, value: text } = await sendUntilAnswered(make, (answer) => answer.text(), {
      ...sending,
      what: name,
      isRepeatable: make().method === "GET" || repeatable.has(name) || isRepeatablePut(name, input) || isRepeatablePull(name, input),
      ...(wait === 0 ? {} : { timeoutMillis: wait + (timeoutMillis ?? waitMarginMillis) }),
      ...(signal === undefined ? {} : { signal })
    })
    if (!response.ok) throw failureOf(url, text)
    const success = successOf(url, name, text)
    if (success instanceof KernelFault) throw success
    return success
  }
  const done = async (promise: Promise<unknown>): Promise<void> => void await promise

  async function* subscribe(name: ChannelId, { after, signal, ...filter }: SubscribeOptions = {}): AsyncGenerator<Event, void, undefined> {
    // "Now" is a position, so that nothing is missed when the connection breaks before the first event.
    const from = after === "now" ? (await call("channel", { id: name }, signal === undefined ? {} : { signal })).head : after
    yield* eventSource({
      ...sending,
      make: (lastEventId) => requestOf(options, "follow", {
        id: name,
        query: { ...filter, ...(from === undefined ? {} : { after: from }) },
        ...(lastEventId === undefined ? {} : { headers: { "last-event-id": lastEventId } })
      }),
      ...(signal === undefined ? {} : { signal })
    })
  }
  async function* follow(id: string, { signal }: CallOptions = {}): AsyncGenerator<Event, void, undefined> {
    try {
      while (signal?.aborted !== true) {
        const { cursor, events } = await call("pull", { id, payload: { wait: 20_000 } }, signal === undefined ? {} : { signal })
        for (const event of events) {
          yield event
          // Each for itself: what was handled does not come again because a neighbour failed.
          if (event !== events.at(-1)) await call("ack", { id, payload: { cursor: event.cursor } })
        }
        if (events.length > 0) await call("ack", { id, payload: { cursor } })
      }
    } catch (error) {
      if (signal?.aborted !== true) throw error
    }
  }

  return {
    url,
    call,
    channels: {
      list: () => call("channels"),
      get: (id) => call("channel", { id }),
      create: (name, spec = {}) => call("createChannel", { payload: { ...spec, name } }),
      append: (id, drafts, { expectedHead, key, signal } = {}) =>
        call("append", {
          id,
          payload: {
            // One draft or several: only the list is an array.
            events: Array.isArray(drafts) ? drafts as ReadonlyArray<Draft> : [drafts as Draft],
            key: key ?? crypto.randomUUID(),
            ...(expectedHead === undefined ? {} : { expectedHead })
          }
        }, signal === undefined ? {} : { signal }),
      read: (id, { after, filter, limit, signal, waitMillis } = {}) =>
        call("read", {
          id,
          query: {
            ...filter,
            ...(after === undefined ? {} : { after }),
            ...(limit === undefined ? {} : { limit }),
            ...(waitMillis === undefined ? {} : { wait: waitMillis })
          }
        }, signal === undefined ? {} : { signal }),
      subscribe,
      take: async (id, { limit, signal, waitMillis } = {}) => {
        const payload = { ...(limit === undefined ? {} : { limit }), ...(waitMillis === undefined ? {} : { wait: waitMillis }) }
        const items = await call("take", { id, payload }, signal === undefined ? {} : { signal })
        return items.map((item) => ({ ...item, cursor: item.event.cursor }))
      },
      settle: (id, settlements) => done(call("settle", { id, payload: { settlements } })),
      renew: async (id, cursor, epoch) => (await call("renew", { id, payload: { cursor, epoch } })).expiresAt,
      backlog: async (id) => (await call("backlog", { id })).backlog,
      evict: async (id, payload) => (await call("evict", { id, payload })).floor,
      clear: (id, filter = {}) => done(call("clear", { id, payload: filter })),
      remove: async (id, ids) => (await call("remove", { id, payload: { ids } })).removed
    },
    events: {
      get: (id) => call("event", { id, query: {} }),
      tail: (query, { signal } = {}) =>
        eventSource({
          ...sending, ends: true, make: () => requestOf(options, "tail", { query }), ...(signal === undefined ? {} : { signal })
        })
    },
    snapshots: {
      list: () => call("snapshots"),
      get: (id) => call("snapshot", { id }),
      put: (id, value, { expectedRevision, metadata, ...rest } = {}) =>
        call("putSnapshot", {
          id,
          // What is no JSON is refused by the kernel, which sees what is left of it.
          payload: { ...rest, ...(metadata === undefined ? {} : { metadata: metadata as Snapshot["metadata"] }), value: value as Snapshot["value"] },
          ...(expectedRevision === undefined
            ? {}
            : { headers: expectedRevision === 0 ? { "if-none-match": "*" } : { "if-match": `"${expectedRevision}"` } })
        })
    },
    artifacts: {
      list: (query = {}) => call("artifacts", { query }),
      get: (id) => call("artifact", { id }),
      put: (data, put) => putArtifact({ ...sending, token: options.token }, data, put),
      bytes: async (id, get) => (await artifactBytes({ ...sending, token: options.token }, id, get)).body,
      read: async (id, get) => (await artifactBytes({ ...sending, token: options.token }, id, get)).all()
    },
    subscriptions: {
      list: (query = {}) => call("subscriptions", { query }),
      get: (id) => call("subscription", { id }),
      open: async (payload) => (await call("subscribe", { payload })).subscription,
      pull: (id, { signal, ...payload } = {}) => call("pull", { id, payload }, signal === undefined ? {} : { signal }),
      ack: (id, cursor) => call("ack", { id, payload: { cursor } }),
      lag: (id) => call("lag", { id }),
      follow
    },
    systems: {
      list: () => call("systems"),
      get: (id) => call("system", { id }),
      pause: (id) => done(call("pause", { id })),
      resume: (id) => done(call("resume", { id })),
      drain: (id, payload = {}) => done(call("drain", { id, payload })),
      revoke: (id) => done(call("revoke", { id })),
      undock: (id) => done(call("undock", { id }))
    },
    capabilities: {
      list: (query = {}) => call("grants", { query }),
      get: (id) => call("grant", { id }),
      revoke: async (id) => (await call("revokeGrant", { id })).ended
    },
    gate: {
      list: (query = {}) => call("gate", { query }),
      show: (id) => call("warrant", { id }),
      approve: (id, payload = {}) => call("approve", { id, payload }),
      deny: (id, reason) => call("deny", { id, payload: { reason } }),
      reconcile: (id, outcome, reason) => call("reconcile", { id, payload: { outcome, reason } })
    },
    act: (payload, { signal, waitMillis } = {}) =>
      call("act", { payload: { ...payload, key: payload.key ?? crypto.randomUUID() }, query: waitMillis === undefined ? {} : { wait: waitMillis } },
        signal === undefined ? {} : { signal }),
    modules: { list: () => call("modules"), load: (payload) => call("loadModule", { payload }) },
    tokens: {
      mint: (payload) => call("mintToken", { payload }),
      list: () => call("tokens"),
      revoke: (id) => call("revokeToken", { id })
    },
    audit: { list: (query = {}) => call("audit", { query }), verify: () => call("verify") },
    status: () => call("status"),
    connect: () => connect({ url, token: options.token })
  }
}

/** Without a condition, the same value twice is the same value. */
const isRepeatablePut = (name: CallName, { headers }: { readonly headers?: Readonly<Record<string, string>> }): boolean =>
  name === "putSnapshot" && headers === undefined

/** What is only acknowledged later is handed out again. */
const isRepeatablePull = (name: CallName, { payload }: { readonly payload?: unknown }): boolean =>
  name === "pull" && (payload as { readonly ack?: unknown } | undefined)?.ack !== "auto"
