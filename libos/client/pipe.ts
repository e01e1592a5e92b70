// The program's end of a pipe to the kernel that started it: one system, and what it owns, docked over lines of JSON. What
// a system does over a socket it does here in the same words; only that there is no token, and no second connection.
import * as Effect from "effect/Effect"
import { chunkOf, type Dock, type Welcome } from "../../protocol/frame.ts"
import type { System } from "../../protocol/manifest.ts"
import type { ReadingPower } from "../../protocol/power.ts"
import type { PipeFrame } from "../../protocol/stdio.ts"
import type { Link, Listener, RequestFrame } from "./link.ts"
import { makeCalls, type Outcome } from "./pending.ts"
import { pipePowers, type AskPower } from "./pipe-powers.ts"
import { makeRemoteSystems } from "./remote-system.ts"

export interface PipeWire {
  readonly send: (line: string) => void
  /** Bytes that were sent and not taken yet. */
  readonly bufferedAmount: () => number
}

export interface Pipe {
  /** A line of the kernel. */
  readonly hear: (line: string) => void
  /** Docks it, and what it owns, under the name that the kernel has for it; resolves when it is docked. */
  readonly dock: (system: System) => Promise<void>
}

export interface PipeOptions {
  readonly wire: PipeWire
  /** What the child that runs modules is given to run. */
  readonly load?: (frame: Extract<PipeFrame, { readonly frame: "load" }>) => void
}

const url = "the kernel"

const base64 = (bytes: Uint8Array): string => {
  let text = ""
  for (let at = 0; at < bytes.length; at += 32_768) text += String.fromCharCode(...bytes.subarray(at, at + 32_768))
  return btoa(text)
}
const bytesOf = (data: string): Uint8Array => Uint8Array.from(atob(data), (character) => character.charCodeAt(0))

export const makePipe = ({ load, wire }: PipeOptions): Pipe => {
  const requests = new Map<number, (outcome: Outcome) => void>()
  const powers = new Map<number, ReadonlyArray<ReadingPower>>()
  const listeners = new Set<Listener>()
  let welcome: Welcome | undefined
  let greet: (system: string) => void = () => {}
  /** What the kernel calls it; empty: what it calls itself. */
  const called = new Promise<string>((resolve) => (greet = resolve))
  let newest = 0
  const number = (): number => ++newest
  const calls = makeCalls(number)
  /** Systems that are to be docked together, owners first. */
  let gathered: Array<{ readonly id: number; readonly frame: Omit<Dock, "id">; readonly done: (outcome: Outcome) => void }> = []

  const tell = (frame: object): void => wire.send(JSON.stringify(frame))
  const askPower: AskPower = (port, power, op, args, done) => {
    const id = number()
    requests.set(id, done)
    tell({ frame: "power", id, port, power, op, args })
  }
  const link: Link = {
    url,
    number,
    call: calls.call,
    expect: calls.expect,
    ready: calls.ready,
    gone: calls.gone,
    welcome: () => welcome!, // nothing asks before it came
    isOpen: () => true,
    ended: () => undefined,
    request: (id, frame: RequestFrame, done) => {
      if (frame.frame === "dock") return void gathered.push({ id, frame, done })
      done({ is: "failure", failure: { _tag: "Denied", system: "", operation: frame.frame, target: "the pipe", reason: "the kernel docks and undocks what it started" } })
    },
    tell,
    listen: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: () => {},
    powersOf: (port) => powers.get(port) ?? []
  }
  const systems = makeRemoteSystems(link)

  const hear = (line: string): void => {
    const frame = JSON.parse(line) as PipeFrame // a kernel's word
    switch (frame.frame) {
      case "welcome": {
        welcome = frame
        greet(frame.system)
        calls.opened({
          send: (sent) => {
            if (typeof sent === "string") return wire.send(sent)
            const chunk = chunkOf(sent)
            if (chunk !== undefined) tell({ frame: "chunk", id: chunk.id, data: base64(chunk.bytes) })
          },
          bufferedAmount: wire.bufferedAmount,
          callsMax: frame.callsMax
        }, false)
        return
      }
      case "result":
      case "failure": {
        const outcome: Outcome = frame.frame === "result" ? { is: "value", value: frame.value } : { is: "failure", failure: frame.failure }
        const request = requests.get(frame.id)
        requests.delete(frame.id)
        return request === undefined ? calls.answered(frame.id, outcome) : request(outcome)
      }
      case "chunk":
        return calls.received(frame.id, bytesOf(frame.data))
      case "ping":
        return tell({ frame: "pong", ...(frame.at === undefined ? {} : { at: frame.at }) })
      case "pong":
      case "events":
      case "over":
        return
      case "load":
        return load?.(frame)
      case "start":
        if (frame.powers !== undefined) powers.set(frame.port, pipePowers(askPower, frame.port, frame.powers))
        return systems.frame(frame)
      default:
        return systems.frame(frame)
    }
  }

  const prepared = async (system: System): Promise<void> => {
    if (system.prepare !== undefined) await Effect.runPromise(system.prepare)
    for (const part of system.subsystems ?? []) await prepared(part)
  }
  /** Owners stand before what they own; answers whose each one is. */
  const together = (system: System, owner: number | undefined, owners: Array<number | undefined>, docked: Array<Promise<unknown>>): void => {
    owners.push(owner)
    const own = owners.length
    docked.push(systems.dock(system))
    for (const part of system.subsystems ?? []) together(part, own, owners, docked)
  }

  return {
    hear,
    dock: async (given) => {
      const id = await called
      await prepared(given)
      // What it is called is the kernel's to say.
      const system: System = id === "" || id === given.manifest.id ? given : Object.create(given, { manifest: { value: { ...given.manifest, id }, enumerable: true } })
      const owners: Array<number | undefined> = []
      const docked: Array<Promise<unknown>> = []
      together(system, undefined, owners, docked)
      const [root, ...rest] = gathered
      const all = gathered
      gathered = []
      if (root === undefined) return void await Promise.all(docked)
      const parts = rest.map(({ frame: { drains, executors, lives, manifest, port, schemas } }, at) => ({
        port, lives, manifest, of: owners[at + 1]!, // only the first has no owner
        ...(drains === undefined ? {} : { drains }), ...(executors === undefined ? {} : { executors }), ...(schemas === undefined ? {} : { schemas })
      }))
      requests.set(root.id, (outcome) => {
        for (const { done } of all) done(outcome)
      })
      const { running: _, ...frame } = root.frame
      tell({ ...frame, id: root.id, ...(parts.length === 0 ? {} : { parts }) })
      await Promise.all(docked)
    }
  }
}

