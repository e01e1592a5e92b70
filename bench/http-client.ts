// The other side of a socket, in a process of its own: sends prepared requests and counts what comes back, with as little
// work of its own as it can. Reads commands as lines of JSON and answers each with one.
import { connect, type Socket } from "node:net"
import { createInterface } from "node:readline"

export type Command =
  /** `total` requests over so many connections that are kept; each gets an answer before its next one is sent. */
  | { readonly kind: "requests"; readonly port: number; readonly connections: number; readonly total: number; readonly requests: ReadonlyArray<string> }
  /** Opens streams of server-sent events. Answers when all are open. */
  | { readonly kind: "open"; readonly port: number; readonly connections: number; readonly request: string }
  /** Waits until the streams have brought so many events since the last time. Answers how late each was, as the events say. */
  | { readonly kind: "events"; readonly total: number }
  /** Sends so many bytes behind the head of a request; answers the body of what comes back. */
  | { readonly kind: "put"; readonly port: number; readonly head: string; readonly bytes: number }
  /** Reads an answer to its end. */
  | { readonly kind: "get"; readonly port: number; readonly request: string }
  | { readonly kind: "close" }

export interface Done {
  readonly seconds: number
  readonly micros: ReadonlyArray<number>
  /** Body of the one answer. */
  readonly text?: string
}

export const now = (): number => performance.timeOrigin + performance.now()

const headEnd = "\r\n\r\n"

/** Length of the answer at the start of a text that is latin1, or nothing while it is not all there. */
const answerLength = (text: Buffer): number | undefined => {
  const end = text.indexOf(headEnd)
  if (end < 0) return undefined
  const head = text.toString("latin1", 0, end)
  if (!head.startsWith("HTTP/1.1 200")) throw new Error(`the server answered: ${head.slice(0, 200)}`)
  const [, length] = /content-length: (\d+)/iu.exec(head) ?? []
  const whole = end + headEnd.length + Number(length)
  return text.length >= whole ? whole : undefined
}

const requests = ({ connections, port, requests: texts, total }: Extract<Command, { readonly kind: "requests" }>): Promise<Done> =>
  new Promise((resolve, reject) => {
    const bytes = texts.map((text) => Buffer.from(text))
    const micros: Array<number> = []
    let sent = 0
    let began = 0
    let ready = 0
    const sockets: Array<Socket> = []
    const starts: Array<() => void> = []
    for (let at = 0; at < connections; at++) {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true })
      sockets.push(socket)
      let held: Buffer = Buffer.alloc(0)
      let at_ = 0
      const send = (): void => {
        if (sent >= total) return
        at_ = performance.now()
        socket.write(bytes[sent++ % bytes.length]!)
      }
      starts.push(send)
      socket.on("connect", () => {
        if (++ready < connections) return
        began = performance.now()
        for (const start of starts) start()
      })
      socket.on("data", (part: Buffer) => {
        held = held.length === 0 ? part : Buffer.concat([held, part])
        const length = answerLength(held)
        if (length === undefined) return
        held = held.subarray(length)
        micros.push((performance.now() - at_) * 1e3)
        if (micros.length < total) return send()
        const seconds = (performance.now() - began) / 1e3
        for (const each of sockets) each.destroy()
        resolve({ seconds, micros })
      })
      socket.on("error", reject)
    }
  })

let streams: ReadonlyArray<Socket> = []
let seen = 0
let late: Array<number> = []
let news = (): void => {}

/** Every event has its time as `"at":NUMBER` in its data. */
const count = (text: string): void => {
  const time = now()
  for (let at = text.indexOf('"sentAt":'); at >= 0; at = text.indexOf('"sentAt":', at + 9)) {
    seen++
    late.push((time - Number.parseFloat(text.slice(at + 9, at + 35))) * 1e3)
  }
  news()
}

const open = ({ connections, port, request }: Extract<Command, { readonly kind: "open" }>): Promise<Done> =>
  new Promise((resolve, reject) => {
    let opened = 0
    streams = Array.from({ length: connections }, () => {
      const socket = connect({ port, host: "127.0.0.1" }, () => socket.write(request))
      let isOpen = false
      let rest = ""
      socket.setEncoding("latin1").on("data", (part: string) => {
        if (!isOpen) {
          if (!part.startsWith("HTTP/1.1 200")) return reject(new Error(part.slice(0, 300)))
          isOpen = true
          if (++opened === connections) resolve({ seconds: 0, micros: [] })
        }
        // An event may be torn: the last piece is kept until its end has come.
        const end = part.lastIndexOf("\n\n")
        if (end < 0) {
          rest += part
          return
        }
        count(rest + part.slice(0, end))
        rest = part.slice(end)
      }).on("error", reject)
      return socket
    })
  })

const events = ({ total }: Extract<Command, { readonly kind: "events" }>): Promise<Done> =>
  new Promise((resolve) => {
    const began = performance.now()
    news = () => {
      if (seen < total) return
      news = () => {}
      const micros = late
      late = []
      seen = 0
      resolve({ seconds: (performance.now() - began) / 1e3, micros })
    }
    news()
  })

const pieceBytes = 262_144

/** One request on a connection of its own; `text`: whether the body is kept, or only counted. */
const exchange = (port: number, text: boolean, begin: (socket: Socket) => void): Promise<Done> =>
  new Promise((resolve, reject) => {
    const began = performance.now()
    const socket = connect({ port, host: "127.0.0.1" }, () => begin(socket))
    let head = ""
    let left = -1
    const body: Array<Buffer> = []
    socket.on("data", (part: Buffer) => {
      let rest = part
      if (left < 0) {
        head += part.toString("latin1")
        const end = head.indexOf(headEnd)
        if (end < 0) return
        if (!head.startsWith("HTTP/1.1 200")) return reject(new Error(head.slice(0, 400)))
        left = Number(/content-length: (\d+)/iu.exec(head)?.[1])
        rest = Buffer.from(head.slice(end + headEnd.length), "latin1")
      }
      if (text) body.push(rest)
      left -= rest.length
      if (left > 0) return
      socket.destroy()
      resolve({ seconds: (performance.now() - began) / 1e3, micros: [], text: Buffer.concat(body).toString("utf8") })
    }).on("error", reject)
  })

const put = ({ bytes, head, port }: Extract<Command, { readonly kind: "put" }>): Promise<Done> =>
  exchange(port, true, (socket) => {
    socket.write(head)
    const piece = Buffer.alloc(pieceBytes)
    let sent = 0
    const write = (): void => {
      while (sent < bytes) {
        // No two pieces are equal.
        piece.writeDoubleLE(sent, 0)
        const next = Buffer.from(piece.subarray(0, Math.min(pieceBytes, bytes - sent)))
        sent += next.length
        if (!socket.write(next)) return void socket.once("drain", write)
      }
    }
    write()
  })

const get = ({ port, request }: Extract<Command, { readonly kind: "get" }>): Promise<Done> => exchange(port, false, (socket) => void socket.write(request))

const close = (): Promise<Done> => {
  for (const stream of streams) stream.destroy()
  streams = []
  return Promise.resolve({ seconds: 0, micros: [] })
}

const run = (command: Command): Promise<Done> => {
  switch (command.kind) {
    case "requests":
      return requests(command)
    case "open":
      return open(command)
    case "events":
      return events(command)
    case "put":
      return put(command)
    case "get":
      return get(command)
    case "close":
      return close()
  }
}

/** Serves until its standard input ends. */
export const serve = async (): Promise<void> => {
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as Command))}\n`) // what bench/http.ts sends
    } catch (error) {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    }
  }
  process.exit(0)
}
