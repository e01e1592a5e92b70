// Endpoints of the host: handlers in code that are mounted beside the portable API. A handler acts as whoever asks.
import { InvalidPayloadError } from "../../protocol/portable-error.ts"
import type { Role } from "../../protocol/security.ts"
import type { Guest } from "./guest.ts"
import type { PortableStore } from "./sssn/store.ts"

const methods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const
const scopes = ["store", "channel", "subscription", "artifact", "snapshot"] as const

export type EndpointMethod = (typeof methods)[number]
export type EndpointScope = (typeof scopes)[number]

export interface EndpointOptions {
  /** Default: the name of the handler. */
  readonly name?: string
  /** What it is about; default `store`. */
  readonly scope?: EndpointScope
  readonly description?: string
  readonly tags?: ReadonlyArray<string>
  /** What the credential must allow for the endpoint's name; absent: whoever is let in may call it. */
  readonly role?: Role
}

export interface EndpointRequest {
  /** The portable store, as the caller may use it. */
  readonly store: PortableStore
  /** The body as JSON; null when there is none. */
  readonly body: unknown
  /** What stands in the path for the names in braces. */
  readonly params: Readonly<Record<string, string>>
  readonly query: URLSearchParams
  /** Under which system id the caller acts. */
  readonly system: string
  /** The caller, with its port. */
  readonly guest: Guest
}

/** Answers what is sent as JSON: a value, a promise of one, or an Effect. */
export type EndpointHandler = (request: EndpointRequest) => unknown

export interface Endpoint {
  readonly method: EndpointMethod
  readonly path: string
  readonly name: string
  readonly scope: EndpointScope
  readonly description: string
  readonly tags: ReadonlyArray<string>
  readonly role: Role | undefined
  readonly handler: EndpointHandler
}

const refuse = (what: string, reason: string): InvalidPayloadError => new InvalidPayloadError(`Invalid endpoint ${what}: ${reason}.`)

const isName = (value: unknown): value is string => typeof value === "string" && value !== "" && value.length <= 200 && !/[\s%]/u.test(value)

const pathOf = (path: unknown): string => {
  if (typeof path !== "string" || path.trim() === "") throw refuse("path", "it must be a non-empty string")
  if (/[\s%?#\\]/u.test(path) || path.startsWith("//") || path.includes("://")) throw refuse("path", `${JSON.stringify(path)} is not a path of plain segments`)
  const absolute = path.startsWith("/") ? path : `/${path}`
  const names = new Set<string>()
  for (const segment of absolute.slice(1).split("/")) {
    const [, name] = /^\{([A-Za-z_]\w*)\}$/u.exec(segment) ?? []
    if (segment === "" || segment === "." || segment === ".." || (name === undefined && /[{}]/u.test(segment))) {
      throw refuse("path", `${JSON.stringify(segment)} is not a segment; a name in braces stands for a whole one`)
    }
    if (name === undefined) continue
    if (names.has(name)) throw refuse("path", `{${name}} is there twice`)
    names.add(name)
  }
  return absolute
}

const methodOf = (method: unknown): EndpointMethod => {
  const found = methods.find((one) => typeof method === "string" && one === method.toUpperCase())
  if (found === undefined) throw refuse("method", `it must be one of ${methods.join(", ")}`)
  return found
}

const define = (method: unknown, path: unknown, options: EndpointOptions, handler: unknown): Endpoint => {
  if (typeof handler !== "function") throw refuse("handler", "it must be a function")
  if (typeof options !== "object" || options === null) throw refuse("options", "they must be an object")
  const { description = "", name = handler.name, role, scope = "store", tags = [] } = options
  if (!isName(name)) throw refuse("name", "it must be a non-empty name without white space and %")
  if (!scopes.includes(scope)) throw refuse("scope", `it must be one of ${scopes.join(", ")}`)
  if (typeof description !== "string") throw refuse("description", "it must be a string")
  if (!Array.isArray(tags) || !tags.every(isName)) throw refuse("tags", "they must be a list of names")
  if (role !== undefined && !["read", "write", "admin"].includes(role)) throw refuse("role", "it must be read, write or admin")
  return Object.freeze({
    method: methodOf(method), path: pathOf(path), name, scope, description: description.trim(), tags: Object.freeze([...tags]), role,
    handler: handler as EndpointHandler // a function, as was seen; what it answers is checked when it does
  })
}

type Define = (path: string, options?: EndpointOptions) => (handler: EndpointHandler) => Endpoint

const forMethod = (method: string): Define => (path, options = {}) => (handler) => define(method, path, options, handler)

/**
 * Defines an endpoint: `endpoint.get("/jobs/{id}", { name: "job" })(async ({ params, store }) => …)`. It throws
 * `InvalidPayloadError` for what cannot be one. Mounted with `network: { endpoints: [...] }`, behind `/sssn`.
 */
export const endpoint = {
  get: forMethod("GET"),
  post: forMethod("POST"),
  put: forMethod("PUT"),
  patch: forMethod("PATCH"),
  delete: forMethod("DELETE"),
  /** For a method that is a value. */
  route: (method: string, path: string, options: EndpointOptions = {}) => (handler: EndpointHandler): Endpoint => define(method, path, options, handler)
} as const

/** The same for two paths that differ in what their names are called only. */
const keyOf = ({ method, path }: { readonly method: string; readonly path: string }): string => `${method} ${path.replace(/\{[^}]*\}/gu, "{}")}`

/** Refuses endpoints that clash with each other or with what is there already. */
export const checkEndpoints = (endpoints: ReadonlyArray<Endpoint>, own: ReadonlyArray<{ readonly method: string; readonly path: string }>): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const builtIn = new Set(own.map(keyOf))
  const names = new Set<string>()
  const routes = new Set<string>()
  for (const one of endpoints) {
    const key = keyOf(one)
    if (builtIn.has(key)) problems.push(`${one.method} ${one.path} is a route of the API itself`)
    if (names.has(one.name)) problems.push(`the name ${one.name} is there twice`)
    if (routes.has(key)) problems.push(`the route ${one.method} ${one.path} is there twice`)
    names.add(one.name)
    routes.add(key)
  }
  return problems
}
