// The listener: what it lets through to a surface, and what it answers by itself. Over real sockets, as nobody's client would ask.
import { Deferred, Effect, Exit, Logger, Scope } from "effect"
import { connect, type Socket } from "node:net"
import { describe, expect, it } from "vitest"
import type { Guest, Reception } from "../../../kernel/door/guest.ts"
import { listener, type Listener, type ListenerOptions, type Sample } from "../../../kernel/door/listener.ts"
import { refusal } from "../../../kernel/door/problems.ts"
import type { Answer, Asked, Surface } from "../../../kernel/door/surface.ts"
import { httpBodyBytesMax, httpWrongCredentialsMax } from "../../../kernel/limits.ts"
import { ConfigInvalid, Unauthenticated } from "../../../protocol/errors.ts"
import { until } from "../../kit/network.ts"
import { answerOf, askAt, type Ask } from "../../kit/published.ts"

const guests = new Map<string, Guest>()

/** Lets in whoever brings a token that begins with `good`; each is a guest of its own. */
const reception: Reception = {
  authenticate: (authorization = "") => reception.byToken(authorization.replace(/^Bearer /u, "")),
  byToken: (token) =>
    Effect.suspend(() => {
      if (!token.startsWith("good")) return Effect.fail(new Unauthenticated({ reason: "No." }))
      let guest = guests.get(token)
      // The listener looks at the name and the end of it; the rest is for surfaces.
      if (guest === undefined) guests.set(token, (guest = { system: token, isOperator: false, ended: () => undefined } as Guest))
      return Effect.succeed(guest)
    }),
  byProof: () => Effect.fail(new Unauthenticated({ reason: "No." })),
  nonce: "n"
}

interface World {
  readonly at: Listener
  readonly ask: Ask
  readonly asked: ReadonlyArray<Asked>
  readonly samples: ReadonlyArray<Sample>
  readonly socket: () => Promise<Socket>
}

const withListener = async <A>(
  answer: (asked: Asked) => Effect.Effect<Answer>, body: (world: World) => Promise<A>, options: Partial<ListenerOptions> = {}
): Promise<A> => {
  const scope = Scope.makeUnsafe()
  try {
    const samples: Array<Sample> = []
    const asked: Array<Asked> = []
    const at = await Effect.runPromise(Effect.provide(Scope.provide(listener({ reception, observe: (sample) => samples.push(sample), ...options }), scope), Logger.layer([])))
    const surface: Surface = {
      prefix: "s", published: true, refusal, open: ({ segments }) => segments[0] === "open",
      answer: (given) => {
        asked.push(given)
        return answer(given)
      }
    }
    at.attach(surface)
    return await body({
      at, asked, samples, ask: askAt(at.port, "good"),
      socket: () => new Promise((resolve, reject) => {
        const socket = connect(at.port, "127.0.0.1", () => resolve(socket)).on("error", reject)
      })
    })
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

const ok = (): Effect.Effect<Answer> => Effect.succeed({ status: 200, headers: { "content-type": "text/plain" }, body: "ok", route: "row" })

/** Writes bytes of one's own, and answers everything that comes until the connection ends. */
const raw = async ({ socket }: World, text: string): Promise<string> => {
  const opened = await socket()
  const answer = answerOf(opened)
  opened.write(text)
  return answer
}

const head = (world: World, line: string, ...more: ReadonlyArray<string>): string =>
  [`${line} HTTP/1.1`, `host: 127.0.0.1:${world.at.port}`, "authorization: Bearer good", "connection: close", ...more, "", ""].join("\r\n")

const statusOf = (answer: string): number => Number(/^HTTP\/1\.1 (\d+)/u.exec(answer)?.[1])

describe("a path", () => {
  it("is decoded once, segment by segment, and is nobody's when it could mean another place", () =>
    withListener(ok, async (world) => {
      expect((await world.ask("GET", "/s/a%2Fb/%C3%BC?x=1%202")).status).toBe(200)
      expect(world.asked[0]?.segments).toEqual(["a/b", "ü"])
      expect(world.asked[0]?.query.get("x")).toBe("1 2")
      for (const target of [
        "/s/../s", "/s/%2e%2e/s", "/s/%2E%2e", "/../../etc/passwd", "/s/..%2f..%2fetc", "/s/a%2f..%2fb", "/s/.", "/s/a%00b", "/s/a%0d%0ab", "/s/a\\b", "/s/a%5cb",
        "//s", "/s//a", "/s/%", "/s/%zz", "/s/%c0%ae%c0%ae", `/s/${"a/".repeat(40)}`, `/s/${"a".repeat(9_000)}`, "s", "http://elsewhere.example/s", "*"
      ]) expect(statusOf(await raw(world, head(world, `GET ${target}`))), target).toBe(400)
      expect(world.asked).toHaveLength(1)
    }))

  it("that no surface has finds nothing, for those who have a credential", () =>
    withListener(ok, async ({ at, ask }) => {
      expect((await ask("GET", "/nothing")).status).toBe(404)
      expect((await askAt(at.port, "bad")("GET", "/nothing")).status).toBe(401)
    }))
})

describe("a request", () => {
  it("under a name that is not the listener's is refused, as one that was rebound would be", () =>
    withListener(ok, async (world) => {
      for (const host of ["evil.example", `evil.example:${world.at.port}`, "127.0.0.1", "127.0.0.1:1", `127.0.0.1.evil.example:${world.at.port}`]) {
        expect((await world.ask("GET", "/s/open", { headers: { host } })).status, host).toBe(403)
      }
      expect(statusOf(await raw(world, "GET /s/open HTTP/1.1\r\nconnection: close\r\n\r\n"))).toBe(400)
      expect(statusOf(await raw(world, "GET /s/open HTTP/1.0\r\n\r\n"))).toBe(403)
      expect(statusOf(await raw(world, `${head(world, "GET /s/open").trimEnd()}\r\nhost: evil.example\r\n\r\n`))).toBe(400)
      for (const host of [`localhost:${world.at.port}`, `LOCALHOST:${world.at.port}`, `[::1]:${world.at.port}`, "kernel.example", `kernel.example:${world.at.port}`]) {
        expect((await world.ask("GET", "/s/a", { headers: { host } })).status, host).toBe(200)
      }
      expect(world.asked).toHaveLength(5)
    }, { hosts: ["kernel.example"] }))

  it("from a page of another origin is refused before anybody looks at it", () =>
    withListener(ok, async (world) => {
      for (const origin of ["https://evil.example", "null", `http://127.0.0.1:${world.at.port + 1}`, `https://127.0.0.1:${world.at.port}`]) {
        const told = await world.ask("GET", "/s/a", { headers: { origin } })
        expect(told.status, origin).toBe(403)
        expect(told.headers["access-control-allow-origin"]).toBeUndefined()
      }
      expect((await world.ask("GET", "/s/a", { headers: { origin: `http://127.0.0.1:${world.at.port}` } })).status).toBe(200)
      expect(world.asked).toHaveLength(1)
    }))

  it("from a page of a listed origin is answered to that origin alone", () =>
    withListener(ok, async ({ ask }) => {
      const told = await ask("GET", "/s/a", { headers: { origin: "https://app.example" } })
      expect(told).toMatchObject({ status: 200, headers: { "access-control-allow-origin": "https://app.example", vary: "origin" } })
      const before = await ask("OPTIONS", "/s/a", { headers: { origin: "https://app.example", "access-control-request-method": "PUT" } })
      expect(before).toMatchObject({ status: 204, headers: { "access-control-allow-methods": expect.stringContaining("PUT"), "access-control-max-age": "600" } })
      expect((await ask("GET", "/s/a")).headers["vary"]).toBe("origin")
      expect((await ask("GET", "/s/a", { headers: { origin: "https://evil.example" } })).status).toBe(403)
    }, { origins: ["https://app.example"] }))

  it("by HEAD is answered as by GET, without the body; by OPTIONS with what is offered; by anything else not at all", () =>
    withListener(ok, async (world) => {
      const told = await world.ask("HEAD", "/s/a")
      expect(told).toMatchObject({ status: 200, text: "", headers: { "content-length": "2" } })
      expect(world.asked[0]?.method).toBe("GET")
      expect(await world.ask("OPTIONS", "/s/a")).toMatchObject({ status: 204, headers: { allow: expect.stringContaining("GET") } })
      for (const method of ["TRACE", "PROPFIND", "LOCK"]) expect((await world.ask(method, "/s/a")).status, method).toBe(405)
      expect(world.asked).toHaveLength(1)
    }))

  it("by HEAD for a stream is told how it would begin, and the stream is not begun", async () => {
    const returned = Deferred.makeUnsafe<void>()
    const body: AsyncIterable<string> = {
      [Symbol.asyncIterator]: () => ({
        next: () => Promise.resolve({ done: false, value: "part" }),
        return: () => {
          Deferred.doneUnsafe(returned, Effect.void)
          return Promise.resolve({ done: true, value: undefined })
        }
      })
    }
    await withListener(() => Effect.succeed({ status: 200, headers: { "content-type": "text/event-stream" }, body }), async ({ ask }) => {
      expect(await ask("HEAD", "/s/a")).toMatchObject({ status: 200, text: "", headers: { "content-type": "text/event-stream" } })
      await Effect.runPromise(Deferred.await(returned))
    })
  })

  it("gets an answer that says what it is and whose, and that nobody keeps", () =>
    withListener(ok, async ({ ask }) => {
      const one = await ask("GET", "/s/a")
      const other = await ask("GET", "/s/a")
      expect(one.headers).toMatchObject({ "x-content-type-options": "nosniff", "cache-control": "no-store", "x-request-id": expect.stringMatching(/^[\w-]+$/u) })
      expect(one.headers["x-request-id"]).not.toBe(other.headers["x-request-id"])
      expect((await ask("GET", "/s/a", { headers: { "x-request-id": "mine-1" } })).headers["x-request-id"]).toBe("mine-1")
      expect((await ask("GET", "/s/a", { headers: { "x-request-id": "x".repeat(100) } })).headers["x-request-id"]).not.toContain("xx")
    }))

  it("that fails is told as a fault, and its connection goes on", () =>
    withListener(({ segments }) => (segments[0] === "die" ? Effect.die(new Error("the inside")) : ok()), async (world) => {
      const told = await world.ask("GET", "/s/die")
      expect(told).toMatchObject({ status: 500, body: { code: "Fault" } })
      expect(told.text).not.toContain("inside")
      expect((await world.ask("GET", "/s/a")).status).toBe(200)
      expect(world.samples).toMatchObject([{ surface: "s", route: "", status: 500 }, { surface: "s", route: "row", method: "GET", status: 200 }])
    }))

  it("whose client leaves is interrupted, and its stream is told", async () => {
    const [began, interrupted, returned] = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>()]
    const told = (deferred: Deferred.Deferred<void>) => Effect.runPromise(Deferred.await(deferred))
    await withListener(({ segments, signal }) => {
      if (segments[0] === "wait") {
        Deferred.doneUnsafe(began, Effect.void)
        return Effect.onInterrupt(Effect.never, () => Effect.sync(() => Deferred.doneUnsafe(interrupted, signal.aborted ? Effect.void : Effect.die("the signal came too late"))))
      }
      const body: AsyncIterable<string> = {
        [Symbol.asyncIterator]: () => {
          let at = 0
          return {
            next: () => (at++ === 0 ? Promise.resolve({ done: false, value: "part" }) : new Promise(() => {})),
            return: () => {
              Deferred.doneUnsafe(returned, Effect.void)
              return Promise.resolve({ done: true, value: undefined })
            }
          }
        }
      }
      return Effect.succeed({ status: 200, body })
    }, async (world) => {
      for (const [path, end] of [["/s/wait", interrupted], ["/s/stream", returned]] as const) {
        const socket = await world.socket()
        socket.on("error", () => {})
        const here = path === "/s/wait" ? told(began) : new Promise((resolve) => socket.once("data", resolve))
        socket.write(head(world, `GET ${path}`))
        await here
        socket.destroy()
        await told(end)
      }
    })
  })
})

describe("a header of an answer", () => {
  it("ends where it ends, whatever stands in it", () =>
    withListener(() => Effect.succeed({ status: 200, headers: { "x-given": "a\r\nset-cookie: b=1\r\n\r\n<script>", "x-other": "ü\u0000\u20ac" }, body: "ok" }), async (world) => {
      const answer = await raw(world, head(world, "GET /s/a"))
      expect(answer).not.toMatch(/^set-cookie/imu)
      expect(answer.split("\r\n\r\n")[1]).toBe("ok")
      expect(answer).toContain("x-given: aset-cookie: b=1<script>\r\n")
    }))
})

describe("a body", () => {
  const echo = (asked: Asked): Effect.Effect<Answer> =>
    Effect.match(asked.json, {
      onFailure: ({ _tag }) => refusal(_tag === "TooLarge" ? 413 : 400, _tag, "no"),
      onSuccess: (value) => ({ status: 200, body: JSON.stringify(value ?? null) })
    })

  it("is read to its end, within its bound, and the next request is heard behind it", () =>
    withListener(echo, async (world) => {
      expect((await world.ask("POST", "/s/a", { body: { a: "ü" } })).text).toBe('{"a":"ü"}')
      expect((await world.ask("POST", "/s/a")).text).toBe("null")
      expect((await world.ask("POST", "/s/a", { body: new Uint8Array([34, 255, 34]) })).status).toBe(400)
      expect((await world.ask("POST", "/s/a", { body: `"${"x".repeat(httpBodyBytesMax - 2)}"` })).status).toBe(200)
      expect((await world.ask("POST", "/s/a", { body: `"${"x".repeat(httpBodyBytesMax - 1)}"` })).status).toBe(413)
      const two = head(world, "POST /s/a", "content-length: 1").replace("connection: close\r\n", "")
      const answer = await raw(world, `${two}1${head(world, "POST /s/a", "content-length: 1")}2`)
      expect(answer.match(/HTTP\/1\.1 200/gu)).toHaveLength(2)
    }))

  it("that says that it is too large is refused before any of it has come", () =>
    withListener(echo, async (world) => {
      expect(statusOf(await raw(world, head(world, "POST /s/a", `content-length: ${httpBodyBytesMax + 1}`)))).toBe(413)
    }))

  it("that grows beyond its bound is cut off, and its sender sees why", () =>
    withListener(echo, async (world) => {
      const socket = await world.socket()
      const answer = answerOf(socket)
      socket.write(head(world, "POST /s/a", "transfer-encoding: chunked"))
      const part = `10000\r\n${"x".repeat(65_536)}\r\n`
      const pour = (): void => {
        while (socket.writable && socket.write(part)) if (socket.destroyed) return
        if (!socket.destroyed) socket.once("drain", pour)
      }
      pour()
      expect(statusOf(await answer)).toBe(413)
    }))

  it("whose length is said twice is nobody's: two readers would part it differently", () =>
    withListener(echo, async (world) => {
      const smuggled = "0\r\n\r\nGET /s/smuggled HTTP/1.1\r\n\r\n"
      for (const lengths of [["content-length: 5", "transfer-encoding: chunked"], ["content-length: 5", "content-length: 6"], ["transfer-encoding: chunked, identity"], ["content-length: +5"], ["content-length: 5 "]]) {
        const answer = await raw(world, `${head(world, "POST /s/a", ...lengths)}${smuggled}`)
        expect(answer, lengths.join()).not.toContain("smuggled")
        expect(world.asked.map(({ segments }) => segments[0])).not.toContain("smuggled")
      }
    }))

  it("that does not come is not waited for", () =>
    withListener(echo, async (world) => {
      expect(statusOf(await raw(world, `${head(world, "POST /s/a", "content-length: 10")}half`))).toBe(408)
      expect((await world.ask("GET", "/s/a")).status).toBe(200)
    }, { times: { bodyMillis: 50 } }))
})

describe("a connection", () => {
  it("that never says what it wants is ended, and so is one that says it too slowly", () =>
    withListener(ok, async (world) => {
      const silent = await world.socket()
      const slow = await world.socket()
      slow.write("GET /s/a HTTP/1.1\r\nhost: ")
      const drip = setInterval(() => slow.write("a"), 10)
      const [, answer] = await Promise.all([answerOf(silent), answerOf(slow)])
      clearInterval(drip)
      expect(statusOf(answer)).toBe(408)
      expect((await world.ask("GET", "/s/a")).status).toBe(200)
    }, { times: { headersMillis: 100 } }))

  it("that takes nothing is dropped after a bounded amount, while others are served", async () => {
    let pulled = 0
    const part = "x".repeat(65_536)
    const dropped = Deferred.makeUnsafe<void>()
    await withListener(({ segments }) => {
      if (segments[0] !== "pour") return ok()
      async function* pour(): AsyncGenerator<string> {
        try {
          for (;;) {
            pulled++
            yield part
          }
        } finally {
          Deferred.doneUnsafe(dropped, Effect.void)
        }
      }
      return Effect.succeed({ status: 200, body: pour() })
    }, async (world) => {
      const slow = await world.socket()
      slow.pause()
      const ended = new Promise<void>((resolve) => slow.on("error", () => resolve()).on("close", () => resolve()))
      slow.write(head(world, "GET /s/pour"))
      await new Promise((resolve) => slow.once("readable", resolve))
      await Promise.all(Array.from({ length: 50 }, () => world.ask("GET", "/s/a")))
      // What the two kernels' buffers hold, and nothing beyond that.
      const held = pulled
      expect(held).toBeLessThan(200)
      await Promise.all(Array.from({ length: 20 }, () => world.ask("GET", "/s/a")))
      await Effect.runPromise(Deferred.await(dropped))
      expect(pulled).toBe(held)
      slow.resume()
      await ended
    }, { times: { stallMillis: 300 } })
  })

  it("that sends wrong credentials gets its answers later and later; a good one is answered at once", () =>
    withListener(ok, async ({ at, ask }) => {
      const wrong = askAt(at.port, "bad")
      for (let count = 0; count < httpWrongCredentialsMax; count++) expect((await wrong("GET", "/s/a")).status).toBe(401)
      const late = wrong("GET", "/s/a").then(() => "wrong")
      const good = ask("GET", "/s/a").then(() => "good")
      expect(await Promise.race([late, good])).toBe("good")
      expect(await late).toBe("wrong")
      const told = await wrong("GET", "/s/a")
      expect(told).toMatchObject({ status: 401, headers: { "www-authenticate": "Bearer" }, body: { code: "Unauthenticated" } })
    }))
})

describe("a guest", () => {
  it("that asks for too much at once is told to come again, and takes nothing from others", async () => {
    const go = Deferred.makeUnsafe<void>()
    await withListener(({ segments }) => (segments[0] === "wait" ? Effect.andThen(Deferred.await(go), ok()) : ok()), async ({ at, ask, asked }) => {
      const waiting = Array.from({ length: 512 }, () => ask("GET", "/s/wait"))
      while (asked.length < 512) await askAt(at.port, "good-other")("GET", "/s/open")
      const told = await ask("GET", "/s/a")
      expect(told).toMatchObject({ status: 429, headers: { "retry-after": "1" } })
      expect((await askAt(at.port, "good-other")("GET", "/s/a")).status).toBe(200)
      Deferred.doneUnsafe(go, Effect.void)
      expect(new Set((await Promise.all(waiting)).map(({ status }) => status))).toEqual(new Set([200]))
      expect((await ask("GET", "/s/a")).status).toBe(200)
    })
  })
})

describe("an upgrade", () => {
  const upgrade = (world: World, path: string, ...headers: ReadonlyArray<string>): Promise<string> =>
    raw(world, [`GET ${path} HTTP/1.1`, ...headers, "connection: upgrade", "upgrade: websocket", "", ""].join("\r\n"))

  it("is handed on at its path, to no foreign page and under no foreign name", () =>
    withListener(ok, async (world) => {
      let handed = 0
      const stop = world.at.onUpgrade("/s/ws", (_, socket) => {
        handed++
        socket.end("HTTP/1.1 101 Switching Protocols\r\n\r\n")
      })
      const host = `host: 127.0.0.1:${world.at.port}`
      expect(statusOf(await upgrade(world, "/s/ws", host))).toBe(101)
      expect(statusOf(await upgrade(world, "/s/ws", host, `origin: http://127.0.0.1:${world.at.port}`))).toBe(101)
      expect(statusOf(await upgrade(world, "/s/ws", host, "origin: https://evil.example"))).toBe(403)
      expect(statusOf(await upgrade(world, "/s/ws", "host: evil.example"))).toBe(403)
      expect(statusOf(await upgrade(world, "/s/other", host))).toBe(404)
      stop()
      expect(statusOf(await upgrade(world, "/s/ws", host))).toBe(404)
      expect(handed).toBe(2)
      // Its client keeps its own end open, and says more than anybody reads: that is no reason to keep ours.
      const kept = await world.socket()
      kept.on("error", () => {}).write(`GET /s/other HTTP/1.1\r\n${host}\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n${"x".repeat(1_000)}`)
      await until("the listener lets go of it", () => world.at.connections() === 0)
    }))
})

describe("an address", () => {
  it("that is taken is told, or the next free one is", () =>
    withListener(ok, async ({ at }) => {
      const again = (orNext: boolean) => Effect.runPromiseExit(Effect.scoped(listener({ reception, port: at.port, orNext })))
      const taken = await again(false)
      expect(Exit.isFailure(taken) && taken.cause.reasons[0]).toMatchObject({ error: expect.any(ConfigInvalid) })
      expect(await Effect.runPromise(Effect.scoped(Effect.map(listener({ reception, port: at.port, orNext: true }), ({ port }) => port)))).toBeGreaterThan(at.port)
    }))

  it("without surfaces says that the kernel starts", async () => {
    await Effect.runPromise(Effect.scoped(Effect.gen(function*() {
      const { port } = yield* listener({ reception })
      expect(yield* Effect.promise(() => askAt(port, "good")("GET", "/healthz"))).toMatchObject({ status: 503, body: { code: "Starting" } })
    })))
  })
})
