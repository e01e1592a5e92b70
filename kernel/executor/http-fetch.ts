// Asks the outside over HTTP: only hosts that config lists, only public addresses, each redirect looked at anew.
//
// A target is a URL as it is dialled. Risk is by method: asking is medium, changing is high, unless config says otherwise. GET
// and HEAD may be repeated after a crash; others only where config says that the target honours an idempotency key. What
// comes back is labelled `untrusted.web`. A header may hold `secret:NAME`; its value goes to the hosts that the secret is for,
// and never along with a redirect to another origin.
import { lookup } from "node:dns/promises"
import { isIP } from "node:net"
import * as Schema from "effect/Schema"
import type { Risk } from "../../protocol/authority.ts"
import { ConfigInvalid } from "../../protocol/errors.ts"
import type { Call, CallPowers, Executor } from "../../protocol/executor.ts"
import {
  fetchAddressesMax, fetchAnswerBytesDefault, fetchBodyBytesMax, fetchHeaderBytesMax, fetchHeadersMax, fetchMillisDefault, fetchMillisMax,
  fetchRedirectsMax, resultBytesInline
} from "../limits.ts"
import { isSafe, makeEgress, methods, riskOf, type Destination, type EgressRule, type Method } from "./egress/destination.ts"
import { exchange, Unanswered, type Answer } from "./egress/exchange.ts"
import { asked, NotDone, payloadRefusal, stoppable } from "./executor.ts"
import { handlePattern, handlesIn, noSecrets, type Secrets } from "./secrets.ts"
import { timeLimited } from "./time-limit.ts"

export interface FetchOptions {
  /** Where requests may go. */
  readonly allow: ReadonlyArray<EgressRule>
  /** Addresses with port, as `127.0.0.1:8080`, that may be dialled although they are not public. */
  readonly allowPrivate?: ReadonlyArray<string>
  /** Longest time of a request with all its redirects. */
  readonly timeoutMillis?: number
  /** Largest answer, decompressed. */
  readonly answerBytesMax?: number
  readonly redirectsMax?: number
  /** Authorities beside the well-known ones, as PEM. */
  readonly ca?: string
  readonly secrets?: Secrets
  /** Addresses of a name; default: the system's. */
  readonly resolve?: (host: string) => Promise<ReadonlyArray<string>>
}

export interface Fetched {
  readonly status: number
  /** Where the answer came from in the end. */
  readonly url: string
  readonly redirects: number
  readonly headers: Readonly<Record<string, string>>
  readonly sizeBytes: number
  readonly encoding?: "utf8" | "base64"
  readonly body?: string
  /** Digest of the artifact that holds what is too large for a result. */
  readonly artifact?: string
  /** Why there is no body, or why a redirect was not followed. */
  readonly problem?: string
}

const Payload = Schema.Struct({
  method: Schema.optionalKey(Schema.Literals(methods)),
  headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  body: Schema.optionalKey(Schema.String),
  encoding: Schema.optionalKey(Schema.Literals(["utf8", "base64"])),
  timeoutMillis: Schema.optionalKey(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: fetchMillisMax })))
})
type Payload = typeof Payload.Type

/** No payload is GET. */
const schema = Schema.toStandardSchemaV1(Schema.Union([Payload, Schema.Null, Schema.Undefined]), { parseOptions: { onExcessProperty: "error" } })

/** Headers that say where a request goes, how long it is or who is on the way: not the requester's to say. */
const ownHeaders = new Set([
  "host", "connection", "content-length", "transfer-encoding", "te", "trailer", "upgrade", "keep-alive", "expect", "cookie", "idempotency-key",
  "accept-encoding", "http2-settings", "alt-used", "via", "forwarded"
])
/** What goes along when a redirect leads to another origin. */
const carried = new Set(["accept", "accept-language", "user-agent"])

const headersRefusal = (headers: Readonly<Record<string, string>>): string | undefined => {
  const entries = Object.entries(headers)
  if (entries.length > fetchHeadersMax) return `at most ${fetchHeadersMax} headers are sent`
  if (entries.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0) > fetchHeaderBytesMax) return `the headers have more than ${fetchHeaderBytesMax} bytes`
  for (const [name, value] of entries) {
    if (!/^[a-z0-9!#$%&'*+.^_`|~-]+$/u.test(name)) return `payload.headers: ${JSON.stringify(name)} is not the name of a header in small letters`
    if (ownHeaders.has(name) || name.startsWith("proxy-") || name.startsWith("sec-") || name.startsWith("x-forwarded-")) return `payload.headers: ${name} is not the requester's to say`
    if (!/^[\t -~]*$/u.test(value) || value.trim() !== value) return `payload.headers.${name}: it is not one line of visible ASCII`
  }
  return undefined
}

const bytesOf = ({ body, encoding }: Payload): Buffer | undefined => (body === undefined ? undefined : Buffer.from(body, encoding ?? "utf8"))

const bodyRefusal = (payload: Payload, method: Method): string | undefined => {
  if (payload.body === undefined) return payload.encoding === undefined ? undefined : "payload.encoding: there is no body"
  if (isSafe(method)) return `payload.body: a ${method} has none`
  const bytes = bytesOf(payload)!
  if (bytes.length > fetchBodyBytesMax) return `the body has more than ${fetchBodyBytesMax} bytes`
  return bytes.toString(payload.encoding ?? "utf8") === payload.body ? undefined : "payload.body: it is not what its encoding says"
}

const systemResolve = async (host: string): Promise<ReadonlyArray<string>> => (await lookup(host, { all: true })).map(({ address }) => address)

/** Made per config. Throws `ConfigInvalid` for hosts and addresses that are none. */
export const executor = (options: FetchOptions): Executor => {
  const egress = makeEgress(options.allow, options.allowPrivate)
  const secrets = options.secrets ?? noSecrets
  const timeoutMillis = options.timeoutMillis ?? fetchMillisDefault
  if (timeoutMillis > fetchMillisMax) {
    throw new ConfigInvalid({ issues: [{ file: "config", path: "executors.http.fetch.timeoutMillis", reason: `at most ${fetchMillisMax} are allowed.` }] })
  }
  const redirectsMax = options.redirectsMax ?? fetchRedirectsMax
  const resolve = options.resolve ?? systemResolve

  const check: NonNullable<Executor["check"]> = ({ payload, target }) => {
    const refusal = payloadRefusal(schema, payload)
    if (refusal !== undefined) return refusal
    const { given, method } = partsOf(payload)
    const destination = egress.to(target, method)
    if (typeof destination === "string") return destination
    if (given.timeoutMillis !== undefined && given.timeoutMillis > timeoutMillis) return `payload.timeoutMillis: at most ${timeoutMillis} are allowed`
    for (const value of Object.values(given.headers ?? {})) {
      for (const name of handlesIn(value)) {
        const wrong = secrets.refusal(name, { host: destination.url.host })
        if (wrong !== undefined) return `payload.headers: ${wrong}`
      }
    }
    return headersRefusal(given.headers ?? {}) ?? bodyRefusal(given, method)
  }

  /** Addresses of a host, all of them checked: one that may not be dialled spoils them all. */
  const addressesOf = async ({ host, port }: Destination, signal: AbortSignal): Promise<ReadonlyArray<string>> => {
    const found = isIP(host) !== 0 ? [host] : await untilAborted(resolve(host), signal).catch(() => {
      throw new NotDone(`the name ${host} cannot be resolved`, { unavailable: true })
    })
    if (found.length === 0) throw new NotDone(`the name ${host} has no address`, { unavailable: true })
    for (const address of found) {
      const refusal = egress.refusal(address, port)
      if (refusal !== undefined) throw new NotDone(refusal)
    }
    return found.slice(0, fetchAddressesMax)
  }

  /** The headers of a request, with the values of secrets; `isFirst`: to the origin that was asked for. */
  const headersFor = (call: Call, given: Payload, { rule, url }: Destination, method: Method, address: string, isFirst: boolean, isPrivate: boolean) => {
    const headers: Record<string, string> = {
      host: url.host, accept: "*/*", "user-agent": "aaax", "accept-encoding": "gzip, deflate, br", connection: "close",
      ...(call.traceparent === undefined || !isFirst ? {} : { traceparent: call.traceparent }),
      ...(rule.idempotencyKey === true && !isSafe(method) ? { "idempotency-key": call.key } : {})
    }
    for (const [name, value] of Object.entries(given.headers ?? {})) {
      if (!isFirst && !carried.has(name)) continue
      headers[name] = value.replace(handlePattern, (_, secret: string) => {
        if (!isPrivate) throw new NotDone(`the secret ${secret} is not sent to ${address} without TLS`)
        const found = secrets.value(secret, { host: url.host })
        if (!/^[\t -~]*$/u.test(found)) throw new NotDone(`the secret ${secret} is not one line of visible ASCII, as a header has to be`)
        return found
      })
    }
    return headers
  }

  const once = async (call: Call, given: Payload, destination: Destination, method: Method, isFirst: boolean, signal: AbortSignal): Promise<Answer> => {
    const addresses = await addressesOf(destination, signal)
    const body = method === (given.method ?? "GET") ? bytesOf(given) : undefined
    for (const [at, address] of addresses.entries()) {
      const { port, url } = destination
      const headers = {
        ...headersFor(call, given, destination, method, address, isFirst, egress.isPrivateWay(destination, address)),
        ...(body === undefined ? (isSafe(method) ? {} : { "content-length": "0" }) : { "content-length": String(body.length) })
      }
      try {
        return await exchange({
          method, url, port, address, headers, body, signal, bodyBytesMax: options.answerBytesMax ?? fetchAnswerBytesDefault,
          ...(options.ca === undefined ? {} : { ca: options.ca })
        }, destination.host)
      } catch (error) {
        // Nothing was sent: the next address of the name may be there.
        if (!(error instanceof NotDone) || at === addresses.length - 1 || signal.aborted) throw error
      }
    }
    throw new NotDone("it has no address")
  }

  const fetch = async (call: Call, powers: CallPowers | undefined, signal: AbortSignal): Promise<Fetched> => {
    const refusal = check(call)
    const { given, method: wanted } = partsOf(call.payload)
    const start = egress.to(call.target, wanted)
    if (refusal !== undefined || typeof start === "string") throw new NotDone(refusal ?? String(start))
    const millis = given.timeoutMillis ?? timeoutMillis
    return timeLimited(signal, millis, (ended) => follow(call, powers, start, given, wanted, millis, ended))
  }

  const follow = async (
    call: Call, powers: CallPowers | undefined, start: Destination, given: Payload, wanted: Method, millis: number, ended: AbortSignal
  ): Promise<Fetched> => {
    let [destination, method] = [start, wanted]
    if (powers !== undefined) await asked(powers.stillHolds)
    for (let redirects = 0; ; redirects++) {
      const isFirst = destination.url.origin === start.url.origin
      let answer: Answer
      try {
        answer = await once(call, given, destination, method, isFirst, ended)
      } catch (error) {
        if (error instanceof Unanswered && isSafe(wanted)) {
          throw new NotDone(ended.aborted ? `there was no answer within ${millis} ms` : `${destination.url.host} broke off: ${error.message}`, { unavailable: true })
        }
        // What changes something may have arrived, and after a redirect it surely has: nobody knows.
        if (error instanceof NotDone && !isSafe(wanted) && redirects > 0) throw new Error(error.reason)
        throw error
      }
      if (answer.problem !== undefined && isSafe(wanted)) throw new NotDone(`${destination.url.host} answered ${answer.status}, but ${answer.problem}`)
      const next = redirectOf(answer, destination.url, method)
      if (next === undefined) return tell(answer, destination.url, redirects, powers)
      const to = egress.to(next.url.href, next.method)
      const problem = redirects >= redirectsMax ? `more than ${redirectsMax} redirects`
        : next.method !== "HEAD" && next.method !== "GET" ? `a redirect of a ${method} is not followed`
        : destination.url.protocol === "https:" && next.url.protocol !== "https:" ? "it leads from https to http"
        : powers !== undefined && !powers.covers(next.url.href) ? "it leads out of what the grant covers"
        : undefined
      if (problem !== undefined || typeof to === "string") {
        // Asking has changed nothing, and the answer is not here. What was changed is: the redirect is the answer.
        if (isSafe(wanted)) throw new NotDone(`the redirect to ${next.url.origin} was not followed: ${problem ?? String(to)}`)
        return { ...(await tell(answer, destination.url, redirects, powers)), problem: `the redirect was not followed: ${problem ?? String(to)}` }
      }
      ;[destination, method] = [to, next.method]
    }
  }

  const declared = (call: { readonly target: string; readonly payload: unknown }): { readonly method: Method; readonly rule: EgressRule } | undefined => {
    if (payloadRefusal(schema, call.payload) !== undefined) return undefined
    const { method } = partsOf(call.payload)
    const destination = egress.to(call.target, method)
    return typeof destination === "string" ? undefined : { method, rule: destination.rule }
  }
  const hosts = [...new Set(options.allow.flatMap((rule) => rule.hosts))].join(", ") || "none"

  return {
    name: "http.fetch",
    description: `Asks over HTTP (${hosts}). Target: a URL. Payload: {method?, headers?, body?, encoding?, timeoutMillis?}.`,
    risk: egress.risk,
    riskOf: (call): Risk => {
      const found = declared(call)
      return found === undefined ? egress.risk : riskOf(found.rule, found.method)
    },
    recovery: "none",
    recoveryOf: (call) => {
      const found = declared(call)
      return found !== undefined && (isSafe(found.method) || found.rule.idempotencyKey === true) ? "idempotent" : "none"
    },
    circuitOf: ({ target }) => (URL.canParse(target) ? new URL(target).host : ""),
    // Ours comes first: the kernel's limit would leave the outcome unknown.
    timeoutMillis: timeoutMillis + 5_000,
    labels: ["untrusted.web"],
    external: true,
    payload: schema,
    check,
    perform: (call, powers) => stoppable((signal) => fetch(call, powers, signal))
  }
}

/** What the schema has taken. */
const partsOf = (payload: unknown): { readonly given: Payload; readonly method: Method } => {
  const given = (payload ?? {}) as Payload
  return { given, method: given.method ?? "GET" }
}

const untilAborted = <A>(promise: Promise<A>, signal: AbortSignal): Promise<A> =>
  new Promise((resolve, reject) => {
    const stop = (): void => reject(new Error("stopped"))
    if (signal.aborted) stop()
    signal.addEventListener("abort", stop, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop))
  })

/** Where an answer leads, and by which method: 303 asks, 301 and 302 ask after a POST, the others repeat. */
const redirectOf = (answer: Answer, from: URL, method: Method): { readonly url: URL; readonly method: Method } | undefined => {
  const location = answer.headers["location"]
  if (![301, 302, 303, 307, 308].includes(answer.status) || location === undefined || !URL.canParse(location, from.href)) return undefined
  const url = new URL(location, from.href)
  url.hash = ""
  const asks = (answer.status === 303 && method !== "HEAD") || ((answer.status === 301 || answer.status === 302) && method === "POST")
  return { url, method: asks ? "GET" : method }
}

const mediaTypeOf = (headers: Answer["headers"]): string => {
  const type = headers["content-type"] ?? ""
  return /^[\w.+-]+\/[\w.+-]+(?: *; *charset=[\w-]+)?$/iu.test(type) ? type : "application/octet-stream"
}

const tell = async (answer: Answer, url: URL, redirects: number, powers: CallPowers | undefined): Promise<Fetched> => {
  const { body, headers, problem, status } = answer
  const said = { status, url: url.href, redirects, headers }
  if (body === undefined) return { ...said, sizeBytes: 0, ...(problem === undefined ? {} : { problem }) }
  if (body.length > resultBytesInline && powers !== undefined) {
    const { artifact } = await asked(powers.keep(body, mediaTypeOf(headers)))
    return { ...said, sizeBytes: body.length, artifact }
  }
  const isText = Buffer.compare(Buffer.from(body.toString("utf8")), body) === 0
  const encoding = isText ? "utf8" : "base64"
  return { ...said, sizeBytes: body.length, encoding, body: body.toString(encoding) }
}
