// The HTTP door: serves protocol/routes.ts to the operator on a loopback address. Loopback is not trust, so every
// request is checked before it is read: Host, Origin, bearer token, size, time.
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpIncomingMessage from "effect/http/HttpIncomingMessage"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as ByteSize from "effect/ByteSize"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Stream from "effect/Stream"
import { createHash, timingSafeEqual } from "node:crypto"
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from "node:http"
import { InvalidPayload, StoreUnavailable, TooLarge } from "../../protocol/errors.ts"
import type { Event } from "../../protocol/event.ts"
import { type Problem, statusOf } from "../../protocol/problem.ts"
import { type RouteName, routes } from "../../protocol/routes.ts"
import { issuePath } from "../../protocol/standard-schema.ts"
import { httpBodyBytesMax, httpCloseMillis, httpConnectionsMax, httpHeadersMillis, httpPingMillis, httpRequestMillis } from "../limits.ts"
import type { Door } from "./door.ts"
import { type Handlers, operatorHandlers } from "./operator.ts"

export interface HttpOptions {
  /** What a client must present as bearer token. */
  readonly token: string
  /** Executors that there are now. Those at the start the operator may ask for without a rule that says so. */
  readonly executors: () => ReadonlyArray<string>
  /** 0, the default: any free port. */
  readonly port?: number
}

/** The address that is bound. Nothing outside this machine can reach it. */
const host = "127.0.0.1"

const problem = (status: number, code: string, detail: string, fields: Problem["fields"] = {}): Problem => ({
  type: `https://aaax.dev/problems/${code.replace(/(?<=[a-z])(?=[A-Z])/gu, "-").toLowerCase()}`,
  title: code.replace(/(?<=[a-z])(?=[A-Z])/gu, " "),
  status,
  detail,
  code,
  fields
})

const problemJson = "application/problem+json"

const refuse = (response: ServerResponse, status: number, code: string, detail: string): void => {
  // The rest of the body is not read; the connection ends with the answer.
  response.writeHead(status, { "content-type": problemJson, connection: "close", "cache-control": "no-store" })
  response.end(JSON.stringify(problem(status, code, detail)))
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

/** Checks what can be checked from the headers; answers whether the request may go on. */
const guard = (token: string): ((request: IncomingMessage, response: ServerResponse, port: number) => boolean) => {
  const expected = digest(`Bearer ${token}`)
  return (request, response, port) => {
    const names = [`${host}:${port}`, `localhost:${port}`, `[::1]:${port}`]
    const named = request.headers.host ?? ""
    if (!names.includes(named)) {
      refuse(response, 403, "ForbiddenHost", "This listener answers to its loopback address only.")
      return false
    }
    const { origin } = request.headers
    if (origin !== undefined && origin !== `http://${named}`) {
      refuse(response, 403, "ForbiddenOrigin", "Pages of other origins may not call this listener.")
      return false
    }
    if (request.method === "GET" && request.url === "/healthz") {
      response.writeHead(200, { "content-type": "text/plain" }).end("ok\n")
      return false
    }
    // Digests have one length, so that comparing takes the same time whatever was sent.
    if (!timingSafeEqual(digest(request.headers.authorization ?? ""), expected)) {
      response.setHeader("www-authenticate", "Bearer")
      refuse(response, 401, "Unauthorized", "A valid bearer token is needed; the run file names the file that holds it.")
      return false
    }
    if (Number(request.headers["content-length"] ?? 0) > httpBodyBytesMax) {
      refuse(response, 413, "TooLarge", `A request body may have ${httpBodyBytesMax} bytes.`)
      return false
    }
    return true
  }
}

const formatIssue = SchemaIssue.makeFormatterStandardSchemaV1()
const strict = { errors: "first", onExcessProperty: "error" } as const

const decoder = (schema: Schema.Top, what: string): ((value: unknown) => Effect.Effect<unknown, InvalidPayload>) => {
  // The table holds plain data schemas: decoding them needs no service.
  const decode = Schema.decodeUnknownResult(schema as Schema.Codec<unknown, unknown>, strict)
  return (value) => {
    const result = decode(value)
    if (Result.isSuccess(result)) return Effect.succeed(result.success)
    const [first] = formatIssue(result.failure.issue).issues
    return Effect.fail(new InvalidPayload({ what, path: first === undefined ? "" : issuePath(first), reason: first?.message ?? "not as expected" }))
  }
}

const queryOf = (url: string): Record<string, string> => {
  const at = url.indexOf("?")
  return at < 0 ? {} : Object.fromEntries(new URLSearchParams(url.slice(at + 1)))
}

/** A failure as a problem. Its fields are its own; a fault says nothing of the inside. */
const problemOf = (cause: Cause.Cause<unknown>): Problem => {
  const failure = Cause.findErrorOption(cause)
  const error = failure._tag === "Some" ? failure.value : undefined
  if (typeof error === "object" && error !== null && "_tag" in error && typeof error._tag === "string") {
    const status = statusOf(error._tag)
    if (status !== undefined) {
      const { _tag: _, ...fields } = JSON.parse(JSON.stringify(error)) as Record<string, Schema.Json> // JSON gives JSON
      return problem(status, error._tag, error instanceof Error ? error.message : error._tag, fields)
    }
  }
  return problem(500, "Fault", "The kernel could not answer; its log says why.")
}

const answer = (status: number, body: unknown, contentType = "application/json"): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(JSON.stringify(body), { status, contentType, headers: { "cache-control": "no-store", "x-content-type-options": "nosniff" } })

const bodyOf = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<unknown, InvalidPayload | TooLarge> =>
  request.text.pipe(
    Effect.mapError(() => new TooLarge({ what: "The request body", size: httpBodyBytesMax + 1, sizeMax: httpBodyBytesMax, unit: "bytes" })),
    Effect.flatMap((text) =>
      text === ""
        ? Effect.succeed({})
        : Effect.try({ try: (): unknown => JSON.parse(text), catch: () => new InvalidPayload({ what: "body", path: "", reason: "it is not JSON" }) })),
    Effect.provideService(HttpIncomingMessage.MaxBodySize, ByteSize.bytes(httpBodyBytesMax))
  )

const encodeEvent = (event: Event): string => `id: ${event.channel}#${event.cursor}\ndata: ${JSON.stringify(event)}\n\n`

/** Server-sent events; a failure that comes later is the last event, named `problem`. */
const eventStream = (events: Stream.Stream<Event, unknown>): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.stream(
    events.pipe(
      Stream.map(encodeEvent),
      Stream.catchCause((cause) => Stream.make(`event: problem\ndata: ${JSON.stringify(problemOf(cause))}\n\n`)),
      Stream.merge(Stream.fromSchedule(Schedule.spaced(httpPingMillis)).pipe(Stream.map(() => ": still here\n\n")), { haltStrategy: "left" }),
      Stream.encodeText
    ),
    { contentType: "text/event-stream", headers: { "cache-control": "no-store", "x-accel-buffering": "no" } }
  )

interface Bound {
  readonly verb: string | undefined
  readonly run: (id: string, request: HttpServerRequest.HttpServerRequest) => Effect.Effect<HttpServerResponse.HttpServerResponse, unknown>
}

const bind = <Name extends RouteName>(name: Name, handlers: Handlers): Bound => {
  const route = routes[name]
  const decodeQuery = decoder(route.query, "query")
  const decodePayload = decoder(route.payload, "body")
  // The two decoders give what the handler of this very row takes; the table ties them, the compiler cannot follow.
  const handle = handlers[name] as (input: { id: string; query: unknown; payload: unknown }) => unknown
  return {
    verb: "verb" in route ? route.verb : undefined,
    run: Effect.fnUntraced(function*(id, request) {
      const query = yield* decodeQuery(queryOf(request.url))
      const payload = yield* decodePayload(route.method === "POST" ? yield* bodyOf(request) : {})
      const result = handle({ id, query, payload })
      // A row with `stream` has a handler that gives a stream, every other one an effect.
      if ("stream" in route) return eventStream(result as Stream.Stream<Event, unknown>)
      return answer(200, yield* (result as Effect.Effect<unknown, unknown>))
    })
  }
}

/** All routes of the table on one router. Rows that differ by verb only share a path. */
const serve = Effect.fnUntraced(function*(handlers: Handlers) {
  const router = yield* HttpRouter.make
  const shared = new Map<string, Array<Bound>>()
  // The keys of the table are its names.
  for (const name of Object.keys(routes) as ReadonlyArray<RouteName>) {
    const { method, path } = routes[name]
    const place = `${method} ${path}`
    const rows = shared.get(place)
    if (rows !== undefined) {
      rows.push(bind(name, handlers))
      continue
    }
    const bound = [bind(name, handlers)]
    shared.set(place, bound)
    yield* router.add(method, path, (request) =>
      Effect.gen(function*() {
        const { id = "" } = yield* HttpRouter.params
        const colon = id.lastIndexOf(":")
        const withVerb = bound.find(({ verb }) => verb !== undefined && colon >= 0 && id.slice(colon + 1) === verb)
        const row = withVerb ?? bound.find(({ verb }) => verb === undefined)
        if (row === undefined) return answer(404, problem(404, "NotFound", "There is nothing at this path."), problemJson)
        return yield* row.run(withVerb === undefined ? id : id.slice(0, colon), request)
      }).pipe(
        Effect.catchCause((cause) => {
          const told = problemOf(cause)
          const log = told.status === 500 && !Cause.hasInterruptsOnly(cause) ? Effect.logError("A request failed", cause) : Effect.void
          return Effect.as(log, answer(told.status, told, problemJson))
        })
      ))
  }
  yield* router.add("*", "/*", answer(404, problem(404, "NotFound", "There is nothing at this path."), problemJson))
  return router.asHttpEffect()
})

/** The operator's door. It is one more pair of docked systems to the kernel: `operator` and `terminal`. */
export const door = (options: HttpOptions): Door => ({
  name: "http",
  open: Effect.fnUntraced(function*(kernel) {
    const handlers = yield* operatorHandlers(kernel, options.executors)
    const scope = yield* Effect.scope
    const app = yield* serve(handlers)
    const handle: RequestListener = yield* NodeHttpServer.makeHandler(app, { scope })
    const allowed = guard(options.token)
    let port = 0
    let closing = false
    const server = createServer({ headersTimeout: httpHeadersMillis, requestTimeout: httpRequestMillis, maxHeaderSize: 16_384 }, (request, response) => {
      if (closing) return refuse(response, 503, "Stopping", "The kernel is going down.")
      if (allowed(request, response, port)) handle(request, response)
    })
    server.maxConnections = httpConnectionsMax
    yield* Effect.acquireRelease(
      Effect.callback<void, StoreUnavailable>((resume) => {
        server.once("error", (error) => resume(Effect.fail(new StoreUnavailable({ reason: `the listener could not be opened (${error.message})` }))))
        server.listen(options.port ?? 0, host, () => resume(Effect.void))
      }),
      () =>
        Effect.callback<void>((resume) => {
          closing = true
          server.close(() => resume(Effect.void))
          server.closeIdleConnections()
          // Answers that are under way get a moment; streams and waiting requests would never end.
          setTimeout(() => server.closeAllConnections(), httpCloseMillis).unref()
        })
    )
    const address = server.address()
    port = typeof address === "object" && address !== null ? address.port : 0
    return { url: `http://${host}:${port}` }
  })
})

