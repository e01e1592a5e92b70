// The kernel's end of a pipe: a program that was started, docked and driven as a system that runs here would be. Its calls go
// to the ports that it was docked with, whatever they say; what it does not keep to ends it, and supervision starts it again.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { chunkOf, frameVersions, type Dock, type Welcome } from "../../protocol/frame.ts"
import { emptyManifest, Manifest, type System } from "../../protocol/manifest.ts"
import type { SystemId } from "../../protocol/names.ts"
import type { Port } from "../../protocol/port.ts"
import { programFrameOf, type PipeDock, type PipeFrame, type PipePart, type PowerFrame } from "../../protocol/stdio.ts"
import { makeAsks, type Asks } from "../door/ws/asks.ts"
import { makeCalls, type Calls } from "../door/ws/calls.ts"
import type { Outbox } from "../door/ws/outbox.ts"
import { remoteSystem, type RemoteSystem } from "../door/ws/remote.ts"
import {
  outboxBytesMax, outboxMillisMax, socketCallsMax, socketFramesPerSecond, tierIdleMillis, tierLooksMax, tierPingMillis
} from "../limits.ts"
import { idle, type Child, type ChildOptions } from "./child.ts"
import { look } from "./look.ts"
import { makeProgress, type Progress } from "./progress.ts"

export interface PipeOptions {
  /** What it is docked under; absent: what it calls itself. */
  readonly id: SystemId | undefined
  readonly framework: string
  readonly start: (options: Omit<ChildOptions, "limits">) => Child
  /** What the child of modules is told to run. */
  readonly load: (() => PipeFrame) | undefined
  readonly bootMillis: number
  readonly silenceMillis: number
  readonly stallMillis: number
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
}

export interface Piped {
  readonly system: System
  /** Ends it for good. */
  readonly close: () => void
}

/** What a program did or was, in the words of a failure. */
class Ended extends Error {
  override readonly name = "Error"
}

interface Session {
  readonly child: Child
  readonly calls: Calls
  readonly asks: Asks
  readonly progress: Progress
  /** Resolves with what it docks. */
  readonly described: Promise<PipeDock>
  /** Resolves with why it is gone. */
  readonly ended: Promise<string>
  dockId: number | undefined
}

const decodeManifest = Schema.decodeUnknownResult(Manifest, { errors: "first", onExcessProperty: "error" })
/** How long what was said too fast is not read. */
const slowMillis = 50
const pingMillisMin = 50

export const openPipe = async (options: PipeOptions): Promise<Piped> => {
  const { fork } = options
  const ports = new Map<number, Port>()
  const pingMillis = Math.max(pingMillisMin, Math.min(tierPingMillis, options.silenceMillis / 4))
  let current: Session | undefined
  let closed = false
  let idleTimer: NodeJS.Timeout | undefined
  let running = 0
  /** What its lines are logged under: known when it has said what it is. */
  let named = options.id

  const begin = (): Session => {
    let onDock: (frame: PipeDock) => void = () => {}
    let onEnd: (reason: string) => void = () => {}
    const ended = new Promise<string>((resolve) => (onEnd = resolve))
    let room = socketFramesPerSecond
    let countedAt = performance.now()
    let looks = 0
    let isDescribed = false
    let over = false
    let pausedFor = 0
    const hold = (isHeld: boolean): void => {
      pausedFor += isHeld ? 1 : -1
      child.pause(pausedFor > 0)
    }
    let isFull = false
    const outbox: Outbox = {
      send: (frame) => {
        if (over) return
        if (typeof frame === "string") child.send(frame)
        else {
          const chunk = chunkOf(frame)
          if (chunk !== undefined) tell({ frame: "chunk", id: chunk.id, data: Buffer.from(chunk.bytes).toString("base64") })
        }
        // Who does not take what it asked for is not heard until it does.
        if (isFull || child.waitingBytes() < outboxBytesMax) return
        isFull = true
        hold(true)
      },
      sendEncoded: (frame) => child.send(frame.toString()),
      isFull: () => isFull,
      bytes: () => child.waitingBytes(),
      stuckMillis: () => 0
    }
    const tell = (frame: PipeFrame): void => outbox.send(JSON.stringify(frame))

    const count = (now: number): void => {
      room = Math.min(socketFramesPerSecond, room + (now - countedAt) * (socketFramesPerSecond / 1_000)) - 1
      countedAt = now
      if (room > 0 || pausedFor > 0) return
      hold(true)
      setTimeout(() => hold(false), slowMillis)
    }
    const see = (frame: PowerFrame): void => {
      const power = ports.get(frame.port)?.powers[frame.power]
      const refuse = (reason: string): void => tell({ frame: "failure", id: frame.id, failure: { path: "", reason } })
      if (power === undefined) return refuse("there is no such power")
      if (looks >= tierLooksMax) return refuse(`at most ${tierLooksMax} looks at once`)
      looks++
      fork(look(power, frame.op, frame.args)).addObserver((exit) => {
        looks--
        if (Exit.isSuccess(exit)) return tell({ frame: "result", id: frame.id, value: exit.value })
        const [reason] = exit.cause.reasons
        tell({ frame: "failure", id: frame.id, failure: reason?._tag === "Fail" ? reason.error : { path: "", reason: "the kernel could not look" } })
      })
    }
    const take = (line: string): void => {
      if (over || line === "") return
      count(performance.now())
      const frame = programFrameOf(line)
      if (typeof frame === "string") return child.end(`it said what is no frame: ${frame}`)
      switch (frame.frame) {
        case "dock":
          if (isDescribed) return child.end("it docked twice")
          isDescribed = true
          session.dockId = frame.id
          return onDock(frame)
        case "call":
          session.progress.called(frame)
          return session.calls.call(frame)
        case "chunk":
          return session.calls.chunk(frame.id, Buffer.from(frame.data, "base64"))
        case "cancel":
          return session.calls.cancel(frame.id)
        case "power":
          return see(frame)
        case "ended":
          return systems.get(frame.port)?.life.ended(frame.run, frame.failure)
        case "answer":
          return session.asks.answer(
            frame.id,
            frame.refused !== undefined
              ? { is: "refused", reason: frame.refused }
              : frame.fault !== undefined ? { is: "fault", reason: frame.fault } : { is: "value", value: frame.value ?? null }
          )
        case "ping":
          return tell({ frame: "pong", ...(frame.at === undefined ? {} : { at: frame.at }) })
        case "pong":
          return session.progress.answered()
      }
    }
    const gone = (reason: string): void => {
      if (over) return
      over = true
      clearInterval(beat)
      if (current === session) current = undefined
      session.calls.lapse()
      session.asks.end(reason)
      onEnd(reason)
    }
    const log = (line: string): void => void fork(Effect.logInfo(line).pipe(Effect.annotateLogs({ system: named ?? options.framework })))
    const child = options.start({
      onLine: take,
      onEnd: gone,
      onLog: log,
      onDrained: () => {
        if (!isFull || child.waitingBytes() >= outboxBytesMax) return
        isFull = false
        hold(false)
        session.calls.drained()
      }
    })
    const described = new Promise<PipeDock>((resolve, reject) => {
      const timer = setTimeout(() => child.end(`it did not say what it is within ${options.bootMillis / 1000} s`), options.bootMillis)
      timer.unref()
      onDock = (frame) => {
        clearTimeout(timer)
        resolve(frame)
      }
      void ended.then((reason) => {
        clearTimeout(timer)
        reject(new Ended(reason))
      })
    })
    described.catch(() => {})
    const progress = makeProgress({ silenceMillis: options.silenceMillis, stallMillis: options.stallMillis, outboxMillis: outboxMillisMax, pingMillis })
    const session: Session = {
      child, described, ended, progress, dockId: undefined,
      asks: makeAsks(() => (over ? undefined : outbox)),
      calls: makeCalls({
        portOf: (number) => ports.get(number), outbox: () => (over ? undefined : outbox), fork, onDone: progress.done
      })
    }
    const beat = setInterval(() => {
      // Until it has said what it is, it has another time to keep to.
      if (!isDescribed) return
      const stalled = progress.look(performance.now(), isFull)
      if (stalled !== undefined) return child.end(stalled)
      tell({ frame: "ping", at: Math.round(performance.now()) })
    }, pingMillis)
    beat.unref()
    const welcome: Welcome = {
      frame: "welcome", version: frameVersions[0]!, kernel: "", boot: 0, system: options.id ?? "", resume: "", resumed: false,
      silenceMillis: options.silenceMillis, graceMillis: 0, callsMax: socketCallsMax
    }
    tell(welcome)
    if (options.load !== undefined) tell(options.load())
    return session
  }

  const asks: Asks = {
    ask: (port, ask, graceMillis) =>
      Effect.suspend(() => current?.asks.ask(port, ask, graceMillis) ?? Effect.succeed({ is: "refused" as const, reason: "its program is not running" })),
    answer: () => {},
    attached: () => {},
    end: () => {}
  }
  const send = (text: string): boolean => {
    const session = current
    if (session === undefined) return false
    // What it may look through is known when it begins.
    const frame = text.startsWith("{\"frame\":\"start\"") ? JSON.parse(text) as { readonly port: number } : undefined
    const powers = frame === undefined ? undefined : ports.get(frame.port)?.powers.map(({ root }) => root)
    session.child.send(frame === undefined || powers === undefined || powers.length === 0 ? text : JSON.stringify({ ...frame, powers }))
    return true
  }

  const fail = (reason: string): Error => new Ended(reason)
  const session = begin()
  current = session
  const first = await session.described
  const { id: said } = first.manifest ?? {}
  if (typeof said === "string") named ??= said

  const manifestOf = (): Manifest => {
    const { manifest = {} } = first
    const asked = decodeManifest({ ...emptyManifest(options.id ?? "", options.framework), ...manifest, ...(options.id === undefined ? {} : { id: options.id }) })
    if (Result.isSuccess(asked)) return asked.success
    throw fail(`its manifest is none: ${asked.failure.message.replace(/\s+/gu, " ").slice(0, 300)}`)
  }
  const asDock = (part: Omit<PipePart, "of">, id: number): Dock => {
    const { drains, executors, lives, manifest, port, schemas } = part
    return {
      frame: "dock", id, port, manifest, lives,
      ...(executors === undefined ? {} : { executors }), ...(schemas === undefined ? {} : { schemas }), ...(drains === undefined ? {} : { drains })
    }
  }
  const systems = new Map<number, RemoteSystem>()
  const same = (frame: PipeDock): string => JSON.stringify({ ...frame, id: 0 })

  /** A program that runs: the one that was started to be looked at, or a new one that says the same of itself. */
  const alive = async (): Promise<Session> => {
    if (closed) throw fail("it was undocked")
    clearTimeout(idleTimer)
    const one = current ?? (current = begin())
    const frame = await one.described
    if (same(frame) !== same(first)) {
      one.child.end("it says something else of itself than what was docked")
      throw fail(await one.ended)
    }
    return one
  }
  const answerDock = (one: Session, system: SystemId): void => {
    if (one.dockId === undefined) return
    one.child.send(JSON.stringify({ frame: "result", id: one.dockId, value: { system } }))
    one.dockId = undefined
  }
  const living = (part: PipePart | undefined, made: RemoteSystem): NonNullable<System["run"]> => (port) =>
    Effect.gen(function*() {
      running++
      const one = yield* Effect.tryPromise({ try: alive, catch: (error) => error })
      ports.set(part?.port ?? first.port, port)
      if (part === undefined) answerDock(one, port.system)
      const life = made.system.run?.(port) ?? Effect.never
      yield* Effect.raceFirst(life, Effect.flatMap(Effect.promise(() => one.ended), (reason) => Effect.fail(fail(reason))))
    }).pipe(Effect.ensuring(Effect.sync(() => {
      if (--running > 0) return
      clearTimeout(idleTimer)
      idleTimer = setTimeout(() => current?.child.end(idle), tierIdleMillis)
    })))

  const build = (part: PipePart | undefined): System => {
    const dock = asDock(part ?? { ...first, manifest: manifestOf() }, 1)
    const made = remoteSystem({ frame: dock, asks, send })
    systems.set(dock.port, made)
    const parts = (first.parts ?? []).filter(({ of, port }) => of === dock.port && port !== of).map(build)
    return { ...made.system, run: living(part, made), ...(parts.length === 0 ? {} : { subsystems: parts }) }
  }
  const close = (): void => {
    closed = true
    clearTimeout(idleTimer)
    current?.child.end("it was undocked")
  }
  try {
    const numbers = [first.port, ...(first.parts ?? []).map(({ port }) => port)]
    if (new Set(numbers).size !== numbers.length) throw fail("two of its systems have one port")
    return { system: build(undefined), close }
  } catch (error) {
    close()
    throw error
  }
}

