// The operator's desk: asks rows of the kernel's route tables over HTTP, and tells what failed in the kernel's own words.
import type { Row as Route } from "../../protocol/route/row.ts"

export interface Ask {
  /** The name in the path. */
  readonly id?: string
  readonly query?: Readonly<Record<string, unknown>>
  readonly body?: unknown
  /** Instead of a body in JSON. */
  readonly bytes?: Uint8Array
  readonly mediaType?: string
  readonly headers?: Readonly<Record<string, string>>
}

export interface Desk {
  readonly url: string
  /** What the row answers; the kernel has checked it. Throws `DeskError`. */
  readonly ask: <A>(route: Route, ask?: Ask) => Promise<A>
  readonly bytes: (route: Route, ask?: Ask) => Promise<Uint8Array>
}

/** The kernel's refusal: its sentence, its status and its name. */
export class DeskError extends Error {
  override readonly name = "DeskError"
  readonly status: number
  readonly code: string
  constructor(message: string, status: number, code: string) {
    super(message)
    this.status = status
    this.code = code
  }
}

const problemOf = async (response: Response): Promise<DeskError> => {
  const text = await response.text()
  try {
    const { code, detail } = JSON.parse(text) as { readonly code?: unknown; readonly detail?: unknown } // an object, or it throws
    return new DeskError(typeof detail === "string" ? detail : `HTTP ${response.status}`, response.status, typeof code === "string" ? code : "")
  } catch {
    return new DeskError(`The kernel answered HTTP ${response.status}.`, response.status, "")
  }
}

export const makeDesk = (url: string, token: string): Desk => {
  const send = async (route: Route, { body, bytes, headers, id, mediaType, query = {} }: Ask): Promise<Response> => {
    const search = new URLSearchParams(Object.entries(query).map(([key, value]): [string, string] => [key, String(value)])).toString()
    const path = `${route.path.replace(":id", () => encodeURIComponent(id ?? ""))}${route.verb === undefined ? "" : `:${route.verb}`}`
    const content = bytes ?? (body === undefined ? (route.method === "GET" ? undefined : "{}") : JSON.stringify(body))
    const response = await fetch(`${url}${path}${search === "" ? "" : `?${search}`}`, {
      method: route.method,
      headers: {
        authorization: `Bearer ${token}`, ...headers, ...(content === undefined ? {} : { "content-type": mediaType ?? "application/json" })
      },
      ...(content === undefined ? {} : { body: content })
    }).catch((failure: unknown) => {
      const cause = failure instanceof Error && failure.cause instanceof Error ? failure.cause : failure
      throw new DeskError(`No kernel answers at ${url}: ${cause instanceof Error ? cause.message : String(cause)}.`, 0, "KernelUnreachable")
    })
    if (!response.ok) throw await problemOf(response)
    return response
  }
  return {
    url,
    ask: async <A>(route: Route, ask: Ask = {}) => (await (await send(route, ask)).json()) as A, // as the row says
    bytes: async (route, ask = {}) => new Uint8Array(await (await send(route, ask)).arrayBuffer())
  }
}
