// The portable API over a real socket, asked as a client of the ancestor asks it: plain `fetch`, bodies in snake_case, and the
// token as password of HTTP Basic.
import { sssn, type SssnOptions } from "../../kernel/door/sssn.ts"
import type { TokenRequest } from "../../protocol/token.ts"
import { withNetwork, type Network, type NetworkOptions } from "./network.ts"

// What comes over the wire has whatever shape the server gave it; the tests say which.
// eslint-disable-next-line typescript/no-explicit-any -- see above
export type Wire = any

export interface Told {
  readonly status: number
  readonly headers: Headers
  /** The body as JSON, when it is that. */
  readonly body: Wire
  readonly bytes: Buffer
}

export interface CallOptions {
  readonly query?: Readonly<Record<string, string | number>>
  readonly body?: unknown
  /** As it is, in place of `body`. */
  readonly raw?: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>
  readonly headers?: Readonly<Record<string, string>>
}

export type Call = (method: string, path: string, options?: CallOptions) => Promise<Told>

/** What the ancestor's client does, one method each; a refusal is answered as it came. */
export interface Client {
  readonly call: Call
  readonly createChannel: (channel: Readonly<Record<string, unknown>>) => Promise<Told>
  readonly appendEvent: (event: Readonly<Record<string, unknown>>) => Promise<Told>
  readonly queryEvents: (channel: string, query?: Readonly<Record<string, string | number>>) => Promise<Told>
  readonly createSubscription: (subscription: Readonly<Record<string, unknown>>) => Promise<Told>
  readonly pull: (id: string, query?: Readonly<Record<string, string | number>>) => Promise<Told>
  readonly writeArtifact: (artifact: Readonly<Record<string, unknown>>) => Promise<Told>
  readonly putSnapshot: (name: string, body: Readonly<Record<string, unknown>>, headers?: Readonly<Record<string, string>>) => Promise<Told>
  /** The one error of a refusal: its type and its message. */
  readonly refused: (told: Told | Promise<Told>) => Promise<readonly [status: number, type: string, message: string]>
}

const parsed = (bytes: Buffer, headers: Headers): Wire =>
  headers.get("content-type")?.startsWith("application/json") === true ? JSON.parse(bytes.toString("utf8")) : undefined

export const clientOf = (base: string, authorization: string): Client => {
  const call: Call = async (method, path, { body, headers = {}, query, raw } = {}) => {
    const search = query === undefined ? "" : `?${new URLSearchParams(Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]))}`
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body))
    const response = await fetch(`${base}${path}${search}`, {
      method,
      redirect: "error",
      headers: { authorization, ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(sent === undefined ? {} : { body: sent, duplex: "half" })
    })
    const bytes = Buffer.from(await response.arrayBuffer())
    return { status: response.status, headers: response.headers, bytes, body: method === "HEAD" ? undefined : parsed(bytes, response.headers) }
  }
  return {
    call,
    createChannel: (channel) => call("POST", "/channels", { body: channel }),
    appendEvent: (event) => call("POST", "/events", { body: event }),
    queryEvents: (channel, query = {}) => call("GET", "/events", { query: { channel, after_cursor: 0, limit: 100, ...query } }),
    createSubscription: (subscription) => call("POST", "/subscriptions", { body: { id: null, consumer: null, batch_size: 100, filters: {}, metadata: {}, ...subscription } }),
    pull: (id, query) => call("POST", `/subscriptions/${encodeURIComponent(id)}/pull`, query === undefined ? {} : { query }),
    writeArtifact: (artifact) => call("POST", "/artifacts", { body: { encoding: "text", channel: null, media_type: "application/octet-stream", metadata: {}, event_ids: [], ...artifact } }),
    putSnapshot: (name, body, headers = {}) => call("PUT", `/snapshots/${encodeURIComponent(name)}`, { body, headers }),
    refused: async (told) => {
      const { body, status } = await told
      return [status, body?.detail?.error?.type, body?.detail?.error?.message]
    }
  }
}

export interface PortableWorld extends Client {
  readonly network: Network
  readonly base: string
  /** A client of its own, with a token of its own. */
  readonly as: (request: TokenRequest) => Promise<Client>
}

export interface PortableOptions extends NetworkOptions {
  readonly endpoints?: SssnOptions["endpoints"]
}

const basic = (token: string): string => `Basic ${Buffer.from(`somebody:${token}`).toString("base64")}`

export const withPortable = <A>({ endpoints = [], ...options }: PortableOptions, body: (world: PortableWorld) => Promise<A>): Promise<A> =>
  withNetwork(options, async (network) => {
    network.listener.attach(sssn({ kernel: network.kernel, endpoints }))
    const base = `${network.url}/sssn`
    const as = async (request: TokenRequest): Promise<Client> => clientOf(base, basic(await network.mint(request)))
    return body({ ...(await as({ name: "client", role: "admin" })), network, base, as })
  })

/** Opens it for all tests of a file: `close` ends it. */
export const openPortable = async (options: PortableOptions = {}): Promise<{ readonly world: PortableWorld; readonly close: () => Promise<void> }> => {
  let end = (): void => undefined
  const ended = new Promise<void>((resolve) => (end = resolve))
  let closing: Promise<void> = Promise.resolve()
  const world = await new Promise<PortableWorld>((resolve, reject) => {
    closing = withPortable(options, (opened) => {
      resolve(opened)
      return ended
    })
    closing.catch(reject)
  })
  return {
    world,
    close: () => {
      end()
      return closing
    }
  }
}
