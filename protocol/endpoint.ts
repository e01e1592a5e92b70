// Endpoints that a host adds to the portable API: what may be said of one, and of several together. Serving them is the door's.
import { SSSNError } from "./portable-error.ts"

export const endpointMethods = ["GET", "POST", "PUT", "PATCH", "DELETE"] as const
export type EndpointMethod = (typeof endpointMethods)[number]

/** What an endpoint is about, for those who list it. */
export const endpointScopes = ["store", "channel", "subscription", "artifact", "snapshot"] as const
export type EndpointScope = (typeof endpointScopes)[number]

export interface EndpointSpec {
  readonly method: EndpointMethod
  /** Begins with `/`; `{name}` stands for one segment. */
  readonly path: string
  readonly name: string
  readonly scope: EndpointScope
  readonly description: string
  readonly tags: ReadonlyArray<string>
}

/** What a handler is called with: the store, the body, the query, and every parameter of the path by its name. */
export interface EndpointCall {
  readonly store: unknown
  /** Parsed JSON; `null` when there is none. */
  readonly body: unknown
  readonly query: Readonly<Record<string, string>>
  readonly params: Readonly<Record<string, string>>
}

export type EndpointHandler<Call = EndpointCall> = (call: Call) => unknown
/** A function that says of itself what it serves. */
export type Endpoint<Call = EndpointCall> = EndpointHandler<Call> & { readonly endpoint: EndpointSpec }

export interface EndpointOptions {
  /** Default: the name of the function. */
  readonly name?: string
  readonly scope?: EndpointScope
  readonly description?: string
  readonly tags?: ReadonlyArray<string>
}

/** What is said of an endpoint is not as it must be. */
export class EndpointError extends SSSNError {
  override readonly name = "EndpointError"
}

const oneOf = <const Words extends ReadonlyArray<string>>(what: string, value: unknown, words: Words): Words[number] => {
  if (typeof value === "string" && words.includes(value)) return value as Words[number] // it is in the list
  throw new EndpointError(`endpoint ${what} must be one of ${words.join(", ")}.`)
}

const isName = (value: unknown): value is string => typeof value === "string" && value !== "" && !/[\s%]/u.test(value)

const pathOf = (value: unknown): string => {
  if (typeof value !== "string" || value.trim() === "") throw new EndpointError("endpoint path must be a non-empty string.")
  if (/[\s%?#]/u.test(value) || value.includes("://") || value.startsWith("//")) {
    throw new EndpointError(`endpoint path must be a plain path without white space, %, ? and #: ${value}`)
  }
  return value.startsWith("/") ? value : `/${value}`
}

const tagsOf = (value: unknown): ReadonlyArray<string> => {
  if (!Array.isArray(value) || !value.every(isName)) throw new EndpointError("endpoint tags must be a list of names.")
  return Object.freeze([...value])
}

/** A checked and frozen description. Throws `EndpointError`. */
export const endpointSpec = (method: unknown, path: unknown, options: EndpointOptions, functionName: string): EndpointSpec => {
  const name: unknown = options.name ?? functionName
  if (!isName(name)) throw new EndpointError("endpoint name must be a non-empty name without white space and %; name the function, or say it in the options.")
  const description: unknown = options.description ?? ""
  if (typeof description !== "string") throw new EndpointError("endpoint description must be a string.")
  return Object.freeze({
    method: oneOf("method", typeof method === "string" ? method.toUpperCase() : method, endpointMethods),
    path: pathOf(path),
    name,
    scope: oneOf("scope", options.scope ?? "store", endpointScopes),
    description: description.trim(),
    tags: tagsOf(options.tags ?? [])
  })
}

const marker = (method: EndpointMethod) =>
  (path: string, options: EndpointOptions = {}) =>
    <Call = EndpointCall>(handler: EndpointHandler<Call>): Endpoint<Call> => {
      if (typeof handler !== "function") throw new EndpointError("an endpoint is a function.")
      const spec = endpointSpec(method, path, options, handler.name)
      return Object.assign((call: Call): unknown => handler(call), { endpoint: spec })
    }

/** Marks a function as one that serves a path: `endpoint.get("/channels/{name}/tail")(tail)`. */
export const endpoint = {
  get: marker("GET"),
  post: marker("POST"),
  put: marker("PUT"),
  patch: marker("PATCH"),
  delete: marker("DELETE")
}

/** Method and path, with every parameter made nameless: two endpoints of one key are one and the same place. */
export const endpointKey = ({ method, path }: Pick<EndpointSpec, "method" | "path">): string => `${method} ${path.replace(/\{[^{}/]*\}/gu, "{}")}`

const isMarked = (value: unknown): value is Endpoint<never> =>
  typeof value === "function" && "endpoint" in value && typeof value.endpoint === "object"

/** The descriptions of those functions that are endpoints, each once by name and by place. Throws `EndpointError`. */
export const endpointSpecs = (functions: ReadonlyArray<unknown>): ReadonlyArray<EndpointSpec> => {
  const specs = functions.filter(isMarked).map((marked) => marked.endpoint)
  const names = new Set<string>()
  const keys = new Set<string>()
  for (const spec of specs) {
    const key = endpointKey(spec)
    if (names.has(spec.name)) throw new EndpointError(`endpoint name is used twice: ${spec.name}`)
    if (keys.has(key)) throw new EndpointError(`endpoint path is used twice: ${spec.method} ${spec.path}`)
    names.add(spec.name)
    keys.add(key)
  }
  return specs
}
