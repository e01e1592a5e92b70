// The tiers of this machine, and the programs that run in them. What a tier needs is looked for when it is asked for, once.
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { System } from "../../protocol/manifest.ts"
import type { SystemId } from "../../protocol/names.ts"
import type { PipeFrame } from "../../protocol/stdio.ts"
import type { Tier } from "../../protocol/tier.ts"
import {
  tierBootMillis, tierForeignSilenceMillis, tierHeapBytes, tierMemoryBytes, tierProcessorSeconds, tierSilenceMillis, tierStallMillis
} from "../limits.ts"
import { startProcess, startWorker, type Child, type ChildOptions } from "./child.ts"
import { jailCommand, processCommand, type ProgramLimits, type Tools, type What } from "./command.ts"
import { makeKeeper } from "./keeper.ts"
import { openPipe } from "./pipe.ts"
import { findChild, findTools, probeJail } from "./tools.ts"

/** Bounds of one program, where a config says others than the usual. */
export interface TierLimits {
  readonly memoryBytes?: number
  readonly processorSeconds?: number
  /** In which it must say what it is. */
  readonly bootMillis?: number
  readonly silenceMillis?: number
  readonly stallMillis?: number
}

/** What is to run: a module, whose files are told to the child, or a program. */
export type Running =
  | { readonly is: "module"; readonly load: PipeFrame }
  | { readonly is: "program"; readonly file: string; readonly args: ReadonlyArray<string>; readonly files: ReadonlyArray<string> }

export interface StartedModule {
  readonly system: System
  readonly close: () => void
}

type Fork = <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>

export interface Tiers {
  /** Why a tier cannot be had here, or nothing. A jail is tried, once. */
  readonly unavailable: (tier: Tier) => Promise<string | undefined>
  /** Starts it and has it say what it is. Rejects with why it did not. */
  readonly open: (tier: Exclude<Tier, "in-process">, id: SystemId | undefined, what: Running, limits: TierLimits) => Promise<StartedModule>
  readonly tools: Tools
  /** How what programs ask for is run and logged from now on. */
  readonly runWith: (fork: Fork) => void
  /** Ends all programs. */
  readonly close: () => void
}

export interface TiersOptions {
  /** File of the child that runs modules; default: the one that was built with this package. */
  readonly child?: string | undefined
  readonly tools?: Tools
}

export const makeTiers = (options: TiersOptions = {}): Tiers => {
  const tools = options.tools ?? findTools()
  const child = options.child ?? findChild()
  const keeper = makeKeeper()
  const open = new Set<() => void>()
  let fork: Fork = Effect.runFork
  let jail: Promise<string | undefined> | undefined
  let closed = false

  const unavailable = async (tier: Tier): Promise<string | undefined> => {
    if (tier === "in-process") return undefined
    if (child === undefined) return "the child that runs modules (dist/tier/child.cjs) is not built"
    if (tier === "worker") return undefined
    if (tier === "process") return tools.permission === undefined ? "this Node has no permission model" : undefined
    jail ??= probeJail(tools)
    return jail
  }

  const starter = (tier: Exclude<Tier, "in-process">, what: Running, limits: ProgramLimits) => (given: Omit<ChildOptions, "limits">): Child => {
    const childOptions = { ...given, limits }
    if (tier === "worker") return startWorker(child!, childOptions) // it was looked for
    const whole: What = what.is === "module" ? { is: "module", child: child! } : what
    const line = tier === "jail" ? jailCommand(whole, limits, tools) : processCommand(whole, limits, tools)
    return startProcess(line, keeper, childOptions)
  }

  return {
    unavailable,
    tools,
    runWith: (given) => {
      fork = given
    },
    open: async (tier, id, what, limits) => {
      if (closed) throw new Error("the kernel is going down")
      const memoryBytes = limits.memoryBytes ?? tierMemoryBytes
      const bounds: ProgramLimits = {
        memoryBytes, heapBytes: Math.min(tierHeapBytes, Math.round(memoryBytes / 2)), processorSeconds: limits.processorSeconds ?? tierProcessorSeconds
      }
      const piped = await openPipe({
        id,
        framework: what.is === "module" ? "esm" : "process",
        start: starter(tier, what, bounds),
        load: what.is === "module" ? () => what.load : undefined,
        bootMillis: limits.bootMillis ?? tierBootMillis,
        silenceMillis: limits.silenceMillis ?? (what.is === "module" ? tierSilenceMillis : tierForeignSilenceMillis),
        stallMillis: limits.stallMillis ?? tierStallMillis,
        fork: (effect) => fork(effect)
      })
      if (closed) {
        piped.close()
        throw new Error("the kernel is going down")
      }
      const close = (): void => {
        open.delete(close)
        piped.close()
      }
      open.add(close)
      return { system: piped.system, close }
    },
    close: () => {
      closed = true
      for (const one of open) one()
      // It kills what is left.
      keeper.close()
    }
  }
}

