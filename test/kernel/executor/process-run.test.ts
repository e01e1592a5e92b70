import { Effect, Exit, Fiber } from "effect"
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { executor as processRun, type Ran, type RunOptions } from "../../../kernel/executor/process-run.ts"
import type { Executor } from "../../../protocol/executor.ts"
import { callOf } from "../../contract/call.ts"
import { executorContract } from "../../contract/executor.ts"

/** Connects, starts a child that connects too, and would live for ever, whatever it is asked. */
const tenacious = `
  process.on("SIGTERM", () => {})
  require("node:net").connect(process.argv[1]).on("error", () => {})
  if (process.argv[2] === undefined) require("node:child_process").spawn(process.execPath, ["-e", process._eval, process.argv[1], "child"], { stdio: "inherit" })
  setInterval(() => {}, 1000)`

/** Sees programs come and go: each holds a connection while it lives. */
const makeWitness = async (folder: string) => {
  const path = join(folder, "socket")
  const sockets: Array<Socket> = []
  const closed: Array<Promise<unknown>> = []
  const server: Server = createServer((socket) => {
    sockets.push(socket)
    closed.push(once(socket, "close"))
    socket.on("error", () => {}).resume()
  })
  server.listen(path)
  await once(server, "listening")
  return {
    path,
    arrived: async (count: number) => {
      while (sockets.length < count) await once(server, "connection")
    },
    gone: async () => {
      await Promise.all(closed)
    },
    close: () => server.close()
  }
}

const makeBase = (): string => realpathSync(mkdtempSync(join(tmpdir(), "aaax-run-")))

executorContract("process.run", async () => {
  const base = makeBase()
  writeFileSync(join(base, "plain"), "")
  const witness = await makeWitness(base)
  const executor = processRun({ programs: { node: process.execPath }, root: base, graceMillis: 50 })
  const append = (number: number) => ["-e", `require("node:fs").appendFileSync("log-${number}", "once\\n")`]
  return {
    executor,
    call: (number) => callOf(executor, "node", { args: append(number) }, `call ${number}`),
    effects: async (call) => {
      const name = /log-\d+/u.exec(JSON.stringify(call.payload))![0]
      return readdirSync(base).includes(name) ? readFileSync(join(base, name), "utf8").split("\n").length - 1 : 0
    },
    takes: (payload) => payload === undefined || payload === null,
    refusedOutside: [
      ["a folder that is not there", callOf(executor, "node", { args: append(0), cwd: "nowhere" }, "a")],
      ["a file for a folder", callOf(executor, "node", { args: append(0), cwd: "plain" }, "b")]
    ],
    endless: {
      call: callOf(executor, "node", { args: ["-e", tenacious, witness.path] }, "endless"),
      underWay: () => witness.arrived(2),
      gone: () => witness.gone()
    },
    outside: async () => readdirSync(base, { recursive: true, encoding: "utf8" }).sort(),
    dispose: async () => {
      witness.close()
      rmSync(base, { recursive: true, force: true })
    }
  }
})

describe("process.run", () => {
  let base: string
  beforeEach(() => {
    base = makeBase()
  })
  afterEach(() => rmSync(base, { recursive: true, force: true }))

  const make = (options: Partial<RunOptions> = {}): Executor =>
    processRun({ programs: { node: process.execPath }, root: base, graceMillis: 50, ...options })
  const run = (executor: Executor, payload: unknown, target = "node"): Promise<Ran> =>
    Effect.runPromise(executor.perform(callOf(executor, target, payload, "1"))) as Promise<Ran>
  const failure = (executor: Executor, payload: unknown, target = "node"): Promise<{ reason: string }> =>
    Effect.runPromise(Effect.flip(executor.perform(callOf(executor, target, payload, "1"))))
  const script = (text: string, ...args: ReadonlyArray<string>) => ({ args: ["-e", text, ...args] })

  it("gives exit code and outputs, also of a program that says it failed: it did run", async () => {
    expect(await run(make(), script("console.log('out'); console.error('err'); process.exitCode = 3"))).toEqual({
      exitCode: 3, signal: null, stdout: "out\n", stderr: "err\n", truncated: false, timedOut: false, millis: expect.any(Number)
    })
  })

  it("hands arguments over as they are: no shell sees them", async () => {
    const args = ["$HOME", "`id`", "a b", "*", ";touch x", "'\"", "", "é😀", "--", "\n"]
    const { stdout } = await run(make(), script("process.stdout.write(JSON.stringify(process.argv.slice(1)))", "--", ...args))
    expect(JSON.parse(stdout)).toEqual(args)
    expect(readdirSync(base)).toEqual([])
  })

  it("gives a program no variable that was not declared", async () => {
    process.env["AAAX_TEST_SECRET"] = "secret"
    const show = script("process.stdout.write(JSON.stringify(process.env))")
    try {
      expect(JSON.parse((await run(make(), show)).stdout)).toEqual({})
      expect(JSON.parse((await run(make({ env: ["AAAX_TEST_SECRET", "AAAX_NOT_SET"] }), show)).stdout)).toEqual({ AAAX_TEST_SECRET: "secret" })
      expect(JSON.parse((await run(make({ env: { LANG: "C" } }), show)).stdout)).toEqual({ LANG: "C" })
    } finally {
      delete process.env["AAAX_TEST_SECRET"]
    }
  })

  it("gives a program no open file of the kernel", async () => {
    if (process.platform !== "linux") return
    const { stdout } = await run(make(), script("process.stdout.write(require('node:fs').readdirSync('/proc/self/fd').map((fd) => { try { return require('node:fs').readlinkSync('/proc/self/fd/' + fd) } catch { return '' } }).join('\\n'))"))
    expect(stdout.split("\n").filter((path) => path.startsWith("/") && !path.startsWith("/dev/null") && !path.startsWith("/proc/"))).toEqual([])
  })

  it("hands its input to the program", async () => {
    const input = "é😀\n".repeat(100_000)
    const { stdout } = await run(make(), { ...script("let n = 0; process.stdin.on('data', (d) => { n += d.length }).on('end', () => console.log(n))"), stdin: input })
    expect(Number(stdout)).toBe(Buffer.byteLength(input))
  })

  it("is not upset by a program that does not read its input", async () => {
    expect((await run(make(), { ...script("process.stdin.destroy()"), stdin: "x".repeat(1_000_000) })).exitCode).toBe(0)
  })

  it("keeps the first and the last of a long output, and says so", async () => {
    const { stdout, truncated } = await run(make({ outputBytesMax: 1_000 }), script("process.stdout.write('first ' + '.'.repeat(5_000_000) + ' last')"))
    expect(truncated).toBe(true)
    expect(stdout).toMatch(/^first \.+\n\[\d+ bytes left out\]\n\.+ last$/u)
    const left = Number(/\[(\d+) bytes/u.exec(stdout)![1])
    expect(stdout.length - `\n[${left} bytes left out]\n`.length).toBe(1_000)
    expect(left).toBe(5_000_011 - 1_000)
  })

  it("keeps an output whole that has just its bound", async () => {
    const { stdout, truncated } = await run(make({ outputBytesMax: 1_001 }), script("process.stdout.write('é'.repeat(500)); process.stdout.write('x')"))
    expect([stdout, truncated]).toEqual(["é".repeat(500) + "x", false])
  })

  it("starts in the folder that is asked for", async () => {
    mkdirSync(join(base, "sub/folder"), { recursive: true })
    const here = script("process.stdout.write(process.cwd())")
    expect((await run(make(), here)).stdout).toBe(base)
    expect((await run(make(), { ...here, cwd: "sub/folder" })).stdout).toBe(join(base, "sub/folder"))
  })

  it("does not start where a link leads out of the root", async () => {
    symlinkSync(tmpdir(), join(base, "out"))
    expect(await failure(make(), { cwd: "out" })).toEqual({ reason: "out leads out of the root" })
  })

  it.each([["../x"], ["/etc"], ["a//b"], ["a\\b"], [""], ["."]])("refuses the folder %j", (cwd) => {
    expect(make().check?.({ target: "node", payload: { cwd } })).toMatch(/^payload\.cwd: /u)
  })

  it("runs declared programs only, by name", () => {
    const executor = make()
    for (const target of ["sh", "/bin/sh", "../bin/sh", process.execPath, "node ", "constructor", "__proto__"]) {
      expect(executor.check?.({ target, payload: null }), target).toBe("it is not a declared program; declared: node")
    }
  })

  it("looks a program up when it is made, not when it is called", async () => {
    const folders = ["first", "second"].map((name) => join(base, name)) as [string, string]
    for (const folder of folders) {
      mkdirSync(folder)
      writeFileSync(join(folder, "tool"), `#!/bin/sh\necho ${folder}\n`, { mode: 0o755 })
    }
    const path = process.env["PATH"]
    try {
      process.env["PATH"] = `relative:${folders[0]}:${path}`
      const executor = make({ programs: ["tool", "not-there-at-all"] })
      process.env["PATH"] = folders[1]
      expect((await run(executor, null, "tool")).stdout).toBe(`${folders[0]}\n`)
      expect(executor.check?.({ target: "not-there-at-all", payload: null })).toMatch(/was not found on PATH/u)
    } finally {
      process.env["PATH"] = path
    }
  })

  it("is not made for programs that have no plain name, and calls one with a path by its last segment", async () => {
    expect(() => make({ programs: ["bin/sh"] })).toThrow(/neither a plain name nor an absolute path/u)
    expect(() => make({ programs: ["/bin/sh", "sh"] })).toThrow(/declared twice/u)
    expect(() => make({ programs: { x: "./x" } })).toThrow(/not an absolute path/u)
    expect(() => make({ root: "relative" })).toThrow(/not an absolute path/u)
    expect((await run(make({ programs: [process.execPath] }), { args: ["-p", "1"] })).stdout).toBe("1\n")
  })

  it.each([
    ["a NUL", { args: ["a\0b"] }], ["a lone surrogate", { args: ["\ud800"] }], ["too many arguments", { args: Array.from({ length: 1_001 }, () => "") }],
    ["too long arguments", { args: ["x".repeat(131_073)] }], ["too much input", { stdin: "x".repeat(1_048_577) }], ["too much time", { timeoutMillis: 60_001 }],
    ["no time", { timeoutMillis: 0 }], ["a command line", { args: "-e 1" }]
  ])("refuses %s", (_, payload) => {
    expect(make().check?.({ target: "node", payload })).toEqual(expect.any(String))
  })

  it("fails, typed, when the program could not be started", async () => {
    writeFileSync(join(base, "not-executable"), "")
    expect(await failure(make({ programs: { gone: join(base, "gone") } }), null, "gone")).toEqual({ reason: "the program or its folder is not there" })
    expect(await failure(make({ programs: { it: join(base, "not-executable") } }), null, "it")).toEqual({ reason: "it could not be started: EACCES" })
  })

  it("ends a program whose time is up, gently first, and says so", async () => {
    const shell = make({ graceMillis: 20_000, programs: ["/bin/sh"] })
    const gentle = await run(shell, { args: ["-c", "trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.05; done"], timeoutMillis: 1_000 }, "sh")
    expect(gentle).toMatchObject({ timedOut: true, exitCode: 4, stdout: "up\nbye\n" })
  })

  it("kills a program that will not end, with all its children", async () => {
    const witness = await makeWitness(base)
    const result = run(make(), { args: ["-e", tenacious, witness.path], timeoutMillis: 3_000 })
    await witness.arrived(2)
    expect(await result).toMatchObject({ timedOut: true, exitCode: null, signal: "SIGKILL" })
    await witness.gone()
    witness.close()
  })

  it("leaves nothing of a program that ended but left a child behind", async () => {
    const witness = await makeWitness(base)
    const child = `require("node:net").connect(process.argv[1], () => console.log("up")); process.on("SIGTERM", () => {})`
    const leave = `require("node:child_process").spawn(process.execPath, ["-e", process.argv[2], process.argv[1]], { stdio: ["ignore", "pipe", "ignore"] })
      .stdout.on("data", () => process.exit(0))`
    expect((await run(make(), { args: ["-e", leave, witness.path, child] })).exitCode).toBe(0)
    await witness.arrived(1)
    await witness.gone()
    witness.close()
  })

  it("dies with the kernel, also when that is killed with -9", async () => {
    const witness = await makeWitness(base)
    const kernel = spawn(process.execPath, ["--import", "jiti/register", join(import.meta.dirname, "fixture/kernel.ts"), base, tenacious, witness.path], { stdio: "ignore" })
    await witness.arrived(2)
    kernel.kill("SIGKILL")
    await once(kernel, "exit")
    await witness.gone()
    witness.close()
  })

  it("does not know what became of a program when its guardian was killed, and leaves none behind", async () => {
    const witness = await makeWitness(base)
    const executor = make()
    const result = Effect.runPromiseExit(executor.perform(callOf(executor, "node", { args: ["-e", tenacious, witness.path] }, "1")))
    await witness.arrived(2)
    const guardians = execFileSync("ps", ["-A", "-ww", "-o", "pid=,ppid=,args="], { encoding: "utf8" }).split("\n")
      .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)/u.exec(line)).filter((found) => found !== null)
      .filter(([, , parent, args]) => Number(parent) === process.pid && args!.includes(" -e "))
    expect(guardians.length).toBeGreaterThan(0)
    for (const [, pid] of guardians) process.kill(Number(pid), "SIGKILL")
    const exit = await result
    expect(Exit.isFailure(exit) && exit.cause.reasons.map((reason) => reason._tag)).toEqual(["Die"])
    await witness.gone()
    witness.close()
    expect((await run(executor, { args: ["-p", "1"] })).stdout).toBe("1\n")
  })

  it("ends the interruption only when the program is gone", async () => {
    const witness = await makeWitness(base)
    const executor = make()
    const fiber = Effect.runFork(executor.perform(callOf(executor, "node", { args: ["-e", tenacious, witness.path] }, "1")))
    await witness.arrived(2)
    let isGone = false
    const gone = witness.gone().then(() => {
      isGone = true
    })
    await Effect.runPromise(Fiber.interrupt(fiber))
    await Promise.race([gone, new Promise((resolve) => setImmediate(() => setImmediate(resolve)))])
    expect(isGone).toBe(true)
    witness.close()
  })
})
