// What a kernel asks of the code that runs here: to perform, to check, to drain. Each ask is done once, however often it is sent,
// and answered as it was.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { Call, Executor } from "../../protocol/executor.ts"
import { frameBytesMax, type KernelFrame } from "../../protocol/frame.ts"
import type { System } from "../../protocol/manifest.ts"
import type { Port } from "../../protocol/port.ts"
import { issuePath } from "../../protocol/standard-schema.ts"
import type { Link } from "./link.ts"

type AskFrame = Extract<KernelFrame, { readonly frame: "ask" }>
type Answer = { readonly value: unknown } | { readonly refused: string } | { readonly fault: string }

interface Docked {
  readonly port: Port
  readonly system: System
}

export interface Asked {
  readonly ask: (frame: AskFrame) => void
  /** Stops it; its answer says so when it has stopped. */
  readonly cancel: (id: number) => void
  /** The session is another: its numbers begin anew, and what is done for the old one is nobody's. */
  readonly forget: () => void
}

/** Anything that was thrown, as a sentence of bounded length. */
export const words = (thrown: unknown): string => (thrown instanceof Error ? `${thrown.name === "Error" ? "" : `${thrown.name}: `}${thrown.message}` : String(thrown)).slice(0, 1_000)

/** Answers that are remembered: an ask that is repeated is not done again. */
const answersMax = 1_000

/** Why an executor does not take a call, or nothing: what the kernel would have checked, had it the code. */
const callRefusal = async ({ check, name, payload }: Executor, call: Call): Promise<string | undefined> => {
  try {
    const result = await payload?.["~standard"].validate(call.payload)
    const issue = result?.issues?.[0]
    if (issue !== undefined) return `payload${issuePath(issue) === "" ? "" : `.${issuePath(issue)}`}: ${issue.message}`
    return check?.(call)
  } catch (thrown) {
    return `the check of ${name} failed: ${words(thrown)}`
  }
}

const encoder = new TextEncoder()

export const makeAsked = (
  link: Link, portOf: (port: number) => Port | undefined, systemOf: (port: number) => System | undefined
): Asked => {
  const doing = new Map<number, Fiber.Fiber<unknown, unknown>>()
  const answers = new Map<number, string>()

  const perform = ({ system }: Docked, frame: Extract<AskFrame, { readonly what: "perform" | "status" }>): Effect.Effect<unknown, { readonly reason: string }> => {
    const executor = system.executors?.find(({ name }) => name === frame.executor)
    const call = frame.call as Call // a kernel's word
    if (executor === undefined) return Effect.fail({ reason: `${system.manifest.id} serves no ${frame.executor}` })
    if (frame.what === "status") return executor.status?.(call) ?? Effect.die(new Error(`${executor.name} cannot be asked`))
    return Effect.flatMap(Effect.promise(() => callRefusal(executor, call)), (refused) =>
      refused === undefined ? executor.perform(call) : Effect.fail({ reason: refused }))
  }
  const check = ({ system }: Docked, frame: Extract<AskFrame, { readonly what: "check" }>): Effect.Effect<unknown, { readonly reason: string }> => {
    const schema = system.schemas?.[frame.channel]
    if (schema === undefined) return Effect.fail({ reason: `${system.manifest.id} checks nothing of ${frame.channel}` })
    return Effect.flatMap(Effect.promise(async () => schema["~standard"].validate(frame.value)), (result) => {
      const issue = result.issues?.[0]
      if (issue === undefined) return Effect.succeed(null)
      const path = issuePath(issue)
      return Effect.fail({ reason: path === "" ? issue.message : `${path}: ${issue.message}` })
    })
  }
  const asked = (docked: Docked, frame: AskFrame): Effect.Effect<unknown, { readonly reason: string }> => {
    switch (frame.what) {
      case "perform":
      case "status":
        return perform(docked, frame)
      case "check":
        return check(docked, frame)
      case "drain":
        return Effect.mapError(docked.system.drain?.(docked.port) ?? Effect.void, (thrown) => ({ reason: words(thrown) }))
    }
  }
  const answer = (id: number, given: Answer): void => {
    const whole = { frame: "answer" as const, id, ...given }
    const size = encoder.encode(JSON.stringify(whole)).byteLength
    // It happened; what came of it does not find room, and is not known there.
    const text = size <= frameBytesMax ? whole : { frame: "answer" as const, id, fault: `its result has ${size} bytes, a frame takes ${frameBytesMax}` }
    answers.set(id, JSON.stringify(text))
    if (answers.size > answersMax) for (const oldest of answers.keys()) {
      answers.delete(oldest)
      break
    }
    link.tell(text)
  }
  const ask = (frame: AskFrame): void => {
    const { id } = frame
    const known = answers.get(id)
    if (known !== undefined) return link.tell(JSON.parse(known))
    if (doing.has(id)) return
    const port = portOf(frame.port)
    const system = systemOf(frame.port)
    if (port === undefined || system === undefined) return answer(id, { refused: "nothing is docked there" })
    const fiber = Effect.runFork(Effect.suspend(() => asked({ port, system }, frame)))
    doing.set(id, fiber)
    fiber.addObserver((exit) => {
      // Those of a session that is gone are nobody's.
      if (doing.get(id) !== fiber) return
      doing.delete(id)
      if (Exit.isSuccess(exit)) return answer(id, { value: exit.value ?? null })
      const failure = Cause.findErrorOption(exit.cause)
      if (failure._tag === "Some") return answer(id, { refused: String(failure.value.reason).slice(0, 4_000) })
      answer(id, { fault: Cause.hasInterruptsOnly(exit.cause) ? "it was stopped" : words(Cause.squash(exit.cause)) })
    })
  }

  return {
    ask,
    cancel: (id) => doing.get(id)?.interruptUnsafe(),
    forget: () => {
      doing.clear()
      answers.clear()
    }
  }
}
