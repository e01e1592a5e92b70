// A request as a surface sees it, without a socket: for tests that ask a surface itself.
import * as Effect from "effect/Effect"
import { InvalidPayload } from "../../protocol/errors.ts"
import type { Guest } from "../../kernel/door/guest.ts"
import type { Answer, Asked, Surface } from "../../kernel/door/surface.ts"

export interface Told {
  readonly status: number
  readonly body: unknown
  readonly headers: Readonly<Record<string, string>>
}

const empty = new Uint8Array()

const askedOf = (method: string, target: string, guest: Guest, body: string | undefined): Asked => {
  const [path = "", search = ""] = target.split("?")
  const bytes = body === undefined ? empty : new TextEncoder().encode(body)
  return {
    method: method === "HEAD" ? "GET" : method,
    isHead: method === "HEAD",
    segments: path.split("/").filter((segment) => segment !== "").map(decodeURIComponent),
    query: new URLSearchParams(search),
    hasQuery: search !== "",
    headers: {},
    guest,
    text: Effect.succeed(body ?? ""),
    body: Effect.succeed(bytes),
    json: Effect.suspend(() => {
      if (body === undefined || body === "") return Effect.void
      try {
        return Effect.succeed(JSON.parse(body) as unknown)
      } catch {
        return Effect.fail(new InvalidPayload({ what: "body", path: "", reason: "it is not JSON" }))
      }
    }),
    bytes: { async *[Symbol.asyncIterator]() { yield bytes } },
    signal: new AbortController().signal
  }
}

const toldOf = ({ body, headers = {}, status }: Answer): Told => ({ status, headers, body: typeof body === "string" ? JSON.parse(body) : body })

/** Asks; `body` is JSON unless it is a text. */
export const ask = (surface: Surface, guest: Guest) => (method: string, target: string, body?: unknown): Effect.Effect<Told> =>
  Effect.map(surface.answer(askedOf(method, target, guest, body === undefined || typeof body === "string" ? body : JSON.stringify(body))), toldOf)
