// What is refused of modules that run elsewhere: words of a program, signatures beside a file, and tiers that cannot be had.
import * as Effect from "effect/Effect"
import * as Deferred from "effect/Deferred"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest"
import { commitsMax, readBytesMax, tierLooksMax } from "../../../kernel/limits.ts"
import { newSigningKey, type SigningKey } from "../../../kernel/guard/tokens.ts"
import type { Child, ChildOptions } from "../../../kernel/tier/child.ts"
import { moduleFilesOf } from "../../../kernel/tier/files.ts"
import { look } from "../../../kernel/tier/look.ts"
import { openPipe } from "../../../kernel/tier/pipe.ts"
import { listed, readSigned, signedManifestOf, signManifest, type SignedManifest } from "../../../kernel/tier/signature.ts"
import { makeTiers } from "../../../kernel/tier/tiers.ts"
import { asksOf } from "../../../protocol/asks.ts"
import { emptyManifest } from "../../../protocol/manifest.ts"
import type { Port } from "../../../protocol/port.ts"
import type { ReadingPower } from "../../../protocol/power.ts"
import type * as Tools from "../../../kernel/tier/tools.ts"

/** Whether the child that runs modules was built. */
const built = vi.hoisted(() => ({ child: true }))
vi.mock("../../../kernel/tier/tools.ts", async (importOriginal) => {
  const tools = await importOriginal<typeof Tools>()
  return { ...tools, findChild: () => (built.child ? tools.findChild() ?? "/child.cjs" : undefined) }
})

describe("a look", () => {
  const power = { root: "/r", isGit: Effect.succeed(true), list: Effect.succeed([]), read: () => Effect.succeed({ bytes: new Uint8Array([1]), truncated: false }), digest: () => Effect.succeed("d"), commits: () => Effect.succeed([]) } as unknown as ReadingPower // what is called

  it.each<readonly [Parameters<typeof look>[1], ReadonlyArray<unknown>]>([
    ["read", [1, 1]], ["read", ["a"]], ["read", ["a", "1"]], ["read", ["a", -1]], ["read", ["a", 1.5]], ["read", ["a", readBytesMax + 1]], ["digest", []], ["digest", [1]],
    ["commits", [1, 1]], ["commits", [undefined, 1]], ["commits", [null, commitsMax + 1]], ["commits", [null, -1]], ["commits", ["c"]]
  ])("is refused with words that are none: %s %j", async (op, args) => {
    expect(await Effect.runPromise(Effect.flip(look(power, op, args)))).toEqual({ path: "", reason: expect.stringMatching(new RegExp(`^${op} needs`, "u")) as unknown })
  })

  it("is one with as many bytes and commits as there may be", async () => {
    expect(await Effect.runPromise(Effect.all([look(power, "read", ["a", readBytesMax]), look(power, "commits", [null, commitsMax]), look(power, "commits", ["c", 0]), look(power, "digest", ["a"])])))
      .toEqual([{ data: "AQ==", truncated: false }, [], [], "d"])
  })
})

describe("a program", () => {
  const dock = { frame: "dock", id: 9, port: 3, lives: true }
  const opened = async (first: object, onSend: (frame: Readonly<Record<string, unknown>>) => void = () => {}) => {
    let options: Omit<ChildOptions, "limits"> | undefined
    let starts = 0
    const ended: Array<string> = []
    const start = (given: Omit<ChildOptions, "limits">): Child => {
      options = given
      starts++
      setImmediate(() => given.onLine(JSON.stringify(first)))
      return {
        pid: undefined, waitingBytes: () => 0, pause: () => {}, send: (line) => onSend(JSON.parse(line) as Readonly<Record<string, unknown>>),
        end: (reason) => {
          ended.push(reason)
          setImmediate(() => given.onEnd(reason))
        }
      }
    }
    const pipe = await openPipe({ id: "program", framework: "process", start, load: undefined, bootMillis: 5_000, silenceMillis: 60_000, stallMillis: 60_000, fork: Effect.runFork })
    return { ...pipe, ended, starts: () => starts, say: (frame: object) => options?.onLine(JSON.stringify(frame)) }
  }

  it("has a port for each of its systems", async () => {
    const part = (port: number) => ({ of: 3, port, manifest: emptyManifest(`p${port}`, "process"), lives: false })
    await expect(opened({ ...dock, manifest: emptyManifest("program", "process"), parts: [part(4), part(4)] })).rejects.toThrow("two of its systems have one port")
    await expect(opened({ ...dock, manifest: emptyManifest("program", "process"), parts: [part(3)] })).rejects.toThrow("two of its systems have one port")
    const { close, system } = await opened({ ...dock, manifest: emptyManifest("program", "process"), parts: [part(4), part(5)] })
    expect(system.subsystems).toHaveLength(2)
    close()
  })

  it("looks through powers that it has, so many at once", async () => {
    const said: Array<Readonly<Record<string, unknown>>> = []
    const pipe = await opened(dock, (frame) => void said.push(frame))
    const gate = Deferred.makeUnsafe<ReadonlyArray<never>>()
    const port = { system: "program", powers: [{ root: "/r", list: Deferred.await(gate) }] } as unknown as Port // what is called
    Effect.runFork(pipe.system.run!(port))
    const failures = () => said.flatMap(({ failure, id }) => (failure === undefined ? [] : [[id, (failure as { reason: string }).reason]]))
    while (!said.some(({ id }) => id === dock.id)) await new Promise((resolve) => setImmediate(resolve))
    const ask = (id: number, power = 0) => pipe.say({ frame: "power", id, port: 3, power, op: "list", args: [] })
    ask(1, 1)
    expect(failures()).toEqual([[1, "there is no such power"]])
    for (let id = 2; id < 2 + tierLooksMax; id++) ask(id)
    expect(failures()).toHaveLength(1)
    ask(100)
    expect(failures().slice(1)).toEqual([[100, `at most ${tierLooksMax} looks at once`]])
    Deferred.doneUnsafe(gate, Effect.succeed([]))
    while (said.filter(({ frame }) => frame === "result").length < tierLooksMax) await new Promise((resolve) => setImmediate(resolve))
    ask(101)
    while (!said.some(({ frame, id }) => frame === "result" && id === 101)) await new Promise((resolve) => setImmediate(resolve))
    pipe.close()
  })

  it("is not started again once it was undocked", async () => {
    const pipe = await opened(dock)
    pipe.close()
    const exit = await Effect.runPromiseExit(pipe.system.run!({ system: "program", powers: [] } as unknown as Port)) // it is not asked for anything
    expect(String(exit)).toContain("it was undocked")
    expect(pipe.starts()).toBe(1)
  })
})

describe("a signature beside a module", () => {
  let folder = ""
  let file = ""
  let key: SigningKey
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "aaax-signed-"))
    file = join(folder, "main.js")
    writeFileSync(file, 'import "./lib.js"\n')
    writeFileSync(join(folder, "lib.js"), "")
    key = await newSigningKey()
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))
  const signed = (more: Partial<SignedManifest> = {}): SignedManifest =>
    signManifest({ id: "guest", entry: "main.js", files: listed(moduleFilesOf(file)), asks: asksOf([emptyManifest("guest")], [], "process"), ...more }, key)
  const read = (text: string): string => {
    writeFileSync(signedManifestOf(file), text)
    const told = readSigned(moduleFilesOf(file))
    return typeof told === "string" ? told.replaceAll(folder, "") : told === undefined ? "none" : `by ${told.publisher}`
  }

  it("is read when it holds for every file", () => {
    expect(read(JSON.stringify(signed()))).toBe(`by ${key.x}`)
    expect(readSigned([])).toBeUndefined()
  })

  it.each<readonly [string, () => string, RegExp]>([
    ["no JSON", () => "{", /is no signed manifest/u],
    ["another shape", () => JSON.stringify({ ...signed(), extra: 1 }), /is no signed manifest/u],
    ["another version", () => JSON.stringify({ ...signed(), aaax: 2 }), /is no signed manifest/u],
    ["another entry", () => JSON.stringify(signed({ entry: "other.js" })), /was signed for other\.js$/u],
    ["a file that is not listed", () => JSON.stringify(signed({ files: { "main.js": listed(moduleFilesOf(file))["main.js"]! } })), /does not list lib\.js/u],
    ["another file", () => JSON.stringify(signed({ files: { ...listed(moduleFilesOf(file)), "lib.js": "0".repeat(64) } })), /^lib\.js is another file/u],
    ["what was changed afterwards", () => JSON.stringify({ ...signed(), id: "other" }), /the signature in .* does not hold/u],
    ["the key of another", () => JSON.stringify({ ...signed(), publisher: "A".repeat(43) }), /does not hold/u],
    ["a signature in another spelling", () => {
      const { signature, ...rest } = signed()
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
      const last = alphabet[alphabet.indexOf(signature.at(-1) ?? "") + 1]
      return JSON.stringify({ ...rest, signature: signature.slice(0, -1) + last })
    }, /does not hold/u]
  ])("is refused with %s", (_, make, why) => {
    expect(read(make())).toMatch(why)
  })
})

describe("tiers", () => {
  const tools = { node: process.execPath, permission: undefined, prlimit: undefined, bwrap: undefined }

  it("cannot be had without what they are made of, and each says what is missing", async () => {
    built.child = false
    const none = makeTiers({ tools: { ...tools, permission: "--permission" } })
    for (const tier of ["worker", "process", "jail"] as const) expect(await none.unavailable(tier)).toMatch(/child that runs modules .* is not built/u)
    built.child = true
    const bare = makeTiers({ tools })
    expect(await none.unavailable("in-process")).toBeUndefined()
    expect(await bare.unavailable("process")).toBe("this Node has no permission model")
    expect(await bare.unavailable("jail")).toEqual(expect.any(String))
    const made = makeTiers({ child: "/child.cjs", tools: { ...tools, permission: "--permission" } })
    expect([await made.unavailable("worker"), await made.unavailable("process")]).toEqual([undefined, undefined])
  })

  it("start nothing any more when the kernel goes down", async () => {
    const made = makeTiers({ tools })
    made.close()
    await expect(made.open("process", "a", { is: "program", file: process.execPath, args: ["-e", ""], files: [] }, {})).rejects.toThrow("the kernel is going down")
  })

  it("end what came up while the kernel was going down", async () => {
    const made = makeTiers({ tools })
    const program = `process.stdout.write(JSON.stringify({ frame: "dock", id: 1, port: 1, lives: true, manifest: ${JSON.stringify(emptyManifest("a", "process"))} }) + "\\n"); setInterval(() => {}, 1000)`
    const opening = made.open("process", "a", { is: "program", file: process.execPath, args: ["-e", program], files: [] }, { bootMillis: 10_000 })
    made.close()
    await expect(opening).rejects.toThrow(/the kernel is going down|it ended/u)
  })
})
