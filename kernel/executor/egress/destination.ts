// Where a request may go: a list of what is allowed, and one spelling for every address. A URL has to be written as it is
// dialled, so that what a human approves and what globs of a grant are held against is what is asked: no other case, no dots
// to resolve, no octal or decimal addresses, no names that only look like others.
import { isIP } from "node:net"
import { isRisk, riskMax, type Risk } from "../../../protocol/authority.ts"
import { ConfigInvalid, type ConfigIssue } from "../../../protocol/errors.ts"
import { addressRefusal, isLoopback } from "./address.ts"

export const methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const
export type Method = (typeof methods)[number]
/** Asks and changes nothing, as far as the target keeps to HTTP. */
export const isSafe = (method: Method): boolean => method === "GET" || method === "HEAD"

export interface EgressRule {
  /** Names or addresses, exactly; `*.NAME` for everything below a name; `*` for all. */
  readonly hosts: ReadonlyArray<string>
  /** Default: GET and HEAD. */
  readonly methods?: ReadonlyArray<Method>
  /** Default: the port of the scheme. */
  readonly ports?: ReadonlyArray<number>
  /** Default: https alone. */
  readonly schemes?: ReadonlyArray<"https" | "http">
  /** By method; default: medium for GET and HEAD, high for the others. */
  readonly risk?: Readonly<Partial<Record<Method, Risk>>>
  /** The target does a request with an `Idempotency-Key` once, however often it comes. */
  readonly idempotencyKey?: boolean
}

export interface Destination {
  readonly url: URL
  /** Without brackets. */
  readonly host: string
  readonly port: number
  readonly rule: EgressRule
}

export interface Egress {
  /** Where a request goes, or why it may not. */
  readonly to: (target: string, method: Method) => Destination | string
  /** Why this address may not be dialled at this port, or nothing. */
  readonly refusal: (address: string, port: number) => string | undefined
  /** Whether a secret may be sent: nobody on the way can read it. */
  readonly isPrivateWay: (destination: Destination, address: string) => boolean
  /** Of any request that is allowed. */
  readonly risk: Risk
}

export const riskOf = (rule: EgressRule, method: Method): Risk => rule.risk?.[method] ?? (isSafe(method) ? "medium" : "high")

const targetLengthMax = 4_096
const defaultPort = { https: 443, http: 80 } as const

const isNamed = (glob: string, host: string): boolean =>
  glob === "*" || glob === host || (glob.startsWith("*.") && host.endsWith(glob.slice(1)) && host.length > glob.length - 1)

const hostWithout = (hostname: string): string => (hostname.startsWith("[") ? hostname.slice(1, -1) : hostname)

/** `ADDRESS:PORT`, as it is compared. */
const endpointOf = (text: string): string | undefined => {
  const parts = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/u.exec(text)
  const address = parts?.[1] ?? parts?.[2] ?? ""
  return isIP(address) === 0 ? undefined : `${address} ${Number(parts?.[3])}`
}

const issuesOf = (rules: ReadonlyArray<EgressRule>, allowPrivate: ReadonlyArray<string>): ReadonlyArray<Omit<ConfigIssue, "file">> => [
  ...rules.flatMap((rule, at) => [
    ...rule.hosts.flatMap((host, index) => {
      const name = host === "*" ? "a" : host.startsWith("*.") ? host.slice(2) : host
      const written = isIP(name) === 6 ? `[${name}]` : name
      const parsed = URL.canParse(`https://${written}/`) ? hostWithout(new URL(`https://${written}/`).hostname) : ""
      return name !== "" && parsed === name && !name.includes("*") && !name.endsWith(".") ? [] : [{
        path: `executors.http.fetch.allow[${at}].hosts[${index}]`,
        reason: `${host} is not a host as it is dialled${parsed === "" ? "" : `; write ${parsed}`}.`
      }]
    }),
    ...Object.entries(rule.risk ?? {}).flatMap(([method, risk]) =>
      isRisk(risk) ? [] : [{ path: `executors.http.fetch.allow[${at}].risk.${method}`, reason: `${String(risk)} is not a risk.` }])
  ]),
  ...allowPrivate.flatMap((text, at) =>
    endpointOf(text) === undefined
      ? [{ path: `executors.http.fetch.allowPrivate[${at}]`, reason: `${text} is not ADDRESS:PORT, as 127.0.0.1:8080 or [::1]:8080.` }] : [])
]

/** Throws `ConfigInvalid` for hosts that are written otherwise than they are dialled. */
export const makeEgress = (rules: ReadonlyArray<EgressRule>, allowPrivate: ReadonlyArray<string> = []): Egress => {
  const issues = issuesOf(rules, allowPrivate)
  if (issues.length > 0) throw new ConfigInvalid({ issues: issues.map((issue) => ({ file: "config", ...issue })) })
  const excepted = new Set(allowPrivate.map(endpointOf))

  const refusal: Egress["refusal"] = (address, port) => {
    if (excepted.has(`${address} ${port}`)) return undefined
    const what = addressRefusal(address)
    return what === undefined ? undefined : `the address ${address} is ${what}; such are reached only where config lists them under allowPrivate`
  }

  const to: Egress["to"] = (target, method) => {
    if (target.length > targetLengthMax) return `the URL is longer than ${targetLengthMax} characters`
    if (!/^[!-~]*$/u.test(target)) return "a URL is written in visible ASCII; a name in another script by its punycode (xn--), its other letters as %XX"
    if (!URL.canParse(target)) return "it is not a URL, such as https://api.example.com/v1"
    const url = new URL(target)
    if (url.protocol !== "https:" && url.protocol !== "http:") return `${url.protocol} is not https:`
    if (url.username !== "" || url.password !== "") return "the URL has a user's name or password; credentials go into headers, as secret:NAME"
    if (target.includes("#")) return "the URL has a fragment, which is never sent"
    if (url.href !== target) return `the URL is not written as it is dialled; write ${url.href}`
    const host = hostWithout(url.hostname)
    if (host.endsWith(".")) return "the host ends with a dot"
    // Of the two protocols that are left.
    const scheme = url.protocol.slice(0, -1) as "https" | "http"
    const port = url.port === "" ? defaultPort[scheme] : Number(url.port)
    const named = rules.filter((rule) => rule.hosts.some((glob) => isNamed(glob, host)))
    if (named.length === 0) return `${host} is not on the list of hosts that config allows`
    const reached = named.filter(({ ports, schemes = ["https"] }) => schemes.includes(scheme) && (ports ?? schemes.map((one) => defaultPort[one])).includes(port))
    if (reached.length === 0) return `${host} is not allowed by ${scheme} at port ${port}`
    const rule = reached.find(({ methods: allowed = ["GET", "HEAD"] }) => allowed.includes(method))
    if (rule === undefined) return `${method} is not allowed for ${host}; allowed: ${[...new Set(reached.flatMap(({ methods: allowed = ["GET", "HEAD"] }) => allowed))].join(", ")}`
    const address = isIP(host) === 0 ? undefined : refusal(host, port)
    return address ?? { url, host, port, rule }
  }

  return {
    to,
    refusal,
    isPrivateWay: ({ url }, address) => url.protocol === "https:" || isLoopback(address),
    risk: rules.flatMap((rule) => (rule.methods ?? ["GET", "HEAD"]).map((method) => riskOf(rule, method))).reduce<Risk>(riskMax, "low")
  }
}
