// The life of a channel object: it starts, pulls and processes in cycles, is maintained by the clock, and drains. What goes wrong
// in one of these is told and costs a cycle at most.
import { within } from "./rest.ts"

export type Phase = "start" | "pull" | "process" | "message" | "maintain" | "stop"

export interface CycleOptions {
  /** Whether there are cycles: without a source there is nothing to pull, and nothing waits. */
  readonly isBuffered: () => boolean
  /** Rest between two cycles, and between two calls of `maintain`. */
  readonly periodSeconds: number
  readonly maintenanceSeconds: number
  /** Pending while the system rests. */
  readonly resting: () => Promise<void> | undefined
  readonly does: Readonly<Record<"start" | "pull" | "process" | "maintain" | "stop", () => Promise<void> | void>>
  readonly failed: (phase: Phase, error: unknown) => Promise<void>
  /** Items that wait or are under way; and forgets them, answering how many there were. */
  readonly waiting: () => number
  readonly abandon: () => number
}

export interface Cycle {
  readonly isRunning: () => boolean
  /** Why it takes no writes, or nothing. */
  readonly closed: () => string | undefined
  readonly start: () => Promise<void>
  /** Takes no more, converts what waits, and ends; answers how many items were given up because the time was over. */
  readonly drain: (timeoutSeconds?: number) => Promise<number>
  /** Resolves when it takes writes, or when the signal is aborted. */
  readonly started: (signal: AbortSignal) => Promise<void>
  /** Pending while it has yet to start for the first time, for some seconds at most; nothing afterwards. */
  readonly soon: () => Promise<void> | undefined
}

/** How long a first start is waited for. */
const startMillis = 5_000
/** How long a loop that was asked to end is waited for. */
const endSeconds = 1

export const makeCycle = (options: CycleOptions): Cycle => {
  const { does, failed } = options
  let halt: AbortController | undefined
  let closed: string | undefined = "it has not started; add it to a system, and dock that"
  let isNew = true
  let loop: Promise<unknown> = Promise.resolve()
  let wake = new AbortController()
  let processing: Promise<void> = Promise.resolve()
  const waitingForStart = new Set<() => void>()

  const done = async (phase: keyof CycleOptions["does"]): Promise<void> => {
    try {
      await does[phase]()
    } catch (error) {
      await failed(phase, error)
    }
  }

  /** One after the other, so that a drain does not overtake a cycle. */
  const processed = (): Promise<void> => (processing = processing.then(() => done("process")))

  const cycles = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await options.resting()
      if (signal.aborted) return
      await done("pull")
      await processed()
      wake = new AbortController()
      if (closed === undefined) await within(undefined, options.periodSeconds, AbortSignal.any([signal, wake.signal]))
      // A drain processes by itself; the source is not pulled any more.
      if (closed !== undefined) return
    }
  }

  const maintenance = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await within(undefined, options.maintenanceSeconds, signal)
      if (!signal.aborted) await done("maintain")
    }
  }

  const emptied = async (): Promise<void> => {
    do await processed()
    while (options.waiting() > 0 && halt !== undefined)
  }

  const started = (signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (closed === undefined || signal.aborted) return resolve()
      const go = (): void => {
        waitingForStart.delete(go)
        signal.removeEventListener("abort", go)
        resolve()
      }
      waitingForStart.add(go)
      signal.addEventListener("abort", go, { once: true })
    })

  return {
    isRunning: () => halt !== undefined,
    closed: () => closed,
    start: async () => {
      if (halt !== undefined) return
      const own = (halt = new AbortController())
      await done("start")
      if (own.signal.aborted) return
      closed = undefined
      isNew = false
      for (const go of waitingForStart) go()
      loop = Promise.all([options.isBuffered() ? cycles(own.signal) : undefined, maintenance(own.signal)])
    },
    drain: async (timeoutSeconds) => {
      const own = halt
      if (own === undefined) return 0
      closed = "it is stopped"
      isNew = false
      wake.abort()
      if (timeoutSeconds !== 0) await within(emptied(), timeoutSeconds)
      const abandoned = options.abandon()
      halt = undefined
      own.abort()
      await within(loop, endSeconds)
      await done("stop")
      return abandoned
    },
    started,
    soon: () => (isNew ? started(AbortSignal.timeout(startMillis)) : undefined)
  }
}
