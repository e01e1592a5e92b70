// The listener: one server in front of all surfaces. Loopback is not trust, so every request is checked before it is read:
// Host, Origin, size, time, number, and its credential. What a surface answers is written at the client's pace.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import { createServer, type IncomingMessage, type ServerOptions, type ServerResponse } from "node:http"
import { createServer as createSecureServer } from "node:https"
import type { Unauthenticated } from "../../protocol/errors.ts"
import {
  httpCloseMillis, httpConnectionsMax, httpHeadersMillis, httpKeepAliveMillis, httpRequestMillis, httpStallMillis, httpUploadMillis
} from "../limits.ts"
import { listen, type ListenError, shownHost } from "./address.ts"
import { nonceHeader, proofScheme } from "../../protocol/act.ts"
import type { Guest, Reception } from "./guest.ts"
import { Incoming } from "./incoming.ts"
import { namesOf, type Names } from "./names.ts"
import { type Common, write } from "./outgoing.ts"
import { makePace, type Tally } from "./pace.ts"
import { refusal as plainRefusal } from "./problems.ts"
import type { Answer, Surface } from "./surface.ts"
import { targetOf } from "./target.ts"
import { traced } from "./traced.ts"
import { makeUpgrades, type UpgradeHandler } from "./upgrades.ts"

export interface ListenerOptions {
  readonly reception: Reception
  /** Address that is bound; default: 127.0.0.1, which nothing outside this machine can reach. */
  readonly host?: string
  /** 0, the default: any free port. */
  readonly port?: number
  /** The port is only a wish: when it is taken, the next free one is. */
  readonly orNext?: boolean
  /** Names beside the loopback ones that it answers to. */
  readonly hosts?: ReadonlyArray<string>
  /** Origins whose pages may call it; default: none. */
  readonly origins?: ReadonlyArray<string>
  /** PEM texts. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** Make a span of every request; only where an exporter waits for it. */
  readonly traces?: boolean
  /** For tests: shorter times than those of the limits. */
  readonly times?: Partial<ListenerTimes>
  /** Told of every request that was answered. It must be quick. */
  readonly observe?: (sample: Sample) => void
}

export interface ListenerTimes {
  /** In which a request must have sent its headers, and its body. */
  readonly headersMillis: number
  readonly bodyMillis: number
  /** In which a client must take what it was sent. */
  readonly stallMillis: number
}

/** One request that is over. A stream is told when it begins. */
export interface Sample {
  /** The surface, and the row of its table when it says so. */
  readonly surface: string
  readonly route: string
  readonly method: string
  readonly status: number
  readonly millis: number
}

export interface Listener {
  readonly url: string
  readonly port: number
  readonly host: string
  readonly reception: Reception
  /** Serves a surface; answers how to take it away. A prefix has one surface. */
  readonly attach: (surface: Surface) => () => void
  readonly surfaces: () => ReadonlyArray<Surface>
  /** Hands requests to upgrade at this very path to the handler; answers how to stop that. */
  readonly onUpgrade: (path: string, handler: UpgradeHandler) => () => void
  /** Sockets that are open, upgraded ones included. */
  readonly connections: () => number
}

const methods = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])

const allowedMethods = [...methods].join(", ")

/** Of the answer to a page of a listed origin. */
const corsOf = (origin: string): ReadonlyArray<string> => [
  "access-control-allow-origin", origin, "access-control-expose-headers", "etag, location, retry-after, x-request-id, aaax-nonce", "vary", "origin"
]

const preflight: Readonly<Record<string, string>> = {
  "access-control-allow-methods": allowedMethods,
  "access-control-allow-headers": "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, traceparent, tracestate",
  "access-control-max-age": "600"
}

const wanted = /^[\w.:-]{1,64}$/u

/** The proof of an `authorization` header; nothing when it is of another scheme. */
const proofIn = (authorization: string | undefined): string | undefined => {
  const length = proofScheme.length
  if (authorization?.[length] !== " " || authorization.slice(0, length).toLowerCase() !== proofScheme.toLowerCase()) return undefined
  return authorization.slice(length + 1).trim()
}

const noHeaders: ReadonlyArray<string> = []

const hasBody = ({ headers }: IncomingMessage): boolean => headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0"

/** Of a header that is said twice one reader believes the first and another the last. */
const saysTwice = (rawHeaders: ReadonlyArray<string>, name: string): boolean => {
  let count = 0
  for (let at = 0; at < rawHeaders.length; at += 2) if (rawHeaders[at]!.length === name.length && rawHeaders[at]!.toLowerCase() === name) count++
  return count > 1
}

/** Opens it until the scope closes. */
export const listener = Effect.fnUntraced(function*(options: ListenerOptions): Effect.fn.Return<Listener, ListenError, Scope.Scope> {
  const { reception, host = "127.0.0.1", observe, origins = [], tls } = options
  const { bodyMillis = httpRequestMillis, headersMillis = httpHeadersMillis, stallMillis = httpStallMillis } = options.times ?? {}
  const scheme = tls === undefined ? "http" : "https"
  const fork = Effect.runForkWith(yield* Effect.context())
  const surfaces = new Map<string, Surface>()
  const pace = makePace()
  /** Who was let in last, by connection. */
  const visitors = new WeakMap<object, { readonly authorization: string; readonly guest: Guest }>()
  const requestPrefix = randomBytes(6).toString("base64url")
  let requests = 0
  let closing = false
  let names: Names | undefined

  const requestIdOf = (request: IncomingMessage): string => {
    const given = request.headers["x-request-id"]
    return typeof given === "string" && wanted.test(given) ? given : `${requestPrefix}-${(++requests).toString(36)}`
  }

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const startedAt = observe === undefined ? 0 : performance.now()
    const method = request.method ?? ""
    const target = targetOf(request.url ?? "")
    // Who asks for a path that is none is told so in the words of the surface that it meant.
    const prefix = target === undefined ? /^\/([\w-]{1,32})(?=[/?]|$)/u.exec(request.url ?? "")?.[1] : target.segments[0]
    const own = prefix === undefined ? undefined : surfaces.get(prefix)
    const surface = own ?? surfaces.get("")
    let cors = noHeaders

    const send = (answer: Answer, isLast: boolean, tally?: Tally): void => {
      if (response.headersSent || response.destroyed) return
      // A body that nobody reads would come all the same, however long it is.
      const common: Common = { requestId: requestIdOf(request), headers: cors, isHead: method === "HEAD", isLast: isLast || (hasBody(request) && !request.complete), stallMillis }
      observe?.({
        surface: surface?.prefix ?? "", route: answer.route ?? "", method, status: answer.status, millis: performance.now() - startedAt
      })
      const streaming = write(request, response, answer, common)
      if (streaming === undefined || tally === undefined) return
      void streaming.catch((error: unknown) => void fork(Effect.logError("A stream failed", error))).finally(() => pace.leaveStream(tally))
    }
    const refuse = (status: number, code: string, detail: string, headers?: Readonly<Record<string, string>>, isLast = false): void => {
      const answer = (surface?.refusal ?? plainRefusal)(status, code, detail)
      send(headers === undefined ? answer : { ...answer, headers: { ...answer.headers, ...headers } }, isLast)
    }

    const named = request.headers.host
    if (saysTwice(request.rawHeaders, "host")) return refuse(400, "BadRequest", "The host is named twice.", undefined, true)
    if (names?.isOurs(named) !== true) return refuse(403, "ForbiddenHost", "This listener answers to its own names only.", undefined, true)
    const { origin } = request.headers
    if (origin !== undefined || origins.length > 0) {
      const kind = names.originOf(origin, named ?? "")
      if (kind === "foreign") return refuse(403, "ForbiddenOrigin", "Pages of other origins may not call this listener.", undefined, true)
      if (kind === "listed") cors = corsOf(origin ?? "")
      else if (origins.length > 0) cors = ["vary", "origin"]
    }
    if (surfaces.size === 0) return refuse(503, "Starting", "The kernel is not there yet.", { "retry-after": "1" }, true)
    if (closing) return refuse(503, "Stopping", "The kernel is going down.", { "retry-after": "1" }, true)
    if (!methods.has(method)) return refuse(405, "MethodNotAllowed", `${method} is not a method here.`, { allow: allowedMethods }, true)
    if (target === undefined) return refuse(400, "BadPath", "This is not a path that anything here could have.", undefined, true)
    if (method === "OPTIONS") {
      return send({ status: 204, headers: request.headers["access-control-request-method"] === undefined ? { allow: allowedMethods } : preflight }, false)
    }

    const segments = own === undefined ? target.segments : target.segments.slice(1)
    let fiber: Fiber.Fiber<Answer, Unauthenticated> | undefined
    const late = (): void => {
      refuse(408, "TimedOut", "The request took too long to arrive.", undefined, true)
      fiber?.interruptUnsafe()
    }
    const asked = new Incoming(request, method === "HEAD" ? "GET" : method, segments, target.search, late, bodyMillis)
    let tally: Tally | undefined

    const answerTo = (guest: Guest): Effect.Effect<Answer> => {
      const mine = pace.tallyOf(guest.system)
      const tooMuch = pace.enter(mine)
      if (tooMuch !== undefined) return Effect.succeed(overloaded(tooMuch))
      tally = mine
      if (surface === undefined) return Effect.succeed(plainRefusal(404, "NotFound", "There is nothing at this path."))
      asked.admit(guest)
      return surface.answer(asked)
    }
    const overloaded = ({ detail, retryAfterSeconds }: { readonly detail: string; readonly retryAfterSeconds: number }): Answer => {
      const answer = (surface?.refusal ?? plainRefusal)(429, "Overloaded", detail)
      return { ...answer, headers: { ...answer.headers, "retry-after": String(retryAfterSeconds) } }
    }
    const unauthenticated = ({ message }: Unauthenticated): void => {
      // Who brings nothing, or a proof, learns what a proof needs.
      const headers = {
        "www-authenticate": proof === undefined ? "Bearer" : proofScheme,
        ...(proof === undefined && request.headers.authorization !== undefined ? {} : { [nonceHeader]: reception.nonce })
      }
      const told = (isLast: boolean): void => refuse(401, "Unauthenticated", message, headers, isLast)
      // Who brings none does not guess.
      if (request.headers.authorization === undefined) return told(false)
      const millis = pace.wrong(request.socket.remoteAddress ?? "")
      if (millis === undefined) return told(true)
      if (millis === 0) {
        pace.told()
        return told(false)
      }
      setTimeout(() => {
        pace.told()
        told(true)
      }, millis)
    }
    const ended = (exit: Exit.Exit<Answer, Unauthenticated>): void => {
      if (tally !== undefined) pace.leave(tally)
      if (Exit.isFailure(exit)) {
        const failure = Cause.findErrorOption(exit.cause)
        if (failure._tag === "Some") return unauthenticated(failure.value)
        // Who is gone gets no answer; who was too slow has got one.
        if (Cause.hasInterruptsOnly(exit.cause)) return refuse(503, "Stopping", "The kernel is going down.", { "retry-after": "1" }, true)
        fork(Effect.logError("A request failed", exit.cause))
        return refuse(500, "Fault", "The kernel could not answer; its log says why.")
      }
      const answer = exit.value
      const { body } = answer
      if (tally === undefined || body === undefined || typeof body === "string" || body instanceof Uint8Array) return send(answer, false)
      const tooMuch = pace.stream(tally)
      if (tooMuch === undefined && !response.destroyed) return send(answer, false, tally)
      void Promise.resolve(body[Symbol.asyncIterator]().return?.()).catch(() => {})
      if (tooMuch === undefined) pace.leaveStream(tally)
      else send(overloaded(tooMuch), false)
    }

    const isOpen = surface?.open?.({ method: asked.method, segments }) === true
    const { authorization } = request.headers
    const proof = proofIn(authorization)
    const known = visitors.get(request.socket)
    /** A proof is good for one request: nothing of it is remembered. */
    const provenBy = (text: string): Effect.Effect<Answer, Unauthenticated> =>
      Effect.gen(function*() {
        const { guest, take, token } = yield* reception.byProof(text, { method, target: request.url ?? "", nonce: reception.nonce })
        const body = yield* Effect.result(asked.whole)
        if (body._tag === "Failure") return (surface?.refusal ?? plainRefusal)(413, "TooLarge", body.failure.message)
        yield* take(body.success)
        asked.proven = token
        return yield* answerTo(guest)
      })
    const program = isOpen && surface !== undefined
      ? surface.answer(asked)
      : proof !== undefined ? provenBy(proof)
      // The same credential on the same connection: whether it is still good is all that has to be asked.
      : known !== undefined && known.authorization === authorization && known.guest.ended() === undefined
        ? Effect.suspend(() => answerTo(known.guest))
        : Effect.flatMap(reception.authenticate(authorization), (guest) => {
          if (authorization !== undefined) visitors.set(request.socket, { authorization, guest })
          return answerTo(guest)
        })
    fiber = fork(options.traces === true ? traced(asked, surface?.prefix ?? "", program) : program)
    fiber.addObserver(ended)
    if (response.writableEnded) return
    const running = fiber
    response.once("close", () => {
      asked.leave()
      running.interruptUnsafe()
    })
  }

  const serverOptions: ServerOptions = {
    headersTimeout: headersMillis,
    requestTimeout: httpUploadMillis,
    keepAliveTimeout: httpKeepAliveMillis,
    connectionsCheckingInterval: Math.min(1_000, headersMillis),
    maxHeaderSize: 16_384
  }
  const server = tls === undefined ? createServer(serverOptions, handle) : createSecureServer({ ...serverOptions, ...tls }, handle)
  server.maxConnections = httpConnectionsMax

  const upgrades = makeUpgrades((request) => {
    const { host: named, origin } = request.headers
    if (names?.isOurs(named) !== true || names.originOf(origin, named ?? "") === "foreign") return "403 Forbidden"
    return closing ? "503 Service Unavailable" : undefined
  })
  server.on("upgrade", upgrades.upgrade)

  const port = yield* Effect.acquireRelease(listen(server, host, options.port ?? 0, options.orNext ?? false), () =>
    Effect.callback<void>((resume) => {
      closing = true
      server.close(() => resume(Effect.void))
      server.closeIdleConnections()
      // Answers that are under way get a moment; streams and waiting requests would never end.
      setTimeout(() => {
        server.closeAllConnections()
        upgrades.close()
      }, httpCloseMillis).unref()
    }))
  names = namesOf({ host, port, scheme, origins, ...(options.hosts === undefined ? {} : { hosts: options.hosts }) })
  let connections = 0
  server.on("connection", (socket) => {
    connections++
    socket.once("close", () => connections--)
  })

  // What cannot be accepted is one connection, and no reason to end.
  server.on("error", (error) => void fork(Effect.logWarning(`A connection could not be accepted: ${error.message}`)))

  return {
    url: `${scheme}://${shownHost(host)}:${port}`,
    port,
    host,
    reception,
    attach: (surface) => {
      surfaces.set(surface.prefix, surface)
      return () => {
        if (surfaces.get(surface.prefix) === surface) surfaces.delete(surface.prefix)
      }
    },
    surfaces: () => [...surfaces.values()],
    onUpgrade: upgrades.on,
    connections: () => connections
  }
})
