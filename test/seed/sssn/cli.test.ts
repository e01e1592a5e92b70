// The verbs of the ancestor's command line, on a directory: arguments, output and exit codes as they were.
import { existsSync, mkdtempSync, readdirSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { LocalStore } from "../../../kernel/store/local.ts"
import { aaax, objectsOf, type Told } from "../../kit/command.ts"

interface Answer {
  readonly [key: string]: unknown
  readonly id: string
  readonly cursor: number
}

let folder = ""
let store = ""
const here = process.cwd()
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "aaax-verbs-")))
  store = join(folder, "store")
  process.chdir(folder)
})
afterEach(() => {
  process.chdir(here)
  rmSync(folder, { recursive: true, force: true })
})

const ran = (...args: ReadonlyArray<string>): Promise<Told> => aaax("--store", store, ...args)
/** All that a command answers; it must have been right. */
const told = async (...args: ReadonlyArray<string>): Promise<ReadonlyArray<Answer>> => {
  const result = await ran(...args)
  expect(result, args.join(" ")).toMatchObject({ code: 0, stderr: "" })
  return objectsOf<Answer>(result)
}
const one = async (...args: ReadonlyArray<string>): Promise<Answer> => {
  const all = await told(...args)
  expect(all).toHaveLength(1)
  return all[0]!
}

describe("the ancestor's command line", () => {
  it("[176] walks through channels, events, artifacts, snapshots and subscriptions", async () => {
    expect(await one("create-channel", "events", "--schema", "demo.schemas:Event", "--description", "Event log", "--metadata", '{"owner":"cli"}')).toEqual({
      name: "events", schema: "demo.schemas:Event", form: "log", description: "Event log", metadata: { owner: "cli" }
    })
    await one("create-channel", "queue", "--form", "queue")
    expect((await told("channels")).map(({ name }) => name)).toEqual(["events", "queue"])
    expect(await one("get-channel", "events")).toMatchObject({ schema: "demo.schemas:Event", metadata: { owner: "cli" } })

    const first = await one("append", "events", '{"n": 1}')
    expect(first).toMatchObject({ cursor: 1, channel: "events", kind: "event", payload: { n: 1 }, source: null })
    const second = await one(
      "append", "events", '{"n": 2}', "--kind", "analysis", "--source", "cli-test", "--schema", "demo.schemas:Analysis", "--timestamp", "-1.5",
      "--metadata", '{"role":"analysis"}', "--correlation-id", "corr-1", "--parent-id", first.id, "--parent-id", first.id
    )
    expect(second).toMatchObject({
      kind: "analysis", source: "cli-test", schema: "demo.schemas:Analysis", timestamp: -1.5, metadata: { role: "analysis" },
      correlation_id: "corr-1", parent_ids: [first.id, first.id]
    })
    expect(await told("query-events", "events")).toEqual([first, second])
    expect(await told("query-events", "events", "--after-cursor", String(first.cursor), "--kind", "analysis", "--limit", "1")).toEqual([second])
    expect(await one("get-event", first.id)).toEqual(first)

    const text = await one("write-artifact", "hello", "--channel", "events", "--media-type", "text/plain", "--metadata", '{"name":"greeting"}', "--event-id", first.id)
    expect(text).toMatchObject({ channel: "events", media_type: "text/plain", size: 5, metadata: { name: "greeting" }, event_ids: [first.id] })
    expect(await one("get-artifact", text.id)).toEqual(text)
    expect((await ran("read-artifact", text.id)).stdout).toBe("hello\n")
    expect((await ran("read-artifact", text.id, "--encoding", "base64")).stdout).toBe("aGVsbG8=\n")
    const binary = await one("write-artifact", "/w==", "--encoding", "base64")
    expect(binary).toMatchObject({ size: 1, media_type: "application/octet-stream", channel: null })
    expect((await ran("read-artifact", binary.id, "--encoding", "base64")).stdout).toBe("/w==\n")

    const snapshot = await one(
      "put-snapshot", "latest", '{"status":"ok"}', "--channel", "events", "--schema", "demo.schemas:State", "--source-event-id", first.id,
      "--metadata", '{"role":"latest"}'
    )
    expect(snapshot).toMatchObject({ value: { status: "ok" }, schema: "demo.schemas:State", source_event_id: first.id, metadata: { role: "latest" } })
    expect(await one("get-snapshot", "latest")).toEqual(snapshot)

    expect(await one("create-subscription", "events", "--id", "worker", "--consumer", "w", "--batch-size", "10", "--kind", "analysis")).toEqual({
      id: "worker", channel: "events", cursor: 0, consumer: "w", batch_size: 10, filters: { kind: "analysis" }, metadata: {}
    })
    expect(await told("pull-subscription", "worker")).toEqual([second])
    expect((await one("get-subscription", "worker")).cursor).toBe(second.cursor)
    expect((await one("create-subscription", "events", "--id", "worker")).cursor).toBe(second.cursor)
    const third = await one("append", "events", "-5", "--kind", "analysis")
    expect(third["payload"]).toBe(-5)
    expect(await told("pull-subscription", "worker", "--limit", "1")).toEqual([third])
    expect(await told("pull-subscription", "worker")).toEqual([])
  })

  it.each([
    [["append", "events", "{bad"], "must be valid JSON"],
    [["put-snapshot", "latest", "{bad"], "must be valid JSON"],
    [["append", "events", "1", "--metadata", "{bad"], "must be valid JSON"],
    [["create-channel", "x", "--metadata", "[]"], "--metadata must be an object"],
    [["create-channel", "bad/name"], "name must be a non-empty path segment."],
    [["create-channel", "events"], "Channel already exists: events"],
    [["create-channel", "x", "--form", "not-a-form"], "form must be one of"],
    [["get-channel", "missing"], "Channel not found: missing"],
    [["append", "missing", "1"], "Channel not found: missing"],
    [["append", "bad/name", "1"], "path segment"],
    [["append", "events", "1", "--parent-id", "missing"], "Event not found: missing"],
    [["append", "events", "1", "--timestamp", "soon"], "--timestamp"],
    [["append", "events", "1", "--key", "k"], "--key and --subject are a kernel's"],
    [["query-events", "missing"], "Channel not found: missing"],
    [["query-events", "events", "--limit", "0"], "limit must be greater than 0."],
    [["query-events", "events", "--limit", "many"], "--limit"],
    [["query-events", "events", "--after-cursor", "-1"], "after_cursor must be greater than or equal to 0."],
    [["get-event", "missing"], "Event not found: missing"],
    [["get-event"], "id"],
    [["create-subscription", "missing"], "Channel not found: missing"],
    [["create-subscription", "events", "--batch-size", "0"], "batch_size must be greater than 0."],
    [["create-subscription", "events", "--kind", "a b"], "kind"],
    [["get-subscription", "missing"], "Subscription not found: missing"],
    [["pull-subscription", "missing"], "Subscription not found: missing"],
    [["pull-subscription", "bad/name"], "path segment"],
    [["write-artifact", "hello", "--channel", "missing"], "Channel not found: missing"],
    [["write-artifact", "hello", "--event-id", "missing"], "Event not found: missing"],
    [["write-artifact", "no base64!", "--encoding", "base64"], "Invalid base64 artifact data."],
    [["write-artifact", "hello", "--encoding", "hex"], "--encoding"],
    [["get-artifact", "missing"], "Artifact not found: missing"],
    [["read-artifact", "missing"], "Artifact not found: missing"],
    [["put-snapshot", "latest", "1", "--channel", "missing"], "Channel not found: missing"],
    [["put-snapshot", "latest", "1", "--source-event-id", "missing"], "Event not found: missing"],
    [["get-snapshot", "missing"], "Snapshot not found: missing"],
    [["get-snapshot", "bad/name"], "path segment"],
    [["channels", "--wrong"], "--wrong"]
  ])("[177] tells a mistake with usage and a sentence, ends with 2, and writes no data: %j", async (args, sentence) => {
    new LocalStore(store).createChannel({ name: "events" })
    const { code, stderr, stdout } = await ran(...args)
    expect([code, stdout]).toEqual([2, ""])
    const [usage = "", error = "", ...more] = stderr.trimEnd().split("\n")
    expect(usage).toMatch(new RegExp(`^usage: aaax ${args[0]} \\[--store DIR\\]`, "u"))
    expect(error).toMatch(/^aaax: error: /u)
    expect(error).toContain(sentence)
    expect(more).toEqual([])
  })

  it("[177] refuses a store that cannot be, and says why", async () => {
    expect(await aaax("--store", "   ", "channels")).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("error: store root must be a non-empty path string") })
    writeFileSync(join(folder, "file"), "text")
    for (const path of ["file", "file/below", "missing"]) {
      expect(await aaax("--store", path, "channels")).toMatchObject({ code: 2, stdout: "", stderr: expect.stringContaining("aaax: error: Store cannot be opened: ") })
    }
    expect(await aaax("--store")).toMatchObject({ code: 2, stdout: "" })
  })

  it("[179] says how to read an artifact that is no text", async () => {
    const [artifact] = await told("write-artifact", "/w==", "--encoding", "base64")
    expect(await ran("read-artifact", artifact!.id)).toMatchObject({
      code: 2, stdout: "", stderr: expect.stringContaining("aaax: error: artifact payload is not valid UTF-8; use --encoding base64")
    })
  })

  it("makes a directory when it is to hold something, and never when it is read", async () => {
    for (const args of [["channels"], ["get-event", "x"], ["query-events", "x"], ["append", "x", "1"], ["pull-subscription", "x"], ["create-subscription", "x"]]) {
      expect((await ran(...args)).code, args.join(" ")).toBe(2)
    }
    expect(existsSync(store)).toBe(false)
    await one("put-snapshot", "latest", "1")
    expect(readdirSync(store).sort()).toEqual(["artifacts", "sssn.sqlite"])
  })

  it("takes --store before and behind the verb, and means .sssn where nothing runs", async () => {
    await aaax("create-channel", "events", `--store=${store}`)
    expect(objectsOf(await aaax("channels", "--store", store))).toHaveLength(1)
    expect(objectsOf(await aaax(`--store=${store}`, "get-channel", "events"))).toHaveLength(1)
    expect((await aaax("get-channel", "events")).stderr).toContain("no kernel runs here, and there is no store in .sssn")
    expect((await aaax("create-channel", "here")).code).toBe(0)
    expect(readdirSync(join(folder, ".sssn")).sort()).toEqual(["artifacts", "sssn.sqlite"])
    expect(objectsOf(await aaax("get-channel", "here"))).toHaveLength(1)
  })
})
