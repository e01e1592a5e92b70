// The portable verbs on a kernel that runs here: the same words as on a directory, and the kernel's own verbs beside them.
import { mkdtempSync, readdirSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { aaax, objectsOf } from "../kit/command.ts"
import { runIn, type Running } from "../kit/running.ts"

interface Answer {
  readonly [key: string]: unknown
  readonly id: string
  readonly cursor: number
}

let folder = ""
let running: Running
const here = process.cwd()
beforeAll(async () => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "aaax-portable-")))
  process.chdir(folder)
  running = await runIn(folder)
})
afterAll(async () => {
  process.chdir(here)
  await running.stop()
  rmSync(folder, { recursive: true, force: true })
})

const told = async (...args: ReadonlyArray<string>): Promise<ReadonlyArray<Answer>> => {
  const result = await aaax(...args)
  expect(result, args.join(" ")).toMatchObject({ code: 0, stderr: "" })
  return objectsOf<Answer>(result)
}
const one = async (...args: ReadonlyArray<string>): Promise<Answer> => {
  const all = await told(...args)
  expect(all).toHaveLength(1)
  return all[0]!
}
/** Member by member, in order: what readers of lines rely on. */
const shapeOf = (answer: object): ReadonlyArray<string> => Object.keys(answer)

describe("the portable verbs without --store", () => {
  it("[176] walk through the kernel that runs here, in the words of a directory", async () => {
    const store = join(folder, "beside")
    const both = async (...args: ReadonlyArray<string>): Promise<Answer> => {
      const [mine, theirs] = [await one(...args), await one(...args, "--store", store)]
      expect(shapeOf(mine), args.join(" ")).toEqual(shapeOf(theirs))
      return mine
    }
    expect(await both("create-channel", "events", "--schema", "m:E", "--metadata", '{"owner":"cli"}')).toEqual({
      name: "events", schema: "m:E", form: "log", description: "", metadata: { owner: "cli" }
    })
    expect(running.kernel.channels.get("events")).toMatchObject({ visibility: "public" })
    expect(await both("get-channel", "events")).toMatchObject({ metadata: { owner: "cli" } })

    const { stdout } = await aaax("append", "events", '{"n":1}', "--kind", "raw", "--source", "sensor", "--schema", "m:E", "--timestamp", "12.5", "--metadata", '{"a":1}', "--correlation-id", "c-1", "--json")
    const first = JSON.parse(stdout) as { readonly id: string }
    expect(await one("get-event", first.id)).toMatchObject({
      id: first.id, cursor: 1, channel: "events", timestamp: 12.5, source: "sensor", kind: "raw", payload: { n: 1 }, schema: "m:E",
      metadata: { a: 1 }, correlation_id: "c-1", parent_ids: []
    })
    const child = JSON.parse((await aaax("append", "events", '{"n":2}', "--parent-id", first.id, "--json")).stdout) as { readonly id: string }
    expect(await one("get-event", child.id)).toMatchObject({ parent_ids: [first.id] })
    expect((await told("query-events", "events")).map(({ id }) => id)).toEqual([first.id, child.id])
    expect((await told("query-events", "events", "--kind", "raw", "--limit", "1")).map(({ id }) => id)).toEqual([first.id])

    expect(await both("create-subscription", "events", "--id", "worker", "--consumer", "w", "--batch-size", "1")).toMatchObject({ cursor: 0, batch_size: 1, filters: {} })
    expect((await told("pull-subscription", "worker")).map(({ id }) => id)).toEqual([first.id])
    expect((await told("pull-subscription", "worker", "--limit", "5")).map(({ id }) => id)).toEqual([child.id])
    expect(await told("pull-subscription", "worker")).toEqual([])
    expect((await both("get-subscription", "worker")).id).toBe("worker")
    expect((await one("get-subscription", "worker")).cursor).toBe(2)

    const artifact = await both("write-artifact", "hello", "--channel", "events", "--media-type", "text/plain", "--metadata", '{"n":1}')
    expect(artifact).toMatchObject({ size: 5, media_type: "text/plain", metadata: { n: 1 }, event_ids: [] })
    expect(await one("get-artifact", artifact.id)).toEqual(artifact)
    expect((await aaax("read-artifact", artifact.id)).stdout).toBe("hello\n")
    expect((await one("write-artifact", "/w==", "--encoding", "base64", "--event-id", first.id))["event_ids"]).toEqual([first.id])

    expect(await both("put-snapshot", "latest", '{"s":null}', "--channel", "events", "--schema", "m:S")).toMatchObject({ value: { s: null }, schema: "m:S", source_event_id: null })
    expect(await one("get-snapshot", "latest")).toMatchObject({ name: "latest", channel: "events", value: { s: null } })
  })

  it.each([
    [["create-channel", "bad/name"], "path segment"], [["create-channel", "events"], "already"], [["get-channel", "missing"], "missing"],
    [["query-events", "missing"], "missing"], [["query-events", "events", "--limit", "0"], "limit must be greater than 0."], [["get-event", "missing"], "missing"],
    [["create-subscription", "events", "--id", "worker", "--batch-size", "7"], "batch_size"], [["get-subscription", "missing"], "missing"],
    [["pull-subscription", "missing"], "missing"], [["write-artifact", "x", "--channel", "missing"], "missing"],
    [["write-artifact", "x", "--event-id", "missing"], "missing"], [["read-artifact", "missing"], "missing"], [["put-snapshot", "x", "{bad"], "must be valid JSON"],
    [["put-snapshot", "x", "1", "--source-event-id", "missing"], "missing"], [["get-snapshot", "missing"], "missing"]
  ])("[177] tell a mistake as they do on a directory: %j", async (args, sentence) => {
    const { code, stderr, stdout } = await aaax(...args)
    expect([code, stdout]).toEqual([2, ""])
    expect(stderr).toMatch(new RegExp(`^usage: aaax ${args[0]} .*\\naaax: error: `, "u"))
    expect(stderr.split("\n").filter((line) => line !== "")).toHaveLength(2)
    expect(stderr).toContain(sentence)
  })

  it("make no directory while a kernel runs", () => {
    expect(readdirSync(folder).filter((name) => name === ".sssn")).toEqual([])
  })
})

describe("the kernel's own verbs of the same name", () => {
  it("are what they were: a table, an event as operator, exit codes of our own", async () => {
    expect((await aaax("channels")).stdout).toMatch(/^CHANNEL +FORM +DELIVERY/u)
    expect((await aaax("append", "events", "a text, not JSON", "--key", "once")).stdout).toMatch(/^events#\d+ {2}/u)
    expect((await aaax("append", "missing", "1")).code).toBe(3)
    expect((await aaax("append", "events", "1", "--metadata", "[]")).code).toBe(2)
  })
})
