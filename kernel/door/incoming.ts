// One request as a surface sees it. The body is read when it is asked for, once, within its bounds of size and time.
import * as Effect from "effect/Effect"
import { isUtf8 } from "node:buffer"
import type { IncomingMessage } from "node:http"
import { InvalidPayload, TooLarge } from "../../protocol/errors.ts"
import { httpBodyBytesMax, httpRequestMillis, httpUploadSilenceMillis } from "../limits.ts"
import type { Guest } from "./guest.ts"
import type { Asked } from "./surface.ts"

const tooLarge = (size: number): TooLarge => new TooLarge({ what: "The request body", size, sizeMax: httpBodyBytesMax, unit: "bytes" })

const notJson = (reason: string): InvalidPayload => new InvalidPayload({ what: "body", path: "", reason })

const none = Buffer.alloc(0)

/** Bodies that are not all there, with what to do when it takes too long. One look a second at all of them costs less than a timer for each. */
const awaited = new Map<object, { readonly until: number; readonly late: () => void }>()
let look: NodeJS.Timeout | undefined

const lookAtAwaited = (): void => {
  const now = performance.now()
  for (const [body, { late, until }] of awaited) {
    if (until > now) continue
    awaited.delete(body)
    late()
  }
}

const awaitBody = (body: object, millis: number, late: () => void): void => {
  look ??= setInterval(lookAtAwaited, Math.min(1_000, millis)).unref()
  awaited.set(body, { until: performance.now() + millis, late })
}

export class Incoming implements Asked {
  readonly method: string
  readonly segments: ReadonlyArray<string>
  headers: IncomingMessage["headers"]
  readonly #search: string
  readonly #request: IncomingMessage
  readonly #late: () => void
  readonly #millis: number
  #query: URLSearchParams | undefined
  #guest: Guest | undefined
  /** Its body, once it was read as a whole. */
  #whole: Buffer | undefined
  /** sha-256 of the token that a proof goes with. */
  proven: string | undefined
  #gone: AbortController | undefined
  #isGone = false

  /** `late`: the client takes longer than `millis` to send its body; it is answered and this request is over. */
  constructor(
    request: IncomingMessage, method: string, segments: ReadonlyArray<string>, search: string, late: () => void, millis = httpRequestMillis
  ) {
    this.#millis = millis
    this.#request = request
    this.method = method
    this.segments = segments
    this.headers = request.headers
    this.#search = search
    this.#late = late
  }

  get isHead(): boolean {
    return this.#request.method === "HEAD"
  }

  get query(): URLSearchParams {
    return (this.#query ??= new URLSearchParams(this.#search))
  }

  get hasQuery(): boolean {
    return this.#search !== ""
  }

  get guest(): Guest {
    if (this.#guest === undefined) throw new Error("a request that needs no credential has no guest")
    return this.#guest
  }

  admit(guest: Guest): void {
    this.#guest = guest
  }

  get signal(): AbortSignal {
    if (this.#gone === undefined) {
      this.#gone = new AbortController()
      if (this.#isGone) this.#gone.abort()
    }
    return this.#gone.signal
  }

  /** The client is gone. */
  leave(): void {
    this.#isGone = true
    this.#gone?.abort()
  }

  get text(): Effect.Effect<string, TooLarge> {
    return Effect.map(this.body, (bytes) => bytes.toString("utf8"))
  }

  get json(): Effect.Effect<unknown, InvalidPayload | TooLarge> {
    return Effect.flatMap(this.body, (bytes): Effect.Effect<unknown, InvalidPayload> => {
      if (bytes.length === 0) return Effect.void
      if (!isUtf8(bytes)) return Effect.fail(notJson("it is not UTF-8"))
      try {
        return Effect.succeed(JSON.parse(bytes.toString("utf8")))
      } catch {
        return Effect.fail(notJson("it is not JSON"))
      }
    })
  }

  get bytes(): AsyncIterable<Uint8Array> {
    const request = this.#request
    const late = this.#late
    const whole = this.#whole
    async function* chunks(): AsyncGenerator<Uint8Array> {
      if (whole !== undefined) return yield whole
      const silence = setTimeout(late, httpUploadSilenceMillis)
      try {
        // A reader that had enough leaves the rest to the listener.
        for await (const chunk of request.iterator({ destroyOnReturn: false })) {
          silence.refresh()
          yield chunk
          silence.refresh()
        }
      } finally {
        clearTimeout(silence)
      }
    }
    return { [Symbol.asyncIterator]: chunks }
  }

  /** Reads all of it now, so that it can be looked at before whoever answers reads it. */
  get whole(): Effect.Effect<Buffer, TooLarge> {
    return Effect.tap(this.body, (body) => Effect.sync(() => void (this.#whole = body)))
  }

  get body(): Effect.Effect<Buffer, TooLarge> {
    if (this.#whole !== undefined) return Effect.succeed(this.#whole)
    const request = this.#request
    const late = this.#late
    return Effect.callback((resume) => {
      const said = request.headers["content-length"]
      if (said === undefined && request.headers["transfer-encoding"] === undefined) return resume(Effect.succeed(none))
      if (said !== undefined && Number(said) > httpBodyBytesMax) return resume(Effect.fail(tooLarge(Number(said))))
      let only: Buffer | undefined
      let more: Array<Buffer> | undefined
      let size = 0
      awaitBody(request, this.#millis, late)
      const stop = (): void => {
        awaited.delete(request)
        request.off("data", take).off("end", end).off("close", stop)
      }
      const take = (chunk: Buffer): void => {
        if ((size += chunk.length) > httpBodyBytesMax) {
          stop()
          return resume(Effect.fail(tooLarge(size)))
        }
        if (only === undefined) only = chunk
        else (more ??= [only]).push(chunk)
      }
      const end = (): void => {
        stop()
        resume(Effect.succeed(more === undefined ? only ?? none : Buffer.concat(more, size)))
      }
      request.on("data", take).on("end", end).on("close", stop)
      return Effect.sync(stop)
    })
  }
}
