// Endpoints of the host beside the portable API, and the description of both.
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import { endpoint, type EndpointOptions } from "../../../kernel/door/endpoint.ts"
import { portableRows, sssn } from "../../../kernel/door/sssn.ts"
import { main as openWork } from "../../../examples/endpoint.ts"
import { ConfigInvalid } from "../../../protocol/errors.ts"
import { ArtifactNotFoundError, InvalidPayloadError } from "../../../protocol/portable-error.ts"
import { withPortable, type Wire } from "../../kit/portable.ts"

const nothing = (): null => null
// Callers without types give anything.
const loose = (options: unknown): EndpointOptions => options as EndpointOptions

describe("an endpoint", () => {
  it("[165] has an absolute path, a name, a scope, a description and tags", () => {
    function jobSummary(): null {
      return null
    }
    const one = endpoint.get("jobs/{id}/summary", { description: "  What became of it.  ", tags: ["jobs"] })(jobSummary)
    expect(one).toEqual({
      method: "GET", path: "/jobs/{id}/summary", name: "jobSummary", scope: "store", description: "What became of it.", tags: ["jobs"], role: undefined, handler: jobSummary
    })
    expect(endpoint.route("pAtCh", "/x", { name: "x", scope: "artifact" })(nothing)).toMatchObject({ method: "PATCH", scope: "artifact" })
    expect(Object.isFrozen(one)).toBe(true)
  })

  it("[165] is refused when anything of that is malformed", () => {
    const paths: ReadonlyArray<unknown> = ["", " ", "/a b", "/a%2Fb", "//a", "http://a/b", "/a?b", "/a#b", "/a//b", "/a/../b", "/./a", "/{a", "/a}", "/x{a}", "/{a b}", "/{a}/{a}", "/{}", "a\\b", 7, null, undefined]
    for (const path of paths) expect(() => endpoint.get(path as string, { name: "x" })(nothing), String(path)).toThrow(InvalidPayloadError)
    for (const options of [
      { name: "" }, { name: "a b" }, { name: "a%b" }, { name: 7 }, { scope: "kernel" }, { scope: null }, { description: 7 }, { description: null }, { tags: "x" }, { tags: [7] },
      { tags: [""] }, { tags: {} }, { role: "owner" }, null, 7
    ]) expect(() => endpoint.post("/x", loose(options === null || typeof options !== "object" ? options : { name: "x", ...options }))(nothing), JSON.stringify(options)).toThrow(InvalidPayloadError)
    for (const method of ["", " GET", "HEAD", "TRACE", 7, null]) expect(() => endpoint.route(method as string, "/x", { name: "x" })(nothing)).toThrow(InvalidPayloadError)
    expect(() => endpoint.get("/x")(() => null)).toThrow(/name/u)
    expect(() => endpoint.get("/x", { name: "x" })("handler" as unknown as () => null)).toThrow(/handler/u)
  })

  it("[166] has a name and a route of its own, apart from those of the API", () => withPortable({}, async ({ network: { kernel } }) => {
    const refused = (...endpoints: ReadonlyArray<ReturnType<ReturnType<typeof endpoint.get>>>): string => {
      try {
        sssn({ kernel, endpoints })
      } catch (thrown) {
        return thrown instanceof ConfigInvalid ? thrown.message : String(thrown)
      }
      return "mounted"
    }
    const a = endpoint.get("/jobs/{id}", { name: "a" })(nothing)
    expect(refused(a, endpoint.get("/other", { name: "a" })(nothing))).toContain("name a is there twice")
    expect(refused(a, endpoint.get("/jobs/{job}", { name: "b" })(nothing))).toContain("GET /jobs/{job} is there twice")
    expect(refused(a, endpoint.post("/jobs/{job}", { name: "b" })(nothing))).toBe("mounted")
    for (const { method, path } of portableRows(kernel)) {
      expect(refused(endpoint.route(method, path.replace(/\{\w+\}/u, "{anything}"), { name: "shadow" })(nothing))).toContain("is a route of the API itself")
    }
  }))

  it("[167] is called with the store, the names in its path and the body, and acts as whoever asks", async () => {
    const endpoints = [
      endpoint.get("/jobs/{job}/events/{number}", { name: "job_event" })(async ({ params, query, store, system }) => {
        const events = await store.queryEvents(params["job"] ?? "", { limit: Number(params["number"]) })
        return { system, params, many: query.getAll("many"), kinds: events.map(({ kind }) => kind) }
      }),
      endpoint.put("/jobs/{job}", { name: "put_job" })(({ body, params, store }) => store.appendEvent({ channel: params["job"] ?? "", kind: "put", payload: body })),
      endpoint.patch("/jobs/{job}", { name: "patch_job" })(({ body }) => Effect.succeed({ patched: body })),
      endpoint.delete("/jobs/{job}", { name: "delete_job" })(({ body }) => ({ body })),
      endpoint.get("/channels/summary", { name: "summary" })(() => undefined),
      endpoint.get("/secret", { name: "secret", role: "admin" })(() => "told"),
      endpoint.get("/fails/{how}", { name: "fails" })(({ params }) => {
        if (params["how"] === "known") throw ArtifactNotFoundError.of("x")
        throw new TypeError("the inside")
      }),
      endpoint.get("/bytes/{id}", { name: "bytes" })(async ({ params, store }) => (await store.readArtifact(params["id"] ?? "")).length),
      endpoint.get("/whole", { name: "whole" })(async ({ store }) => {
        const channel = await store.createChannel({ name: "whole" })
        const { id } = await store.appendEvent({ channel: "whole", payload: 1 })
        await store.createSubscription("whole", { id: "whole", batchSize: 5 })
        const pulled = await store.pullSubscription("whole")
        const artifact = await store.writeArtifact("bytes", { channel: "whole", event_ids: [id] })
        await store.putSnapshot({ name: "whole", value: 7, channel: "whole" })
        return [
          channel, await store.getChannel("whole"), (await store.listChannels()).length, (await store.getEvent(id)).id === id, pulled.length, (await store.ackSubscription("whole", 1)).cursor,
          (await store.getSubscription("whole")).cursor, Buffer.from(await store.readArtifact(artifact.id)).toString(), (await store.getArtifact(artifact.id)).event_ids[0] === id,
          (await store.getSnapshot("whole")).value
        ]
      })
    ]
    await withPortable({ endpoints }, async (world) => {
      await world.createChannel({ name: "j" })
      const reader = await world.as({ name: "reader", role: "read" })
      expect((await world.call("PUT", "/jobs/j", { body: { a: [1] } })).body).toMatchObject({ kind: "put", payload: { a: [1] }, cursor: 1 })
      expect((await reader.call("GET", "/jobs/j/events/5?many=1&many=2")).body).toEqual({ system: "reader", params: { job: "j", number: "5" }, many: ["1", "2"], kinds: ["put"] })
      expect((await world.call("PATCH", "/jobs/j", { body: null })).body).toEqual({ patched: null })
      expect((await world.call("DELETE", "/jobs/j")).body).toEqual({ body: null })
      expect(await world.call("GET", "/channels/summary")).toMatchObject({ status: 200, body: null })
      expect((await world.call("GET", "/channels/j")).body.name).toBe("j")
      expect([(await world.call("GET", "/secret")).body, ...await reader.refused(reader.call("GET", "/secret"))].slice(0, 3)).toEqual(["told", 403, "PermissionDeniedError"])
      expect(await reader.refused(reader.call("PUT", "/jobs/j", { body: 1 }))).toEqual([403, "PermissionDeniedError", expect.any(String)])
      expect(await world.refused(world.call("PUT", "/jobs/nowhere", { body: 1 }))).toEqual([404, "ChannelNotFoundError", "Channel not found: nowhere"])
      expect(await world.refused(world.call("PUT", "/jobs/j", { raw: "{" }))).toEqual([400, "InvalidPayloadError", expect.any(String)])
      expect(await world.refused(world.call("GET", "/fails/known"))).toEqual([404, "ArtifactNotFoundError", "Artifact not found: x"])
      expect(await world.call("GET", "/fails/other")).toMatchObject({ status: 500, body: { detail: { error: { type: "InternalError", message: expect.not.stringContaining("inside") } } } })
      expect((await world.call("POST", "/jobs/j")).status).toBe(405)
      const { channels } = world.network.kernel
      const huge = { id: "huge", channel: "j", path: "", mediaType: "text/plain", sizeBytes: 64 * 1_048_576 + 1, sha256: "0".repeat(64), metadata: {}, eventIds: [], creator: "x", createdAt: 0 }
      await world.network.run(channels.append("aaax", "aaax.internal.artifacts", [{ kind: "artifact", subject: "huge", recipient: "x", payload: huge }]))
      expect(await world.refused(world.call("GET", "/bytes/huge"))).toEqual([413, "TooLargeError", expect.any(String)])
      const channel = { name: "whole", schema: null, form: "log", description: "", metadata: {} }
      expect((await world.call("GET", "/whole")).body).toEqual([channel, channel, 2, true, 1, 1, 1, "bytes", true, 7])
    })
  })

  it("[167] is described beside the API itself, each route by a summary in Title Case", async () => {
    const endpoints = [endpoint.get("/jobs/{job}", { name: "job_by-name", description: "One job.", tags: ["jobs"] })(nothing)]
    await withPortable({ endpoints }, async (world) => {
      const told = await world.call("GET", "/openapi.json", { headers: { authorization: "" } })
      const { openapi, paths } = told.body
      expect([told.status, openapi]).toEqual([200, "3.1.0"])
      expect(paths["/sssn/jobs/{job}"].get).toMatchObject({ summary: "Job By Name", description: "One job.", tags: ["jobs"], parameters: [{ name: "job", in: "path", required: true }] })
      const summaries = Object.values(paths).flatMap((path: Wire) => Object.values(path).map((operation: Wire) => operation.summary))
      expect(summaries).toEqual(expect.arrayContaining(["Health", "Create Channel", "List Channels", "Get Channel", "Append Event", "Query Events", "Get Event", "Create Subscription", "Pull Subscription", "Get Subscription", "Write Artifact", "Read Artifact", "Get Artifact", "Put Snapshot", "Get Snapshot"]))
      const ids = Object.values(paths).flatMap((path: Wire) => Object.values(path).map((operation: Wire) => operation.operationId))
      expect(new Set(ids).size).toBe(ids.length)
      expect(JSON.stringify(told.body)).not.toContain("$ref")
      const docs = await world.call("GET", "/docs", { headers: { authorization: "" } })
      expect([docs.status, docs.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"])
      expect(docs.bytes.toString()).toContain("Append Event")
      expect(docs.bytes.toString()).not.toMatch(/<script|(?:src|href)="(?!#|\/openapi\.json")/u)
      expect((await world.call("POST", "/openapi.json")).status).toBe(405)
      expect(paths["/sssn/channels"].post.requestBody.content["application/json"].schema.properties.form.enum).toHaveLength(13)
    })
  })

  it("[167] is mounted by one line of config, as the example shows", async () => {
    expect(await openWork()).toEqual({ queue: "jobs", open: ["dry"] })
  })
})
