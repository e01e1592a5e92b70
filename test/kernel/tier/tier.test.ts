// Tiers as data: which one a module gets, how it is started there, and what a program may say.
import { spawn } from "node:child_process"
import { describe, expect, it } from "vitest"
import { lineBytesMax, programFrameOf } from "../../../protocol/stdio.ts"
import { moreThan, asksOf } from "../../../protocol/asks.ts"
import { emptyManifest } from "../../../protocol/manifest.ts"
import { tiers, trusts, type Tier, type Trust } from "../../../protocol/tier.ts"
import { decideTier } from "../../../kernel/dock/tier.ts"
import { jailCommand, processCommand, type Tools } from "../../../kernel/tier/command.ts"
import { makeKeeper } from "../../../kernel/tier/keeper.ts"
import { makeLines } from "../../../kernel/tier/lines.ts"

const here = (...there: ReadonlyArray<Tier>) => (tier: Tier): string | undefined => (there.includes(tier) ? undefined : `no ${tier}`)
const decided = (trust: Trust, asked: Tier | undefined, there: ReadonlyArray<Tier>, allowWeak = false): string => {
  const made = decideTier({ trust, asked, unavailable: here(...there), allowWeak })
  return typeof made === "string" ? "refused" : `${made.tier}${made.weak ? ", weak" : ""}`
}

describe("the tier of a module", () => {
  it("is the strongest there is, or its own process for the project's own code, and never below the floor of its trust", () => {
    const table = trusts.map((trust) => ([undefined, ...tiers] as const).map((asked) => decided(trust, asked, tiers)))
    expect(table).toEqual([
      ["in-process", "in-process", "worker", "process", "jail"],
      ["jail", "refused", "refused", "process", "jail"],
      ["jail", "refused", "refused", "refused", "jail"]
    ])
    const jailless = ["in-process", "worker", "process"] as const
    expect(trusts.map((trust) => decided(trust, undefined, jailless))).toEqual(["in-process", "process", "refused"])
    expect(trusts.map((trust) => decided(trust, "jail", jailless, true))).toEqual(["refused", "refused", "refused"])
  })

  it("is weaker only where the config allows it, and then says so", () => {
    expect(decided("third", undefined, ["in-process", "worker", "process"], true)).toBe("process, weak")
    expect(decided("third", "worker", tiers, true)).toBe("worker, weak")
    expect(decided("signed", "in-process", tiers, true)).toBe("in-process, weak")
    expect(decided("first", "in-process", tiers, true)).toBe("in-process")
  })
})

describe("the command line of a tier", () => {
  const limits = { memoryBytes: 256 * 1_048_576, heapBytes: 128 * 1_048_576, processorSeconds: 7 }
  const tools: Tools = { node: "/opt/node/bin/node", permission: "--permission", prlimit: "/usr/bin/prlimit", bwrap: "/usr/bin/bwrap" }

  it("gives a module Node's permissions for its own file alone, and bounds", () => {
    const { args, file } = processCommand({ is: "module", child: "/opt/aaax/child.cjs" }, limits, tools)
    expect([file, ...args]).toEqual([
      "/usr/bin/prlimit", "--as=1868435456", "--cpu=7", "--core=0", "--", "/opt/node/bin/node", "--permission", "--allow-fs-read=/opt/aaax/child.cjs",
      "--disallow-code-generation-from-strings", "--disable-proto=throw", "--no-warnings", "--disable-wasm-trap-handler", "--max-old-space-size=128", "/opt/aaax/child.cjs"
    ])
  })

  it("shares nothing with a jail but the system's programs and the files of the module, read-only", () => {
    const { args, file } = jailCommand({ is: "program", file: "/usr/bin/python3", args: ["/home/me/agent.py", "--fast"], files: ["/home/me/agent.py"] }, limits, tools)
    const text = [file, ...args].join(" ")
    for (const part of ["--unshare-all", "--die-with-parent", "--new-session", "--cap-drop ALL", "--clearenv", "--uid 65534", "--tmpfs /tmp", "--remount-ro /", "--nproc=128"]) expect(text).toContain(part)
    expect(args.filter((_, at) => /bind/u.test(args[at - 1] ?? "")).sort()).toEqual(["/etc/ld.so.cache", "/home/me/agent.py", "/usr"])
    expect(text.endsWith("-- /usr/bin/python3 /aaax/0/agent.py --fast")).toBe(true)
    expect(args.some((arg) => arg === "--bind" || arg === "--dev-bind" || arg === "--share-net")).toBe(false)
  })
})

describe("a line of a program", () => {
  it("is handed on whole, however it is cut, and never longer than it may be", () => {
    const said: Array<string> = []
    let tooLong = 0
    const lines = makeLines(10, (line) => void said.push(line), () => void tooLong++)
    for (const byte of Buffer.from("één\n{\"a\":1}\n\n0123456789\n")) lines.take(Uint8Array.of(byte))
    lines.take(Buffer.from("a\nb\nc"))
    lines.take(Buffer.from("d\n"))
    expect(said).toEqual(["één", "{\"a\":1}", "", "0123456789", "a", "b", "cd"])
    lines.take(Buffer.from("01234567890\nlater\n"))
    expect([said.length, tooLong]).toEqual([7, 1])
    expect(lineBytesMax).toBe(1_048_576)
  })

  it("is one of the frames of a pipe, and nothing else", () => {
    expect(programFrameOf(`{"frame":"pong"}`)).toEqual({ frame: "pong" })
    expect(programFrameOf(`{ "id": 1, "frame": "power", "port": 1, "power": 0, "op": "list", "args": [] }`)).toMatchObject({ frame: "power" })
    expect(programFrameOf(`{"frame":"dock","id":1,"port":1,"lives":true}`)).toMatchObject({ frame: "dock" })
    for (const [line, reason] of [
      ["hello", /not JSON/u], ["[]", /no `frame`/u], [`{"frame":"welcome"}`, /no known kind/u], [`{"frame":"hello","versions":[1]}`, /for sockets/u],
      [`{"frame":"subscribe","id":1,"channel":"x"}`, /for sockets/u], [`{"frame":"dock","id":1,"port":0,"lives":true}`, /port/u],
      [`{"frame":"dock","id":1,"port":1,"lives":true,"token":"x"}`, /excess|Unexpected|token/iu], [`{"frame":"call","id":1,"op":"close","args":[]}`, /append/u],
      [`{"frame":"call","id":1,"op":"append","args":${"[".repeat(100)}${"]".repeat(100)}}`, /nests deeper/u],
      [`{"frame":"constructor"}`, /no known kind/u], [`{"frame":"__proto__"}`, /no known kind/u]
    ] as const) expect(programFrameOf(line), line).toMatch(reason)
    expect(programFrameOf(`{"frame":"pong","at":1}${" ".repeat(10)}`)).toEqual({ frame: "pong", at: 1 })
    expect(programFrameOf(JSON.stringify({ frame: "answer", id: 1, value: "[".repeat(1_000) }))).toMatchObject({ frame: "answer" })
  })
})

describe("what a module asks for", () => {
  it("is more when anything is there that was not, and never when something is gone", () => {
    const base = { ...emptyManifest("m"), reads: ["a"], writes: ["b"], executors: ["fs.write"], powers: [{ power: "read" as const, root: "." }] }
    const before = asksOf([base], ["x"], "process")
    expect(moreThan(before, before)).toEqual([])
    expect(moreThan(before, asksOf([emptyManifest("m")], [], "jail"))).toEqual([])
    expect(moreThan(before, asksOf([{ ...base, reads: ["a", "c"], powers: [{ power: "read", root: "/" }], privileged: true }, { ...emptyManifest("m/part"), takes: ["q"] }], ["x", "y"], "worker")))
      .toEqual(["reads: c", "takes: q", "serves: y", "powers: /", "privileged", "tier: worker, where it was process"])
  })
})

describe("the keeper", () => {
  it("kills what it watches when the pipe to its kernel ends, a program that spins as well", async () => {
    const keeper = makeKeeper()
    const spinning = spawn(process.execPath, ["-e", "for (;;) {}"], { stdio: "ignore", detached: true })
    const forgotten = spawn(process.execPath, ["-e", "setTimeout(() => {}, 60_000)"], { stdio: "ignore", detached: true })
    const ended = new Promise<string | null>((resolve) => void spinning.on("exit", (_, signal) => resolve(signal)))
    keeper.watch(spinning.pid!)
    keeper.watch(forgotten.pid!)
    keeper.forget(forgotten.pid!)
    keeper.close()
    try {
      expect(await ended).toBe("SIGKILL")
      expect(forgotten.exitCode ?? forgotten.signalCode).toBeNull()
    } finally {
      spinning.kill("SIGKILL")
      forgotten.kill("SIGKILL")
    }
  })
})
