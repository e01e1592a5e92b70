// The client of the portable store API, by the name that it had: asynchronous, for any server of that API. What is malformed
// is refused before anything is sent, what is answered is checked, and connections are kept.
import type * as Schema from "effect/Schema"
import {
  checkArtifact, checkChannel, checkCount, checkCursor, checkEvent, checkFilters, checkObject, checkSegment, checkSnapshot, checkToken, InvalidPayloadError,
  Snapshot, type Artifact, type ArtifactDraft, type Channel, type ChannelDraft, type CheckOptions, type EventDraft, type KeptEvent, type Subscription
} from "../../protocol/portable.ts"
import { sendUntilAnswered, type SendOptions } from "./retry.ts"
import { secondsNow } from "../promise.ts"
import { base64Of, baseOf, bytesOf, invalidResponse, models, refusalOf, SSSNClientError } from "./sssn-wire.ts"

export { SSSNClientError }

export interface SSSNClientOptions {
  /** How long one request may take; default 30 seconds. */
  readonly timeoutMillis?: number
  /** Sent as bearer token. A user and password in the URL are sent as HTTP Basic. */
  readonly token?: string
  /** In place of the platform's own `fetch`. */
  readonly fetch?: typeof fetch
  /** How often what may be repeated is sent again; default 4. */
  readonly retries?: number
}

export interface QueryOptions {
  readonly afterCursor?: number
  readonly limit?: number
  readonly kind?: string | null
}

export interface SubscriptionOptions {
  readonly id?: string | null
  readonly consumer?: string | null
  readonly batchSize?: number
  readonly filters?: Readonly<Record<string, unknown>> | null
  readonly metadata?: Readonly<Record<string, unknown>> | null
}

/** What goes with bytes. */
export interface ArtifactOptions {
  readonly channel?: string | null
  readonly mediaType?: string
  readonly metadata?: Readonly<Record<string, unknown>> | null
  readonly eventIds?: ReadonlyArray<string> | ReadonlySet<string>
}

export interface SnapshotOptions {
  readonly value?: unknown
  readonly channel?: string
  readonly timestamp?: number
  readonly schema?: string
  readonly sourceEventId?: string
  readonly metadata?: Readonly<Record<string, unknown>>
}

type Json = Schema.Json
type Body = Readonly<Record<string, Json>>

const checks: CheckOptions = { newId: () => crypto.randomUUID(), now: secondsNow, nullMetadata: true }

const snapshotFields: ReadonlyArray<string> = Object.keys(Snapshot.fields)

/** A snapshot as a server gives it: all of its fields and no other. A state that happens to have some of them is none. */
const isSnapshot = (value: unknown): value is Snapshot =>
  typeof value === "object" && value !== null && Object.keys(value).length === snapshotFields.length && models.snapshot(value) !== undefined

export class SSSNClient {
  /** Where the server is, without the slash at the end. */
  readonly baseUrl: string
  readonly #headers: Readonly<Record<string, string>>
  readonly #sending: Omit<SendOptions, "what" | "isRepeatable">

  constructor(baseUrl: string, options: SSSNClientOptions = {}) {
    const { authorization, base } = baseOf(baseUrl)
    const { fetch, retries, timeoutMillis, token } = options
    if (timeoutMillis !== undefined && !(timeoutMillis > 0)) throw new RangeError("timeoutMillis must be greater than 0.")
    const credential = token === undefined ? authorization : `Bearer ${token}`
    this.baseUrl = base
    this.#headers = { accept: "application/json", ...(credential === undefined ? {} : { authorization: credential }) }
    this.#sending = {
      url: base,
      ...(timeoutMillis === undefined ? {} : { timeoutMillis }),
      ...(retries === undefined ? {} : { retries }),
      ...(fetch === undefined ? {} : { fetch })
    }
  }

  async health(): Promise<{ readonly ok: boolean }> {
    return this.#json("GET", "/health", models.health)
  }

  async createChannel(channel: ChannelDraft): Promise<Channel> {
    return this.#json("POST", "/channels", models.channel, { body: { ...checkChannel(channel, checks) } })
  }

  async listChannels(): Promise<ReadonlyArray<Channel>> {
    return this.#json("GET", "/channels", models.channels)
  }

  async getChannel(name: string): Promise<Channel> {
    return this.#json("GET", `/channels/${encodeURIComponent(checkSegment("channel.name", name))}`, models.channel)
  }

  /** Every event gets its id here, so that sending it again appends it once. */
  async appendEvent(event: EventDraft): Promise<KeptEvent> {
    const { cursor: _, ...body } = checkEvent(event, checks)
    return this.#json("POST", "/events", models.event, { body, isRepeatable: true })
  }

  async queryEvents(channel: string, { afterCursor = 0, kind = null, limit = 100 }: QueryOptions = {}): Promise<ReadonlyArray<KeptEvent>> {
    const query = {
      channel: checkSegment("channel", channel),
      after_cursor: String(checkCursor("after_cursor", afterCursor)),
      limit: String(checkCount("limit", limit)),
      ...(kind === null ? {} : { kind: checkToken("kind", kind) })
    }
    return this.#json("GET", "/events", models.events, { query })
  }

  async getEvent(id: string): Promise<KeptEvent> {
    return this.#json("GET", `/events/${encodeURIComponent(checkSegment("event.id", id))}`, models.event)
  }

  /** With an id: the subscription of that id, made when it is not there. */
  async createSubscription(channel: string, options: SubscriptionOptions = {}): Promise<Subscription> {
    const { batchSize = 100, consumer = null, filters, id = null, metadata } = options
    const body = {
      channel: checkSegment("subscription.channel", channel),
      id: id === null ? null : checkSegment("subscription.id", id),
      consumer: consumer === null ? null : checkToken("subscription.consumer", consumer),
      batch_size: checkCount("batch_size", batchSize),
      filters: { ...checkFilters(filters) },
      metadata: checkObject("subscription.metadata", metadata)
    }
    return this.#json("POST", "/subscriptions", models.subscription, { body, isRepeatable: id !== null })
  }

  /** What is handed out counts as read, so that a lost answer is lost: it is never asked for again by itself. */
  async pullSubscription(id: string, { limit }: { readonly limit?: number | null } = {}): Promise<ReadonlyArray<KeptEvent>> {
    const path = `/subscriptions/${encodeURIComponent(checkSegment("subscription.id", id))}/pull`
    const query: Readonly<Record<string, string>> = limit === undefined || limit === null ? {} : { limit: String(checkCount("limit", limit)) }
    return this.#json("POST", path, models.events, { query })
  }

  async getSubscription(id: string): Promise<Subscription> {
    return this.#json("GET", `/subscriptions/${encodeURIComponent(checkSegment("subscription.id", id))}`, models.subscription)
  }

  /** A string is sent as text, bytes as base64. */
  async writeArtifact(data: string | Uint8Array | ArrayBuffer, options: ArtifactOptions = {}): Promise<Artifact> {
    const { channel = null, eventIds, mediaType, metadata } = options
    const bytes = typeof data === "string" ? undefined : bytesOf(data)
    if (typeof data !== "string" && bytes === undefined) throw new InvalidPayloadError("artifact data must be bytes or a string.")
    // The lists are checked as what they are; a draft says the same of them.
    const draft = { channel, metadata, ...(mediaType === undefined ? {} : { media_type: mediaType }), ...(eventIds === undefined ? {} : { event_ids: eventIds }) } as ArtifactDraft
    const { event_ids, ...checked } = checkArtifact(draft, checks)
    const body = {
      ...(bytes === undefined ? { data: data as string, encoding: "text" } : { data: base64Of(bytes), encoding: "base64" }), // one or the other
      ...checked,
      event_ids: [...event_ids]
    }
    return this.#json("POST", "/artifacts", models.artifact, { body })
  }

  async readArtifact(id: string): Promise<Uint8Array> {
    return this.#send("GET", `/artifacts/${encodeURIComponent(checkSegment("artifact.id", id))}`, async (response) =>
      new Uint8Array(await response.arrayBuffer()))
  }

  async getArtifact(id: string): Promise<Artifact> {
    return this.#json("GET", `/artifacts/${encodeURIComponent(checkSegment("artifact.id", id))}/metadata`, models.artifact)
  }

  /**
   * Puts a value; what is not said of it is left to the server. A whole snapshot, as a server gives it, is put with what it
   * says; what `options` say goes before that. Any other object is a value, whatever its members are called.
   */
  async putSnapshot(name: string, value: unknown, options: SnapshotOptions = {}): Promise<Snapshot> {
    const path = `/snapshots/${encodeURIComponent(checkSegment("snapshot.name", name))}`
    const { channel, metadata, schema, sourceEventId, timestamp } = options
    const said = {
      ...("value" in options ? { value: options.value } : {}),
      ...(channel === undefined ? {} : { channel }),
      ...(timestamp === undefined ? {} : { timestamp }),
      ...(schema === undefined ? {} : { schema }),
      ...(sourceEventId === undefined ? {} : { source_event_id: sourceEventId }),
      ...(metadata === undefined ? {} : { metadata })
    }
    const given: Readonly<Record<string, unknown>> = isSnapshot(value)
      ? { ...Object.fromEntries(Object.entries(value).filter(([field, member]) => field !== "name" && member !== null)), ...said }
      : { value, ...said }
    const checked: Body = { ...checkSnapshot({ ...given, name }, checks) }
    const body = Object.fromEntries(Object.entries(checked).filter(([field]) => field !== "name" && field in given))
    return this.#json("PUT", path, models.snapshot, { body, isRepeatable: true })
  }

  async getSnapshot(name: string): Promise<Snapshot> {
    return this.#json("GET", `/snapshots/${encodeURIComponent(checkSegment("snapshot.name", name))}`, models.snapshot)
  }

  async #json<A>(
    method: "GET" | "POST" | "PUT", path: string, decode: (value: unknown) => A | undefined,
    options: { readonly body?: Body; readonly query?: Readonly<Record<string, string>>; readonly isRepeatable?: boolean } = {}
  ): Promise<A> {
    return this.#send(method, path, async (response) => {
      const text = await response.text()
      let value: unknown
      try {
        value = JSON.parse(text)
      } catch {
        throw new SSSNClientError(response.status, invalidResponse, `SSSN ${method} ${path} response was not valid JSON.`, text)
      }
      const decoded = decode(value)
      if (decoded === undefined) {
        throw new SSSNClientError(response.status, invalidResponse, `SSSN ${method} ${path} response did not match the expected schema.`, value)
      }
      return decoded
    }, options)
  }

  async #send<A>(
    method: "GET" | "POST" | "PUT", path: string, read: (response: Response) => Promise<A>,
    { body, isRepeatable = method === "GET", query }: { readonly body?: Body; readonly query?: Readonly<Record<string, string>>; readonly isRepeatable?: boolean } = {}
  ): Promise<A> {
    const search = query === undefined ? "" : new URLSearchParams(query).toString()
    const make = (): Request =>
      new Request(`${this.baseUrl}${path}${search === "" ? "" : `?${search}`}`, {
        method,
        headers: { ...this.#headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
    let refused: unknown
    const { response, value } = await sendUntilAnswered(make, async (answer): Promise<A | SSSNClientError> => {
      if (!answer.ok) return refusalOf(answer.status, await answer.text())
      try {
        return await read(answer)
      } catch (thrown) {
        // An answer that is wrong is not asked for again.
        if (!(thrown instanceof SSSNClientError)) throw thrown
        refused = thrown
        return thrown
      }
    }, { ...this.#sending, what: `${method} ${path}`, isRepeatable })
    if (refused !== undefined || !response.ok || value instanceof SSSNClientError) throw refused ?? value
    return value
  }
}
