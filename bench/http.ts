// HTTP over loopback, with the clients in a process of their own: appends, queries, and one channel followed by many.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { createServer } from "node:http"
import { createInterface } from "node:readline"
import * as Http from "../kernel/door/http.ts"
import type { Kernel } from "../kernel/kernel.ts"
import { channelOf } from "../protocol/channel.ts"
import type { Draft } from "../protocol/event.ts"
import { now, type Command, type Done } from "./http-client.ts"
import { inTurns, type Sample, type Side } from "./measure.ts"
import { payloads } from "./payload.ts"
import { row, rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"
import { makeWorld } from "./world.ts"

export type Client = (command: Command) => Promise<Done>

export const token = "t".repeat(43)
export const connections = 16

export const makeClient = (child: string): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => spawn(process.execPath, [child, "http"], { stdio: ["pipe", "pipe", "inherit"] })),
      (process) => Effect.sync(() => void process.stdin.end())
    ),
    (process): Client => {
      const waiting: Array<{ readonly resolve: (done: Done) => void; readonly reject: (error: Error) => void }> = []
      createInterface({ input: process.stdout }).on("line", (line) => waiting.shift()?.resolve(JSON.parse(line) as Done)) // what http-client.ts prints
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

/** The kernel's part of a measure: the clients' time is not its own. */
export const sampled = (operations: number, run: () => Promise<Done>, others?: Readonly<Record<string, number>>): Effect.Effect<Sample> =>
  Effect.promise(async () => {
    const cpu = process.cpuUsage()
    const { micros, seconds } = await run()
    const { system, user } = process.cpuUsage(cpu)
    return { operations, seconds, cpuSeconds: (user + system) / 1e6, micros: Float64Array.from(micros), ...(others === undefined ? {} : { others }) }
  })

export const requestOf = (method: string, path: string, body?: unknown, accept?: string): string => {
  const text = body === undefined ? "" : JSON.stringify(body)
  return `${method} ${path} HTTP/1.1\r\nhost: HOST\r\nauthorization: Bearer ${token}\r\n${accept === undefined ? "" : `accept: ${accept}\r\n`}` +
    (body === undefined ? "\r\n" : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
}

export const portOf = (url: string): number => Number(new URL(url).port)

/** A handler of `node:http` that does the same append, and nothing else. */
const bare = (kernel: Kernel, channel: string): Effect.Effect<number, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>>((resume) => {
        const server = createServer((request, response) => {
          const parts: Array<Buffer> = []
          request.on("data", (part: Buffer) => parts.push(part)).on("end", () => {
            const { events } = JSON.parse(Buffer.concat(parts).toString()) as { readonly events: ReadonlyArray<Draft> }
            Effect.runFork(kernel.channels.append("bare", channel, events)).addObserver((exit) => {
              const text = JSON.stringify(exit._tag === "Success" ? exit.value : null)
              response.writeHead(exit._tag === "Success" ? 200 : 500, { "content-type": "application/json", "content-length": Buffer.byteLength(text) })
              response.end(text)
            })
          })
        }).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => void server.close())
    ),
    (server) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : 0
    }
  )

/** A handler of `node:http` that answers a page which it has as text. */
export const barePage = (text: string): Effect.Effect<number, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>>((resume) => {
        const server = createServer((_, response) => {
          response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(text) }).end(text)
        }).listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) => Effect.sync(() => void server.close())
    ),
    (server) => {
      const address = server.address()
      return typeof address === "object" && address !== null ? address.port : 0
    }
  )

const subscribers = 100
const batchEvents = 100

export const http = Effect.fnUntraced(function*({ count, directory, programs, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const kernel = yield* makeWorld({ directory })
  for (const name of ["events", "bare", "batches", "log"]) yield* kernel.channels.open(channelOf({ name, durability: "strict" }, kernel.id))
  for (const name of ["fan", "latency", "idle"]) yield* kernel.channels.open(channelOf({ name, durability: "relaxed" }, kernel.id))
  const { url } = yield* Http.door({ token, executors: () => [] }).open(kernel)
  const port = portOf(url)
  const client = yield* makeClient(programs.child)
  const at = (text: string, to: number): string => text.replace("HOST", `127.0.0.1:${to}`)
  const sends = (to: number, total: number, texts: ReadonlyArray<string>): Side =>
    sampled(total, () => client({ kind: "requests", port: to, connections, total, requests: texts.map((text) => at(text, to)) }))

  // Appends, one event each and a hundred each.
  const singles = payloads.slice(0, 100).map((payload) => requestOf("POST", "/v1/channels/events/events", { events: [{ payload }] }))
  const appends = count(20_000, connections * 2)
  const barePort = yield* bare(kernel, "bare")
  const single = yield* inTurns(rounds, { ours: sends(port, appends, singles), bare: sends(barePort, appends, singles) })
  const hundred = requestOf("POST", "/v1/channels/batches/events", { events: payloads.slice(0, batchEvents).map((payload) => ({ payload })) })
  const batches = count(4_000, connections * 2)
  const inEvents = (side: Side): Side => Effect.map(side, (sample) => ({ ...sample, operations: sample.operations * batchEvents }))
  const batched = yield* inTurns(rounds, { ours: inEvents(sends(port, batches, [hundred])), bare: inEvents(sends(barePort, batches, [hundred])) })

  // Pages of a hundred, from anywhere in a log of ten thousand.
  for (let left = 10_000; left > 0; left -= 1_000) yield* kernel.channels.append("bench", "log", payloads.map((payload) => ({ payload })))
  const queries = Array.from({ length: 64 }, (_, index) => requestOf("GET", `/v1/channels/log/events?after=${index * 150}&limit=100`))
  const page = yield* kernel.channels.read("bench", "log", { limit: 100 })
  const pagePort = yield* barePage(JSON.stringify(page))
  const calls = count(20_000, connections * 2)
  const query = yield* inTurns(rounds, { ours: sends(port, calls, queries), bare: sends(pagePort, calls, queries) })

  // One channel, followed by a hundred clients.
  const openStreams = (channel: string, streams: number): Effect.Effect<Done> =>
    Effect.promise(() => client({ kind: "open", port, connections: streams, request: at(requestOf("GET", `/v1/channels/${channel}/events?last=0`, undefined, "text/event-stream"), port) }))
  const stop = Effect.promise(() => client({ kind: "close" }))
  const fanEvents = count(2_500, 20)
  const append = (channel: string, events: number): Effect.Effect<unknown, unknown> =>
    kernel.channels.append("bench", channel, Array.from({ length: events }, (_, index) => ({ payload: { ...payloads[index], sentAt: now() } })))
  yield* openStreams("fan", subscribers)
  const fan = yield* inTurns(rounds, {
    ours: Effect.gen(function*() {
      const done = client({ kind: "events", total: fanEvents * subscribers })
      const write = Effect.gen(function*() {
        // As fast as a writer that appends ten at a time and waits for each; no faster than 800 events a second.
        const began = performance.now()
        for (let sent = 0; sent < fanEvents; sent += 10) {
          yield* append("fan", 10)
          const early = began + sent / 0.8 - performance.now()
          if (early > 1) yield* Effect.sleep(early)
        }
      })
      return yield* Effect.map(Effect.all([sampled(fanEvents * subscribers, () => done), write], { concurrency: 2 }), ([sample]) => sample)
    })
  })
  yield* stop

  // From an append to a subscriber in another process, one event at a time.
  const pings = count(2_000, 20)
  yield* openStreams("latency", 1)
  const latency = yield* inTurns(rounds, {
    ours: Effect.gen(function*() {
      const done = client({ kind: "events", total: pings })
      const write = Effect.gen(function*() {
        for (let sent = 0; sent < pings; sent++) {
          yield* append("latency", 1)
          yield* Effect.sleep(1)
        }
      })
      return yield* Effect.map(Effect.all([sampled(pings, () => done), write], { concurrency: 2 }), ([sample]) => sample)
    })
  })
  yield* stop

  // Streams that nothing happens on.
  const { gc } = globalThis as { readonly gc?: () => void } // present with --expose-gc
  const idleStreams = count(1_000, 10)
  gc?.()
  const before = process.memoryUsage().rss
  yield* openStreams("idle", idleStreams)
  yield* Effect.sleep(500)
  gc?.()
  const kilobytes = Math.max(1, process.memoryUsage().rss - before) / 1_024 / idleStreams
  yield* stop

  return [
    rowOf(single, "rate", {
      id: "http/append", what: `events appended over HTTP, one each, ${connections} connections, strict`, floor: { of: "bare", bar: 0.5 }, aim: { of: "bare", bar: 0.8 }
    }),
    rowOf(batched, "rate", { id: "http/append 100", what: `events appended over HTTP, a hundred each, ${connections} connections, strict`, floor: { of: null, bar: 60_000 } }),
    rowOf(query, "rate", { id: "http/query", what: `pages of 100 events read over HTTP, ${connections} connections`, floor: { of: null, bar: 5_000 } }),
    rowOf(fan, "rate", {
      id: "http/fan-out", what: `events that ${subscribers} clients got as server-sent events, tens at a time`, floor: { of: null, bar: 50_000 }
    }),
    rowOf(fan, "p99Micros", { id: "http/fan-out p99", what: "the same: from append to client", floor: { of: null, bar: 50_000 } }),
    rowOf(latency, "p50Micros", { id: "http/latency", what: "from an append to a subscriber in another process", floor: { of: null, bar: 2_000 } }),
    row({ id: "http/idle", what: "memory of one idle stream", unit: "kB", figure: kilobytes, lowerIsBetter: true, floor: { of: null, bar: 100 } })
  ]
})
