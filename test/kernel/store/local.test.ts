// A `.sssn` directory as files: shared with the ancestor, with other processes, with crashes and with readers.
import { spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import Database from "better-sqlite3"
import { rolldown } from "rolldown"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { LocalStore } from "../../../kernel/store/local.ts"

let folder = ""
let root = ""
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "aaax-local-"))
  root = join(folder, ".sssn")
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const refusal = (work: () => unknown): string => {
  try {
    work()
  } catch (failure) {
    return String(failure)
  }
  return "nothing was refused"
}

/** A directory as the ancestor leaves it: its tables, its way to write JSON, a rollback journal, no index. */
const ancestorDirectory = (): string => {
  mkdirSync(join(root, "artifacts"), { recursive: true })
  const db = new Database(join(root, "sssn.sqlite"))
  db.exec(`
    create table channels (name text primary key, schema_ref text, form text not null, description text not null, metadata text not null);
    create table events (id text primary key, channel text not null, timestamp real not null, source text, kind text not null, payload text,
      schema_ref text, metadata text not null, correlation_id text, parent_ids text not null);
    create table subscriptions (id text primary key, channel text not null, cursor integer not null, consumer text,
      batch_size integer not null, filters text not null, metadata text not null);
    create table artifacts (id text primary key, channel text, path text not null, media_type text not null, size integer not null,
      sha256 text, metadata text not null, event_ids text not null);
    create table snapshots (name text primary key, channel text, timestamp real not null, value text, schema_ref text,
      source_event_id text, metadata text not null);
    insert into channels values ('events', 'demo.schemas:Event', 'log', 'all of them', '{"a": {"b": [1, 2.0, "\\u00e9"]}}');
    insert into events values ('e-1', 'events', 1712345678.5, 'sensor', 'raw', '{"n": 1e+16, "t": "\\u00e9"}', null, '{}', 'c-1', '[]');
    insert into events values ('e-2', 'events', 0, null, 'event', 'null', null, '{}', null, '["e-1"]');
    insert into subscriptions values ('worker', 'events', 1, 'w', 10, '{"kind": null}', '{}');
    insert into snapshots values ('latest', 'events', 12, '{"x": null}', 'm:S', 'e-1', '{}');
  `)
  const sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
  writeFileSync(join(root, "artifacts", sha256), "hello")
  db.prepare("insert into artifacts values ('a-1', 'events', ?, 'text/plain', 5, ?, '{}', '[\"e-1\"]')").run(`artifacts/${sha256}`, sha256)
  db.close()
  return root
}

describe("a directory that the ancestor wrote", () => {
  it("[128] is read as it was written, and written on", () => {
    const store = new LocalStore(ancestorDirectory())
    expect(store.getChannel("events")).toEqual({
      name: "events", schema: "demo.schemas:Event", form: "log", description: "all of them", metadata: { a: { b: [1, 2, "é"] } }
    })
    expect(store.getEvent("e-1")).toMatchObject({ cursor: 1, timestamp: 1712345678.5, payload: { n: 1e16, t: "é" }, correlation_id: "c-1" })
    expect(store.getEvent("e-2")).toMatchObject({ cursor: 2, payload: null, parent_ids: ["e-1"] })
    expect(new TextDecoder().decode(store.readArtifact("a-1"))).toBe("hello")
    expect(store.getSnapshot("latest").value).toEqual({ x: null })
    expect(store.pullSubscription("worker").map(({ id }) => id)).toEqual(["e-2"])
    expect(store.appendEvent({ channel: "events", id: "e-1", timestamp: 1712345678.5, source: "sensor", kind: "raw", payload: { t: "é", n: 1e16 }, correlation_id: "c-1" }).cursor).toBe(1)
    expect(store.appendEvent({ channel: "events", parent_ids: ["e-2"] }).cursor).toBe(3)
    expect(store.verify()).toEqual([])
    store.close()
  })

  it("[127] has the ancestor's tables and columns afterwards, and no others", () => {
    const shape = (path: string): unknown => {
      const db = new Database(join(path, "sssn.sqlite"), { readonly: true })
      const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name").pluck().all() as Array<string>
      const columns = tables.map((table) => [table, db.pragma(`table_info(${table})`)])
      db.close()
      return JSON.parse(JSON.stringify(columns).toLowerCase())
    }
    const before = shape(ancestorDirectory())
    new LocalStore(root).close()
    expect(shape(root)).toEqual(before)
    const fresh = join(folder, "fresh")
    new LocalStore(fresh).close()
    expect(shape(fresh)).toEqual(before)
  })

  it("is one file again once it is closed, so that it can be copied", () => {
    const store = new LocalStore(root)
    store.createChannel({ name: "events" })
    store.close()
    store.close()
    expect(readdirSync(root).sort()).toEqual(["artifacts", "sssn.sqlite"])
  })
})

describe("a store that is opened for reading", () => {
  it("changes nothing, not even the journal mode, and writes nothing", () => {
    ancestorDirectory()
    const before = readFileSync(join(root, "sssn.sqlite"))
    const store = new LocalStore(root, { readOnly: true })
    expect(store.queryEvents("events")).toHaveLength(2)
    expect(refusal(() => store.appendEvent({ channel: "events" }))).toContain("StoreFailedError: Store failed")
    store.close()
    expect(readFileSync(join(root, "sssn.sqlite")).equals(before)).toBe(true)
  })

  it("is not made when it is not there", () => {
    expect(refusal(() => new LocalStore(root, { readOnly: true }))).toContain("StoreFailedError: Store cannot be opened:")
    expect(refusal(() => new LocalStore(root, { create: false }))).toContain("there is no store")
    expect(existsSync(root)).toBe(false)
  })
})

describe("a store that cannot be", () => {
  it("is refused with a reason: a file in its place, a database of another program, tables of another shape, a damaged file", () => {
    writeFileSync(join(folder, "file"), "")
    expect(refusal(() => new LocalStore(join(folder, "file")))).toContain("StoreFailedError: Store cannot be opened:")
    const spoil = (name: string, sql: string): string => {
      mkdirSync(join(folder, name))
      const db = new Database(join(folder, name, "sssn.sqlite"))
      db.exec(sql)
      db.close()
      return refusal(() => new LocalStore(join(folder, name)))
    }
    expect(spoil("kernel", "PRAGMA application_id = 1094795608; CREATE TABLE log (off INTEGER)")).toContain("the database of another program")
    expect(spoil("other", "CREATE TABLE events (x)")).toContain("StoreFailedError: Store cannot be opened:")
    mkdirSync(join(folder, "noise"))
    writeFileSync(join(folder, "noise", "sssn.sqlite"), "this is no database, and long enough to be one. ".repeat(100))
    expect(refusal(() => new LocalStore(join(folder, "noise")))).toContain("StoreFailedError: Store cannot be opened:")
  })

  it("says which row is damaged", () => {
    ancestorDirectory()
    const db = new Database(join(root, "sssn.sqlite"))
    db.exec("UPDATE events SET metadata = '{' WHERE id = 'e-2'")
    db.close()
    const store = new LocalStore(root)
    expect(refusal(() => store.getEvent("e-2"))).toContain("StoreFailedError: Store is damaged at event e-2: ")
    expect(store.verify()).toEqual([expect.stringContaining("event e-2")])
    store.close()
  })
})

describe("two who use one store", () => {
  it("[X11] do not wait for each other: a reader in the middle of a read does not hold up a writer", () => {
    const store = new LocalStore(root)
    store.createChannel({ name: "events" })
    const reader = new Database(join(root, "sssn.sqlite"), { readonly: true })
    reader.exec("BEGIN")
    expect(reader.prepare("SELECT count(*) FROM events").pluck().get()).toBe(0)
    expect(store.appendEvent({ channel: "events" }).cursor).toBe(1)
    expect(reader.prepare("SELECT count(*) FROM events").pluck().get()).toBe(0)
    reader.close()
    store.close()
  })

  it("[X2] [X5] have each their own view of a name, and only one creates it", () => {
    const [one, two] = [new LocalStore(root), new LocalStore(root)]
    one.createChannel({ name: "events" })
    expect(refusal(() => two.createChannel({ name: "events" }))).toBe("ChannelExistsError: Channel already exists: events")
    one.createSubscription("events", { id: "shared" })
    one.appendEvents([{ channel: "events" }, { channel: "events" }])
    expect(one.pullSubscription("shared", 2)).toHaveLength(2)
    expect(two.pullSubscription("shared", 1)).toEqual([])
    expect(two.getSubscription("shared").cursor).toBe(2)
    one.close()
    two.close()
  })

  it("[148] [X2] never get the same event from one subscription, in processes of their own, and its cursor never moves back", async () => {
    const store = new LocalStore(root)
    store.createChannel({ name: "events" })
    store.appendEvents(Array.from({ length: 300 }, (_, n) => ({ channel: "events", payload: n })))
    store.createSubscription("events", { id: "shared" })
    const cache = new URL(`../../../node_modules/.cache/aaax-test-local-${process.pid}/`, import.meta.url)
    mkdirSync(cache, { recursive: true })
    try {
      const file = new URL("local-puller.mjs", cache).pathname
      const bundle = await rolldown({ input: new URL("../../kit/local-puller.ts", import.meta.url).pathname, platform: "node", external: ["better-sqlite3"] })
      await bundle.write({ file, format: "esm" })
      await bundle.close()
      const start = async () => {
        const child = spawn(process.execPath, [file, root], { stdio: ["pipe", "pipe", "inherit"] })
        const got: Array<number> = []
        const lines = createInterface({ input: child.stdout })
        const opened = once(lines, "line")
        const ended = once(lines, "close")
        lines.on("line", (line) => void got.push(...line.split(",").map(Number).filter(Number.isInteger)))
        await opened
        return { got, ended, go: () => void child.stdin.end("go\n") }
      }
      const pullers = await Promise.all([start(), start(), start()])
      for (const { go } of pullers) go()
      await Promise.all(pullers.map(({ ended }) => ended))
      const all = pullers.flatMap(({ got }) => got)
      expect(all).toHaveLength(300)
      expect(new Set(all).size).toBe(300)
      for (const { got } of pullers) expect(got).toEqual([...got].sort((a, b) => a - b))
      expect(store.getSubscription("shared").cursor).toBe(300)
    } finally {
      rmSync(cache, { recursive: true, force: true })
      store.close()
    }
  })
})

describe("the cost of a store", () => {
  it("[X9] is one connection and one commit for a list of events", () => {
    const store = new LocalStore(root)
    store.createChannel({ name: "events" })
    const open = (): number => readdirSync("/dev/fd").length
    const before = open()
    store.appendEvents(Array.from({ length: 50 }, () => ({ channel: "events" })))
    for (let i = 0; i < 50; i++) store.queryEvents("events", { limit: 1 })
    expect(open()).toBe(before)
    store.close()
  })

  it("[X10] of a query is that of its hits: an index finds them, whatever other channels hold", () => {
    new LocalStore(root).close()
    const db = new Database(join(root, "sssn.sqlite"))
    const plan = (where: string): string =>
      JSON.stringify(db.prepare(`EXPLAIN QUERY PLAN SELECT rowid, * FROM events WHERE ${where} AND rowid > 5 ORDER BY rowid LIMIT 10`).all())
    expect(plan("channel = 'a'")).toMatch(/SEARCH events USING INDEX events_by_\w+ \(channel=\? AND rowid>\?\)/u)
    expect(plan("channel = 'a' AND kind = 'k'")).toContain("USING INDEX events_by_kind (channel=? AND kind=? AND rowid>?)")
    expect(plan("channel = 'a'")).not.toContain("TEMP B-TREE")
    db.close()
  })

  it("[X12] of a page is bounded, and a list of events is one append", () => {
    const store = new LocalStore(root)
    store.createChannel({ name: "events" })
    expect(store.appendEvents([{ channel: "events" }, { channel: "events" }]).map(({ cursor }) => cursor)).toEqual([1, 2])
    expect(refusal(() => store.queryEvents("events", { limit: 100_001 }))).toContain("limit must be less than or equal to 100000.")
    expect(store.everyEvent({ afterCursor: 1 }).map(({ cursor }) => cursor)).toEqual([2])
    store.close()
  })

  it("is not that of an endless text", () => {
    const store = new LocalStore(root)
    store.createChannel({ name: "events" })
    expect(refusal(() => store.appendEvent({ channel: "events", payload: "x".repeat(16 * 1_048_576) }))).toContain("write it as an artifact")
    store.close()
  })
})

describe("a crash", () => {
  it("[X4] uses no cursor twice, and what was acknowledged is there", () => {
    const crashed = new LocalStore(root)
    crashed.createChannel({ name: "events" })
    crashed.appendEvents([{ channel: "events", id: "a" }, { channel: "events", id: "b" }])
    // The files as they are at this moment, as a process that dies leaves them.
    const after = join(folder, "after")
    mkdirSync(join(after, "artifacts"), { recursive: true })
    for (const name of ["sssn.sqlite", "sssn.sqlite-wal"]) writeFileSync(join(after, name), readFileSync(join(root, name)))
    crashed.close()
    const store = new LocalStore(after)
    expect(store.queryEvents("events").map(({ id }) => id)).toEqual(["a", "b"])
    expect(store.appendEvent({ channel: "events" }).cursor).toBe(3)
    store.close()
  })

  it("leaves parts of payloads that the next one sweeps, and never those of a writer at work", () => {
    new LocalStore(root).close()
    const [old, fresh] = [join(root, "artifacts/.part-old"), join(root, "artifacts/.part-new")]
    writeFileSync(old, "x")
    writeFileSync(fresh, "x")
    utimesSync(old, 1, 1)
    const store = new LocalStore(root)
    expect(readdirSync(store.artifactsPath)).toEqual([".part-new"])
    expect(store.verify()).toEqual([])
    store.close()
  })

  it("in the middle of a payload leaves no row, and the payload can be written again", () => {
    const store = new LocalStore(root)
    rmSync(store.artifactsPath, { recursive: true })
    writeFileSync(store.artifactsPath, "in the way")
    expect(refusal(() => store.writeArtifact(new Uint8Array([1])))).toContain("StoreFailedError: Store failed")
    expect(store.listArtifacts()).toEqual([])
    rmSync(store.artifactsPath)
    expect(store.readArtifact(store.writeArtifact(new Uint8Array([1])).id)).toEqual(new Uint8Array([1]))
    store.close()
  })
})

describe("a new store", () => {
  it("is for this user alone", () => {
    new LocalStore(root).close()
    for (const path of [root, join(root, "artifacts"), join(root, "sssn.sqlite")]) expect(statSync(path).mode & 0o077).toBe(0)
  })
})
