// The portable API: pages over HTTP, pulls and acknowledgements behind any backlog, artifacts of a gigabyte.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { listener } from "../kernel/door/listener.ts"
import { makeReception } from "../kernel/door/reception.ts"
import { sssn } from "../kernel/door/sssn.ts"
import { eventsText } from "../kernel/door/sssn/wire.ts"
import type { Visitor } from "../kernel/resource/visitor.ts"
import { channelOf } from "../protocol/channel.ts"
import { barePage, connections, makeClient, portOf, requestOf, sampled, token } from "./http.ts"
import { inTurns, median, timedEach, type Side } from "./measure.ts"
import { payloads } from "./payload.ts"
import { row, rowOf, type Row } from "./row.ts"
import type { Sized } from "./size.ts"
import { makeWorld } from "./world.ts"

const mebibyte = 1_048_576

export const portable = Effect.fnUntraced(function*({ count, directory, programs, rounds }: Sized): Effect.fn.Return<ReadonlyArray<Row>, unknown, Scope.Scope> {
  const kernel = yield* makeWorld({ directory })
  const indexes = ["kind", "correlationId", "parentId"] as const
  const open = (name: string): Effect.Effect<void, unknown> =>
    kernel.channels.open(channelOf({ name, durability: "relaxed", visibility: "public", indexes }, kernel.id))
  const fill = Effect.fnUntraced(function*(name: string, events: number, kind = "event") {
    for (let left = events; left > 0; left -= 1_000) {
      yield* kernel.channels.append("bench", name, Array.from({ length: Math.min(left, 1_000) }, (_, at) => ({ kind, payload: payloads[at % payloads.length] })))
    }
  })
  const reception = yield* makeReception({ kernel, operatorToken: token, isLoopback: true })
  const opened = yield* listener({ reception })
  opened.attach(sssn({ kernel }))
  const port = portOf(opened.url)
  const client = yield* makeClient(programs.child)
  const at = (text: string, to: number): string => text.replace("HOST", `127.0.0.1:${to}`)
  const sends = (to: number, total: number, texts: ReadonlyArray<string>): Side =>
    sampled(total, () => client({ kind: "requests", port: to, connections, total, requests: texts.map((text) => at(text, to)) }))

  // Pages of a hundred, from anywhere in a log of ten thousand.
  yield* open("log")
  yield* fill("log", 10_000)
  const queries = Array.from({ length: 64 }, (_, index) => requestOf("GET", `/sssn/events?channel=log&after_cursor=${index * 150}&limit=100`))
  const page = yield* kernel.channels.read("bench", "log", { limit: 100 })
  const pagePort = yield* barePage(`[${eventsText(page.events)}]`)
  const calls = count(20_000, connections * 2)
  const query = yield* inTurns(rounds, { ours: sends(port, calls, queries), bare: sends(pagePort, calls, queries) })

  // One event of a kind among a hundred thousand of its channel, with a million of another channel in between, and with none.
  const among = Effect.fnUntraced(function*(name: string, between: Effect.Effect<void, unknown>) {
    yield* open(name)
    yield* fill(name, count(50_000, 1_000))
    yield* between
    yield* fill(name, 1, "rare")
    yield* fill(name, count(50_000, 1_000))
  })
  yield* open("foreign")
  yield* among("none", Effect.void)
  yield* among("behind", fill("foreign", count(1_000_000, 2_000)))
  const rare = (channel: string): Side => sends(port, calls, [requestOf("GET", `/sssn/events?channel=${channel}&kind=rare`)])
  const hit = yield* inTurns(rounds, { ours: rare("behind"), none: rare("none") })

  // Pulls of ten that are acknowledged, with so many events still to come.
  const { subscriptions } = kernel.resources
  const { port: docked } = yield* kernel.dockGuest("bench-puller")
  const puller: Visitor = { system: "bench-puller", port: docked, refusal: () => undefined, allows: () => undefined }
  const pulls = count(2_000, 10)
  const pulling = Effect.fnUntraced(function*(backlog: number) {
    const channel = `backlog-${backlog}`
    yield* open(channel)
    const each = Math.min(pulls, Math.floor(backlog / 10))
    yield* fill(channel, backlog)
    let made = 0
    return Effect.gen(function*() {
      const { subscription } = yield* subscriptions.create(puller, { channel, id: `${channel}-${made++}`, batchSize: 10 })
      return yield* timedEach(each, () =>
        Effect.flatMap(subscriptions.pull(puller, subscription.id, { ack: "manual" }), ({ cursor }) => subscriptions.ack(puller, subscription.id, cursor)))
    })
  })
  const small = yield* pulling(1_000)
  const large = yield* pulling(count(1_000_000, 2_000))
  const pulled = yield* inTurns(rounds, { ours: large, small })

  // An artifact, up and down, beside the memory of an idle kernel.
  const size = count(1_024, 4) * mebibyte
  const { gc } = globalThis as { readonly gc?: () => void } // present with --expose-gc
  gc?.()
  const idle = process.memoryUsage().rss
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 50)
  const ups: Array<number> = []
  const downs: Array<number> = []
  for (let round = 0; round < Math.min(rounds, 3); round++) {
    const head = `PUT /sssn/artifacts HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${token}\r\ncontent-type: application/octet-stream\r\ncontent-length: ${size}\r\n\r\n`
    const up = yield* Effect.promise(() => client({ kind: "put", port, head, bytes: size }))
    const { id } = JSON.parse(up.text ?? "{}") as { readonly id: string } // what the API answers
    const down = yield* Effect.promise(() => client({ kind: "get", port, request: at(requestOf("GET", `/sssn/artifacts/${id}`), port) }))
    ups.push(size / mebibyte / up.seconds)
    downs.push(size / mebibyte / down.seconds)
  }
  clearInterval(watch)

  return [
    rowOf(query, "rate", { id: "portable/query", what: `pages of 100 events read over HTTP, ${connections} connections`, floor: { of: null, bar: 5_000 } }),
    rowOf(hit, "rate", { id: "portable/rare", what: "queries for one event behind a million of another channel, against one behind none", floor: { of: "none", bar: 0.8 } }),
    rowOf(pulled, "p50Micros", { id: "portable/pull", what: "a pull of ten and its acknowledgement, a million events behind, against a thousand", floor: { of: "small", bar: 1.3 } }),
    row({ id: "portable/up", what: `an artifact of ${size / mebibyte} MiB sent over HTTP, verified and synced`, unit: "MiB per second", figure: median(ups), floor: { of: null, bar: 200 } }),
    row({ id: "portable/down", what: "the same read again, verified", unit: "MiB per second", figure: median(downs), floor: { of: null, bar: 200 } }),
    row({
      id: "portable/memory", what: "memory over that of the idle kernel, at most, while it goes up and down", unit: "MiB", figure: Math.max(0, most - idle) / mebibyte,
      lowerIsBetter: true, floor: { of: null, bar: 100 }
    })
  ]
})
