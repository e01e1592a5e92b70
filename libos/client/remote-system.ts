// A system that runs here and is docked there: started, stopped, drained and asked by the kernel over the link, and docked
// anew when the kernel knows nothing of it any more.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { DockRefused, Undocked } from "../../protocol/errors.ts"
import type { Executor } from "../../protocol/executor.ts"
import type { Dock, KernelFrame, ServedExecutor } from "../../protocol/frame.ts"
import type { System } from "../../protocol/manifest.ts"
import type { SystemId } from "../../protocol/names.ts"
import type { Port } from "../../protocol/port.ts"
import { makeAsked, words } from "./asked.ts"
import type { Link } from "./link.ts"
import type { Outcome } from "./pending.ts"
import { failureOf, remotePort } from "./remote-port.ts"

/** A system that is docked at a kernel elsewhere. */
export interface DockedRemotely {
  readonly id: SystemId
  readonly port: Port
  /** Resolves when it is docked no more, with the reason. */
  readonly undocked: Promise<string>
  readonly undock: () => Promise<void>
}

export interface DockOptions {
  /** How long to wait for its name, when the kernel does not know yet that whoever had it is gone; default 0. */
  readonly waitMillis?: number
}

export interface RemoteSystems {
  readonly dock: (system: System, options?: DockOptions) => Promise<DockedRemotely>
  readonly frame: (frame: KernelFrame) => void
  readonly opened: (resumed: boolean) => void
  readonly closed: (reason: string) => void
}

interface Run {
  number: number
  fiber: Fiber.Fiber<void, unknown> | undefined
  /** How it ended: with a failure, or by itself; nothing while it runs. */
  ended: { readonly failure: string | undefined } | undefined
}

interface Here {
  readonly number: number
  readonly system: System
  readonly port: Port
  readonly frame: Omit<Dock, "id">
  readonly leave: (reason: string) => void
  isDocked: boolean
  /** Until when its name is waited for, in monotonic milliseconds. */
  readonly patience: number
  /** Who waits for it to be docked. */
  docking: ((error?: unknown) => void) | undefined
  run: Run | undefined
  /** Asked for before the last one had ended. */
  next: number | undefined
}

/** Pause before a name that seems to be taken is tried again: the kernel may not know yet that its connection is gone. */
const claimMillis = 100
/** How long code that is undocked may take to end. */
const endMillis = 5_000
const servedOf = ({ description, name, recovery, risk, status, timeoutMillis }: Executor): ServedExecutor => ({
  name,
  description,
  ...(risk === undefined ? {} : { risk }),
  ...(recovery === undefined ? {} : { recovery }),
  ...(timeoutMillis === undefined ? {} : { timeoutMillis }),
  ...(status === undefined ? {} : { queryable: true })
})

const dockFrame = (system: System, port: number): Omit<Dock, "id"> => ({
  frame: "dock",
  port,
  manifest: system.manifest,
  lives: system.run !== undefined,
  ...(system.drain === undefined ? {} : { drains: true }),
  ...(system.executors === undefined || system.executors.length === 0 ? {} : { executors: system.executors.map(servedOf) }),
  ...(system.schemas === undefined ? {} : { schemas: Object.keys(system.schemas) })
})

export const makeRemoteSystems = (link: Link): RemoteSystems => {
  const systems = new Map<number, Here>()
  const asks = makeAsked(link, (port) => systems.get(port)?.port, (port) => systems.get(port)?.system)
  let newest = 0

  const tellEnd = (here: Here, run: Run): void => {
    if (run.ended === undefined) return
    const { failure } = run.ended
    link.tell({ frame: "ended", port: here.number, run: run.number, ...(failure === undefined ? {} : { failure: failure.slice(0, 4_000) }) })
  }
  const begin = (here: Here, number: number): void => {
    const run: Run = { number, fiber: undefined, ended: undefined }
    here.run = run
    const { system } = here
    const fiber = Effect.runFork(Effect.suspend(() => system.run?.(here.port) ?? Effect.void))
    run.fiber = fiber
    fiber.addObserver((exit) => {
      run.fiber = undefined
      // Stopped from outside is no failure.
      run.ended = { failure: Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? undefined : words(Cause.squash(exit.cause)) }
      tellEnd(here, run)
      const { next } = here
      here.next = undefined
      if (next !== undefined) begin(here, next)
    })
  }
  const start = (here: Here, number: number): void => {
    const { run } = here
    if (run?.number === number) return tellEnd(here, run)
    if (run?.fiber === undefined) return begin(here, number)
    // The kernel gave up waiting for the last one; it ends before the next begins.
    here.next = number
    run.fiber.interruptUnsafe()
  }
  const stop = (here: Here, number: number): void => {
    const { run } = here
    if (run?.number !== number) return
    if (run.fiber === undefined) tellEnd(here, run)
    else run.fiber.interruptUnsafe()
  }

  const remove = (here: Here, reason: string): void => {
    if (systems.get(here.number) !== here) return
    systems.delete(here.number)
    here.isDocked = false
    here.next = undefined
    const { docking } = here
    here.docking = undefined
    docking?.(new Undocked({ system: here.system.manifest.id, reason }))
    link.gone(here.number, reason)
    here.run?.fiber?.interruptUnsafe()
    here.leave(reason)
  }

  /** Asks its code to end, and waits for it, but not for ever. */
  const ending = async ({ run }: Here): Promise<void> => {
    const fiber = run?.fiber
    if (fiber !== undefined) await Effect.runPromise(Effect.timeoutOption(Fiber.interrupt(fiber), endMillis))
  }

  /** Docks it on the connection that there is. A name that one of its own lost connections holds still comes free soon. */
  const dockNow = (here: Here, isAgain: boolean, done: (error?: unknown) => void): void => {
    here.docking = done
    const running = here.run?.fiber !== undefined
    link.request(link.number(), { ...here.frame, ...(running ? { running } : {}) }, (outcome: Outcome) => {
      // What was lost with the connection is asked for again on the next; when there is none, `closed` tells who waits.
      if (systems.get(here.number) !== here || outcome.is === "gone") return
      const failure = outcome.is === "failure" ? failureOf(link.url, outcome.failure) : undefined
      if (failure?._tag === "SystemExists" && (isAgain || performance.now() < here.patience)) {
        return void setTimeout(() => {
          if (systems.get(here.number) === here && link.isOpen()) dockNow(here, isAgain, done)
        }, claimMillis)
      }
      here.docking = undefined
      if (failure !== undefined) return done(failure)
      here.isDocked = true
      link.ready(here.number)
      done()
    })
  }

  return {
    dock: (system, { waitMillis = 0 } = {}) =>
      new Promise<DockedRemotely>((resolve, reject) => {
        const { id } = system.manifest
        if (link.ended() !== undefined) return reject(new Undocked({ system: id, reason: link.ended() ?? "" }))
        if (system.securities !== undefined && Object.keys(system.securities).length > 0) {
          return reject(new DockRefused({ system: id, reason: "A remote system brings no security of its own: the kernel cannot ask it at every operation." }))
        }
        const number = ++newest
        let leave: (reason: string) => void = () => {}
        const undocked = new Promise<string>((left) => (leave = left))
        const here: Here = {
          number, system, port: remotePort(link, number, id), frame: dockFrame(system, number), leave,
          isDocked: false, patience: performance.now() + waitMillis, docking: undefined, run: undefined, next: undefined
        }
        systems.set(number, here)
        link.expect(number)
        dockNow(here, false, (error) => {
          if (error !== undefined) {
            remove(here, "it was not docked")
            return reject(error)
          }
          resolve({
            id, port: here.port, undocked,
            undock: async () => {
              // Its code ends before its port is taken away, so that it can give back what it holds.
              await ending(here)
              if (systems.get(number) !== here) return
              await new Promise<void>((done) => link.request(link.number(), { frame: "undock", port: number }, () => done()))
              remove(here, "it was undocked")
            }
          })
        })
      }),
    frame: (frame) => {
      if (frame.frame === "ask") return asks.ask(frame)
      if (frame.frame === "cancel") return asks.cancel(frame.id)
      if (frame.frame !== "start" && frame.frame !== "stop" && frame.frame !== "gone") return
      const here = systems.get(frame.port)
      if (here === undefined) return
      switch (frame.frame) {
        case "start":
          return start(here, frame.run)
        case "stop":
          return stop(here, frame.run)
        case "gone":
          return remove(here, frame.reason)
      }
    },
    opened: (resumed) => {
      if (!resumed) asks.forget()
      for (const here of systems.values()) {
        if (resumed && here.isDocked) {
          link.ready(here.number)
          continue
        }
        here.isDocked = false
        // To a kernel that knows nothing of it, what goes on is the first run.
        if (!resumed && here.run !== undefined) {
          if (here.run.fiber === undefined) here.run = undefined
          else here.run.number = 1
        }
        dockNow(here, true, here.docking ?? ((error) => {
          if (error !== undefined) remove(here, error instanceof Error ? error.message : String(error))
        }))
      }
    },
    closed: (reason) => {
      for (const here of systems.values()) remove(here, reason)
    }
  }
}
