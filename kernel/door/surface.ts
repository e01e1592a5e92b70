// A surface: one HTTP API on the listener. The listener checks Host, Origin, credential, size and time, finds the surface by
// its prefix, and writes what it answers; a surface knows paths and shapes and nothing of sockets.
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { InvalidPayload, TooLarge } from "../../protocol/errors.ts"
import type { Guest } from "./guest.ts"

/** One request, as a surface sees it. */
export interface Asked {
  /** A HEAD is a GET whose body nobody reads: see `isHead`. */
  readonly method: string
  /** Nobody reads the body, so that nothing may be used up for it. */
  readonly isHead?: boolean
  /** Decoded segments behind the prefix: `/sssn/channels/a` gives `["channels", "a"]`. */
  readonly segments: ReadonlyArray<string>
  readonly query: URLSearchParams
  /** Whether it has any. */
  readonly hasQuery: boolean
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly guest: Guest
  /** sha-256 of the capability token that its proof goes with; absent: none, or there was no proof. */
  readonly proven?: string | undefined
  /** The whole body, at most `httpBodyBytesMax` bytes. */
  readonly text: Effect.Effect<string, TooLarge>
  /** The same as bytes. */
  readonly body: Effect.Effect<Uint8Array, TooLarge>
  /** The body as JSON; `undefined` when there is none. */
  readonly json: Effect.Effect<unknown, InvalidPayload | TooLarge>
  /** The body as it comes, for the routes that stream; the surface bounds it. May be read once, instead of the three above. */
  readonly bytes: AsyncIterable<Uint8Array>
  /** Aborted when the client is gone. */
  readonly signal: AbortSignal
}

export interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** A stream is pulled at the client's pace: while the socket is full, nothing is asked of it. Returned early when the client goes. */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array>
  /** Row of the surface's table that answered, for the counters. Never anything that a client chose. */
  readonly route?: string
}

export interface Surface {
  /** First path segment, such as `v1`; the empty one is the root. */
  readonly prefix: string
  /** Attached by `publish`; the others are there whenever the listener is. */
  readonly published: boolean
  /** Never fails: a failure is an answer in this surface's own shape. What is thrown becomes a 500 by `fault`. */
  readonly answer: (asked: Asked) => Effect.Effect<Answer>
  /** How this surface tells a refusal of the listener (401, 403, 404, 413, 429, 500, 503). */
  readonly refusal: (status: number, code: string, detail: string) => Answer
  /** Its OpenAPI 3.1 description. */
  readonly openapi?: () => Readonly<Record<string, unknown>> | Promise<Readonly<Record<string, unknown>>>
  /** Says which requests need no credential: the docs page, the description, health. `asked.guest` is then absent and never touched. */
  readonly open?: (asked: { readonly method: string; readonly segments: ReadonlyArray<string> }) => boolean
}

/** Makes a surface of a kernel; what it needs as long as the door is open is in its scope. */
export type SurfaceOf<Options, E = never> = (options: Options) => Effect.Effect<Surface, E, Scope.Scope>
