// What the ancestor's verbs do: one call of the portable API each, and its answer as JSON, one object per line.
import * as Effect from "effect/Effect"
import { InvalidPayloadError } from "../../protocol/portable-error.ts"
import type { Called } from "../called.ts"
import { json, out } from "../terminal.ts"
import type { PortableApi } from "./api.ts"
import { openApi, type Use } from "./open.ts"

/** The folder that `--store` names, if it does. */
export interface Store {
  readonly store?: string
}

const storeOf = (store: string | undefined): Store => (store === undefined ? {} : { store })

const asError = (failure: unknown): Error => (failure instanceof Error ? failure : new Error(String(failure)))

const run = (called: Called, { store }: Store, use: Use, call: (api: PortableApi) => Promise<void>): Effect.Effect<void, Error> =>
  Effect.tryPromise({
    try: async () => {
      const api = openApi(called, store, use)
      try {
        await call(api)
      } finally {
        await api.close()
      }
    },
    catch: asError
  })

/** All of them at once: nothing is on stdout when something fails. */
const tell = async (objects: ReadonlyArray<unknown>): Promise<void> => {
  for (const object of objects) await out(json(object))
}

/** A call that changes nothing, one that changes what is there, and one that needs nothing to be there. */
const reading = (called: Called, flags: Store, call: (api: PortableApi) => unknown): Effect.Effect<void, Error> =>
  run(called, flags, "reads", async (api) => tell([await call(api)]))
const writing = (called: Called, flags: Store, call: (api: PortableApi) => unknown): Effect.Effect<void, Error> =>
  run(called, flags, "changes", async (api) => tell([await call(api)]))
const making = (called: Called, flags: Store, call: (api: PortableApi) => unknown): Effect.Effect<void, Error> =>
  run(called, flags, "makes", async (api) => tell([await call(api)]))

const jsonOf = (what: string, text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch (failure) {
    throw new InvalidPayloadError(`${what} must be valid JSON: ${asError(failure).message}`)
  }
}

const metadataOf = (text: string | undefined): { readonly metadata?: Readonly<Record<string, unknown>> } => {
  if (text === undefined) return {}
  const metadata = jsonOf("--metadata", text)
  if (typeof metadata !== "object" || metadata === null || Array.isArray(metadata)) throw new InvalidPayloadError("--metadata must be an object.")
  return { metadata: metadata as Readonly<Record<string, unknown>> } // a JSON object has text for keys
}

export const channels = (called: Called, flags: Store): Effect.Effect<void, Error> =>
  run(called, flags, "reads", async (api) => tell(await api.listChannels()))

export const createChannel = (
  called: Called, name: string,
  { metadata, form, store, ...rest }: Store & { readonly schema?: string; readonly form?: string; readonly description?: string; readonly metadata?: string }
): Effect.Effect<void, Error> =>
  // Whether it is a form is the store's to say.
  making(called, storeOf(store), (api) =>
    api.createChannel({ name, ...rest, ...(form === undefined ? {} : { form: form as "log" }), ...metadataOf(metadata) }))

export const getChannel = (called: Called, name: string, flags: Store): Effect.Effect<void, Error> =>
  reading(called, flags, (api) => api.getChannel(name))

export interface AppendFlags extends Store {
  readonly kind?: string
  readonly source?: string
  readonly schema?: string
  readonly timestamp?: number
  readonly metadata?: string
  readonly correlationId?: string
  readonly parentId: ReadonlyArray<string>
}

export const append = (
  called: Called, channel: string, payload: string, { correlationId, metadata, parentId, store, ...rest }: AppendFlags
): Effect.Effect<void, Error> =>
  writing(called, storeOf(store), (api) =>
    api.appendEvent({
      channel, payload: jsonOf("payload", payload), ...rest, ...metadataOf(metadata),
      ...(correlationId === undefined ? {} : { correlation_id: correlationId }), parent_ids: parentId
    }))

export const queryEvents = (
  called: Called, channel: string, { store, ...query }: Store & { readonly afterCursor?: number; readonly limit?: number; readonly kind?: string }
): Effect.Effect<void, Error> =>
  run(called, storeOf(store), "reads", async (api) => tell(await api.queryEvents(channel, query)))

export const getEvent = (called: Called, id: string, flags: Store): Effect.Effect<void, Error> =>
  reading(called, flags, (api) => api.getEvent(id))

export const createSubscription = (
  called: Called, channel: string,
  { kind, store, ...options }: Store & { readonly id?: string; readonly consumer?: string; readonly batchSize?: number; readonly kind?: string }
): Effect.Effect<void, Error> =>
  writing(called, storeOf(store), (api) =>
    api.createSubscription(channel, { ...options, ...(kind === undefined ? {} : { filters: { kind } }) }))

export const getSubscription = (called: Called, id: string, flags: Store): Effect.Effect<void, Error> =>
  reading(called, flags, (api) => api.getSubscription(id))

export const pullSubscription = (called: Called, id: string, { limit, ...flags }: Store & { readonly limit?: number }): Effect.Effect<void, Error> =>
  run(called, flags, "changes", async (api) => tell(await api.pullSubscription(id, limit)))

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/u

const bytesOf = (data: string, encoding: "text" | "base64"): Uint8Array => {
  if (encoding === "text") return new TextEncoder().encode(data)
  if (!base64.test(data)) throw new InvalidPayloadError("Invalid base64 artifact data.")
  return new Uint8Array(Buffer.from(data, "base64"))
}

export interface WriteArtifactFlags extends Store {
  readonly encoding: "text" | "base64"
  readonly channel?: string
  readonly mediaType?: string
  readonly metadata?: string
  readonly eventId: ReadonlyArray<string>
}

export const writeArtifact = (
  called: Called, data: string, { channel, encoding, eventId, mediaType, metadata, store }: WriteArtifactFlags
): Effect.Effect<void, Error> =>
  making(called, storeOf(store), (api) =>
    api.writeArtifact(bytesOf(data, encoding), {
      ...(channel === undefined ? {} : { channel }), ...(mediaType === undefined ? {} : { media_type: mediaType }), ...metadataOf(metadata),
      event_ids: eventId
    }))

export const getArtifact = (called: Called, id: string, flags: Store): Effect.Effect<void, Error> =>
  reading(called, flags, (api) => api.getArtifact(id))

const textOf = (bytes: Uint8Array): string => {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new InvalidPayloadError("artifact payload is not valid UTF-8; use --encoding base64")
  }
}

/** The payload itself, not an object: as text, or in base64. */
export const readArtifact = (
  called: Called, id: string, { encoding, ...flags }: Store & { readonly encoding: "text" | "base64" }
): Effect.Effect<void, Error> =>
  run(called, flags, "reads", async (api) => {
    const bytes = await api.readArtifact(id)
    await out(encoding === "text" ? textOf(bytes) : Buffer.from(bytes).toString("base64"))
  })

export const putSnapshot = (
  called: Called, name: string, value: string,
  { metadata, sourceEventId, store, ...rest }: Store & {
    readonly channel?: string; readonly schema?: string; readonly sourceEventId?: string; readonly metadata?: string
  }
): Effect.Effect<void, Error> =>
  making(called, storeOf(store), (api) =>
    api.putSnapshot({
      name, value: jsonOf("value", value), ...rest, ...metadataOf(metadata), ...(sourceEventId === undefined ? {} : { source_event_id: sourceEventId })
    }))

export const getSnapshot = (called: Called, name: string, flags: Store): Effect.Effect<void, Error> =>
  reading(called, flags, (api) => api.getSnapshot(name))
