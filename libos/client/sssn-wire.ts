// What the client of the portable API says and hears: its base, the models that answers are checked against, and refusals.
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { isSegment } from "../../protocol/names.ts"
import { Artifact, Channel, Event, Snapshot, Subscription, type KeptEvent } from "../../protocol/portable.ts"

/** The server refused, or answered something that it should not. */
export class SSSNClientError extends Error {
  override readonly name = "SSSNClientError"
  readonly statusCode: number
  /** The name of the failure, such as `ChannelNotFoundError`; null when the server named none. */
  readonly errorType: string | null
  /** What the server said, without the rest of the sentence. */
  readonly detail: unknown
  /** The server's own words; null when it had none. */
  readonly serverMessage: string | null
  constructor(statusCode: number, errorType: string | null, message: string | null, detail: unknown) {
    super(errorType === invalidResponse
      ? message ?? ""
      : `SSSN server returned HTTP ${statusCode}${errorType === null ? "" : ` (${errorType})`}${message === null ? "" : `: ${message}`}`)
    this.statusCode = statusCode
    this.errorType = errorType
    this.serverMessage = message
    this.detail = detail
  }
}

export const invalidResponse = "InvalidResponse"

/** Responses are looked at as they are: more fields than ours are no mistake. */
const decoder = <A>(schema: Schema.Codec<A, unknown>): ((value: unknown) => A | undefined) => {
  const decode = Schema.decodeUnknownResult(schema)
  return (value) => {
    const result = decode(value)
    return Result.isSuccess(result) ? result.success : undefined
  }
}
export const models = {
  channel: decoder<Channel>(Channel),
  channels: decoder<ReadonlyArray<Channel>>(Schema.Array(Channel)),
  event: decoder<KeptEvent>(Schema.Struct({ ...Event.fields, cursor: Schema.Int })),
  events: decoder<ReadonlyArray<KeptEvent>>(Schema.Array(Schema.Struct({ ...Event.fields, cursor: Schema.Int }))),
  subscription: decoder<Subscription>(Subscription),
  artifact: decoder<Artifact>(Artifact),
  snapshot: decoder<Snapshot>(Snapshot),
  health: decoder<{ readonly ok: boolean }>(Schema.Struct({ ok: Schema.Boolean }))
}

/** The server as it is asked, and the credential that its URL holds. */
export const baseOf = (given: unknown): { readonly base: string; readonly authorization: string | undefined } => {
  const refuse = (): never => {
    throw new RangeError(`The base URL must be an absolute http or https URL without white space, not ${JSON.stringify(given)}.`)
  }
  if (typeof given !== "string" || given === "" || /\s/u.test(given) || !/^https?:\/\/[^/?#]/u.test(given) || !URL.canParse(given)) return refuse()
  const url = new URL(given)
  if (url.hostname === "" || url.search !== "" || url.hash !== "") return refuse()
  const { password, username } = url
  const authorization = username === "" && password === ""
    ? undefined
    : `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`)))}`
  url.username = ""
  url.password = ""
  return { base: url.href.replace(/\/+$/u, ""), authorization }
}

export const base64Of = (bytes: Uint8Array): string => {
  let text = ""
  // Not all at once: a call takes only so many arguments.
  for (let at = 0; at < bytes.length; at += 32_768) text += String.fromCharCode(...bytes.subarray(at, at + 32_768))
  return btoa(text)
}

export const bytesOf = (data: unknown): Uint8Array | undefined => {
  if (data instanceof Uint8Array) return data
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : undefined
}

const objectOf = (value: unknown): Readonly<Record<string, unknown>> | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? value as Readonly<Record<string, unknown>> : undefined // an object, as was just seen

/** What the envelope of a refusal says; parts of it that are not what they should be are passed over. */
export const refusalOf = (status: number, text: string): SSSNClientError => {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return new SSSNClientError(status, null, text === "" ? null : text.slice(0, 500), text)
  }
  const envelope = objectOf(body)
  const detail = envelope?.["detail"]
  const error = objectOf(objectOf(detail)?.["error"]) ?? objectOf(envelope?.["error"])
  const { message, type } = error ?? {}
  return new SSSNClientError(
    status,
    typeof type === "string" && isSegment(type) ? type : null,
    typeof message === "string" ? message : error === undefined && typeof detail === "string" ? detail : null,
    detail ?? body
  )
}
