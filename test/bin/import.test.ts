// Moving a `.sssn` directory into a kernel and out of one: everything under its own id, as often as one likes.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Database from "better-sqlite3"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import * as Effect from "effect/Effect"
import { LocalStore } from "../../kernel/store/local.ts"
import { aaax, type Told } from "../kit/command.ts"
import { runIn, type Running } from "../kit/running.ts"

let folder = ""
let directory = ""
let running: Running | undefined
const here = process.cwd()
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "aaax-import-")))
  directory = join(folder, "old.sssn")
  process.chdir(folder)
  // A constellation without modules, kept on disk.
  writeFileSync(join(folder, "aaax.config.json"), JSON.stringify({ id: "main", store: ".aaax/kernel.db", modules: [] }))
})
afterEach(async () => {
  await running?.stop()
  running = undefined
  process.chdir(here)
  rmSync(folder, { recursive: true, force: true })
})

/** From now on a kernel runs in the folder; what comes before goes to the store of the config. */
const launch = async (): Promise<Running> => (running = await runIn(folder))

/** A directory with something of everything. */
const fillDirectory = (root = directory): void => {
  const store = new LocalStore(root)
  store.createChannel({ name: "raw", form: "log", schema: "m:Raw", metadata: { owner: "old" } })
  store.createChannel({ name: "jobs", form: "queue" })
  store.createChannel({ name: "state", form: "latest-state" })
  for (let n = 0; n < 30; n++) {
    const raw = store.appendEvent({ channel: "raw", id: `r-${n}`, kind: n % 2 === 0 ? "even" : "odd", source: n === 0 ? null : "sensor", timestamp: n + 0.5, payload: { n } })
    store.appendEvent({ channel: "jobs", id: `j-${n}`, parent_ids: [raw.id], correlation_id: "c-1", metadata: { n }, payload: [n] })
  }
  store.createSubscription("raw", { id: "worker", consumer: "w", batchSize: 4, filters: { kind: "even" }, metadata: { m: 1 } })
  store.pullSubscription("worker")
  store.createSubscription("jobs", { id: "fresh", filters: { kind: null } })
  store.writeArtifact(new TextEncoder().encode("report"), { channel: "raw", media_type: "text/plain", event_ids: ["r-1"], metadata: { t: 1 } }, { id: "a-1" })
  store.writeArtifact(new Uint8Array([0, 255, 1]), {}, { id: "a-2" })
  store.putSnapshot({ name: "latest", channel: "state", value: { s: null }, timestamp: 7, schema: "m:S", source_event_id: "r-2", metadata: { k: 1 } })
  store.close()
}

interface Report {
  readonly into: string
  readonly events: { readonly made: number; readonly there: number }
  readonly newer: ReadonlyArray<string>
  readonly verified?: ReadonlyArray<{ readonly what: string; readonly isSame: boolean; readonly inKernel: number; readonly inDirectory: number; readonly digestInKernel: string }>
}
const importIt = async (...more: ReadonlyArray<string>): Promise<Told & { readonly report: Report }> => {
  const told = await aaax("import", "sssn", directory, "--json", ...more)
  return { ...told, report: told.stdout === "" ? ({} as Report) : (JSON.parse(told.stdout) as Report) }
}
const made = (report: Report): unknown =>
  Object.fromEntries(Object.entries(report).flatMap(([what, tally]) => (typeof tally === "object" && "made" in tally ? [[what, [tally.made, tally.there]]] : [])))

describe("an import into the store of a folder where no kernel runs", () => {
  it("keeps ids, times, sources, kinds, correlations, parents and order, and says by digest that it is all there", async () => {
    fillDirectory()
    const { code, report, stderr } = await importIt("--verify")
    expect([code, stderr]).toEqual([0, ""])
    expect(report.into).toBe(`the store of ${folder}`)
    expect(made(report)).toEqual({ channels: [3, 0], events: [60, 0], artifacts: [2, 0], snapshots: [1, 0], subscriptions: [2, 0] })
    expect(report.verified?.map(({ inDirectory, inKernel, isSame, what }) => [what, inDirectory, inKernel, isSame])).toEqual([
      ["channels", 3, 3, true], ["events of jobs", 30, 30, true], ["events of raw", 30, 30, true], ["events of state", 0, 0, true],
      ["artifacts", 2, 2, true], ["snapshots", 1, 1, true], ["subscriptions", 2, 2, true]
    ])
    expect(report.verified?.every(({ digestInKernel }) => /^[0-9a-f]{64}$/u.test(digestInKernel))).toBe(true)
  })

  it("changes nothing the second time, and adds what is new the third", async () => {
    fillDirectory()
    await launch()
    await importIt()
    const again = await importIt("--verify")
    expect(made(again.report)).toEqual({ channels: [0, 3], events: [0, 60], artifacts: [0, 2], snapshots: [0, 1], subscriptions: [0, 2] })
    expect(again.report.verified?.filter(({ isSame }) => !isSame)).toEqual([])
    const store = new LocalStore(directory)
    store.appendEvent({ channel: "raw", id: "r-new", parent_ids: ["j-29"], payload: "new" })
    store.close()
    const third = await importIt("--verify")
    expect(third.code).toBe(0)
    expect(third.report.events).toEqual({ made: 1, there: 60 })
  })

  it("finds its place in a copy, also when nobody wrote down where it was, and says where a copy went another way", async () => {
    fillDirectory()
    await launch()
    await importIt()
    const copy = join(folder, "copy.sssn")
    cpSync(directory, copy, { recursive: true })
    const other = new LocalStore(copy)
    other.appendEvent({ channel: "raw", id: "only-here" })
    other.close()
    const store = new LocalStore(directory)
    store.appendEvent({ channel: "raw", id: "only-there" })
    store.close()
    expect((await importIt()).report.events).toEqual({ made: 1, there: 60 })
    directory = copy
    // Its 61st event is not the one that was imported as the 61st: everything is looked at.
    const forked = await importIt("--verify")
    expect(forked.report.events).toEqual({ made: 1, there: 60 })
    expect(forked.report.verified?.every(({ isSame }) => isSame)).toBe(true)
  })
})

describe("an import into the kernel that runs here", () => {
  it("is the same, and its cursors are where they were", async () => {
    fillDirectory()
    const { kernel } = await launch()
    const { code, report } = await importIt("--verify")
    expect([code, made(report)]).toEqual([0, { channels: [3, 0], events: [60, 0], artifacts: [2, 0], snapshots: [1, 0], subscriptions: [2, 0] }])
    expect(report.into).toMatch(/^the kernel at http:\/\/127\.0\.0\.1:\d+$/u)
    const page = await Effect.runPromise(kernel.channels.store.read("raw", { after: 0, limit: 100 }))
    expect(page.events.map(({ id }) => id)).toEqual(Array.from({ length: 30 }, (_, n) => `r-${n}`))
    expect(page.events[3]).toMatchObject({ kind: "odd", source: "sensor", timestamp: 3.5, payload: { n: 3 }, metadata: { "sssn.cursor": 7 }, sender: "operator" })
    // Four even ones were pulled: the last of them is the seventh raw event.
    expect(JSON.parse((await aaax("get-subscription", "worker")).stdout)).toMatchObject({ cursor: page.events[6]?.cursor, batch_size: 4, filters: { kind: "even" } })
    expect(JSON.parse((await aaax("pull-subscription", "worker", "--limit", "1")).stdout)).toMatchObject({ id: "r-8" })
    expect((await aaax("read-artifact", "a-1")).stdout).toBe("report\n")
    // What went on in the kernel stays as it is.
    await aaax("put-snapshot", "latest", '"newer"')
    const again = await importIt()
    expect(again.report.newer).toEqual(["latest"])
    expect(JSON.parse((await aaax("get-subscription", "worker")).stdout)).toMatchObject({ cursor: page.events[8]?.cursor })
  })
})

describe("an import that cannot be", () => {
  it("of something that is there and not the same ends with 5 and changes nothing of it", async () => {
    fillDirectory()
    const { kernel } = await launch()
    await aaax("create-channel", "raw", "--form", "topic")
    const conflict = await importIt()
    expect(conflict).toMatchObject({ code: 5, stdout: "", stderr: expect.stringContaining("Channel raw is there already, and is not the same") })
    expect(kernel.channels.get("jobs")).toBeUndefined()
  })

  it("of an event that has other content there ends with 5 and names it", async () => {
    fillDirectory()
    await launch()
    await importIt()
    const db = new Database(join(directory, "sssn.sqlite"))
    db.exec("UPDATE events SET payload = '\"forged\"' WHERE id = 'r-0'")
    db.close()
    // The log begins with another event now: it is another log.
    expect(await importIt()).toMatchObject({ code: 5, stdout: "", stderr: expect.stringContaining("Event r-0 of raw is there already, with other content.") })
  })

  it("of a damaged directory ends with 1 before anything is done, and says what is damaged", async () => {
    fillDirectory()
    const store = new LocalStore(directory)
    writeFileSync(join(directory, store.getArtifact("a-1").path), "rotten")
    store.close()
    const db = new Database(join(directory, "sssn.sqlite"))
    db.exec("UPDATE events SET payload = '{\"big\": 12345678901234567890}' WHERE id = 'r-3'")
    db.close()
    const ran = await importIt()
    expect(ran).toMatchObject({ code: 1, stdout: "" })
    expect(ran.stderr).toMatch(/nothing was imported: .*r-3 holds the integer 12345678901234567890.*Artifact payload is damaged: a-1/u)
    expect((await aaax("import", "sssn", join(folder, "missing")))).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("there is no store") })
  })

  it("into a config that keeps everything in memory says so", async () => {
    fillDirectory()
    writeFileSync(join(folder, "aaax.config.json"), JSON.stringify({ id: "main", store: ":memory:", modules: [] }))
    expect(await importIt()).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("keeps everything in memory") })
  })
})

describe("an export", () => {
  it("of what was imported is the directory again, and again when it is repeated", async () => {
    fillDirectory()
    await launch()
    await importIt()
    const target = join(folder, "new.sssn")
    const told = await aaax("export", "--out", target, "--json")
    expect([told.code, told.stderr]).toEqual([0, ""])
    expect(JSON.parse(told.stdout)).toMatchObject({ channels: 4, events: 60, artifacts: 2, snapshots: 1, subscriptions: 2, out: target })
    const [before, after] = [new LocalStore(directory), new LocalStore(target)]
    // Time by time in the kernel, so that parents are before children; the directory had them in turn.
    for (const channel of ["raw", "jobs", "state"]) {
      const words = (store: LocalStore): unknown => store.queryEvents(channel).map((event) => ({ ...event, cursor: 0 }))
      expect(words(after)).toEqual(words(before))
      expect(after.getChannel(channel)).toEqual(before.getChannel(channel))
    }
    expect(after.listSnapshots()).toEqual(before.listSnapshots())
    expect(after.listArtifacts()).toEqual(before.listArtifacts())
    expect(after.verify()).toEqual([])
    expect(after.pullSubscription("worker", 1)[0]?.id).toBe(before.pullSubscription("worker", 1)[0]?.id)
    after.close()
    before.close()
    expect((await aaax("export", "--out", target)).code).toBe(0)
    expect(new LocalStore(target).countEvents()).toBe(60)
  })

  it("tells what the portable model has no field for, and an import of it takes that back", async () => {
    const { kernel, stop } = await launch()
    await aaax("create-channel", "inbox")
    await Effect.runPromise(kernel.channels.append("bob", "inbox", [
      { id: "m-1", payload: "hi", recipient: "ann", subject: "greeting", labels: ["x"], source: "bob's phone" }
    ]))
    const target = join(folder, "out.sssn")
    expect((await aaax("export", "--out", target, "--channel", "in*")).code).toBe(0)
    await stop()
    running = undefined
    const store = new LocalStore(target)
    expect(store.getEvent("m-1")).toMatchObject({
      source: "bob's phone", metadata: { "aaax.sender": "bob", "aaax.recipient": "ann", "aaax.subject": "greeting", "aaax.labels": ["x"] }
    })
    store.close()
    directory = target
    expect((await importIt("--verify")).code).toBe(0)
    const back = await aaax("export", "--ndjson")
    expect(back.stdout).toContain('"aaax.recipient":"ann"')
  })

  it("of what its operator wrote is the same again in another store", async () => {
    const { stop } = await launch()
    await aaax("create-channel", "notes")
    expect((await aaax("append", "notes", '{"n":1}')).code).toBe(0)
    const target = join(folder, "mine.sssn")
    expect((await aaax("export", "--out", target, "--channel", "notes")).code).toBe(0)
    await stop()
    running = undefined
    const store = new LocalStore(target)
    expect(store.queryEvents("notes")).toMatchObject([{ source: "operator" }])
    store.close()
    rmSync(join(folder, ".aaax"), { recursive: true })
    directory = target
    const { code, report } = await importIt("--verify")
    expect(report.verified?.filter(({ isSame }) => !isSame)).toEqual([])
    expect(code).toBe(0)
  })

  it("as lines goes to standard output or to a file, one object each", async () => {
    fillDirectory()
    await launch()
    await importIt()
    const { code, stderr, stdout } = await aaax("export", "--ndjson", "--channel", "raw")
    expect([code, stderr]).toEqual([0, ""])
    const types = stdout.trim().split("\n").map((line) => (JSON.parse(line) as { readonly type: string }).type)
    expect(types.filter((type) => type === "event")).toHaveLength(30)
    expect([...new Set(types)]).toEqual(["channel", "event", "subscription", "artifact", "snapshot"])
    const file = join(folder, "lines.ndjson")
    expect((await aaax("export", "--ndjson", "--out", file, "--channel", "raw")).code).toBe(0)
    expect(readFileSync(file, "utf8")).toBe(stdout)
    mkdirSync(join(folder, "taken"))
    expect((await aaax("export", "--ndjson", "--out", join(folder, "taken"))).code).toBe(1)
  })
})
