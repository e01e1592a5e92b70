// Schemas of payloads: registered by name in a config, or carried by a channel. Where a schema is, every append is held
// against it; where a name is registered nowhere, it is a label for clients, as it always was.
import { Cause, Effect, Exit, Schema } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect } from "vitest"
import { make, type ChannelsService } from "../../../kernel/channel/channels.ts"
import { makeClock } from "../../../kernel/clock.ts"
import { makeSchemas } from "../../../kernel/guard/schemas.ts"
import { launchKernel } from "../../../kernel/launch.ts"
import { schemasCarriedMax } from "../../../kernel/limits.ts"
import { readConfigFile } from "../../../kernel/power/config-file.ts"
import * as Memory from "../../../kernel/store/memory.ts"
import * as Sqlite from "../../../kernel/store/sqlite.ts"
import type { StoreService } from "../../../kernel/store/store.ts"
import { makeKernel } from "../../../kernel/testing.ts"
import { channelOf, type ChannelSpec } from "../../../protocol/channel.ts"
import { emptyManifest } from "../../../protocol/manifest.ts"
import { effect } from "../../kit/it.ts"

const root = mkdtempSync(join(tmpdir(), "aaax-schema-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const job = { type: "object", required: ["file", "size"], properties: { file: { type: "string", minLength: 1 }, size: { type: "integer", minimum: 0 } }, additionalProperties: false }
const Point = Schema.toStandardSchemaV1(Schema.Struct({ x: Schema.Number }))

const open = (store: StoreService, schemas: Readonly<Record<string, unknown>>) =>
  Effect.flatMap(makeSchemas(schemas), (made) => make({ store, clock: makeClock(), boot: () => 1, schemas: made }))
const channel = (name: string, rest: Omit<ChannelSpec, "name"> = {}) => channelOf({ name, durability: "relaxed", ...rest }, "owner")
const append = (channels: ChannelsService, name: string, ...payloads: ReadonlyArray<unknown>) =>
  Effect.map(Effect.result(channels.append("writer", name, payloads.map((payload) => ({ payload: payload as never })))), (result) =>
    result._tag === "Success" ? "kept" : result.failure._tag === "InvalidPayload" ? `${result.failure.path}: ${result.failure.reason}` : result.failure._tag)

describe("[X18] a channel's schema", () => {
  effect("is enforced at append when it names one that is registered: a JSON Schema or a Standard Schema", () => Effect.gen(function*() {
    const channels = yield* open(yield* Memory.make({ clock: makeClock() }), { "files.jobs:Job": job, point: Point })
    yield* channels.open(channel("jobs", { schema: "files.jobs:Job", form: "queue" }))
    yield* channels.open(channel("points", { schema: "point", form: "latest-state" }))
    expect(yield* append(channels, "jobs", { file: "a", size: 1 })).toBe("kept")
    expect(yield* append(channels, "jobs", { file: "a", size: -1 })).toBe("payload.size: must be >= 0")
    expect(yield* append(channels, "jobs", { file: "a", size: 1, more: true })).toBe("payload: must NOT have additional properties: \"more\"")
    expect(yield* append(channels, "points", { x: "1" })).toMatch(/^payload\.x: /u)
    expect(yield* append(channels, "points", { x: 1 })).toBe("kept")
    // One bad draft refuses its whole batch, and says which it was.
    expect(yield* append(channels, "jobs", { file: "b", size: 2 }, { file: "", size: 2 })).toBe("[1].payload.file: must NOT have fewer than 1 characters")
    expect((yield* channels.read("owner", "jobs")).events.map(({ payload }) => payload)).toEqual([{ file: "a", size: 1 }])
  }))

  effect("is an opaque label when nobody registered it", () => Effect.gen(function*() {
    const channels = yield* open(yield* Memory.make({ clock: makeClock() }), { "files.jobs:Job": job })
    yield* channels.open(channel("labelled", { schema: "somebody.elses:Type" }))
    expect(yield* append(channels, "labelled", { anything: [1, 2] }, "at all", null)).toBe("kept")
    expect(channels.get("labelled")?.schema).toBe("somebody.elses:Type")
    for (const name of ["constructor", "toString", "__proto__"]) {
      yield* channels.open(channel(`named-${name}`, { schema: name }))
      expect(yield* append(channels, `named-${name}`, 1)).toBe("kept")
    }
  }))

  effect("may be carried by the channel itself, beside one that it names and one that its owner gives: all must agree", () => Effect.gen(function*() {
    const channels = yield* open(yield* Memory.make({ clock: makeClock() }), { object: { type: "object" } })
    yield* channels.open(
      channel("c", { schema: "object", metadata: { jsonSchema: { required: ["a"] } } }), Schema.toStandardSchemaV1(Schema.Struct({ a: Schema.Number })))
    expect(yield* append(channels, "c", 1)).toBe("payload: must be object")
    expect(yield* append(channels, "c", {})).toBe("payload: must have required property 'a'")
    expect(yield* append(channels, "c", { a: "x" })).toMatch(/^payload\.a: /u)
    expect(yield* append(channels, "c", { a: 1 })).toBe("kept")
    // Opened again without it, nothing is held against it any more.
    yield* channels.open(channel("c"))
    expect(yield* append(channels, "c", 1)).toBe("kept")
  }))

  effect("that cannot be used is refused when the channel is made, and nothing is made", () => Effect.gen(function*() {
    const channels = yield* open(yield* Memory.make({ clock: makeClock() }), {})
    for (const jsonSchema of [{ type: "strng" }, { pattern: "^(a+)+$" }, { $ref: "https://example.org/x" }, "text", 1]) {
      const refusal = yield* Effect.flip(channels.open(channel("c", { form: "queue", metadata: { jsonSchema } })))
      expect(refusal).toMatchObject({ _tag: "InvalidPayload", path: "c.metadata.jsonSchema" })
      expect(channels.all()).toEqual([])
    }
    for (let n = 0; n < schemasCarriedMax; n += 100) yield* channels.open(channel(`n${n}`, { metadata: { jsonSchema: { const: "the same" } } }))
    expect(channels.all()).toHaveLength(schemasCarriedMax / 100)
  }))

  effect("is enforced again from the first moment after a restart, before its owner is there", () => Effect.gen(function*() {
    const path = join(mkdtempSync(join(root, "s-")), "kernel.db")
    const session = <A>(schemas: Readonly<Record<string, unknown>>, body: (channels: ChannelsService) => Effect.Effect<A, unknown>) =>
      Effect.scoped(Effect.gen(function*() {
        return yield* body(yield* open(yield* Sqlite.make({ path, clock: makeClock() }), schemas))
      }))
    yield* session({ job }, (channels) => Effect.gen(function*() {
      yield* channels.open(channel("named", { schema: "job" }))
      yield* channels.open(channel("carrying", { metadata: { jsonSchema: { type: "integer" } } }))
    }))
    yield* session({ job }, (channels) => Effect.gen(function*() {
      expect(yield* append(channels, "named", { file: 1, size: 1 })).toBe("payload.file: must be string")
      expect(yield* append(channels, "carrying", 1.5)).toBe("payload: must be integer")
      expect(yield* append(channels, "carrying", 2)).toBe("kept")
    }))
    // Registered no more, it is a label again.
    yield* session({}, (channels) => Effect.map(append(channels, "named", 1), (outcome) => expect(outcome).toBe("kept")))
  }))

  effect("of a module that cannot be used refuses the module, and leaves nothing behind", () => Effect.gen(function*() {
    const kernel = yield* makeKernel({ launch: false })
    const refusal = yield* Effect.flip(kernel.dock({
      manifest: { ...emptyManifest("m"), provides: [{ name: "m.out", metadata: { jsonSchema: { type: "nothing" } } }] }, run: () => Effect.never
    }))
    expect(refusal._tag).toBe("DockRefused")
    expect(refusal.message).toContain("m.out.metadata.jsonSchema")
    expect(kernel.systems()).toEqual([])
    expect(kernel.channels.get("m.out")).toBeUndefined()
  }))

  effect("holds for whoever writes through a port, and for the kernel's own host", () => Effect.gen(function*() {
    const kernel = yield* makeKernel({ launch: false, schemas: { job }, channels: [{ name: "jobs", schema: "job" }] })
    const { port } = yield* kernel.dock({ manifest: { ...emptyManifest("w"), writes: ["jobs"] }, run: () => Effect.never }, { channels: ["jobs"] })
    expect(yield* Effect.flip(port.append("jobs", [{ payload: { file: "a" } }]))).toMatchObject({ _tag: "InvalidPayload", path: "payload" })
    expect(yield* append(kernel.channels, "jobs", {})).toBe("payload: must have required property 'file'")
    expect(yield* port.append("jobs", [{ payload: { file: "a", size: 0 } }])).toHaveLength(1)
  }))
})

describe("schemas of a config", () => {
  const load = (name: string, text: string) => {
    const directory = mkdtempSync(join(root, "c-"))
    writeFileSync(join(directory, "job.schema.json"), JSON.stringify(job, null, 2))
    writeFileSync(join(directory, "broken.json"), "{")
    writeFileSync(join(directory, name), text)
    return Effect.flatMap(readConfigFile(join(directory, name), () => Promise.reject(new Error("no scripts here"))), (config) =>
      launchKernel({ config, directory, modules: [], source: () => Effect.die("none"), version: "0", once: true }))
  }
  const issuesOf = (exit: Exit.Exit<unknown, unknown>): unknown =>
    Exit.isFailure(exit) ? (Cause.squash(exit.cause) as { readonly issues: unknown }).issues : undefined

  effect("are objects, or the paths of files beside it", () => Effect.gen(function*() {
    const inToml = yield* load("aaax.toml", `
      [aaax.schemas]
      "files.jobs:Job" = "job.schema.json"
      [aaax.schemas.snake_case_word]
      type = "object"
      [aaax.schemas.snake_case_word.properties.some_key]
      type = "integer"
      [[aaax.channels]]
      name = "jobs"
      schema = "files.jobs:Job"
      [[aaax.channels]]
      name = "words"
      schema = "snake_case_word"`)
    expect(yield* append(inToml.channels, "jobs", { file: "a", size: "b" })).toBe("payload.size: must be integer")
    expect(yield* append(inToml.channels, "words", { some_key: "x" })).toBe("payload.some_key: must be integer")
    const inJson = yield* load("aaax.config.json", JSON.stringify({ schemas: { job: "./job.schema.json" }, channels: [{ name: "jobs", schema: "job" }] }))
    expect(yield* append(inJson.channels, "jobs", 1)).toBe("payload: must be object")
  }))

  effect("that cannot be read or used stop the launch, with their name and the reason", () => Effect.gen(function*() {
    const files = yield* Effect.exit(load("aaax.config.json", JSON.stringify({ schemas: { a: "none.json", b: "broken.json" } })))
    expect(issuesOf(files)).toMatchObject([{ path: "schemas.a", reason: expect.stringContaining("cannot be read") }, { path: "schemas.b" }])
    const unusable = yield* Effect.exit(load("aaax.config.json", JSON.stringify({ schemas: { a: { pattern: "^(x|x)*$" } } })))
    expect(issuesOf(unusable)).toMatchObject([{ path: "schemas.a", reason: expect.stringContaining("repeats a group") }])
    const none = yield* Effect.exit(load("aaax.config.json", JSON.stringify({ schemas: { a: 7 } })))
    expect(issuesOf(none)).toMatchObject([{ path: "schemas.a" }])
    const carried = yield* Effect.exit(load("aaax.config.json", JSON.stringify({ channels: [{ name: "c", metadata: { jsonSchema: { type: 5 } } }] })))
    expect(issuesOf(carried)).toMatchObject([{ path: "channels: c.metadata.jsonSchema" }])
  }))
})
