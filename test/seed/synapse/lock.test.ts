// A command under a lock: as the ancestor had it, renewed meanwhile, and stopped when the lock is lost.
import { mkdtempSync, readFileSync, realpathSync, rmSync, existsSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest"
import { synapseBesideMax } from "../../../kernel/limits.ts"
import { SynapseHub } from "../../../kernel/synapse-hub.ts"
import { SynapseAgent } from "../../../libos/synapse/agent.ts"
import type { Claim } from "../../../protocol/coordination.ts"
import { aaax, type Told } from "../../kit/command.ts"
import { fakeHub } from "../../kit/hub-fake.ts"
import { makeRepository } from "../../kit/repository.ts"

let hub: SynapseHub
let folder = ""
let names = 0
let seat = ""
let id = ""
beforeAll(async () => {
  hub = await new SynapseHub({ port: 0 }).start()
})
afterAll(() => hub.stop())
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "aaax-lock-")))
  seat = `seat-${++names}`
  id = `lock-${names}`
})
afterEach(() => {
  vi.useRealTimers()
  process.exitCode = undefined
  rmSync(folder, { recursive: true, force: true })
})

const at = (uri: string, ...args: ReadonlyArray<string>): Promise<Told> => aaax("lock", "--uri", uri, "--dir", folder, "--name", seat, ...args)
const lock = (...args: ReadonlyArray<string>): Promise<Told> => at(hub.uri, ...args)
const file = (name: string): string => join(folder, name)
const live = async (): Promise<ReadonlyArray<Claim>> => {
  const agent = await SynapseAgent.connect({ uri: hub.uri, name: `look-${crypto.randomUUID()}`, reconnect: false })
  const { items } = await agent.ask({ verb: "state", task: id })
  agent.close()
  return items
}
const holder = async (fields: object = {}): Promise<SynapseAgent> => {
  const agent = await SynapseAgent.connect({ uri: hub.uri, name: `holder-${seat}`, reconnect: false })
  await agent.claim(id, { mutex: true, ...fields })
  return agent
}

describe("aaax lock", () => {
  it("[146] ends as the command does, and gives the lock back after it", async () => {
    expect((await lock(id, "--", "sh", "-c", `echo held > ${file("ran")}; exit 3`)).code).toBe(3)
    expect(existsSync(file("ran"))).toBe(true)
    expect(await live()).toEqual([])
    expect((await lock(id, "--", "true")).code).toBe(0)
    expect((await lock(id, "--", "sh", "-c", "kill -TERM $$")).code).toBe(143)
    expect(await lock(id, "--", "/nowhere/at-all")).toMatchObject({ code: 127, stderr: "/nowhere/at-all: there is no such program\n" })
    expect(await live()).toEqual([])
    expect((await lock(id)).code).toBe(2)
    expect((await lock(id, "--wait-timeout", "-1", "--", "true")).code).toBe(2)
  })

  it("[146] [147] denied it does not run the command: at once with --wait-timeout 0, with who has it, and 1", async () => {
    const other = await holder()
    const told = await lock(id, "--wait-timeout", "0", "--", "touch", file("ran"))
    expect(told).toMatchObject({ code: 1, stderr: expect.stringContaining(`Could not acquire lock '${id}': Task '${id}' is already claimed by ${other.name}.`) })
    expect(await lock(id, "--wait-timeout", "0.05", "--", "touch", file("ran"))).toMatchObject({ code: 1, stderr: expect.stringContaining(`already claimed by ${other.name}`) })
    expect(existsSync(file("ran"))).toBe(false)
    expect(await live()).toMatchObject([{ owner: other.name }])
    other.close()
    expect(await at("ws://127.0.0.1:1", id, "--", "touch", file("ran"))).toMatchObject({ code: 1, stderr: `[${seat}] Could not reach hub at ws://127.0.0.1:1.\n` })
    expect(existsSync(file("ran"))).toBe(false)
  })

  it("[146] hands a signal on to the command, and gives the lock back when that has ended", async () => {
    const running = lock(id, "--", "sh", "-c", `trap 'exit 9' TERM; echo > ${file("ready")}; while :; do sleep 0.02; done`)
    await vi.waitFor(() => expect(existsSync(file("ready"))).toBe(true), { timeout: 10_000, interval: 10 })
    process.emit("SIGTERM", "SIGTERM")
    expect((await running).code).toBe(9)
    expect(await live()).toEqual([])
    expect(process.listenerCount("SIGHUP")).toBe(0)
  })

  it("waits in line, and for its own name", async () => {
    const other = await holder()
    const waiting = lock(id, "--", "touch", file("ran"))
    await other.listen(() => {})
    await other.release(id)
    expect((await waiting).code).toBe(0)
    expect(existsSync(file("ran"))).toBe(true)
    // Beside one of its seat that stays, it is no other: the lock is had, and that one is as it was.
    const same = await SynapseAgent.connect({ uri: hub.uri, name: seat, reconnect: false })
    expect((await lock(id, "--wait-timeout", "0", "--", "true")).code).toBe(0)
    await same.requestWho()
    const most = await Promise.all(Array.from({ length: synapseBesideMax }, () => SynapseAgent.connect({ uri: hub.uri, name: seat, beside: true, reconnect: false })))
    expect(await lock(id, "--wait-timeout", "0", "--", "true")).toMatchObject({ code: 1, stderr: expect.stringContaining(`try: --name ${seat}/lock`) })
    const patient = lock(id, "--", "true")
    for (const one of [same, ...most]) one.close()
    expect((await patient).code).toBe(0)
    other.close()
  })

  it("[146] excludes another command of the very same seat, which waits for its turn or says who has it", async () => {
    const first = lock(id, "--", "sh", "-c", `echo > ${file("ready")}; while [ ! -e ${file("go")} ]; do sleep 0.02; done`)
    await vi.waitFor(() => expect(existsSync(file("ready"))).toBe(true), { timeout: 10_000, interval: 10 })
    const refused = await lock(id, "--wait-timeout", "0", "--", "touch", file("ran"))
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining(`Task '${id}' is already claimed by ${seat}.`) })
    expect(await lock(id, "--wait-timeout", "0.05", "--", "touch", file("ran"))).toMatchObject({ code: 1 })
    // Neither of them gave back what it had not had.
    expect(await live()).toMatchObject([{ owner: seat }])
    const second = lock(id, "--", "touch", file("ran"))
    writeFileSync(file("go"), "")
    expect((await first).code).toBe(0)
    expect((await second).code).toBe(0)
    expect(existsSync(file("ran"))).toBe(true)
    expect(await live()).toEqual([])
    // Another lock of the seat is another one.
    const both = await Promise.all([lock(`${id}-a`, "--", "true"), lock(`${id}-b`, "--", "true")])
    expect(both.map(({ code }) => code)).toEqual([0, 0])
  })

  it("[146] counts its time from its grant, however long it waited for that", async () => {
    let epoch = 6
    const stock = await fakeHub({
      extensions: ["request_id", "ask"],
      answer: ({ request_id, sender, task_id, type, wait }, say) => {
        if (type === "claim" && epoch === 6 && wait !== true) say({ type: "claim_denied", task_id, reason_code: "LEASE_LIVE", payload: "It is Z's.", request_id })
        else if (type === "claim") say({ type: "claim_granted", task_id, owner: sender, lease_expires_at: 1e12, epoch: ++epoch, request_id })
        else if (type === "release") say({ type: "release_granted", task_id, owner: sender, request_id })
      }
    })
    expect((await at(stock.uri, id, "--", "true")).code).toBe(0)
    const asked = stock.heard.filter(({ type }) => type === "claim" || type === "release")
    expect(asked.map(({ epoch: of, expected_epoch, type, wait }) => [type, expected_epoch ?? of, wait])).toEqual([
      ["claim", 0, undefined], ["claim", 0, true], ["claim", 7, undefined], ["release", 8, undefined]
    ])
    await stock.close()
  })

  it("[146] is lost when another command of the seat has it now, and gives nothing of that one back", async () => {
    vi.useFakeTimers({ toFake: ["setInterval"] })
    const running = lock(id, "--", "sh", "-c", `echo > ${file("ready")}; exec sleep 60`)
    await vi.waitFor(() => expect(existsSync(file("ready"))).toBe(true), { timeout: 10_000, interval: 10 })
    // The seat has taken it again for something else: which of the two it is for now nobody can say.
    const same = await SynapseAgent.connect({ uri: hub.uri, name: seat, beside: true, reconnect: false })
    const { claim } = await same.ask({ verb: "claim", task: id })
    await vi.advanceTimersByTimeAsync(20_000)
    await vi.waitFor(async () => {
      await vi.advanceTimersByTimeAsync(100)
      expect(await Promise.race([running, undefined])).toBeDefined()
    }, { timeout: 10_000, interval: 10 })
    expect(await running).toMatchObject({ code: 5, stderr: expect.stringContaining("epoch is stale") })
    expect(await live()).toMatchObject([{ epoch: claim.epoch }])
    same.close()
  })

  it("[D27] without paths is a named lock of no files, and with paths a claim of them", async () => {
    const other = await SynapseAgent.connect({ uri: hub.uri, name: `holder-${seat}`, reconnect: false })
    await other.ask({ verb: "claim", task: `all-${id}` })
    // All of the default working tree is another's: a named lock does not mind.
    expect((await lock(id, "--", "true")).code).toBe(0)
    expect(await lock(id, "--paths", "src", "--wait-timeout", "0", "--", "true")).toMatchObject({ code: 1, stderr: expect.stringContaining("file scope conflicts") })
    await other.release(`all-${id}`)
    const repository = makeRepository()
    const told = await aaax("lock", id, "--uri", hub.uri, "--dir", repository.path, "--name", seat, "--paths", "src/./a", "--paths", "b", "--", "sh", "-c", "sleep 0")
    expect(told.code).toBe(0)
    await other.claim(`tree-${id}`, { worktree: repository.path, paths: ["src"] })
    expect((await aaax("lock", id, "--uri", hub.uri, "--dir", repository.path, "--name", seat, "--wait-timeout", "0", "--paths", "src/a", "--", "true")).code).toBe(1)
    other.close()
    repository.remove()
  })

  it("[D27] at a hub of others has a working tree of its own, so that two locks are two", async () => {
    const claimed: Array<object> = []
    const stock = await fakeHub({
      answer: (frame, say) => {
        if (frame.type === "claim") {
          claimed.push(frame)
          say({ type: "claim_granted", task_id: frame.task_id, owner: frame.sender, lease_expires_at: 1e12, epoch: 1 })
        }
        if (frame.type === "release") say({ type: "release_granted", task_id: frame.task_id, owner: frame.sender })
      }
    })
    expect((await at(stock.uri, id, "--", "true")).code).toBe(0)
    expect(claimed).toMatchObject([{ task_id: id, worktree: `lock:${id}`, paths: [], ttl_seconds: 60 }])
    await stock.close()
  })

  it("[146] renews while the command runs, and stops all of it when the lock is lost", async () => {
    let claims = 0
    const stock = await fakeHub({
      answer: (frame, say) => {
        if (frame.type === "claim" && ++claims <= 2) {
          say({ type: "claim_granted", task_id: frame.task_id, owner: frame.sender, lease_expires_at: 1e12, epoch: claims })
          if (claims === 2) stock.broadcast({ type: "handoff_granted", task_id: frame.task_id, owner: "other", previous_owner: frame.sender, epoch: 3 })
        }
      }
    })
    vi.useFakeTimers({ toFake: ["setInterval"] })
    const running = at(stock.uri, id, "--", "sh", "-c", `sh -c 'trap "echo stopped > ${file("stopped")}; exit 0" TERM; echo > ${file("ready")}; while :; do sleep 0.02; done' & wait`)
    await vi.waitFor(() => expect(existsSync(file("ready"))).toBe(true), { timeout: 10_000, interval: 10 })
    expect(claims).toBe(1)
    await vi.advanceTimersByTimeAsync(20_000)
    // A child of the command is told, too, and has time to end.
    await vi.waitFor(() => expect(readFileSync(file("stopped"), "utf8")).toBe("stopped\n"), { timeout: 10_000, interval: 10 })
    await vi.waitFor(async () => {
      await vi.advanceTimersByTimeAsync(100)
      expect(await Promise.race([running, undefined])).toBeDefined()
    }, { timeout: 10_000, interval: 10 })
    expect(await running).toMatchObject({ code: 5, stderr: expect.stringContaining(`Lost lock '${id}': it is held by other; sh was stopped.`) })
    expect(claims).toBe(2)
    await stock.close()
  })

  it("[146] stops the command when the hub refuses to renew it: one that does not listen is killed", async () => {
    let claims = 0
    const stock = await fakeHub({
      answer: (frame, say) => {
        if (frame.type !== "claim") return
        if (++claims === 1) say({ type: "claim_granted", task_id: frame.task_id, owner: frame.sender, lease_expires_at: 1e12, epoch: 1 })
        else say({ type: "claim_denied", task_id: frame.task_id, payload: `Task '${frame.task_id}' is already claimed by bob.` })
      }
    })
    vi.useFakeTimers({ toFake: ["setInterval"] })
    const running = at(stock.uri, id, "--", "sh", "-c", `trap 'echo told > ${file("told")}' TERM; echo > ${file("ready")}; while :; do sleep 0.02; done`)
    await vi.waitFor(() => expect(existsSync(file("ready"))).toBe(true), { timeout: 10_000, interval: 10 })
    await vi.advanceTimersByTimeAsync(20_000)
    await vi.waitFor(() => expect(existsSync(file("told"))).toBe(true), { timeout: 10_000, interval: 10 })
    await vi.advanceTimersByTimeAsync(7_000)
    expect(await running).toMatchObject({ code: 5, stderr: expect.stringContaining("already claimed by bob") })
    await stock.close()
  })

  it("[146] stops the command when the hub cannot be reached until its time runs out, and not before", async () => {
    const stock = await fakeHub({
      answer: (frame, say) => {
        if (frame.type === "claim") say({ type: "claim_granted", task_id: frame.task_id, owner: frame.sender, lease_expires_at: 1e12, epoch: 1 })
      }
    })
    vi.useFakeTimers({ toFake: ["setInterval", "performance"] })
    let isOver = false
    const running = at(stock.uri, id, "--", "sh", "-c", `echo > ${file("ready")}; exec sleep 60`).finally(() => (isOver = true))
    await vi.waitFor(() => expect(existsSync(file("ready"))).toBe(true), { timeout: 10_000, interval: 10 })
    await stock.close()
    await vi.advanceTimersByTimeAsync(50_000)
    expect(isOver).toBe(false)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(await running).toMatchObject({ code: 5, stderr: expect.stringContaining("could not be renewed until its time ran out") })
  })
})
