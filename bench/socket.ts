// WebSockets over loopback, with the clients in a process of their own: one channel followed by a hundred sockets, and how
// soon a subscriber and a remote system have an event.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import type { AddressInfo } from "node:net"
import { createInterface } from "node:readline"
import { WebSocketServer } from "ws"
import { listener } from "../kernel/door/listener.ts"
import { makeReception } from "../kernel/door/reception.ts"
import { webSockets } from "../kernel/door/ws.ts"
import { channelOf } from "../protocol/channel.ts"
import { socketPath } from "../protocol/frame.ts"
import { now, type Done } from "./http-client.ts"
import { inTurns, type Sample, type Side } from "./measure.ts"
import { payloads } from "./payload.ts"
import { row, rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"
import type { SocketCommand } from "./socket-client.ts"
import { makeWorld } from "./world.ts"

type Client<Command> = (command: Command) => Promise<Done>

const token = "t".repeat(43)
const subscribers = 100

/** The clients, in a process of their own: `what` it is to `child.ts`. */
export const makeClient = <Command>(child: string, what: string): Effect.Effect<Client<Command>, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [child, what], { stdio: ["pipe", "pipe", "inherit"] })),
      (process) => Effect.sync(() => void process.stdin.end())
    ),
    (process): Client<Command> => {
      const waiting: Array<{ readonly resolve: (done: Done) => void; readonly reject: (error: Error) => void }> = []
      createInterface({ input: process.stdout }).on("line", (line) => waiting.shift()?.resolve(JSON.parse(line) as Done)) // what socket-client.ts prints
      process.on("exit", () => {
        for (const { reject } of waiting.splice(0)) reject(new Error("the client ended"))
      })
      return (command) =>
        new Promise((resolve, reject) => {
          waiting.push({ resolve, reject })
          process.stdin.write(`${JSON.stringify(command)}\n`)
        })
    }
  )

/** A server of `ws` that sends the same texts to everybody and does nothing else. */
const bareServer: Effect.Effect<{ readonly url: string; readonly broadcast: (text: string) => void }, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.callback<WebSocketServer>((resume) => {
      const server: WebSocketServer = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false }, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => {
      for (const socket of server.clients) socket.terminate()
      server.close()
    })
  ),
  (server) => ({
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    broadcast: (text) => {
      const bytes = Buffer.from(text)
      for (const socket of server.clients) socket.send(bytes, { binary: false })
    }
  })
)

/** The kernel's part of a measure: the clients' time is not its own. */
export const sampled = (operations: number, run: () => Promise<Done>): Effect.Effect<Sample> =>
  Effect.promise(async () => {
    const cpu = process.cpuUsage()
    const { micros, seconds } = await run()
    const { system, user } = process.cpuUsage(cpu)
    return { operations, seconds, cpuSeconds: (user + system) / 1e6, micros: Float64Array.from(micros) }
  })

export const socket = Effect.fnUntraced(function*({ count, directory, programs, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const kernel = yield* makeWorld({ directory })
  for (const name of ["fan", "single", "latency", "idle"]) yield* kernel.channels.open(channelOf({ name, durability: "relaxed", visibility: "public" }, kernel.id))
  const reception = yield* makeReception({ kernel, operatorToken: token, isLoopback: true })
  const opened = yield* listener({ reception })
  const sockets = yield* webSockets({ kernel, reception })
  opened.onUpgrade(socketPath, sockets.upgrade)
  const { url } = opened
  const client = yield* makeClient<SocketCommand>(programs.child, "socket")
  const bare = yield* bareServer
  const tell = (command: SocketCommand): Effect.Effect<Done> => Effect.promise(() => client(command))

  const payloadOf = (index: number): object => ({ ...payloads[index % payloads.length] as object, sentAt: now() })
  const append = (channel: string, events: number): Effect.Effect<unknown, unknown> =>
    kernel.channels.append("bench", channel, Array.from({ length: events }, (_, index) => ({ payload: payloadOf(index) })))
  const broadcast = (events: number): Effect.Effect<void> =>
    Effect.sync(() => bare.broadcast(JSON.stringify(Array.from({ length: events }, (_, index) => payloadOf(index)))))

  /** Writes `events`, so many at a time, no faster than `perSecond`, and waits until every subscriber has them. */
  const followed = (events: number, batch: number, perSecond: number, copies: number, write: (events: number) => Effect.Effect<unknown, unknown>): Side =>
    Effect.suspend(() => {
      const done = client({ kind: "events", total: events * copies })
      const writing = Effect.gen(function*() {
        const began = performance.now()
        for (let sent = 0; sent < events; sent += batch) {
          yield* write(batch)
          const early = began + (sent / perSecond) * 1e3 - performance.now()
          if (early > 1) yield* Effect.sleep(early)
        }
      })
      return Effect.map(Effect.all([sampled(events * copies, () => done), writing], { concurrency: 2 }), ([sample]) => sample)
    })

  // One channel, followed by a hundred sockets: tens at a time as fast as they go, and one by one at 50,000 deliveries a second.
  const many = count(3_000, 20)
  const ones = count(1_500, 20)
  const ours = (channel: string, side: Side): Side =>
    Effect.gen(function*() {
      yield* tell({ kind: "open", url, token, connections: subscribers, channel })
      const sample = yield* side
      yield* tell({ kind: "close" })
      return sample
    })
  const theirs = (side: Side): Side =>
    Effect.gen(function*() {
      yield* tell({ kind: "bare", url: bare.url, connections: subscribers })
      const sample = yield* side
      yield* tell({ kind: "close" })
      return sample
    })
  const fan = yield* inTurns(rounds, {
    ours: ours("fan", followed(many, 10, 2_000, subscribers, (events) => append("fan", events))),
    bare: theirs(followed(many, 10, 2_000, subscribers, broadcast))
  })
  const single = yield* inTurns(rounds, {
    ours: ours("single", followed(ones, 1, 520, subscribers, (events) => append("single", events))),
    bare: theirs(followed(ones, 1, 520, subscribers, broadcast))
  })

  // From an append to a subscriber, and to a remote system that reads through its port, one event at a time.
  const pings = count(1_000, 20)
  const later = (side: Side, command: SocketCommand): Side =>
    Effect.gen(function*() {
      yield* tell(command)
      const sample = yield* side
      yield* tell({ kind: "close" })
      return sample
    })
  const latency = yield* inTurns(rounds, {
    ours: later(followed(pings, 1, 500, 1, () => append("latency", 1)), { kind: "open", url, token, connections: 1, channel: "latency" }),
    bare: later(followed(pings, 1, 500, 1, () => broadcast(1)), { kind: "bare", url: bare.url, connections: 1 })
  })
  const port = yield* inTurns(rounds, {
    ours: later(followed(pings, 1, 500, 1, () => append("latency", 1)), { kind: "dock", url, token, channel: "latency" })
  })

  // Sockets that nothing happens on.
  const { gc } = globalThis as { readonly gc?: () => void } // present with --expose-gc
  const idle = count(1_000, 10)
  gc?.()
  const before = process.memoryUsage().rss
  yield* tell({ kind: "open", url, token, connections: idle, channel: "idle" })
  yield* Effect.sleep(500)
  gc?.()
  const kilobytes = Math.max(1, process.memoryUsage().rss - before) / 1_024 / idle
  yield* tell({ kind: "close" })

  return [
    rowOf(fan, "rate", {
      id: "socket/fan-out", what: `events that ${subscribers} WebSockets got, tens at a time`, floor: { of: null, bar: 50_000 }, aim: { of: "bare", bar: 0.8 }
    }),
    rowOf(fan, "p99Micros", { id: "socket/fan-out p99", what: "the same: from append to client", floor: { of: null, bar: 50_000 } }),
    rowOf(single, "p99Micros", {
      id: "socket/fan-out one by one, p99", what: `from append to ${subscribers} WebSockets, one event at a time, 52,000 deliveries a second`, floor: { of: null, bar: 50_000 }
    }),
    rowOf(latency, "p50Micros", { id: "socket/latency", what: "from an append to a subscriber in another process", floor: { of: null, bar: 2_000 } }),
    rowOf(port, "p50Micros", { id: "socket/remote latency", what: "from an append to a remote system that reads through its port", floor: { of: null, bar: 2_000 } }),
    row({ id: "socket/idle", what: "memory of one idle WebSocket", unit: "kB", figure: kilobytes, lowerIsBetter: true, floor: { of: null, bar: 100 } })
  ]
})
