// WebSocket clients in a process of their own: subscriptions that count how late each event is, and a remote system that
// reads as one in the kernel's process would. Reads commands as lines of JSON and answers each with one.
import * as Effect from "effect/Effect"
import { createInterface } from "node:readline"
import { WebSocket } from "ws"
import { connect, type RemoteKernel } from "../libos/remote.ts"
import { emptyManifest } from "../protocol/manifest.ts"
import type { Port } from "../protocol/port.ts"
import { now, type Done } from "./http-client.ts"

export type SocketCommand =
  /** Opens so many sockets, each with one subscription from now on. Answers when all of them stand. */
  | { readonly kind: "open"; readonly url: string; readonly token: string; readonly connections: number; readonly channel: string }
  /** Opens sockets to a server that sends without being asked. */
  | { readonly kind: "bare"; readonly url: string; readonly connections: number }
  /** Docks a system that reads the channel through its port. */
  | { readonly kind: "dock"; readonly url: string; readonly token: string; readonly channel: string }
  /** Waits until so many events came since the last time. Answers how late each was. */
  | { readonly kind: "events"; readonly total: number }
  | { readonly kind: "close" }

let sockets: ReadonlyArray<WebSocket> = []
let remote: RemoteKernel | undefined
let seen = 0
let late: Array<number> = []
let news = (): void => {}

/** Every event has the time at which it was appended in its payload. */
const count = (text: string): void => {
  const time = now()
  for (let at = text.indexOf('"sentAt":'); at >= 0; at = text.indexOf('"sentAt":', at + 9)) {
    seen++
    late.push((time - Number.parseFloat(text.slice(at + 9, at + 35))) * 1e3)
  }
  news()
}

const done: Done = { seconds: 0, micros: [] }

/** Sockets that are opened at once: a kernel bounds those that have not said who they are. */
const openAtOnce = 100

const open = async (url: string, connections: number, hello: ReadonlyArray<object>): Promise<Done> => {
  const all: Array<WebSocket> = []
  while (all.length < connections) all.push(...await openSome(url, Math.min(openAtOnce, connections - all.length), hello))
  sockets = all
  return done
}

const openSome = (url: string, connections: number, hello: ReadonlyArray<object>): Promise<ReadonlyArray<WebSocket>> =>
  new Promise((resolve, reject) => {
    let opened = 0
    const some = Array.from({ length: connections }, () => {
      const socket = new WebSocket(url, { perMessageDeflate: false, skipUTF8Validation: true })
      let answers = hello.length
      const stands = (): void => {
        if (++opened === connections) resolve(some)
      }
      socket.on("open", () => {
        for (const frame of hello) socket.send(JSON.stringify(frame))
        if (answers === 0) stands()
      })
      socket.on("message", (data: Buffer) => {
        if (answers === 0) return count(data.toString("latin1"))
        if (--answers === 0) stands()
      })
      return socket.on("error", reject)
    })
  })

const dock = async (url: string, token: string, channel: string): Promise<Done> => {
  remote = await connect({ url, token })
  const run = (port: Port): Effect.Effect<never, unknown> =>
    Effect.gen(function*() {
      let after = (yield* port.read(channel, { limit: 1 })).head
      for (;;) {
        yield* port.awaitBeyond(channel, after)
        const { events, next } = yield* port.read(channel, { after })
        after = next
        const time = now()
        for (const { payload } of events) {
          seen++
          late.push((time - (payload as { readonly sentAt: number }).sentAt) * 1e3) // what bench/socket.ts appends
        }
        news()
      }
    })
  await remote.dock({ manifest: { ...emptyManifest("bench-remote"), reads: [channel] }, run })
  return done
}

const events = (total: number): Promise<Done> =>
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

const close = async (): Promise<Done> => {
  for (const socket of sockets) socket.terminate()
  sockets = []
  await remote?.close()
  remote = undefined
  return done
}

const run = (command: SocketCommand): Promise<Done> => {
  switch (command.kind) {
    case "open":
      return open(`${command.url.replace("http", "ws")}/v1/ws`, command.connections, [
        { frame: "hello", versions: [1], token: command.token }, { frame: "subscribe", id: 1, channel: command.channel, credit: 1_000_000 }
      ])
    case "bare":
      return open(command.url.replace("http", "ws"), command.connections, [])
    case "dock":
      return dock(command.url, command.token, command.channel)
    case "events":
      return events(command.total)
    case "close":
      return close()
  }
}

/** Serves until its standard input ends. */
export const serveSockets = async (): Promise<void> => {
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      process.stdout.write(`${JSON.stringify(await run(JSON.parse(line) as SocketCommand))}\n`) // what bench/socket.ts sends
    } catch (error) {
      process.stderr.write(`${String(error)}\n`)
      process.exit(1)
    }
  }
  process.exit(0)
}
