// Systems that run at the other end of a session. Each is docked as one that runs here would be: the kernel starts, stops,
// drains and supervises it, only that its code answers over frames.
import * as Effect from "effect/Effect"
import type { Executor } from "../../../protocol/executor.ts"
import type { Dock, ServedExecutor } from "../../../protocol/frame.ts"
import type { System } from "../../../protocol/manifest.ts"
import type { ChannelId } from "../../../protocol/names.ts"
import type { StandardSchemaV1 } from "../../../protocol/standard-schema.ts"
import { executorMillisDefault, remoteCheckMillis, remoteStopMillis } from "../../limits.ts"
import type { Asks } from "./asks.ts"

/** The life of a remote system as the kernel drives it. */
export interface Life {
  /** The other end says that a run has ended. */
  readonly ended: (run: number, failure: string | undefined) => void
  /** A connection is there again: says what runs and what does not. */
  readonly attached: () => void
}

export interface RemoteSystem {
  readonly system: System
  readonly life: Life
}

export interface RemoteOptions {
  readonly frame: Dock
  readonly asks: Asks
  /** Sends a frame; says whether there was a connection to send it over. */
  readonly send: (frame: string) => boolean
}

/** What a remote system's code threw, as the kernel tells it. */
class RemoteFailure extends Error {
  override readonly name = "Error"
}

export const remoteSystem = ({ asks, frame, send }: RemoteOptions): RemoteSystem => {
  const { manifest, port } = frame
  let newest = 0
  let running: { readonly run: number; end: (failure: string | undefined) => void } | undefined

  const tell = (what: "start" | "stop", run: number): boolean => send(JSON.stringify({ frame: what, port, run }))

  const run: NonNullable<System["run"]> = () =>
    Effect.callback<void, RemoteFailure>((resume) => {
      const one = {
        run: ++newest,
        end: (failure: string | undefined): void => resume(failure === undefined ? Effect.void : Effect.fail(new RemoteFailure(failure)))
      }
      running = one
      // One that was docked before a kernel or a connection went away has gone on meanwhile, as its first run.
      if (one.run > 1 || frame.running !== true) tell("start", one.run)
      return Effect.callback<void>((stopped) => {
        const over = (): void => {
          clearTimeout(timer)
          if (running === one) running = undefined
          stopped(Effect.void)
        }
        const timer = setTimeout(over, remoteStopMillis)
        one.end = over
        // Nobody is there to say that it has ended.
        if (!tell("stop", one.run)) over()
      })
    })

  const executor = (served: ServedExecutor): Executor => {
    const { description, name, queryable, recovery, risk, timeoutMillis } = served
    const asking = (what: "perform" | "status", graceMillis: number) => (call: unknown): Effect.Effect<unknown, { readonly reason: string }> =>
      Effect.flatMap(asks.ask(port, { what, executor: name, call }, graceMillis), (answer) => {
        switch (answer.is) {
          case "value":
            return Effect.succeed(answer.value)
          case "refused":
            return Effect.fail({ reason: answer.reason })
          case "fault":
            // It may have happened.
            return Effect.die(new RemoteFailure(answer.reason))
        }
      })
    const status = asking("status", 0)
    return {
      name,
      description,
      ...(risk === undefined ? {} : { risk }),
      ...(recovery === undefined ? {} : { recovery }),
      ...(timeoutMillis === undefined ? {} : { timeoutMillis }),
      perform: asking("perform", timeoutMillis ?? executorMillisDefault),
      // `null` over the wire is "it is not there": a frame has no `undefined`.
      ...(queryable === true ? { status: (call) => Effect.map(status(call), (found) => found ?? undefined) } : {})
    }
  }

  const schema = (channel: ChannelId): StandardSchemaV1 => ({
    "~standard": {
      version: 1,
      vendor: "aaax",
      validate: (value) =>
        Effect.runPromise(Effect.map(
          Effect.timeoutOption(asks.ask(port, { what: "check", channel, value }, 0), remoteCheckMillis),
          (answer) => {
            const said = answer._tag === "Some" ? answer.value : undefined
            if (said?.is === "value") return { value }
            return { issues: [{ message: said?.reason ?? `${manifest.id}, which checks it, did not answer` }] }
          }
        ))
    }
  })

  return {
    system: {
      manifest,
      ...(frame.executors === undefined ? {} : { executors: frame.executors.map(executor) }),
      ...(frame.schemas === undefined ? {} : { schemas: Object.fromEntries(frame.schemas.map((channel) => [channel, schema(channel)])) }),
      ...(frame.lives ? { run } : {}),
      ...(frame.drains === true ? { drain: () => Effect.asVoid(asks.ask(port, { what: "drain" }, 0)) } : {})
    },
    life: {
      ended: (which, failure) => {
        if (running?.run !== which) return
        const { end } = running
        running = undefined
        end(failure)
      },
      attached: () => {
        if (running !== undefined) tell("start", running.run)
        else if (newest > 0) tell("stop", newest)
      }
    }
  }
}
