// Refs, what they resolve to, and what packages say of their resources: the ancestor's promises, and where ours are stricter.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { endpoint } from "../../../kernel/door/endpoint.ts"
import { SSSNClient } from "../../../libos/client/sssn.ts"
import {
  channelResource, packageManifest, snapshotResource, SSSNRef, SSSNResolver, type ClientOptions
} from "../../../kernel/ref/index.ts"

let folder = ""
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "aaax-ref-")))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const events = "psi://demo/combo/channels/events"
const latest = "psi://demo/combo/snapshots/latest"
const wrong = (value: unknown): never => value as never
const refusal = (work: () => unknown): string => {
  try {
    work()
  } catch (failure) {
    return String(failure)
  }
  return "nothing was refused"
}
const fromText = (text: string): SSSNResolver => SSSNResolver.fromText(text, { root: folder })

describe("a config of refs", () => {
  it("[180] gives channels and snapshots, and passes well-formed refs of other layers by", () => {
    const resolver = fromText(`
[refs."${events}"]
store = ".sssn"
[refs."${latest}"]
path = ".sssn"
retention = "latest"
[refs."psi://demo/combo/tactics/analyze"]
url = "http://elsewhere/tactics"
[refs."psi://demo/combo/services/api"]
anything = 1
[stores.default]
path = ".sssn"
`)
    expect(resolver.refs()).toEqual([events, latest])
    expect(resolver.resolve(events)).toEqual({
      ref: events, resourceKind: "channels", name: "events", url: null, store: ".sssn", path: null, metadata: {}
    })
    expect(resolver.resolve(latest)).toMatchObject({ resourceKind: "snapshots", path: ".sssn", store: null, metadata: { retention: "latest" } })
    expect(resolver.stores()).toEqual({ default: { path: ".sssn" } })
    expect(resolver.store("default")).toEqual({ path: ".sssn" })
    expect(resolver.localStore(events).root).toBe(join(folder, ".sssn"))
  })

  it.each(["psi://demo/../tactics/x", "psi://demo/combo/tactics/", "psi://demo/combo/tactics/a/b", "http://demo/combo/tactics/x", "psi://demo/combo/widgets/x", "x"])(
    "[180] has no malformed ref and none of an unknown kind: %s", (ref) => {
      expect(refusal(() => fromText(`[refs."${ref}"]\nurl = "http://x"`))).toContain("SSSNRefError: SSSN ref ")
    })

  it("[181] starts relative paths from the folder that holds .psi, or from its own", () => {
    const text = `[refs."${events}"]\nstore = "data/sssn"\n`
    const workspace = join(folder, "workspace")
    mkdirSync(join(workspace, ".psi"), { recursive: true })
    writeFileSync(join(workspace, ".psi/config.toml"), text)
    writeFileSync(join(workspace, "other.toml"), text)
    for (const path of [workspace, join(workspace, ".psi/config.toml"), join(workspace, "other.toml")]) {
      expect(SSSNResolver.fromConfig(path).storePath(events)).toBe(join(workspace, "data/sssn"))
    }
  })

  it("[X17] says what is wrong with it, and in which file", () => {
    expect(refusal(() => SSSNResolver.fromConfig(join(folder, "missing.toml")))).toContain(`SSSNRefError: ${join(folder, "missing.toml")} cannot be read`)
    expect(refusal(() => SSSNResolver.fromConfig(folder))).toContain("config.toml cannot be read")
    writeFileSync(join(folder, "bad.toml"), "refs = [")
    expect(refusal(() => SSSNResolver.fromConfig(join(folder, "bad.toml")))).toContain("bad.toml is not TOML")
    writeFileSync(join(folder, "big.toml"), "#".repeat(2 * 1_048_576))
    expect(refusal(() => SSSNResolver.fromConfig(join(folder, "big.toml")))).toContain("at most 1048576 are read")
  })
})

describe("a bound ref", () => {
  it("[182] gives a client with timeout and transport for a URL, and a path for a store; never the other", async () => {
    const asked: Array<string> = []
    const transport: typeof fetch = async (url) => {
      asked.push(url instanceof Request ? url.url : String(url))
      return new Response('{"name":"events","schema":null,"form":"log","description":"","metadata":{}}', { headers: { "content-type": "application/json" } })
    }
    const told: Array<ClientOptions> = []
    const resolver = new SSSNResolver(folder, { client: (url, options) => (told.push(options), new SSSNClient(url, options)) })
    resolver.bind(events, { url: "http://127.0.0.1:8100/sssn" })
    resolver.bind(latest, { store: ".sssn" })
    const client = resolver.client(events, { timeoutMillis: 3000, fetch: transport })
    expect((await client.getChannel(SSSNRef.parse(events).name)).form).toBe("log")
    expect(asked).toEqual(["http://127.0.0.1:8100/sssn/channels/events"])
    expect(told).toEqual([{ timeoutMillis: 3000, fetch: transport }])
    expect(refusal(() => resolver.storePath(events))).toBe(`SSSNRefError: SSSN ref is not bound to a local store: ${events}`)
    expect(refusal(() => resolver.localStore(events))).toContain("not bound to a local store")
    expect(refusal(() => resolver.client(latest))).toBe(`SSSNRefError: SSSN ref is not bound to an HTTP URL: ${latest}`)
    const without = new SSSNResolver(folder)
    without.bind(events, { url: "http://x" })
    expect(refusal(() => without.client(events))).toContain("this resolver makes no clients")
  })

  it("[183] is one of a channel or a snapshot, and well-formed, in bind and in resolve", () => {
    const malformed = [
      "not-a-ref", "psi:demo/combo/channels/x", "psi://demo/combo/widgets/x", "psi://demo/combo/tactics/x", `${events}?env=dev`, `${events}#x`, `${events};x=1`,
      "psi://demo/combo/channels//events", "psi://demo/combo/channels/", "psi://demo/combo/channels", "psi:///combo/channels/x", "psi://demo/../channels/x",
      "psi://demo/combo/channels/..", "psi://./combo/channels/x", "psi://demo:80/combo/channels/x", "psi://user@demo/combo/channels/x",
      "psi://demo/combo/channels/a b", "psi://demo/combo/channels/a%20b", "psi://demo/combo/channels/a\\b", "PSI://demo/combo/channels/x",
      `psi://demo/combo/channels/${"n".repeat(900)}`
    ]
    const resolver = new SSSNResolver(folder)
    for (const ref of malformed) {
      expect(refusal(() => resolver.bind(ref, { store: ".sssn" })), ref).toContain(/[?#]/u.test(ref) ? "SSSNRefError: SSSN ref must have no query or fragment" : "SSSNRefError: SSSN ref ")
      expect(refusal(() => resolver.resolve(ref)), ref).toContain("SSSNRefError: SSSN ref ")
      expect(refusal(() => SSSNRef.parse(ref)), ref).toContain("SSSNRefError: SSSN ref ")
    }
    for (const ref of [null, undefined, 7, new TextEncoder().encode(events), "", "   ", {}]) {
      expect(refusal(() => SSSNRef.parse(wrong(ref)))).toBe("SSSNRefError: SSSN ref must be a non-empty string.")
      expect(refusal(() => resolver.bind(wrong(ref), { store: ".sssn" }))).toContain("non-empty string")
    }
    expect(resolver.refs()).toEqual([])
    expect(refusal(() => resolver.resolve(events))).toBe(`SSSNRefError: SSSN ref is not bound: ${events}`)
    const { org, package: pack, resourceKind, name, value } = SSSNRef.parse(new SSSNRef(events))
    expect([org, pack, resourceKind, name, String(value)]).toEqual(["demo", "combo", "channels", "events", events])
  })

  it("[184] has exactly one target, which is text without white space, and a whole URL when it is one", () => {
    const resolver = new SSSNResolver(folder)
    const bind = (target: object): string => refusal(() => resolver.bind(events, target))
    expect(bind({})).toBe(`SSSNRefError: Ref binding must declare one concrete target, url, store or path: ${events}`)
    expect(bind({ url: "http://x", store: ".sssn" })).toBe(`SSSNRefError: Ref binding must declare only one concrete target, not url and store: ${events}`)
    for (const name of ["url", "store", "path"]) {
      for (const value of ["", "   ", " x", "a b", 7, false, ["x"], {}]) {
        expect(bind({ [name]: value })).toBe(`SSSNRefError: Ref binding target '${name}' must be a non-empty string without white space: ${events}`)
      }
    }
    for (const url of ["sssn", "/sssn", "ftp://x", "http:", "http://", "http:///x", "//x", "http://[bad"]) expect(bind({ url }), url).toContain("must be an absolute http or https URL")
    expect(refusal(() => fromText(`[refs."${events}"]\n`))).toContain("one concrete target")
    expect(refusal(() => fromText(`[refs."${events}"]\nurl = "http://x"\npath = "y"`))).toContain("only one concrete target")
    expect(refusal(() => fromText(`[refs."${events}"]\nstore = ["x"]`))).toContain("non-empty string")
    expect(resolver.refs()).toEqual([])
  })

  it("[185] is a copy, and so is everything that a resolver hands out", () => {
    const resolver = fromText(`
[refs."${events}"]
store = ".sssn"
[refs."${events}".metadata]
owner = "demo"
[stores.default]
path = ".sssn"
[stores.default.metadata]
owner = "demo"
`)
    const binding = resolver.resolve(events)
    ;(binding.metadata["metadata"] as Record<string, string>)["owner"] = "changed"
    ;(resolver.stores()["default"]!["metadata"] as Record<string, string>)["owner"] = "changed"
    ;(resolver.store("default")["metadata"] as Record<string, string>)["owner"] = "changed"
    expect(resolver.resolve(events).metadata).toEqual({ metadata: { owner: "demo" } })
    expect(resolver.stores()).toEqual({ default: { path: ".sssn", metadata: { owner: "demo" } } })
    const metadata = { tags: ["a"] }
    resolver.bind(latest, { store: ".sssn", metadata })
    metadata.tags.push("b")
    expect(resolver.resolve(latest).metadata).toEqual({ tags: ["a"] })
  })

  it.each([
    ["[stores]\ndefault = \".sssn\"", "[stores.default] must be a table."],
    ["[stores.\"bad/name\"]\npath = \"x\"", "must have a non-empty path segment for a name."],
    ["[stores.default]\npath = 7", "[stores.default] path must be a non-empty string"],
    ["[stores.default]\npath = \"\"", "[stores.default] path must be a non-empty string"],
    ["[stores.default]\nmetadata = 1", "[stores.default] metadata must be a table."],
    ["stores = 1", "[stores] must be a table."],
    ["refs = 1", "[refs] must be a table."],
    [`[refs]\n"${events}" = 1`, "Ref binding must be a table"],
    [`[refs."${events}"]\nstore = "x"\nmetadata = 1`, "Ref binding metadata must be a table"]
  ])("[185] comes from tables alone: %s", (text, why) => {
    expect(refusal(() => fromText(text))).toContain(why)
  })

  it("[185] is refused with metadata that is no table, and a store with a name that is none", () => {
    expect(refusal(() => new SSSNResolver(folder).bind(events, { store: "x", metadata: wrong([1]) }))).toContain("metadata must be a table")
    expect(refusal(() => new SSSNResolver(folder).bind(events, { store: "x", metadata: { f: () => 1 } }))).toContain("metadata must be plain data")
    expect(refusal(() => fromText("").store("a/b"))).toContain("SSSNRefError: store name must be")
    expect(refusal(() => fromText("").store("none"))).toBe("SSSNRefError: Store is not in the config: none")
  })

  it("[X17] leads nowhere outside of the root: not by dots, not by a link, and absolutely only when that is permitted", () => {
    const root = join(folder, "root")
    const outside = join(folder, "outside")
    mkdirSync(root)
    mkdirSync(outside)
    symlinkSync(outside, join(root, "link"))
    const at = (path: string, allowOutside = false): string => {
      const resolver = new SSSNResolver(root, { allowOutside })
      resolver.bind(events, { store: path })
      return refusal(() => resolver.storePath(events))
    }
    for (const path of ["../outside", "link/store", "a/../../outside", "../root-other", outside, "~/store"]) {
      expect(at(path), path).toContain(`SSSNRefError: SSSN ref is bound to a store outside of ${root}`)
    }
    for (const path of ["../outside", "link/store"]) expect(at(path, true), path).toContain("outside of")
    for (const path of ["a/../b", ".", join(root, "store")]) expect(at(path), path).toBe("nothing was refused")
    expect(at(outside, true)).toBe("nothing was refused")
    expect(existsSync(join(outside, "store"))).toBe(false)
  })
})

describe("a config that is given as text", () => {
  it("[186] creates nothing when it is no text, malformed, or at a root that is none", () => {
    const before = readdirSync(".")
    for (const text of [null, 7, ["x"], new TextEncoder().encode("")]) {
      expect(refusal(() => SSSNResolver.fromText(wrong(text), { root: folder, write: true }))).toContain("SSSNRefError: the config must be text.")
    }
    expect(refusal(() => SSSNResolver.fromText("[refs", { root: folder, write: true }))).toContain("is not TOML")
    for (const root of ["", "   ", 7, null, "a\0b"]) {
      expect(refusal(() => SSSNResolver.fromText("", { root: wrong(root), write: true }))).toContain("config root must be a non-empty path string.")
      expect(refusal(() => SSSNResolver.fromConfig(wrong(root)))).toContain("config path must be a non-empty path string.")
    }
    expect(readdirSync(folder)).toEqual([])
    expect(readdirSync(".")).toEqual(before)
  })

  it("[186] [X17] is written only when that is asked for, and then whole", () => {
    const text = `[refs."${events}"]\nstore = ".sssn"\n`
    fromText(text)
    expect(readdirSync(folder)).toEqual([])
    SSSNResolver.fromText(text, { root: folder, write: true })
    expect(readdirSync(join(folder, ".psi"))).toEqual(["config.toml"])
    expect(readFileSync(join(folder, ".psi/config.toml"), "utf8")).toBe(text)
    expect(SSSNResolver.fromConfig(folder).refs()).toEqual([events])
  })
})

describe("what a package says of its resources", () => {
  const marks = [
    endpoint.get("tail", { name: "tail", scope: "channel", description: "  the newest  ", tags: ["read"] })(() => []),
    endpoint.post("/a", { name: "post" })(() => null), endpoint.put("/a", { name: "put" })(() => null),
    endpoint.patch("/a", { name: "patch" })(() => null), endpoint.delete("/a/{id}", { name: "delete" })(() => null)
  ]

  it("[187] has an exact shape, with every method, and shares nothing with what it was made of", () => {
    const metadata = { retention: { days: 1 } }
    const resource = channelResource({ name: "events", schema: "demo:Event", description: "All.", metadata }, { endpoints: [...marks, () => "no endpoint", 7, {}] })
    expect(resource).toEqual({
      name: "events", schema: "demo:Event", form: "log", description: "All.", metadata: { retention: { days: 1 } },
      endpoints: [
        { name: "tail", method: "GET", path: "/tail", scope: "channel", description: "the newest", tags: ["read"] },
        { name: "post", method: "POST", path: "/a", scope: "store", description: "", tags: [] },
        { name: "put", method: "PUT", path: "/a", scope: "store", description: "", tags: [] },
        { name: "patch", method: "PATCH", path: "/a", scope: "store", description: "", tags: [] },
        { name: "delete", method: "DELETE", path: "/a/{id}", scope: "store", description: "", tags: [] }
      ]
    })
    metadata.retention.days = 2
    ;(resource.endpoints[0]!.tags as Array<string>).push("changed")
    ;(resource.metadata as Record<string, unknown>)["retention"] = "changed"
    const again = channelResource({ name: "events" }, { endpoints: marks })
    expect(again.endpoints[0]!.tags).toEqual(["read"])
    expect(resource.metadata).not.toEqual(metadata)
    expect(snapshotResource({ name: "latest", channel: "events", value: 7, schema: "demo:S", metadata: { a: 1 } }, { description: "Newest.", endpoints: marks.slice(0, 1) })).toEqual({
      name: "latest", schema: "demo:S", channel: "events", description: "Newest.", metadata: { a: 1 },
      endpoints: [{ name: "tail", method: "GET", path: "/tail", scope: "channel", description: "the newest", tags: ["read"] }]
    })
  })

  it("[187] has no two endpoints of one name or one place, whatever their parameters are called", () => {
    const at = (name: string, path: string): unknown => endpoint.get(path, { name })(() => null)
    const twice = (...endpoints: ReadonlyArray<unknown>): string => refusal(() => channelResource({ name: "x" }, { endpoints }))
    expect(twice(at("a", "/a"), at("a", "/b"))).toBe("InvalidPayloadError: endpoint name is used twice: a")
    expect(twice(at("a", "/x/{id}"), at("b", "/x/{name}"))).toBe("InvalidPayloadError: endpoint path is used twice: GET /x/{name}")
    expect(twice(at("a", "/x/{id}"), endpoint.put("/x/{id}", { name: "b" })(() => null))).toBe("nothing was refused")
    expect(refusal(() => snapshotResource({ name: "a/b" }))).toContain("InvalidPayloadError")
  })

  it("[187] is a manifest without what is empty", () => {
    expect(packageManifest({
      org: "demo", name: "semantic-events", version: "0.1.0", primary: "channels.raw",
      schemas: { raw_event: { entry: "demo.schemas:RawEvent" } },
      channels: [channelResource({ name: "raw", schema: "raw_event" }, { endpoints: marks.slice(1, 2) })],
      runs: { local: { channels: ["raw"] } }
    })).toEqual({
      package: { psi_version: "0.1", org: "demo", name: "semantic-events", version: "0.1.0", kind: "channel", primary: "channels.raw" },
      schemas: { raw_event: { entry: "demo.schemas:RawEvent" } },
      channels: { raw: { schema: "raw_event", form: "log", endpoints: [{ name: "post", method: "POST", path: "/a", scope: "store", description: "", tags: [] }] } },
      runs: { local: { channels: ["raw"] } }
    })
  })
})
