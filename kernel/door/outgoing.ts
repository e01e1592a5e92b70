// Writes answers: one write for a whole one; a stream is pulled only while the client takes what it was given.
import type { IncomingMessage, ServerResponse } from "node:http"
import { httpLingerMillis } from "../limits.ts"
import type { Answer } from "./surface.ts"

/** What every answer carries beside its own headers. */
export interface Common {
  readonly requestId: string
  /** Of CORS, for a page of a listed origin. */
  readonly headers: ReadonlyArray<string>
  /** The body is left out, as for HEAD. */
  readonly isHead: boolean
  /** No further request on this connection. */
  readonly isLast: boolean
  /** Time in which the client must take what it was sent. */
  readonly stallMillis: number
}

/** What a header may not hold: the rest of a header would be the client's to write. */
// eslint-disable-next-line no-control-regex -- control characters are what it removes
const unsafe = /[^\t\u0020-\u007e\u0080-\u00ff]/gu

const headersOf = (answer: Answer, common: Common, length: number | undefined): Array<string> => {
  const list = ["x-request-id", common.requestId, "x-content-type-options", "nosniff"]
  let isCached = false
  if (answer.headers !== undefined) {
    for (const name in answer.headers) {
      const value = answer.headers[name]!
      if (name === "cache-control") isCached = true
      list.push(name, unsafe.test(value) ? value.replace(unsafe, "") : value)
      unsafe.lastIndex = 0
    }
  }
  if (!isCached) list.push("cache-control", "no-store")
  if (length !== undefined) list.push("content-length", String(length))
  if (common.isLast) list.push("connection", "close")
  if (common.headers.length > 0) list.push(...common.headers)
  return list
}

const isWhole = (body: Answer["body"]): body is string | Uint8Array | undefined =>
  body === undefined || typeof body === "string" || body instanceof Uint8Array

/** Ends when the client takes no more, or when it has taken all. */
const stall = (response: ServerResponse, millis: number): (() => void) => {
  const timer = setTimeout(() => response.destroy(), millis)
  return () => clearTimeout(timer)
}

/** Reads and throws away what is left of a body for a moment, so that the client gets to see the answer. */
const linger = (request: IncomingMessage, response: ServerResponse): void => {
  let timer: NodeJS.Timeout | undefined = undefined
  const end = (): void => {
    clearTimeout(timer)
    response.end()
  }
  timer = setTimeout(end, httpLingerMillis)
  request.once("end", end).once("close", end).resume()
}

const pump = async (body: AsyncIterable<string | Uint8Array>, response: ServerResponse, stallMillis: number): Promise<void> => {
  const source = body[Symbol.asyncIterator]()
  let drained: (() => void) | undefined
  const go = (): void => drained?.()
  const leave = (): void => {
    drained?.()
    // An iterator that waits for its next part is told, too; what it says to that interests nobody.
    void Promise.resolve(source.return?.()).catch(() => {})
  }
  response.on("drain", go).once("close", leave)
  try {
    while (!response.destroyed) {
      const next = await source.next()
      if (next.done === true || response.destroyed) break
      if (response.write(next.value)) continue
      const over = stall(response, stallMillis)
      await new Promise<void>((resolve) => (drained = resolve))
      drained = undefined
      over()
    }
    response.off("close", leave)
    if (response.destroyed) await source.return?.()
    else response.end()
  } catch (error) {
    // The head is out: all that can be said now is that the answer is not whole.
    response.destroy()
    throw error
  }
}

/** Writes it; a failure of its stream rejects. Answers when a stream is over, at once for a whole answer. */
export const write = (request: IncomingMessage, response: ServerResponse, answer: Answer, common: Common): Promise<void> | undefined => {
  const { body, status } = answer
  const isBare = status === 204 || status === 304
  if (!isWhole(body)) {
    // Parts of a stream that has no end are not counted: the end of the connection is its end.
    const isEndless = answer.headers?.["content-type"] === "text/event-stream"
    if (isEndless) response.useChunkedEncodingByDefault = false
    response.writeHead(status, headersOf(answer, isEndless ? { ...common, isLast: true } : common, undefined))
    if (common.isHead || isBare) {
      response.end()
      return Promise.resolve(body[Symbol.asyncIterator]().return?.()).then(() => {})
    }
    response.flushHeaders()
    return pump(body, response, common.stallMillis)
  }
  const length = body === undefined ? 0 : typeof body === "string" ? Buffer.byteLength(body) : body.byteLength
  response.writeHead(status, headersOf(answer, common, isBare ? undefined : length))
  const isSilent = common.isHead || isBare || length === 0
  if (common.isLast && !request.complete && !request.destroyed) {
    if (isSilent) response.flushHeaders()
    else response.write(body)
    linger(request, response)
  } else if (isSilent) response.end()
  else {
    // What is ASCII alone goes out together with its head, in one write and without being encoded.
    if (typeof body === "string" && length === body.length) response.end(body, "latin1")
    else response.end(body)
    if (response.writableLength > 65_536) response.once("close", stall(response, common.stallMillis))
  }
  return undefined
}
