// Requests as nobody sends them, over every route and every frame, to a published kernel in memory. Whatever comes, the answer
// is a refusal that tells nothing of the inside, the kernel lives, and it holds no more than before.
import { Agent, request as send } from "node:http"
import { connect } from "node:net"
import { WebSocket } from "ws"
import { launch, type HostKernel } from "../../kernel/host.ts"
import { forms } from "../../protocol/channel.ts"
import type { Row } from "../../protocol/route/row.ts"
import { routes } from "../../protocol/routes.ts"
import { makeRandom, type Random } from "../kit/random.ts"

export interface FuzzOptions {
  readonly requests: number
  readonly seed: number
  readonly onRequest?: (sent: number) => void
}

export interface FuzzReport {
  readonly requests: number
  readonly frames: number
  /** How often each status was answered; 0: the connection ended without an answer. */
  readonly statuses: Readonly<Record<string, number>>
  /** Answers that should never be, with the request that brought them. */
  readonly wrong: ReadonlyArray<string>
  /** Growth of the heap between the first tenth and the end, in bytes; only where the collector can be called. */
  readonly grownBytes: number | null
  readonly millis: number
  readonly ok: boolean
}

const atOnce = 24
const wrongMax = 20
/** Growth that is no leak: caches that fill, code that is compiled. */
const grownMax = 128 * 1_048_576

const texts = [
  "", "a", "log", "queue", "echo", "..", ".", "../../etc/passwd", "%", "%00", "%2e%2e", "a/b", "a:b", "x:take", "\u0000", "ü", "𝄞", "\ud800", "{x}", "*", "null", "-1", "0", "1", "1e9",
  "99999999999999999999", "NaN", "true", "[]", "{}", '"', "'", "<script>", "\r\nset-cookie: a=b", "__proto__", "constructor", "toString", "a".repeat(300), "🌍".repeat(80), " "
] as const

const methods = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE"] as const

const media = [
  "application/json", "application/cloudevents+json", "application/cloudevents-batch+json", "text/plain", "text/event-stream", "multipart/form-data", "application/x-www-form-urlencoded",
  "image/png", "application/json; charset=utf-16", "nonsense", "*/*"
] as const

/** Paths of the other surfaces, with `ID` for a name. */
const others = [
  "/sssn/health", "/sssn/channels", "/sssn/channels/ID", "/sssn/events", "/sssn/events/ID", "/sssn/subscriptions", "/sssn/subscriptions/ID", "/sssn/subscriptions/ID/pull",
  "/sssn/subscriptions/ID/ack", "/sssn/subscriptions/ID/lag", "/sssn/artifacts", "/sssn/artifacts/ID", "/sssn/artifacts/ID/metadata", "/sssn/snapshots", "/sssn/snapshots/ID",
  "/sssn/openapi.json", "/channels/ID", "/channels/ID/acknowledge", "/channels/ID/nack", "/channels/ID/info", "/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/v1/openapi.json", "/v1/ws", "/ID", "/"
] as const

/** What would end the kernel, or keep a guest waiting for good: that is what it is for. */
const spared: ReadonlySet<string> = new Set(["down", "pause", "resume", "drain", "revoke", "undock", "loadModule", "revokeToken"])

const rows = (Object.entries(routes) as ReadonlyArray<readonly [string, Row]>).filter(([name]) => !spared.has(name)) // the keys of the table are its names

const inside = /node_modules|\.ts:\d|\.mjs:\d|SQLITE_|at [A-Za-z.]+ \(/u

interface Shot {
  readonly method: string
  readonly path: string
  readonly headers: Record<string, string>
  readonly body: string | Buffer | undefined
}

const makeShots = (random: Random, tokens: ReadonlyArray<string>) => {
  const { chance, int, pick } = random
  const number = (): number => pick([0, 1, 2, 7, -1, 1.5, 1e21, 2 ** 53, -0, int(1_000)])
  const value = (depth: number): unknown => {
    if (depth > 4 || chance(0.5)) return pick<unknown>([null, true, number(), pick(texts), {}, []])
    return chance(0.5)
      ? Array.from({ length: int(5) }, () => value(depth + 1))
      : Object.fromEntries(Array.from({ length: int(5) }, () => [pick([...texts, "events", "kind", "payload", "channel", "id", "cursor", "value", "settlements", "limit", "wait"]), value(depth + 1)]))
  }
  const fieldsOf = (schema: object): ReadonlyArray<string> => ("fields" in schema ? Object.keys(schema.fields as object) : [])
  /** Something like what a row wants, with mistakes in it. */
  const like = (row: Row): unknown => {
    const object: Record<string, unknown> = {}
    for (const field of fieldsOf(row.payload)) {
      if (chance(0.1)) continue
      object[field] = field === "events"
        ? Array.from({ length: int(4) }, () => (chance(0.8) ? { kind: pick(["note", ...texts]), payload: value(0), ...(chance(0.3) ? { [pick(["id", "parentIds", "subject", "recipient", "traceparent", "labels", "sender"])]: value(2) } : {}) } : value(1)))
        : field === "channel" ? pick(["log", "queue", ...texts])
          : field === "wait" || field === "ttlSeconds" ? pick<unknown>([0, 10, 30, -1, "x", 1e9])
            : field === "settlements" ? [{ cursor: number(), epoch: number(), outcome: pick(["ack", "nack", "dead", "x"]) }]
              : field === "name" ? pick(["log", "made", ...texts]) : value(0)
    }
    if (chance(0.03)) object[pick(texts)] = value(0)
    return object
  }
  const cloudEvent = (): unknown => ({ specversion: pick(["1.0", "0.3", 1]), id: pick(texts), source: pick(texts), type: pick(["made", ...texts]), data: value(0), ...(chance(0.3) ? { [pick(texts)]: value(2) } : {}) })
  const bodyOf = (row: Row | undefined): string | Buffer => {
    switch (int(16)) {
      case 0: return pick(texts)
      case 1: return Buffer.from(Array.from({ length: int(200) }, () => int(256)))
      case 2: return "[".repeat(int(3_000)) + "]".repeat(int(3_000))
      case 3: return JSON.stringify(chance(0.5) ? cloudEvent() : [cloudEvent(), cloudEvent()])
      case 4: return chance(0.02) ? `"${"x".repeat(1_200_000)}"` : JSON.stringify(value(0))
      default: return JSON.stringify(row === undefined ? value(0) : like(row))
    }
  }
  const encode = (text: string): string => {
    try {
      return chance(0.8) ? encodeURIComponent(text) : encodeURI(text)
    } catch {
      return "%ed%a0%80" // half of a pair has no encoding of its own
    }
  }
  const queryOf = (row: Row | undefined): string => {
    const names = row === undefined ? ["channel", "after_cursor", "limit", "kind", "exclusive", "after"] : fieldsOf(row.query)
    const pairs = names.filter(() => chance(0.15)).map((name) => `${name}=${encode(name === "wait" ? pick(["0", "10", "x", "-1"]) : name === "channel" || name === "pattern" ? pick(["log", "queue", ...texts]) : pick(texts))}`)
    if (chance(0.03)) pairs.push(`${encode(pick(texts))}=${encode(pick(texts))}`)
    return pairs.length === 0 ? "" : `?${pairs.join("&")}`
  }
  const headersOf = (body: boolean): Record<string, string> => {
    const headers: Record<string, string> = {}
    if (chance(0.98)) headers["authorization"] = chance(0.997) ? `Bearer ${pick(tokens)}` : pick(["Bearer", "Basic !!!", `Basic ${Buffer.from(`x:${pick(tokens)}`).toString("base64")}`, "Negotiate x"])
    if (body) headers["content-type"] = pick(media)
    if (chance(0.3)) headers["accept"] = pick(media)
    const more: ReadonlyArray<readonly [string, ReadonlyArray<string>]> = [
      ["idempotency-key", ['"k"', "k", "", "x".repeat(2_000)]], ["if-match", ['"1"', "*", "x"]], ["if-none-match", ["*", '"1"', "x"]], ["last-event-id", ["1", "x", "log#2", "-1", "9".repeat(30)]],
      ["range", ["bytes=0-1", "bytes=-", "bytes=5-1", "x"]], ["traceparent", [`00-${"a".repeat(32)}-${"b".repeat(16)}-01`, "x"]], ["ce-specversion", ["1.0", "x"]], ["ce-id", ["e", "%"]],
      ["ce-source", ["/a"]], ["ce-type", ["t", "a b"]], ["origin", ["https://evil.example", "null"]], ["x-request-id", ["a", "x".repeat(200)]], ["expect", ["100-continue"]]
    ]
    for (const [name, values] of more) if (chance(0.06)) headers[name] = pick(values)
    if (chance(0.01)) headers["host"] = pick(["evil.example", "localhost", ""])
    return headers
  }
  return {
    shot: (): Shot => {
      const [, row] = chance(0.65) ? pick(rows) : []
      const id = encode(chance(0.7) ? pick(["log", "queue", "latest", "hub", "state"]) : pick(texts))
      const path = row === undefined ? pick(others).replace("ID", id) : `${row.path.replace(":id", id)}${row.verb === undefined ? "" : `:${row.verb}`}`
      const method = row === undefined ? (chance(0.6) ? "GET" : pick(methods)) : chance(0.05) ? pick(methods) : row.method
      const hasBody = method !== "GET" && method !== "HEAD" && chance(0.9)
      return { method, path: `${path}${queryOf(row)}`.replace(/[^\u0021-\u007e]/gu, "_"), headers: headersOf(hasBody), body: hasBody ? bodyOf(row) : undefined }
    },
    /** Bytes that are hardly HTTP. */
    bytes: (port: number): Buffer => {
      const line = pick(["GET / HTTP/1.1", "GET /v1/status HTTP/9.9", "POST /v1/channels HTTP/1.1", "PRI * HTTP/2.0", "\u0016\u0003\u0001", "GET http://x/ HTTP/1.1", "CONNECT x:1 HTTP/1.1", pick(texts)])
      const headers = Array.from({ length: int(6) }, () => pick([`host: 127.0.0.1:${port}`, "content-length: 5", "content-length: -1", "transfer-encoding: chunked", "connection: upgrade", "upgrade: websocket", `${pick(texts)}: ${pick(texts)}`, "x".repeat(int(20_000))]))
      return Buffer.from(`${line}\r\n${headers.join("\r\n")}\r\n\r\n${pick(["", "5\r\nhello\r\n0\r\n\r\n", "zz\r\n", "x".repeat(int(500))])}`)
    },
    frame: (): string | Buffer => {
      if (chance(0.1)) return chance(0.5) ? Buffer.from(Array.from({ length: int(100) }, () => int(256))) : pick(texts)
      return JSON.stringify({
        frame: pick(["hello", "call", "subscribe", "unsubscribe", "credit", "ack", "dock", "undock", "answer", "ping", ...texts]), id: pick<unknown>([1, 2, "x", null, number()]), token: pick(tokens),
        method: pick(["append", "read", "take", "settle", "snapshot", ...texts]), channel: pick(["log", "queue", ...texts]), args: value(0), ...(chance(0.5) ? { [pick(texts)]: value(1) } : {})
      })
    }
  }
}

const shoot = (port: number, agent: Agent, { body, headers, method, path }: Shot): Promise<readonly [status: number, text: string]> =>
  new Promise((resolve) => {
    const sent = send({ port, host: "127.0.0.1", agent, method, path, headers: { ...headers, ...(body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }) } }, (response) => {
      const parts: Array<Buffer> = []
      const done = (): void => resolve([response.statusCode ?? 0, Buffer.concat(parts).toString("utf8")])
      response.on("data", (part: Buffer) => {
        parts.push(part)
        // A stream does not end by itself: what it began with is enough.
        if (response.headers["content-type"] === "text/event-stream") response.destroy()
      }).on("end", done).on("close", done)
      // A stream on which nothing happens.
      if (response.headers["content-type"] === "text/event-stream") setTimeout(() => response.destroy(), 20)
    })
    sent.on("error", () => resolve([0, ""])).setTimeout(60_000, () => {
      resolve([-1, "no answer within a minute"])
      sent.destroy()
    })
    sent.end(body)
  })

const pour = (port: number, bytes: Buffer): Promise<readonly [status: number, text: string]> =>
  new Promise((resolve) => {
    let text = ""
    const end = (): void => resolve([Number(/^HTTP\/1\.1 (\d+)/u.exec(text)?.[1] ?? 0), text])
    const socket = connect(port, "127.0.0.1", () => socket.end(bytes))
    socket.setEncoding("latin1").on("data", (part: string) => (text += part)).on("error", end).on("close", end)
  })

/** A session of random frames; what the other side says to them is its own affair, as long as it lives. */
const converse = (port: number, token: string, frames: ReadonlyArray<string | Buffer>): Promise<void> =>
  new Promise((resolve) => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, { headers: { authorization: `Bearer ${token}` }, handshakeTimeout: 10_000 })
    socket.on("open", () => {
      for (const frame of frames) socket.send(frame)
      setTimeout(() => socket.terminate(), 20)
    }).on("error", () => resolve()).on("close", () => resolve())
  })

const isWrong = (status: number, text: string): boolean => status < 0 || (status >= 500 && status !== 503 && status !== 507) || (status >= 400 && inside.test(text))

const heap = (): number | null => {
  const { gc } = globalThis as { readonly gc?: () => void } // present with --expose-gc
  if (gc === undefined) return null
  gc()
  return process.memoryUsage().heapUsed + process.memoryUsage().external
}

const worldOf = async (): Promise<HostKernel> => {
  const kernel = await launch({ store: ":memory:", network: { publish: true, port: 0 } })
  const retention = { count: 100 }
  for (const form of Object.keys(forms) as ReadonlyArray<keyof typeof forms>) await kernel.channels.create(form, { form, visibility: "public", retention }) // the keys of the table are the forms
  await kernel.channels.create("latest", { form: "latest-state", visibility: "public", retention })
  await kernel.channels.create("secret", { visibility: "private" })
  await kernel.channels.append("log", Array.from({ length: 20 }, (_, n) => ({ payload: n })))
  await kernel.channels.append("queue", Array.from({ length: 20 }, (_, n) => ({ payload: n })))
  return kernel
}

export const fuzz = async ({ onRequest, requests, seed }: FuzzOptions): Promise<FuzzReport> => {
  const began = performance.now()
  const kernel = await worldOf()
  const { operatorToken, port } = await kernel.publish()
  const minted = await Promise.all((["read", "write", "admin"] as const).map((role) => kernel.tokens.mint({ name: `fuzz-${role}`, role })))
  const good = [operatorToken, ...minted.map(({ token }) => token)]
  const random = makeRandom(seed)
  // One wrong credential among many: the answers to those are held back more and more.
  const admin = minted.at(-1)!.token // three were minted
  const shots = makeShots(random, [...good, ...Array.from({ length: 40 }, () => operatorToken), ...Array.from({ length: 40 }, () => admin), "wrong"])
  const agent = new Agent({ keepAlive: true, maxSockets: atOnce })
  const statuses: Record<string, number> = {}
  const wrong: Array<string> = []
  let sent = 0
  let frames = 0
  let early: number | null = null

  const worker = async (): Promise<void> => {
    while (sent < requests) {
      sent++
      onRequest?.(sent)
      if (early === null && sent >= requests / 10) early = heap()
      const kind = random.int(100)
      if (kind < 2) {
        const list = Array.from({ length: random.int(12) }, () => shots.frame())
        frames += list.length
        await converse(port, random.pick(good), list)
        continue
      }
      const bytes = kind < 8 ? shots.bytes(port) : undefined
      const shot = bytes === undefined ? shots.shot() : undefined
      const [status, text] = shot === undefined ? await pour(port, bytes!) : await shoot(port, agent, shot) // one of both is there
      statuses[status] = (statuses[status] ?? 0) + 1
      if (isWrong(status, text) && wrong.length < wrongMax) {
        wrong.push(`${status} ${text.slice(0, 300)} <- ${shot === undefined ? JSON.stringify(bytes?.toString("latin1").slice(0, 300)) : JSON.stringify({ ...shot, body: String(shot.body).slice(0, 300) })}`)
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: atOnce }, worker))
    const [alive] = await shoot(port, agent, { method: "GET", path: "/v1/status", headers: { authorization: `Bearer ${operatorToken}` }, body: undefined })
    if (alive !== 200) wrong.push(`the kernel does not answer its operator any more: ${alive}`)
    const late = heap()
    const grownBytes = early === null || late === null ? null : late - early
    return {
      requests: sent, frames, statuses, wrong, grownBytes, millis: performance.now() - began,
      ok: wrong.length === 0 && (grownBytes === null || grownBytes <= grownMax)
    }
  } finally {
    agent.destroy()
    await kernel.close({ timeoutMillis: 1_000 })
  }
}
