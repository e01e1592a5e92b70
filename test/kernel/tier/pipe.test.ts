// The kernel's end of a pipe, with a program that is a few functions.
import * as Effect from "effect/Effect"
import { describe, expect, it } from "vitest"
import type { Child, ChildOptions } from "../../../kernel/tier/child.ts"
import { openPipe, type PipeOptions } from "../../../kernel/tier/pipe.ts"
import type { Port } from "../../../protocol/port.ts"

interface Program {
  readonly sent: Array<Record<string, unknown>>
  readonly ended: Array<string>
  readonly say: (frame: object | string) => void
  readonly start: PipeOptions["start"]
}

/** `onStart` is the program: what it does when it is started. */
const makeProgram = (onStart: (say: Program["say"]) => void): Program => {
  const sent: Array<Record<string, unknown>> = []
  const ended: Array<string> = []
  let options: Omit<ChildOptions, "limits"> | undefined
  const say = (frame: object | string): void => options?.onLine(typeof frame === "string" ? frame : JSON.stringify(frame))
  return {
    sent, ended, say,
    start: (given): Child => {
      options = given
      setImmediate(() => onStart(say))
      return {
        pid: undefined, waitingBytes: () => 0, pause: () => {},
        send: (line) => void sent.push(JSON.parse(line) as Record<string, unknown>),
        end: (reason) => {
          ended.push(reason)
          setImmediate(() => given.onEnd(reason))
        }
      }
    }
  }
}
const optionsOf = (program: Program, more: Partial<PipeOptions> = {}): PipeOptions => ({
  id: "program", framework: "process", start: program.start, load: undefined, bootMillis: 200, silenceMillis: 60_000, stallMillis: 60_000, fork: Effect.runFork, ...more
})
const dock = { frame: "dock", id: 9, port: 3, lives: true }
const moment = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))
const until = async (what: () => boolean): Promise<void> => {
  for (let turn = 0; turn < 2_000 && !what(); turn++) await moment(2)
}
/** A port of a system that appends, and remembers for whom. */
const portOf = (system: string, appended: Array<unknown>): Port =>
  ({ system, powers: [], append: (...given: ReadonlyArray<unknown>) => Effect.sync(() => void appended.push([system, ...given])) }) as unknown as Port // what is called

describe("a pipe", () => {
  it("ends a program that does not say what it is in its time, and leaves alone one that did", async () => {
    const silent = makeProgram(() => {})
    await expect(openPipe(optionsOf(silent))).rejects.toThrow("it did not say what it is within 0.2 s")
    const program = makeProgram((say) => say(dock))
    const { close, system } = await openPipe(optionsOf(program))
    expect(system.manifest).toMatchObject({ id: "program", framework: "process", reads: [] })
    await moment(300)
    expect(program.ended).toEqual([])
    close()
    expect(program.ended).toEqual(["it was undocked"])
  })

  it("gives its calls to the port of the number that they name, and to no other", async () => {
    const program = makeProgram((say) => say({ ...dock, parts: [{ port: 4, of: 3, lives: true, manifest: { ...empty, id: "program/part" } }] }))
    const { close, system } = await openPipe(optionsOf(program))
    const appended: Array<unknown> = []
    const runs = [system, system.subsystems![0]!].map((one) => Effect.runFork(one.run!(portOf(one.manifest.id, appended))))
    await until(() => program.sent.filter(({ frame }) => frame === "start").length === 2)
    expect(program.sent.find(({ frame }) => frame === "result")).toEqual({ frame: "result", id: 9, value: { system: "program" } })
    const call = (id: number, port: number | undefined): void => program.say({ frame: "call", id, ...(port === undefined ? {} : { port }), op: "append", args: ["x", [{ payload: id, sender: "operator" }]] })
    call(1, 3)
    call(2, 4)
    call(3, undefined)
    call(4, 5)
    await until(() => program.sent.filter(({ id }) => id === 1 || id === 2 || id === 3 || id === 4).length === 4)
    expect(appended.map((each) => (each as ReadonlyArray<unknown>)[0])).toEqual(["program", "program/part"])
    expect(program.sent.filter(({ frame }) => frame === "failure").map(({ failure, id }) => [id, (failure as { readonly _tag: string })._tag])).toEqual([[3, "Undocked"], [4, "Undocked"]])
    close()
    for (const run of runs) run.interruptUnsafe()
  })

  it.each([
    ["docks twice", dock, "it docked twice"],
    ["says what is no frame", "hello", "it said what is no frame: it is not JSON"],
    ["asks for another protocol's frames", { frame: "undock", id: 1, port: 1 }, "it said what is no frame: `undock` is for sockets, not for a pipe"]
  ])("ends a program that %s", async (_, frame, reason) => {
    const program = makeProgram((say) => say(dock))
    const { close } = await openPipe(optionsOf(program))
    program.say(frame)
    expect(program.ended).toEqual([reason])
    close()
  })

  it("drops answers that nobody waits for, and refuses a manifest that is none", async () => {
    const program = makeProgram((say) => say(dock))
    const { close } = await openPipe(optionsOf(program))
    program.say({ frame: "answer", id: 77, value: 1 })
    program.say({ frame: "ended", port: 9, run: 1 })
    program.say({ frame: "cancel", id: 12 })
    program.say({ frame: "chunk", id: 5, data: "AAAA" })
    expect(program.ended).toEqual([])
    close()
    await expect(openPipe(optionsOf(makeProgram((say) => say({ ...dock, manifest: { reads: "news" } }))))).rejects.toThrow(/its manifest is none/u)
    await expect(openPipe(optionsOf(makeProgram((say) => say({ ...dock, manifest: { id: "operator" } }))))).resolves.toMatchObject({ system: { manifest: { id: "program" } } })
  })
})

const empty = {
  framework: "process", description: "", reads: [], writes: [], takes: [], provides: [], snapshots: [], executors: [], remoteChannels: [], powers: [], privileged: false, riskProfile: "medium"
}
