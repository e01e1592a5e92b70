// One HTTP request over a connection to an address that was checked: nothing between the check and the dial asks for the
// name again. The connection is used once. Size, time and header bounds hold for what comes back, decompressed.
import { request, type IncomingMessage } from "node:http"
import { connect, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import type { Readable } from "node:stream"
import { createBrotliDecompress, createGunzip, createInflate } from "node:zlib"
import { fetchConnectMillis, fetchHeaderBytesMax } from "../../limits.ts"
import { codeOf } from "../confined.ts"
import { NotDone } from "../executor.ts"

export interface Exchange {
  readonly method: string
  readonly url: URL
  readonly port: number
  /** Dialled as it is. */
  readonly address: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | undefined
  readonly bodyBytesMax: number
  /** Aborted when time is up or nobody waits any more. */
  readonly signal: AbortSignal
  /** Authorities beside the well-known ones, as PEM. */
  readonly ca?: string
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** Absent when it has more bytes than were allowed, or is not as it says it is coded. */
  readonly body: Buffer | undefined
  readonly problem: string | undefined
}

/** Thrown when the request may have arrived and no answer came. */
export class Unanswered extends Error {
  constructor(reason: string) {
    super(reason)
    this.name = "Unanswered"
  }
}

/** Opens a connection; before it is open nothing was sent. */
const open = ({ address, ca, port, signal, url }: Exchange, name: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const isTls = url.protocol === "https:"
    const socket = isTls
      ? connectTls({
        host: address, port, ALPNProtocols: ["http/1.1"], rejectUnauthorized: true, ...(isName(name) ? { servername: name } : {}),
        ...(ca === undefined ? {} : { ca })
      })
      : connect({ host: address, port })
    const timer = setTimeout(() => fail(new NotDone(`${url.host} did not take the connection within ${fetchConnectMillis} ms`, { unavailable: true })), fetchConnectMillis)
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener("abort", stop)
      socket.off("error", broken)
    }
    const fail = (error: Error): void => {
      done()
      socket.on("error", () => {}).destroy()
      reject(error)
    }
    const stop = (): void => fail(new NotDone("its time was up, or it was stopped, before it was connected", { unavailable: true }))
    const broken = (error: Error): void => fail(new NotDone(`${url.host} cannot be reached: ${codeOf(error) === "unknown" ? error.message : codeOf(error)}`, { unavailable: true }))
    socket.on("error", broken)
    socket.once(isTls ? "secureConnect" : "connect", () => {
      done()
      resolve(socket)
    })
    if (signal.aborted) stop()
    else signal.addEventListener("abort", stop)
  })

const isName = (host: string): boolean => !/^[\d.]+$|:/u.test(host)

const decoded = (response: IncomingMessage): Readable | undefined => {
  switch (response.headers["content-encoding"]?.trim().toLowerCase() ?? "identity") {
    case "identity":
    case "":
      return response
    case "gzip":
    case "x-gzip":
      return response.pipe(createGunzip())
    case "deflate":
      return response.pipe(createInflate())
    case "br":
      return response.pipe(createBrotliDecompress())
    default:
      return undefined
  }
}

/**
 * Reads what comes, decompressed, up to a bound: a small answer that unpacks into a large one is stopped there. That there is an
 * answer is known by now: what is wrong with its body is told beside it.
 */
const collect = async (response: IncomingMessage, bytesMax: number): Promise<Pick<Answer, "body" | "problem">> => {
  const stream = decoded(response)
  if (stream === undefined) return { body: undefined, problem: "its content-encoding is not one of gzip, deflate and br" }
  const pieces: Array<Buffer> = []
  let size = 0
  // What breaks off below the decompression breaks it off, too.
  response.on("error", (error) => stream.destroy(error))
  response.on("close", () => response.complete || stream.destroy(new Error("the connection was lost")))
  try {
    for await (const piece of stream as AsyncIterable<Buffer>) {
      size += piece.length
      if (size > bytesMax) {
        response.destroy()
        return { body: undefined, problem: `its body has more than ${bytesMax} bytes` }
      }
      pieces.push(piece)
    }
  } catch (error) {
    return { body: undefined, problem: `its body broke off: ${told(error)}` }
  }
  return { body: Buffer.concat(pieces), problem: undefined }
}

const told = (error: unknown): string => {
  const code = codeOf(error)
  if (code === "ABORT_ERR") return "its time was up, or it was stopped"
  return code !== "unknown" ? code : error instanceof Error ? error.message : String(error)
}

/** Does it. Throws `NotDone` when nothing was sent, `Unanswered` when it may have arrived. */
export const exchange = async (given: Exchange, name: string): Promise<Answer> => {
  const socket = await open(given, name)
  const { body, bodyBytesMax, headers, method, signal, url } = given
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const sent = request({
        method, path: url.pathname + url.search, headers: { ...headers }, setHost: false, createConnection: () => socket,
        maxHeaderSize: fetchHeaderBytesMax, signal, insecureHTTPParser: false
      }, resolve)
      sent.on("error", reject)
      sent.on("upgrade", () => reject(new Error("it asked for another protocol")))
      sent.end(body)
    })
    const told: Record<string, string> = {}
    for (const [key, value] of Object.entries(response.headers)) {
      // A cookie is a credential of a session that nobody here has.
      if (key !== "set-cookie" && value !== undefined) told[key] = Array.isArray(value) ? value.join(", ") : value
    }
    const hasBody = method !== "HEAD" && response.statusCode !== 204 && response.statusCode !== 304
    // A final answer always has a status.
    return { status: response.statusCode!, headers: told, ...(hasBody ? await collect(response, bodyBytesMax) : { body: Buffer.alloc(0), problem: undefined }) }
  } catch (error) {
    throw new Unanswered(told(error))
  } finally {
    socket.destroy()
  }
}
