// The command line as its users meet it: the built program, in processes of its own.
import { spawn } from "node:child_process"
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { join } from "node:path"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { groups } from "../../bin/help.ts"
import { commands } from "../../bin/program.ts"
import { ancestral } from "../../protocol/well-known.ts"
import { build, entry, type Folder, makeFolder, runFileOf, type Running } from "../kit/command-line.ts"

beforeAll(build, 60_000)

/** The words of a warning or a banner are for people; what is tested is the data and the code. */
/** `correct horse`: these kernels have no terminal to show codes on. */
const passphrase = "scrypt$32768$8$1$DZ3ZO-CGchqHdJcf7gqd-w$IgHKxXjAYJKV8Y2ltLC-7mI9RtWyIbYPScMOn6eHgrw"
const config = JSON.stringify({
  id: "test", store: ".aaax/kernel.db", approvals: { passphrase },
  executors: { "fs.write": { roots: ["out"] }, "process.run": { programs: ["echo", "sleep"] } },
  modules: [{ id: "echo", file: "aaax/modules/echo" }]
})

const approve = (folder: Folder, request: string): ReturnType<Folder["aaax"]> => {
  folder.write("passphrase", "correct horse\n")
  return folder.aaax("gate", "approve", request, "--passphrase", "@passphrase")
}

describe("the command line without a kernel", () => {
  let folder: Folder
  beforeEach(() => (folder = makeFolder()))
  afterEach(() => folder.remove())

  it("says its version and its help", async () => {
    expect((await folder.aaax("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/u)
    const help = await folder.aaax("--help")
    expect(help.code).toBe(0)
    for (const { name } of commands) expect(help.stdout).toContain(`  ${name}`)
    const told = groups.flatMap(([, rows]) => rows.map(([usage]) => usage.split(" ")[0]))
    expect(new Set(told)).toEqual(new Set(commands.map(({ name }) => name)))
  })

  it("says a mistake in two lines, with the nearest command, and ends with 2", async () => {
    const ran = await folder.aaax("statsu")
    expect(ran).toMatchObject({ code: 2, stdout: "" })
    expect(ran.stderr.trim().split("\n")).toHaveLength(2)
    expect(ran.stderr).toContain("status")
    expect((await folder.aaax("read")).code).toBe(2)
  })

  it("puts examples first in the help of a command", async () => {
    const { stdout } = await folder.aaax("tail", "--help")
    expect(stdout.indexOf("EXAMPLES")).toBe(0)
    expect(stdout).toContain("--follow")
  })

  it("completes for a shell", async () => {
    expect((await folder.aaax("--completions", "bash")).stdout).toContain("launch")
  })

  it.runIf(existsSync("/dev/full"))("says that its output could not be written, and ends with 1", async () => {
    const full = openSync("/dev/full", "w")
    const child = spawn(process.execPath, [entry, "tail", "--help"], { cwd: folder.path, stdio: ["ignore", full, "pipe"] })
    let told = ""
    child.stderr?.on("data", (text: Buffer) => (told += text.toString()))
    const code = await new Promise((resolve) => child.once("close", resolve))
    closeSync(full)
    expect({ code, told }).toEqual({ code: 1, told: "aaax: the output could not be written: no space is left\n" })
  })

  it("ends with 6 when no kernel runs, and says how to start one", async () => {
    const ran = await folder.aaax("status")
    expect(ran).toMatchObject({ code: 6, stdout: "" })
    expect(ran.stderr).toContain("aaax launch")
  })

  it("ends with 6 when the kernel of the run file is gone", async () => {
    mkdirSync(join(folder.path, ".aaax/run"), { recursive: true })
    const tokenFile = join(folder.path, ".aaax/run/token")
    // No process has this number: it is above the largest that Linux gives.
    writeFileSync(join(folder.path, ".aaax/run/kernel.json"), JSON.stringify({ pid: 99_999_999, version: "0", url: "http://127.0.0.1:9", tokenFile }))
    const ran = await folder.aaax("status")
    expect(ran.code).toBe(6)
    expect(ran.stderr).toContain("is gone")
  })

  it("does not follow a run file that names another machine or another token file", async () => {
    mkdirSync(join(folder.path, ".aaax/run"), { recursive: true })
    for (const run of [
      { url: "http://evil.example:80", tokenFile: join(folder.path, ".aaax/run/token") },
      { url: "http://127.0.0.1:9", tokenFile: "/etc/hostname" }
    ]) {
      writeFileSync(join(folder.path, ".aaax/run/kernel.json"), JSON.stringify({ pid: process.pid, version: "0", ...run }))
      const ran = await folder.aaax("status")
      expect(ran.stderr).toContain("no kernel runs")
    }
  })
})

describe("launch --once", () => {
  let folder: Folder
  beforeEach(() => (folder = makeFolder()))
  afterEach(() => folder.remove())
  const toml = "[aaax]\nid = \"aaax-cli-test\"\npolicy = \"default\"\n[[aaax.modules]]\nid = \"example-agent\"\nframework = \"custom\"\n"

  it("prints the ancestor's snapshot to the letter", async () => {
    folder.write("aaax.toml", toml)
    const ran = await folder.aaax("launch", "aaax.toml", "--once")
    expect(ran.stdout).toBe(
      ["kernel_id=aaax-cli-test", "docked_systems=['example-agent']", "channels:", ...ancestral.map((name) => `  - ${name}`), ""].join("\n")
    )
    expect(ran.code).toBe(0)
    expect(existsSync(join(folder.path, ".aaax"))).toBe(false)
  })

  it("prints the same as one object, with all channels", async () => {
    folder.write("aaax.toml", toml)
    const object = JSON.parse((await folder.aaax("launch", "--once", "--json")).stdout) as { channels: Array<string>; docked_systems: Array<string> }
    expect(object).toMatchObject({ kernel_id: "aaax-cli-test", docked_systems: ["example-agent"] })
    expect(object.channels.slice(0, 9)).toEqual(ancestral)
    expect(object.channels).toContain("aaax.journal")
  })

  it("cannot be combined with --publish", async () => {
    const ran = await folder.aaax("launch", "--once", "--publish")
    expect(ran.code).toBe(2)
    expect(ran.stderr).toContain("--once cannot be combined with --publish.")
  })

  it("names every mistake of a config and starts nothing", async () => {
    folder.write("aaax.config.json", JSON.stringify({ stor: 1, modules: [{ id: "a", fil: "x" }] }))
    const ran = await folder.aaax("launch")
    expect(ran.code).toBe(2)
    expect(ran.stderr).toContain("aaax.config.json: stor: 'stor' is not a key that is known here. Did you mean store?")
    expect(ran.stderr).toContain("modules[0].fil")
    expect(existsSync(join(folder.path, ".aaax"))).toBe(false)
  })

  it("loads a TypeScript config and module in a folder where nothing is installed, with the running copy of aaax", async () => {
    folder.write("mine.ts", "import { defineModule } from \"aaax\"\nexport default defineModule({ id: \"mine\", description: \"mine\" })\n")
    folder.write("aaax.config.ts", [
      "import { defineConfig } from \"aaax/kernel\"", "import * as Effect from \"effect/Effect\"", "import { Effect as Barrel } from \"effect\"",
      "const one: boolean = Effect.succeed === Barrel.succeed",
      "export default defineConfig({ id: one ? \"one\" : \"two\", modules: [{ id: \"mine\", file: \"./mine.ts\" }] })"
    ].join("\n"))
    expect((await folder.aaax("launch", "--once")).stdout).toContain("kernel_id=one\ndocked_systems=['mine']\n")
  })

  it("says why a module file cannot be used", async () => {
    folder.write("mine.ts", "export default 42\n")
    folder.write("aaax.config.json", JSON.stringify({ modules: [{ id: "mine", file: "./mine.ts" }] }))
    const ran = await folder.aaax("launch", "--once")
    expect(ran.code).toBe(4)
    expect(ran.stderr).toContain("its default export is no system")
  })
})

describe("a running kernel", () => {
  let folder: Folder
  let kernel: Running
  beforeAll(async () => {
    folder = makeFolder()
    folder.write("aaax.config.json", config)
    kernel = await folder.launch()
  }, 60_000)
  afterAll(() => folder.remove())

  it("keeps its folder, run file and token to its owner, and out of git", () => {
    const mode = (path: string): number => statSync(join(folder.path, path)).mode & 0o777
    expect([mode(".aaax"), mode(".aaax/run"), mode(".aaax/run/kernel.json"), mode(".aaax/run/token")]).toEqual([0o700, 0o700, 0o600, 0o600])
    expect(readFileSync(join(folder.path, ".aaax/.gitignore"), "utf8")).toBe("*\n")
  })

  it("is found from a folder below, and says its state as bare JSON", async () => {
    mkdirSync(join(folder.path, "a/b"), { recursive: true })
    const ran = await folder.aaax("status", "--json", "--dir", "a/b")
    expect(JSON.parse(ran.stdout)).toMatchObject({ id: "test", pid: kernel.child.pid })
    expect(ran.stderr).toBe("")
  })

  it("lists systems, channels and modules", async () => {
    expect((JSON.parse((await folder.aaax("ps", "--json")).stdout) as Array<{ id: string }>).map(({ id }) => id)).toEqual(["echo", "operator", "terminal"])
    expect((await folder.aaax("channels")).stdout).toContain("echo.in")
    expect((await folder.aaax("modules", "list")).stdout).toContain("aaax/modules/echo")
  })

  it("takes an event, once for a key, and shows it again on one line without what a terminal would obey", async () => {
    const append = (...data: ReadonlyArray<string>) => folder.aaax("append", "echo.in", ...data, "--kind", "note", "--key", "k1")
    const first = await append("\u001b[31mred\u202e")
    expect(first.code).toBe(0)
    expect((await append("\u001b[31mred\u202e")).stdout).toBe(first.stdout)
    expect((await append("other")).code).toBe(5)
    const { stdout } = await folder.aaax("read", "echo.in", "--kind", "note")
    expect(stdout.trimEnd().split("\n")).toHaveLength(1)
    expect(stdout).not.toContain("\u001b")
    expect(stdout).not.toContain("\u202e")
    expect(stdout).toContain("·[31mred·")
    const tail = await folder.aaax("tail", "echo.*", "--json", "--kind", "note")
    expect((JSON.parse(tail.stdout.trim()) as { payload: string }).payload).toBe("\u001b[31mred\u202e")
  })

  it("ends with 3 for what is not there, with the nearest name", async () => {
    const ran = await folder.aaax("read", "echo.inn")
    expect(ran.code).toBe(3)
    expect(ran.stderr).toContain("Did you mean echo.in?")
    expect((await folder.aaax("snapshot", "get", "none")).code).toBe(3)
    expect((await folder.aaax("pause", "ecko")).code).toBe(3)
  })

  it("writes through the gate below its root, and nowhere else", async () => {
    const ran = await folder.aaax("act", "fs.write", "note.md", "--payload", "{\"content\":\"hi\"}", "--json")
    expect(JSON.parse(ran.stdout)).toMatchObject({ state: "succeeded", result: { path: "note.md" } })
    expect(readFileSync(join(folder.path, "out/note.md"), "utf8")).toBe("hi")
    expect((await folder.aaax("act", "fs.write", "../note.md", "--payload", "{\"content\":\"hi\"}")).code).toBe(4)
    expect((await folder.aaax("act", "fs.wrte", "x")).stderr).toContain("did you mean fs.write?")
    expect((await folder.aaax("act", "fs.write", "x", "--payload", "not json")).code).toBe(2)
  })

  it("parks what cannot be undone until it is approved, and then does it once", async () => {
    const waiting = folder.aaax("act", "process.run", "echo", "--payload", "{\"args\":[\"hello\"]}", "--wait", "--json")
    let open: Array<{ id: string; payload: unknown }> = []
    while (open.length === 0) open = JSON.parse((await folder.aaax("gate", "--json")).stdout) as typeof open
    expect(open[0]?.payload).toEqual({ args: ["hello"] })
    expect((await folder.aaax("gate", "approve", open[0]!.id, "--digest", "0".repeat(64))).code).toBe(5)
    const unproved = await folder.aaax("gate", "approve", open[0]!.id)
    expect(unproved.code).toBe(4)
    expect(unproved.stderr).toMatch(/needs a human: approvals from risk high up need (?:a passphrase|the code)/u)
    expect((await approve(folder, open[0]!.id)).code).toBe(0)
    expect(JSON.parse((await waiting).stdout)).toMatchObject({ state: "succeeded", result: { exitCode: 0, stdout: "hello\n" } })
    for (const [verb, ...more] of [["approve"], ["deny"], ["reconcile", "failed"]] as const) {
      const again = await folder.aaax("gate", verb, open[0]!.id, ...more)
      expect(again.code).toBe(5)
      expect(again.stderr).toContain("it is succeeded")
    }
  })

  it("ends the asking command with 4 when it is denied, and with 7 when nobody answers in time", async () => {
    expect((await folder.aaax("act", "process.run", "echo", "--wait", "--timeout", "1")).code).toBe(7)
    const [open] = JSON.parse((await folder.aaax("gate", "--json")).stdout) as Array<{ id: string }>
    expect((await folder.aaax("gate", "deny", open!.id, "--reason", "not on a Friday")).stdout).toContain("refused")
    const { stdout } = await folder.aaax("gate", "show", open!.id)
    expect(stdout).toMatch(/^rule +granted: Risk 'irreversible' requires escalation$/mu)
    expect(stdout).toMatch(/^answer +refused by operator, \d{4}-\d\d-\d\d \d\d:\d\d:\d\d: not on a Friday$/mu)
    expect((await folder.aaax("gate", "show", "no-such-request")).code).toBe(3)
  })

  it("loads a module while it runs, again when it has changed, and keeps the old one when the new one is broken", async () => {
    const module = (description: string): string =>
      `import { defineModule } from "aaax"\nexport default defineModule({ id: "late", description: "${description}" })\n`
    const shown = async (): Promise<unknown> =>
      (JSON.parse((await folder.aaax("ps", "--json")).stdout) as Array<{ id: string; description: string }>).find(({ id }) => id === "late")?.description
    for (const description of ["one", "two"]) {
      folder.write("late.ts", module(description))
      expect((await folder.aaax("modules", "load", "late.ts")).code).toBe(0)
      expect(await shown()).toBe(description)
    }
    folder.write("late.ts", `${module("three")}}`)
    const away = await folder.aaax("modules", "load", "https://example.com/late.ts")
    expect([away.code, away.stderr]).toEqual([4, expect.stringContaining("https://example.com/late.ts is on another machine")])
    const ran = await folder.aaax("modules", "load", "late.ts")
    expect(ran.code).toBe(4)
    expect(ran.stderr).toMatch(/late\.ts cannot be loaded: .*late\.ts:3:0.*What was loaded before stays: late, \w+\n$/u)
    expect(await shown()).toBe("two")
  })

  it("takes the examples that its help gives", async () => {
    const help = (await folder.aaax("act", "--help")).stdout
    const [, payload = ""] = /aaax act fs\.write note\.md --payload '(.*)'/u.exec(help) ?? []
    expect((await folder.aaax("act", "fs.write", "note.md", "--payload", payload)).code).toBe(0)
    const [, kind = ""] = /--kind ([\w.]+)/u.exec((await folder.aaax("tail", "--help")).stdout) ?? []
    expect(readFileSync(new URL("../../modules/watch/index.ts", import.meta.url), "utf8")).toContain(`news, "${kind}",`)
    const appended = await folder.aaax("append", "echo.in", "\"hi\"")
    expect(appended.code).toBe(0)
    const [, byDefault = ""] = /Kind of the event; default: (\w+)/u.exec((await folder.aaax("append", "--help")).stdout) ?? []
    expect((await folder.aaax("read", "echo.in", "--kind", byDefault)).stdout).toContain("hi")
  })

  it("revokes a system for good, and confirms a clock that did not jump", async () => {
    folder.write("gone.ts", "import { defineModule } from \"aaax\"\nexport default defineModule({ id: \"gone\", description: \"gone\" })\n")
    expect((await folder.aaax("modules", "load", "gone.ts")).code).toBe(0)
    expect((await folder.aaax("revoke", "gone")).stdout).toBe("revoked gone\n")
    const resumed = await folder.aaax("resume", "gone")
    expect(resumed.code).toBe(4)
    expect(resumed.stderr).toBe("aaax: operator may not resume gone: it was revoked, which is for good. Only aaax undock gone and docking it anew ends that.\n")
    const systems = JSON.parse((await folder.aaax("ps", "--json")).stdout) as Array<{ id: string; status: string }>
    expect(systems.find(({ id }) => id === "gone")?.status).toBe("revoked")
    expect((await folder.aaax("revoke", "gon")).code).toBe(3)
    expect(JSON.parse((await folder.aaax("clock", "confirm", "--json")).stdout)).toEqual({ millis: null })
  })

  it("shows and verifies its journal, and is healthy", async () => {
    expect((await folder.aaax("audit", "tail", "--last", "1", "--json")).stdout.trim().split("\n")).toHaveLength(1)
    expect((await folder.aaax("audit", "verify")).stdout).toMatch(/^ok {2}\d+ entries/u)
    expect((await folder.aaax("doctor")).code).toBe(0)
  })

  it("refuses a second kernel in its folder, whatever its store, while --once works beside it", async () => {
    for (const store of [[], ["--store", ":memory:"]]) {
      const second = await folder.aaax("launch", ...store)
      expect(second.code).toBe(5)
      expect(second.stderr).toContain(`A kernel runs in ${folder.path} already, with pid ${kernel.child.pid}.`)
    }
    expect((await folder.aaax("launch", "--once")).code).toBe(0)
    expect(runFileOf(folder)?.pid).toBe(kernel.child.pid)
  })

  it("goes down when it is told to, and takes its run file along", async () => {
    expect((await folder.aaax("down")).code).toBe(0)
    expect(await kernel.ended).toBe(0)
    expect(runFileOf(folder)).toBeUndefined()
  })
})

describe("a launch that cannot be", () => {
  let folder: Folder
  beforeEach(() => {
    folder = makeFolder()
    folder.write("aaax.config.json", config)
  })
  afterEach(() => folder.remove())

  type Place = (name: string) => string
  interface Case {
    readonly what: string
    readonly code: number
    readonly sentence: string
    readonly prepare?: (place: Place) => void
    readonly directory?: string
  }
  const cases: ReadonlyArray<Case> = [
    { what: "a folder that is not there", code: 2, sentence: "--dir none: there is no such folder.", directory: "none" },
    { what: "a file in place of the folder", code: 2, sentence: "--dir file: that is a file, not a folder.", directory: "file", prepare: (place) => writeFileSync(place("file"), "") },
    { what: "a file in place of .aaax", code: 1, sentence: ".aaax is a file, and must be a folder.", prepare: (place) => writeFileSync(place(".aaax"), "") },
    { what: "a file in place of .aaax/run", code: 1, sentence: ".aaax/run is a file, and must be a folder.", prepare: (place) => {
      mkdirSync(place(".aaax"))
      writeFileSync(place(".aaax/run"), "")
    } },
    { what: "a file in place of a root", code: 1, sentence: "out is a file, and must be a folder.", prepare: (place) => writeFileSync(place("out"), "") },
    { what: "a folder in place of the token", code: 1, sentence: "something else is in its place.", prepare: (place) => mkdirSync(place(".aaax/run/token"), { recursive: true }) },
    { what: "a store that is no database", code: 1, sentence: "The store is damaged at ", prepare: (place) => {
      mkdirSync(place(".aaax"))
      writeFileSync(place(".aaax/kernel.db"), "not a database, but longer than the header of one. ".repeat(100))
    } },
    { what: "a folder in place of the store", code: 1, sentence: "kernel.db cannot be opened", prepare: (place) => mkdirSync(place(".aaax/kernel.db"), { recursive: true }) },
    { what: "a folder in place of the config", code: 2, sentence: "it cannot be read", prepare: (place) => {
      rmSync(place("aaax.config.json"))
      mkdirSync(place("aaax.config.json"))
    } },
    // Only Linux has a folder in which not even root can make anything.
    ...(existsSync("/proc/self/fd") ? [{ what: "a folder that lets nothing be made in it", code: 1, sentence: "cannot be made there.", directory: "/proc/self/fd" }] : [])
  ]
  it.each(cases)("says why in one sentence: $what", async ({ code, directory, prepare, sentence }) => {
    prepare?.((name) => join(folder.path, name))
    const ran = await folder.aaax("launch", ...(directory === undefined ? [] : ["--dir", directory]))
    expect(ran).toMatchObject({ code, stdout: "" })
    expect(ran.stderr).toContain(sentence)
    expect(ran.stderr.trimEnd().split("\n")).toHaveLength(1)
    expect(runFileOf(folder)).toBeUndefined()
  })
})

describe("a launch", () => {
  let folder: Folder
  beforeEach(() => {
    folder = makeFolder()
    folder.write("aaax.config.json", config)
  })
  afterEach(() => folder.remove())

  it("ends with 0 after SIGTERM and after Ctrl-C", async () => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      const kernel = await folder.launch()
      kernel.child.kill(signal)
      expect(await kernel.ended).toBe(0)
      expect(runFileOf(folder)).toBeUndefined()
    }
  })

  it("goes on when nobody reads what it says, and ends with 0 when it is told to", async () => {
    // Its stdout is a pipe that nobody reads from the beginning, its stderr is closed.
    const shell = spawn("sh", ["-c", "(\"$0\" \"$1\" launch --json 2>&-; echo $? > code) | true", process.execPath, entry], { cwd: folder.path, stdio: "ignore" })
    const ended = new Promise((resolve) => shell.on("exit", resolve))
    while ((await folder.aaax("status")).code !== 0);
    expect((await folder.aaax("append", "echo.in", "1")).code).toBe(0)
    expect((await folder.aaax("down")).code).toBe(0)
    await ended
    expect(readFileSync(join(folder.path, "code"), "utf8")).toBe("0\n")
  })

  it("keeps a parked action through kill -9, to be approved afterwards and done once", async () => {
    const first = await folder.launch()
    const parked = await folder.aaax("act", "process.run", "echo", "--payload", "{\"args\":[\"after\"]}", "--json")
    const { request } = JSON.parse(parked.stdout) as { request: string }
    first.child.kill("SIGKILL")
    await first.ended
    const second = await folder.launch()
    expect((await approve(folder, request)).code).toBe(0)
    let state = ""
    while (state !== "succeeded") state = (JSON.parse((await folder.aaax("gate", "show", request, "--json")).stdout) as { state: string }).state
    second.child.kill("SIGTERM")
    expect(await second.ended).toBe(0)
  })

  it("lists a call that kill -9 cut off as unknown, lets its outcome be said once, and drains a system", async () => {
    const first = await folder.launch()
    const parked = await folder.aaax("act", "process.run", "sleep", "--payload", "{\"args\":[\"60\"]}", "--json")
    const { request } = JSON.parse(parked.stdout) as { request: string }
    expect((await approve(folder, request)).code).toBe(0)
    first.child.kill("SIGKILL")
    await first.ended
    const second = await folder.launch()
    const listed = JSON.parse((await folder.aaax("gate", "ls", "--json")).stdout) as ReadonlyArray<{ id: string; state: string }>
    expect(listed).toMatchObject([{ id: request, state: "unknown" }])
    expect((await folder.aaax("gate", "reconcile", request, "failed", "--reason", "it was cut off")).code).toBe(0)
    expect((await folder.aaax("gate", "reconcile", request, "succeeded", "--reason", "again")).code).toBe(5)
    expect(JSON.parse((await folder.aaax("gate", "show", request, "--json")).stdout)).toMatchObject({ state: "failed", attempt: 1 })
    expect(JSON.parse((await folder.aaax("gate", "ls", "--json")).stdout)).toEqual([])
    expect((await folder.aaax("drain", "echo")).code).toBe(0)
    const systems = JSON.parse((await folder.aaax("ps", "--json")).stdout) as ReadonlyArray<{ id: string; status: string }>
    expect(systems.find(({ id }) => id === "echo")?.status).toBe("drained")
    second.child.kill("SIGTERM")
    expect(await second.ended).toBe(0)
  })

  it("says where it is, what it keeps and how to stop", async () => {
    const kernel = await folder.launch("--store", ":memory:")
    expect(kernel.stderr()).toMatch(/ready in \d+ ms/u)
    expect(kernel.stderr()).toContain("in memory: nothing survives the process")
    expect(kernel.stderr()).toContain(runFileOf(folder)?.url)
    kernel.child.kill("SIGTERM")
    await kernel.ended
  })

  it("says where it is published, which port it took, and that open security is none", async () => {
    const taken = createServer()
    // Whether this test or another program holds it makes no difference.
    await new Promise<void>((resolve) => taken.on("error", () => resolve()).listen(8100, "127.0.0.1", () => resolve()))
    folder.write("aaax.config.json", JSON.stringify({ store: ":memory:", network: { security: "open" } }))
    const kernel = await folder.launch("--publish")
    const url = runFileOf(folder)?.url ?? ""
    expect(kernel.stderr()).toContain(`Open at  ${url}`)
    expect(kernel.stderr()).toMatch(/port 8100 was taken, so it is published on \d+/u)
    expect(kernel.stderr()).toContain("OPEN SECURITY")
    expect((await fetch(`${url}/channels/none`, { headers: { authorization: "Bearer anybody" } })).status).toBe(404)
    expect((await fetch(`${url}/docs`)).status).toBe(200)
    kernel.child.kill("SIGTERM")
    expect(await kernel.ended).toBe(0)
    taken.close()
  })

  it("is not published where others could listen in, and says what to do", async () => {
    for (const [args, told] of [[["--host", "0.0.0.0"], "network.tls"], [["--port", "70000"], "is not a port"]] as const) {
      const ran = await folder.aaax("launch", "--store", ":memory:", "--publish", ...args)
      expect(ran.code).toBe(2)
      expect(ran.stderr).toContain(told)
    }
    expect(runFileOf(folder)).toBeUndefined()
  })

  it("is ended with 70 by a module that spins, names it, and quarantines it at the next start", async () => {
    folder.write("spin.ts", [
      "import { defineModule } from \"aaax\"",
      "export default defineModule({ id: \"spin\", description: \"spins\", run: async () => {",
      "  await new Promise((resolve) => setTimeout(resolve, 500))", "  while (true) {}", "} })"
    ].join("\n"))
    folder.write("aaax.config.json", JSON.stringify({ modules: [{ id: "spin", file: "./spin.ts" }, { id: "echo", file: "aaax/modules/echo" }] }))
    const first = await folder.launch()
    expect(await first.ended).toBe(70)
    expect(first.stderr()).toContain("spin did not yield")
    const second = await folder.launch()
    const systems = JSON.parse((await folder.aaax("ps", "--json")).stdout) as Array<{ id: string; status: string }>
    expect(systems.find(({ id }) => id === "spin")).toMatchObject({ status: "quarantined", lastError: "it did not yield, and the watchdog ended the kernel" })
    const doctor = await folder.aaax("doctor")
    expect(doctor.code).toBe(1)
    expect(doctor.stdout).toMatch(/^!! {2}systems {5}spin is quarantined \(it did not yield.*\); mend it, then: aaax resume spin$/mu)
    expect(doctor.stderr).toBe("aaax: 1 finding: systems.\n")
    expect(systems.find(({ id }) => id === "echo")?.status).toBe("running")
    second.child.kill("SIGTERM")
    expect(await second.ended).toBe(0)
  }, 60_000)
})
