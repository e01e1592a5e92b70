// A client of a kernel's HTTP door, made from the table of routes. Needs nothing but `fetch`.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Denied } from "../protocol/errors.ts"
import { Event } from "../protocol/event.ts"
import { Failure, Problem } from "../protocol/problem.ts"
import { type PayloadOf, type QueryOf, type RouteName, routes, type SuccessOf } from "../protocol/routes.ts"

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

interface InputOf<Name extends RouteName> {
  /** The name in the path. */
  readonly id?: string
  readonly query?: QueryOf<Name>
  readonly payload?: PayloadOf<Name>
}

export interface Client {
  readonly url: string
  readonly call: <Name extends Exclude<RouteName, "tail">>(name: Name, input?: InputOf<Name>) => Effect.Effect<SuccessOf<Name>, ClientError>
  /** Events of all channels that match, as they come. Closing the stream closes the connection. */
  readonly tail: (query: QueryOf<"tail">) => Stream.Stream<Event, ClientError>
}

const decodeProblem = Schema.decodeUnknownOption(Schema.fromJsonString(Problem))
const decodeFailure = Schema.decodeUnknownOption(Failure)
const decodeEvent = Schema.decodeUnknownResult(Schema.fromJsonString(Event))

const failureOf = (url: string, text: string): Failure | KernelFault => {
  const problem = Option.getOrUndefined(decodeProblem(text))
  if (problem === undefined) return new KernelFault({ url, reason: "its answer is not a problem report" })
  return Option.getOrElse(decodeFailure({ ...problem.fields, _tag: problem.code }), () =>
    problem.status === 401 || problem.status === 403
      ? new Denied({ system: "operator", operation: "use", target: url, reason: problem.detail })
      : new KernelFault({ url, reason: problem.detail }))
}

const reasonOf = (error: unknown): string => {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return cause instanceof Error ? cause.message || cause.name : String(cause)
}

export const makeClient = ({ url, token }: ClientOptions): Client => {
  const unreachable = (error: unknown): KernelUnreachable => new KernelUnreachable({ url, reason: reasonOf(error) })

  const send = (name: RouteName, id: string | undefined, query: object, payload: unknown): Effect.Effect<Response, KernelUnreachable> => {
    const route = routes[name]
    const search = new URLSearchParams(Object.entries(query).map(([key, value]): [string, string] => [key, String(value)])).toString()
    const verb = "verb" in route ? `:${route.verb}` : ""
    const path = `${route.path.replace(":id", () => encodeURIComponent(id ?? ""))}${verb}${search === "" ? "" : `?${search}`}`
    return Effect.tryPromise({
      try: (signal) =>
        fetch(url + path, {
          method: route.method,
          signal,
          headers: { authorization: `Bearer ${token}`, ...(route.method === "POST" ? { "content-type": "application/json" } : {}) },
          ...(route.method === "POST" ? { body: JSON.stringify(payload) } : {})
        }),
      catch: unreachable
    })
  }
  const textOf = (response: Response): Effect.Effect<string, KernelUnreachable> =>
    Effect.tryPromise({ try: () => response.text(), catch: unreachable })

  const call: Client["call"] = Effect.fnUntraced(function*<Name extends Exclude<RouteName, "tail">>(name: Name, input: InputOf<Name> = {}) {
    const response = yield* send(name, input.id, input.query ?? {}, input.payload ?? {})
    const text = yield* textOf(response)
    if (!response.ok) return yield* failureOf(url, text)
    // The table holds plain data schemas: decoding them needs no service; and this one gives what the row says.
    const success: Schema.Top = routes[name].success
    const decoded = Schema.decodeUnknownResult(Schema.fromJsonString(success as Schema.Codec<SuccessOf<Name>, unknown>))(text)
    if (Result.isFailure(decoded)) {
      return yield* new KernelFault({ url, reason: `its answer to ${name} is not as this version expects (${decoded.failure.message})` })
    }
    return decoded.success
  })

  const tail: Client["tail"] = (query) =>
    Stream.unwrap(Effect.gen(function*() {
      const response = yield* send("tail", undefined, query, {})
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
