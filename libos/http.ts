// A client of a kernel's HTTP door, made from the table of routes. Needs nothing but `fetch`.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Denied, Overloaded, StoreUnavailable, Unauthenticated } from "../protocol/errors.ts"
import { Event } from "../protocol/event.ts"
import { Failure, Problem } from "../protocol/problem.ts"
import type { Row } from "../protocol/route/row.ts"
import { type PayloadOf, type QueryOf, type RouteName, type Routes, routes, type SuccessOf } from "../protocol/routes.ts"

/** Nobody answers at the address, or the connection broke before the answer came. */
export class KernelUnreachable extends Schema.TaggedError<KernelUnreachable>()("KernelUnreachable", {
  url: Schema.String, reason: Schema.String
}) {
  override get message(): string {
    return `No kernel answers at ${this.url}: ${this.reason}.`
  }
}

/** The kernel answered something that it never should: a fault of its own, or another program on its port. */
export class KernelFault extends Schema.TaggedError<KernelFault>()("KernelFault", { url: Schema.String, reason: Schema.String }) {
  override get message(): string {
    return `The kernel at ${this.url} failed: ${this.reason}`
  }
}

/** What a call can fail with: the failure that the kernel had, as it was, or that there was no answer. */
export type ClientError = Failure | KernelUnreachable | KernelFault

export interface ClientOptions {
  readonly url: string
  readonly token: string
}

/** Rows that are asked and answered in JSON. */
export type CallName = { [Name in RouteName]: Routes[Name] extends { readonly stream: true } | { readonly bytes: string } ? never : Name }[RouteName]

export interface InputOf<Name extends RouteName> {
  /** The name in the path. */
  readonly id?: string
  readonly query?: QueryOf<Name>
  readonly payload?: PayloadOf<Name>
  /** Those of the row: `idempotency-key`, `if-match`, … */
  readonly headers?: Readonly<Record<string, string>>
}

export interface Client {
  readonly url: string
  readonly call: <Name extends CallName>(name: Name, input?: InputOf<Name>) => Effect.Effect<SuccessOf<Name>, ClientError>
  /** Events of all channels that match, as they come. Closing the stream closes the connection. */
  readonly tail: (query: QueryOf<"tail">) => Stream.Stream<Event, ClientError>
}

const decodeProblem = Schema.decodeUnknownOption(Schema.fromJsonString(Problem))
const decodeFailure = Schema.decodeUnknownOption(Failure)
const decodeEvent = Schema.decodeUnknownResult(Schema.fromJsonString(Event))

/** What a refusal says: the failure that the kernel had, or what its listener says before it comes to that. */
export const failureOf = (url: string, text: string): Failure | KernelFault => {
  const problem = Option.getOrUndefined(decodeProblem(text))
  if (problem === undefined) return new KernelFault({ url, reason: "its answer is not a problem report" })
  return Option.getOrElse(decodeFailure({ ...problem.fields, _tag: problem.code }), (): Failure | KernelFault => {
    switch (problem.status) {
      case 401:
        return new Unauthenticated({ reason: problem.detail })
      case 403:
        return new Denied({ system: "operator", operation: "use", target: url, reason: problem.detail.replace(/\.$/u, "") })
      case 429:
        return new Overloaded({ what: problem.detail, limit: 0, unit: "more requests", retryAfterMillis: 1_000 })
      case 503:
        return new StoreUnavailable({ reason: problem.detail.replace(/\.$/u, "") })
      default:
        return new KernelFault({ url, reason: problem.detail })
    }
  })
}

/** Whether the body of a row is JSON that the client gives. */
const hasBody = (method: string): boolean => method === "POST" || method === "PUT"

/** The request of a row. */
export const requestOf = <Name extends RouteName>({ token, url }: ClientOptions, name: Name, input: InputOf<Name>): Request => {
  const route: Row = routes[name]
  const search = new URLSearchParams(Object.entries(input.query ?? {}).map(([key, value]): [string, string] => [key, String(value)])).toString()
  const path = `${route.path.replace(":id", () => encodeURIComponent(input.id ?? ""))}${route.verb === undefined ? "" : `:${route.verb}`}`
  return new Request(`${url.replace(/\/+$/u, "")}${path}${search === "" ? "" : `?${search}`}`, {
    method: route.method,
    headers: {
      ...(route.accept === undefined ? {} : { accept: route.accept }),
      ...(hasBody(route.method) && route.bytes !== "in" ? { "content-type": "application/json" } : {}),
      ...input.headers,
      authorization: `Bearer ${token}`
    },
    ...(hasBody(route.method) && route.bytes !== "in" ? { body: JSON.stringify(input.payload ?? {}) } : {})
  })
}

/** What a row's answer says, or that it says nothing of the kind. */
export const successOf = <Name extends RouteName>(url: string, name: Name, text: string): SuccessOf<Name> | KernelFault => {
  // The table holds plain data schemas: decoding them needs no service; and this one gives what the row says.
  const success: Schema.Top = routes[name].success
  const decoded = Schema.decodeUnknownResult(Schema.fromJsonString(success as Schema.Codec<SuccessOf<Name>, unknown>))(text)
  return Result.isSuccess(decoded)
    ? decoded.success
    : new KernelFault({ url, reason: `its answer to ${name} is not as this version expects (${decoded.failure.message})` })
}

/** Why a request came to nothing, in words. */
export const reasonOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return cause instanceof Error ? cause.message || cause.name : String(cause)
}

export const makeClient = (options: ClientOptions): Client => {
  const { url } = options
  const unreachable = (error: unknown): KernelUnreachable => new KernelUnreachable({ url, reason: reasonOf(error) })

  const send = <Name extends RouteName>(name: Name, input: InputOf<Name>): Effect.Effect<Response, KernelUnreachable> =>
    Effect.tryPromise({ try: (signal) => fetch(requestOf(options, name, input), { signal }), catch: unreachable })
  const textOf = (response: Response): Effect.Effect<string, KernelUnreachable> =>
    Effect.tryPromise({ try: () => response.text(), catch: unreachable })

  const call: Client["call"] = Effect.fnUntraced(function*<Name extends CallName>(name: Name, input: InputOf<Name> = {}) {
    const response = yield* send(name, input)
    const text = yield* textOf(response)
    if (!response.ok) return yield* failureOf(url, text)
    const success = successOf(url, name, text)
    return success instanceof KernelFault ? yield* success : success
  })

  const tail: Client["tail"] = (query) =>
    Stream.unwrap(Effect.gen(function*() {
      const response = yield* send("tail", { query })
      if (!response.ok) return Stream.fail(failureOf(url, yield* textOf(response)))
      const { body } = response
      if (body === null) return Stream.empty
      return Stream.fromReadableStream({ evaluate: () => body, onError: unreachable }).pipe(
        Stream.decodeText,
        Stream.splitLines,
        // An event is `id`, `data` and an empty line; a problem has its name before the data. The data decides.
        Stream.mapEffect((line): Effect.Effect<Option.Option<Event>, ClientError> => {
          if (!line.startsWith("data: ")) return Effect.succeed(Option.none())
          const event = decodeEvent(line.slice(6))
          return Result.isSuccess(event) ? Effect.succeed(Option.some(event.success)) : Effect.fail(failureOf(url, line.slice(6)))
        }),
        Stream.filter(Option.isSome),
        Stream.map((event) => event.value)
      )
    }))

  return { url, call, tail }
}
