// `aaax/client`: a kernel from another process or from a browser. Promises and async iterables over HTTP and WebSocket; every
// failure is the class that the kernel had. Loads nothing of the kernel, and nothing of Node.
import { isActToken } from "../protocol/act.ts"
import type { Draft, Event } from "../protocol/event.ts"
import type { ChannelId } from "../protocol/names.ts"
import type { SuccessOf } from "../protocol/routes.ts"
import type { Snapshot } from "../protocol/snapshot.ts"
import { artifactBytes, putArtifact } from "./client/artifact.ts"
import { eventSource } from "./client/event-source.ts"
import { provingFetch, tokenHeader } from "./client/proving-fetch.ts"
import { sendUntilAnswered } from "./client/retry.ts"
import type { CallOptions, Client, ClientOptions, SubscribeOptions } from "./client/surface.ts"
import { type CallName, failureOf, type InputOf, KernelFault, requestOf, successOf } from "./http.ts"
import { connect } from "./remote.ts"

export * from "../protocol/index.ts"
export { SSSNClient, SSSNClientError, type SSSNClientOptions } from "./client/sssn.ts"
export { SynapseAgent, type CallOptions as SynapseCallOptions, type SynapseAgentOptions } from "./synapse/agent.ts"
export { SynapseRefused, type SynapseCode } from "./synapse/refused.ts"
export { attenuate, cardOf, prove, type Attenuation, type ProofOf } from "./client/key.ts"
export type { ArtifactBytes, PutArtifactOptions } from "./client/artifact.ts"
export type { CallOptions, Client, ClientOptions, PutSnapshotOptions, SubscribeOptions } from "./client/surface.ts"
export { KernelFault, KernelUnreachable, type ClientError } from "./http.ts"
export { connect, type ConnectOptions, type DockedRemotely, type DockOptions, type FeedOptions, type RemoteKernel } from "./remote.ts"

/** Rows that say the same when they are asked twice, beside those that only look. */
const repeatable: ReadonlySet<CallName> = new Set<CallName>([
  "append", "ack", "clear", "evict", "remove", "pause", "resume", "drain", "revoke", "undock", "revokeGrant", "revokeKey", "verify"
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
  const { key, timeoutMillis, token = "", retries, url } = options
  if (key === undefined && token === "") throw new TypeError("A client needs a token, or an enrolled key.")
  const sender = key === undefined ? options.fetch : provingFetch({ url, key, ...(options.fetch === undefined ? {} : { fetch: options.fetch }) })
  const sending = {
    url,
    ...(retries === undefined ? {} : { retries }),
    ...(timeoutMillis === undefined ? {} : { timeoutMillis }),
    ...(sender === undefined ? {} : { fetch: sender })
  }
  const at = { url, token }
  const call = async <Name extends CallName>(name: Name, input: InputOf<Name> = {}, { signal }: CallOptions = {}): Promise<SuccessOf<Name>> => {
    const make = (): Request => requestOf(at, name, key === undefined ? input : withToken(input))
    const wait = waitOf(input)
    const { response, value: text } = await sendUntilAnswered(make, (answer) => answer.text(), {
      ...sending,
      what: name,
      isRepeatable: make().method === "GET" || repeatable.has(name) || isRepeatablePut(name, input) || isRepeatablePost(name, input),
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
      make: (lastEventId) => requestOf(at, "follow", {
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
          ...sending, ends: true, make: () => requestOf(at, "tail", { query }), ...(signal === undefined ? {} : { signal })
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
      put: (data, put) => putArtifact({ ...sending, token }, data, put),
      bytes: async (id, get) => (await artifactBytes({ ...sending, token }, id, get)).body,
      read: async (id, get) => (await artifactBytes({ ...sending, token }, id, get)).all()
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
      issue: (payload) => call("issueGrant", { payload }),
      delegate: (payload) => call("delegateGrant", { payload }),
      revoke: async (id) => (await call("revokeGrant", { id })).ended
    },
    gate: {
      list: (query = {}) => call("gate", { query }),
      show: (id) => call("warrant", { id }),
      approve: (id, payload = {}) => call("approve", { id, payload }),
      deny: (id, reason) => call("deny", { id, payload: { reason } }),
      edit: (id, payload) => call("edit", { id, payload }),
      answerAll: (payload) => call("answerAll", { payload }),
      preview: (id, payload) => call("preview", { id, payload }),
      standing: () => call("standing"),
      revokeStanding: (id) => call("revokeStanding", { id }),
      reconcile: (id, outcome, reason) => call("reconcile", { id, payload: { outcome, reason } })
    },
    why: (of) => call("why", { query: { of } }),
    act: (payload, { signal, waitMillis } = {}) =>
      call("act", { payload: { ...payload, key: payload.key ?? crypto.randomUUID() }, query: waitMillis === undefined ? {} : { wait: waitMillis } },
        signal === undefined ? {} : { signal }),
    modules: { list: () => call("modules"), load: (payload) => call("loadModule", { payload }) },
    tokens: {
      mint: (payload) => call("mintToken", { payload }),
      list: () => call("tokens"),
      revoke: (id) => call("revokeToken", { id })
    },
    keys: {
      enroll: (payload) => call("enrollKey", { payload }),
      list: () => call("keys"),
      get: (id) => call("key", { id }),
      revoke: (id) => call("revokeKey", { id }),
      tokenFor: (grant, given = {}) => call("grantToken", { payload: { grant, ...given } })
    },
    audit: { list: (query = {}) => call("audit", { query }), verify: () => call("verify") },
    status: () => call("status"),
    connect: () => connect(key === undefined ? { url, token } : { url, key })
  }
}

/** What names a capability token is proven to go with it. */
const withToken = <Name extends CallName>(input: InputOf<Name>): InputOf<Name> => {
  const { capability } = (input.payload ?? {}) as { readonly capability?: unknown } // of the row that has one
  return typeof capability === "string" && isActToken(capability) ? { ...input, headers: { ...input.headers, [tokenHeader]: capability } } : input
}

/** Without a condition, the same value twice is the same value. */
const isRepeatablePut = (name: CallName, { headers }: { readonly headers?: Readonly<Record<string, string>> }): boolean =>
  name === "putSnapshot" && headers === undefined

/** What is only acknowledged later is handed out again; a subscription with an id is the same one. */
const isRepeatablePost = (name: CallName, { payload }: { readonly payload?: unknown }): boolean => {
  const { ack, id } = (payload ?? {}) as { readonly ack?: unknown; readonly id?: unknown } // of rows that have them
  return (name === "pull" && ack !== "auto") || (name === "subscribe" && id !== undefined)
}
