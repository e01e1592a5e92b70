// Requests to a published kernel as nobody's client would send them, and what it streams.
import { request as send, type IncomingHttpHeaders } from "node:http"
import type { Socket } from "node:net"

// What comes over the wire has whatever shape the server gave it; the tests say which.
// eslint-disable-next-line typescript/no-explicit-any -- see above
type Wire = any

export interface Told {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body as JSON, when it is that. */
  readonly body: Wire
}

export interface Asking {
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON unless it is a text or bytes. */
  readonly body?: unknown
}

export type Ask = (method: string, path: string, asking?: Asking) => Promise<Told>

export const askAt = (port: number, token: string | undefined): Ask => (method, path, { body, headers = {} } = {}) =>
  new Promise((resolve, reject) => {
    const bytes = body === undefined ? undefined : typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body)
    const sent = send({
      port, host: "127.0.0.1", method, path,
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...(bytes === undefined ? {} : { "content-length": Buffer.byteLength(bytes) }), ...headers }
    }, (response) => {
      const parts: Array<Buffer> = []
      response.on("data", (part: Buffer) => parts.push(part)).on("error", reject).on("end", () => {
        const text = Buffer.concat(parts).toString("utf8")
        const isJson = /json/u.test(response.headers["content-type"] ?? "")
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body: isJson && text !== "" ? JSON.parse(text) : undefined })
      })
    })
    sent.on("error", reject).end(bytes)
  })

/** Everything that a socket says until it ends. */
export const answerOf = (socket: Socket): Promise<string> =>
  new Promise((resolve) => {
    let text = ""
    socket.setEncoding("latin1").on("data", (part: string) => (text += part)).on("error", () => resolve(text)).on("close", () => resolve(text))
  })

export interface Frame {
  readonly id: string | undefined
  readonly event: string | undefined
  readonly data: Wire
}

/** Server-sent events as they come. */
export async function* frames(port: number, token: string, path: string, headers: Readonly<Record<string, string>> = {}, signal?: AbortSignal): AsyncGenerator<Frame> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { authorization: `Bearer ${token}`, accept: "text/event-stream", ...headers }, ...(signal === undefined ? {} : { signal })
  })
  if (!response.ok || response.body === null) throw new Error(`${response.status} ${await response.text()}`)
  let rest = ""
  const decoder = new TextDecoder()
  for await (const part of response.body) {
    rest += decoder.decode(part as Uint8Array, { stream: true }) // the parts of a body are bytes
    const whole = rest.split("\n\n")
    rest = whole.pop() ?? ""
    for (const frame of whole) {
      const field = (name: string): string | undefined => frame.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2)
      const data = field("data")
      if (data !== undefined) yield { id: field("id"), event: field("event"), data: JSON.parse(data) }
    }
  }
}

/** The first so many of what comes. */
export const first = async <A>(count: number, items: AsyncIterable<A>): Promise<ReadonlyArray<A>> => {
  const list: Array<A> = []
  for await (const item of items) if (list.push(item) === count) break
  return list
}
