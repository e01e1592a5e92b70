// Artifacts over HTTP: streamed both ways, so that neither side holds them.
import { ArtifactRecord } from "../../protocol/artifact.ts"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { failureOf, KernelFault, KernelUnreachable, reasonOf, requestOf } from "../http.ts"

/** What can be put: bytes, a text, or a stream whose length nobody has to know. */
export type ArtifactBytes = Uint8Array | string | ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>

export interface PutArtifactOptions {
  readonly mediaType?: string
  /** Who may read the channel may read the artifact. */
  readonly channel?: string
  readonly eventIds?: ReadonlyArray<string>
  readonly metadata?: Readonly<Record<string, unknown>>
  readonly signal?: AbortSignal
}

export interface GetArtifactOptions {
  /** First and last byte. */
  readonly from?: number
  readonly to?: number
  readonly signal?: AbortSignal
}

interface Sending {
  readonly url: string
  readonly token: string
  readonly fetch?: typeof fetch
}

const decodeRecord = Schema.decodeUnknownOption(Schema.fromJsonString(ArtifactRecord))

const streamOf = (data: ReadableStream<Uint8Array> | AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> => {
  if (data instanceof ReadableStream) return data
  const iterator = data[Symbol.asyncIterator]()
  return new ReadableStream<Uint8Array>({
    pull: async (controller) => {
      const { done, value } = await iterator.next()
      if (done === true) controller.close()
      else controller.enqueue(value)
    },
    cancel: async () => void await iterator.return?.()
  })
}

/** Sent once: a stream cannot be read twice, and each put is an artifact of its own. */
export const putArtifact = async (sending: Sending, data: ArtifactBytes, options: PutArtifactOptions = {}): Promise<ArtifactRecord> => {
  const { channel, eventIds, mediaType, metadata, signal } = options
  const request = requestOf(sending, "putArtifact", {
    query: {
      ...(channel === undefined ? {} : { channel }),
      ...(eventIds === undefined ? {} : { eventIds: eventIds.join(",") }),
      ...(metadata === undefined ? {} : { metadata: JSON.stringify(metadata) })
    },
    headers: { "content-type": mediaType ?? (typeof data === "string" ? "text/plain; charset=utf-8" : "application/octet-stream") }
  })
  const body = typeof data === "string" || data instanceof Uint8Array ? data : streamOf(data)
  let response: Response
  let text: string
  try {
    response = await (sending.fetch ?? fetch)(new Request(request, { body, duplex: "half" } as RequestInit), signal === undefined ? {} : { signal }) // `duplex` is needed and not in the types
    text = await response.text()
  } catch (thrown) {
    if (signal?.aborted === true) throw signal.reason
    throw new KernelUnreachable({ url: sending.url, reason: reasonOf(thrown) })
  }
  if (!response.ok) throw failureOf(sending.url, text)
  return Option.getOrThrowWith(decodeRecord(text), () => new KernelFault({ url: sending.url, reason: "its answer is no artifact" }))
}

export interface ArtifactBody {
  readonly body: ReadableStream<Uint8Array>
  readonly all: () => Promise<Uint8Array>
}

export const artifactBytes = async (sending: Sending, id: string, options: GetArtifactOptions = {}): Promise<ArtifactBody> => {
  const { from, signal, to } = options
  const isRange = from !== undefined || to !== undefined
  const request = requestOf(sending, "artifactBytes", { id, headers: isRange ? { range: `bytes=${from ?? 0}-${to ?? ""}` } : {} })
  let response: Response
  try {
    response = await (sending.fetch ?? fetch)(request, signal === undefined ? {} : { signal })
  } catch (thrown) {
    if (signal?.aborted === true) throw signal.reason
    throw new KernelUnreachable({ url: sending.url, reason: reasonOf(thrown) })
  }
  if (!response.ok || response.body === null) throw failureOf(sending.url, await response.text())
  const whole = response
  return { body: response.body, all: async () => new Uint8Array(await whole.arrayBuffer()) }
}
