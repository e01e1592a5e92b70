// What is gone of the ancestors' weaknesses at the kernel's own HTTP API: bounds, identity, batches, push, and refusals that say what was wrong.
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { httpBodyBytesMax, httpGuestRequestsMax, pageEventsMax } from "../../../kernel/limits.ts"
import { launch, type HostKernel } from "../../../kernel/host.ts"
import { until } from "../../kit/network.ts"
import { askAt, first, frames, type Ask } from "../../kit/published.ts"

let kernel: HostKernel
let port = 0
let operator: Ask
let operatorToken = ""

beforeAll(async () => {
  kernel = await launch({ store: ":memory:", network: { publish: true, port: 0 } })
  const at = await kernel.publish()
  port = at.port
  operatorToken = at.operatorToken
  operator = askAt(at.port, at.operatorToken)
  for (const name of ["log", "other", "{x}", "*", "open"]) await kernel.channels.create(name, { visibility: "public" })
  await kernel.channels.create("secret", { visibility: "private" })
  await kernel.channels.create("jobs", { visibility: "public", form: "queue" })
  await kernel.channels.append("secret", { payload: "mine" })
})
afterAll(() => kernel.close())

const guest = async (role: "read" | "write" | "admin", name = `guest-${role}`): Promise<Ask> => askAt(port, (await kernel.tokens.mint({ name, role })).token)

describe("a request over HTTP", () => {
  it("[W14] is bounded in its page, its body, its numbers, and how many there are at once", async () => {
    await kernel.channels.append("other", Array.from({ length: 1_000 }, (_, n) => ({ payload: n })))
    await kernel.channels.append("other", Array.from({ length: 10 }, (_, n) => ({ payload: n })))
    expect((await operator("GET", "/v1/channels/other/events?limit=1000000")).body.events).toHaveLength(pageEventsMax)
    expect((await operator("GET", "/v1/channels/other/events?limit=1000000&kind=event")).body.events).toHaveLength(pageEventsMax)
    for (const query of ["limit=-1", "after=-1", "limit=1.5", "limit=x", "after=99999999999999999999", "limit=1&limit=2", "nothing=1"]) {
      expect(await operator("GET", `/v1/channels/other/events?${query}`), query).toMatchObject({ status: 400, body: { code: "InvalidPayload" } })
    }
    const large = JSON.stringify({ events: [{ payload: "x".repeat(httpBodyBytesMax) }] })
    expect((await operator("POST", "/v1/channels/other/events", { body: large })).status).toBe(413)
    // Those that wait hold their place; one more has to come again.
    const reader = await guest("read")
    const head = (await operator("GET", "/v1/channels/other")).body.head as number
    const answers: Array<number> = []
    const waiting = Array.from({ length: httpGuestRequestsMax + 8 }, () =>
      reader("GET", `/v1/channels/other/events?after=${head}&wait=20000`).then((told) => {
        answers.push(told.status)
        return told
      }))
    const refused = await Promise.race(waiting)
    expect(refused).toMatchObject({ status: 429, body: { code: "Overloaded" } })
    expect(Number(refused.headers["retry-after"])).toBeGreaterThan(0)
    await until("all others wait", () => answers.length === 8)
    // Somebody else is not held up by that.
    expect((await (await guest("read", "neighbour"))("GET", "/v1/channels/other")).status).toBe(200)
    await kernel.channels.append("other", { payload: "news" })
    await Promise.all(waiting)
    expect(answers.filter((status) => status === 429)).toHaveLength(8)
    expect(answers.filter((status) => status === 200)).toHaveLength(httpGuestRequestsMax)
  })

  it("[W19] means the channel whose name stands in its path, and no other", async () => {
    for (const name of ["{x}", "*"]) {
      await operator("POST", `/v1/channels/${encodeURIComponent(name)}/events`, { body: { events: [{ payload: name }] } })
      expect((await operator("GET", `/v1/channels/${encodeURIComponent(name)}/events`)).body.events).toMatchObject([{ channel: name, payload: name }])
    }
    expect((await operator("GET", "/v1/channels/log/events")).body.events).toEqual([])
    expect((await operator("GET", "/v1/channels/%7Bx%7D/events")).body.events).toHaveLength(1)
    // Two channels of one name cannot be.
    expect(await operator("POST", "/v1/channels", { body: { name: "log" } })).toMatchObject({ status: 409, body: { code: "ChannelExists" } })
  })

  it("[W20] that is a mistake is told as one, always in the same shape", async () => {
    const cases: ReadonlyArray<readonly [status: number, code: string, ...Parameters<Ask>]> = [
      [400, "InvalidPayload", "POST", "/v1/channels/log/events", { body: "{" }],
      [400, "InvalidPayload", "POST", "/v1/channels/log/events", { body: "[]" }],
      [400, "InvalidPayload", "POST", "/v1/channels/log/events", { body: { events: [{ kind: "a b" }] } }],
      [400, "InvalidPayload", "POST", "/v1/channels/log/events", { body: { events: [{ sender: "me" }] } }],
      [400, "InvalidPayload", "POST", "/v1/channels/log/events", { body: new Uint8Array([34, 255, 34]) }],
      [404, "ChannelNotFound", "GET", "/v1/channels/lgo/events"],
      [404, "NotFound", "GET", "/v1/nothing"],
      [404, "NotFound", "POST", "/v1/channels/log:explode"],
      [405, "MethodNotAllowed", "DELETE", "/v1/channels/log"],
      [409, "WrongDelivery", "POST", "/v1/channels/other.dead:take", { body: {} }],
      [409, "LeaseLost", "POST", "/v1/channels/jobs:settle", { body: { settlements: [{ cursor: 1, epoch: 1, outcome: "ack" }] } }],
      [409, "HeadConflict", "POST", "/v1/channels/log/events", { body: { events: [{}], expectedHead: 7 } }],
      [400, "InvalidPayload", "POST", "/v1/channels", { body: { name: "a/b" } }]
    ]
    await kernel.channels.create("other.dead", { form: "latest-state", visibility: "public" })
    for (const [status, code, ...asked] of cases) {
      const told = await operator(...asked)
      expect({ status: told.status, code: told.body?.code }, `${asked[0]} ${asked[1]}`).toEqual({ status, code })
      expect(told.headers["content-type"]).toBe("application/problem+json")
      expect(told.body).toMatchObject({ status, title: expect.any(String), detail: expect.any(String), type: expect.stringMatching(/^https:\/\/aaax\.dev\/problems\//u) })
    }
  })

  it("[X12] appends many at once, is pushed what comes, and gets lists in pages", async () => {
    const drafts = Array.from({ length: 250 }, (_, n) => ({ kind: "n", payload: n }))
    const appended = await operator("POST", "/v1/channels/open/events", { body: { events: drafts } })
    expect(appended.body.map(({ cursor }: { cursor: number }) => cursor)).toEqual(drafts.map((_, n) => n + 1))
    // All or nothing.
    const bad = await operator("POST", "/v1/channels/open/events", { body: { events: [{}, { kind: "" }] } })
    expect(bad).toMatchObject({ status: 400, body: { fields: { path: "events[1].kind" } } })
    expect((await operator("GET", "/v1/channels/open")).body.head).toBe(250)
    // Pushed, and resumed behind the last event that was seen.
    const seen = await first(200, frames(port, operatorToken, "/v1/channels/open/events"))
    expect(seen.map(({ data }) => data.payload)).toEqual(drafts.slice(0, 200).map(({ payload }) => payload))
    const resumed = frames(port, operatorToken, "/v1/channels/open/events", { "last-event-id": seen.at(-1)?.id ?? "" })
    const rest = first(51, resumed)
    await operator("POST", "/v1/channels/open/events", { body: { events: [{ payload: "live" }] } })
    expect((await rest).map(({ data }) => data.payload)).toEqual([...drafts.slice(200).map(({ payload }) => payload), "live"])
    // Pages of a list.
    const names: Array<string> = []
    for (let after = ""; ;) {
      const page = (await operator("GET", `/v1/channels?limit=3&after=${encodeURIComponent(after)}`)).body as ReadonlyArray<{ readonly name: string }>
      if (page.length === 0) break
      expect(page.length).toBeLessThanOrEqual(3)
      names.push(...page.map(({ name }) => name))
      after = names.at(-1) ?? ""
    }
    expect(names).toEqual([...new Set(names)].sort())
    expect(names).toContain("open")
  })

  it("[X14] needs a credential on every route, and may do what that says", async () => {
    const nobody = askAt(port, undefined)
    const wrong = askAt(port, "x".repeat(43))
    for (const path of ["/v1/channels", "/v1/channels/log/events", "/v1/status", "/v1/nothing", "/metrics", "/nothing", "/sssn/channels", "/channels/log"]) {
      expect((await nobody("GET", path)).status, path).toBe(401)
      expect((await wrong("GET", path)).status, path).toBe(401)
    }
    const [reader, writer, admin] = [await guest("read"), await guest("write"), await guest("admin")]
    const event = { body: { events: [{ payload: "hi" }] } }
    expect((await reader("GET", "/v1/channels/log/events")).status).toBe(200)
    expect((await reader("POST", "/v1/channels/log/events", event)).status).toBe(403)
    expect((await writer("POST", "/v1/channels/log/events", event)).status).toBe(200)
    expect((await writer("GET", "/v1/channels/log/events")).body.events.at(-1).sender).toBe("guest-write")
    expect((await writer("POST", "/v1/channels", { body: { name: "made" } })).status).toBe(403)
    expect(await admin("POST", "/v1/channels", { body: { name: "made" } })).toMatchObject({ status: 201, body: { name: "made", visibility: "public" } })
    expect((await writer("POST", "/v1/channels/made:clear", { body: {} })).status).toBe(403)
    expect((await admin("POST", "/v1/channels/made:clear", { body: {} })).status).toBe(200)
    // What is private is not there, and the kernel is its operator's.
    for (const ask of [reader, writer, admin]) {
      expect((await ask("GET", "/v1/channels/secret/events")).status).toBe(404)
      expect((await ask("GET", "/v1/channels")).body.map(({ name }: { name: string }) => name)).not.toContain("secret")
      for (const path of ["/v1/status", "/v1/systems", "/v1/audit", "/v1/tokens", "/v1/capabilities", "/v1/gate/requests", "/v1/modules", "/v1/events?pattern=*"]) {
        expect((await ask("GET", path)).status, path).toBe(403)
      }
      expect((await ask("POST", "/v1/down")).status).toBe(403)
    }
  })

  it("[X16] never tells of the inside, whatever is sent", async () => {
    for (const [method, path, body] of [
      ["GET", "/v1/events/99999999999999999999"], ["GET", "/v1/snapshots/%2e%2e"], ["GET", "/v1/snapshots/a%20b"], ["PUT", "/v1/snapshots/a%2Fb", { value: 1 }],
      ["PUT", "/v1/snapshots/a", { value: 1, sourceEventId: "nothing" }], ["GET", "/v1/artifacts/%00"], ["GET", "/v1/subscriptions/%ff"], ["POST", "/v1/subscriptions", { channel: "\u0000" }],
      ["POST", "/v1/channels/log/events", { events: [{ payload: { ["__proto__"]: 1 } }] }], ["POST", "/v1/channels/log/events", '{"events":[{"timestamp":1e400}]}'],
      ["POST", "/v1/channels/log/events", `{"events":[{"payload":${"[".repeat(5_000)}${"]".repeat(5_000)}}]}`], ["DELETE", "/v1/capabilities/x"], ["GET", "/v1/audit?after=9007199254740993"]
    ] as const) {
      const told = await operator(method, path, body === undefined ? {} : { body })
      expect(told.status, `${method} ${path}`).toBeGreaterThanOrEqual(400)
      expect(told.status, `${method} ${path}`).toBeLessThan(500)
      expect(told.text).not.toMatch(/\.ts:|at .*\(|node_modules|SQLITE|Error:/u)
    }
  })
})
