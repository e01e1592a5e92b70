// The calls of one session: each is a method of a port. They belong to the session and not to its connection, so that one
// whose connection broke is answered on the next: sent again under its number, it is not done again.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import { InvalidPayload, Overloaded, TooLarge, Undocked } from "../../../protocol/errors.ts"
import type { Page } from "../../../protocol/event.ts"
import { type Call, type CallOp, chunkBytesMax, chunkFrame, once, pageFrameTextMax } from "../../../protocol/frame.ts"
import type { Port } from "../../../protocol/port.ts"
import { artifactBytesMax, socketAnswersMax, socketCallsMax } from "../../limits.ts"
import { fault, toldOf } from "./failure.ts"
import type { Outbox } from "./outbox.ts"

export interface Calls {
  readonly call: (frame: Call) => void
  /** Bytes of an artifact that is being put. */
  readonly chunk: (id: number, bytes: Uint8Array) => void
  readonly cancel: (id: number) => void
  /** Nothing is under way, and no answer is kept. */
  readonly isIdle: () => boolean
  /** Goes on after the outbox was full. */
  readonly drained: () => void
  /** On a new connection: stops and forgets what its client does not wait for any more. */
  readonly keepOnly: (ids: ReadonlyArray<number>) => void
  /** Ends those that wait, and forgets what was answered: leases of answers that never arrived are given back elsewhere. */
  readonly lapse: () => void
}

export interface CallsOptions {
  readonly portOf: (number: number) => Port | undefined
  /** The outbox of the connection that there is now. */
  readonly outbox: () => Outbox | undefined
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  /** Told of every call that succeeded, before it is answered. */
  readonly onDone: (frame: Call, value: unknown) => void
}

/** Calls whose answers may be large and come at once: they wait for room, and only so many are under way. */
const large: ReadonlySet<CallOp> = new Set<CallOp>(["read", "getSnapshot", "getArtifact"])
const largeMax = 8

interface Upload {
  readonly frame: Call
  readonly sizeBytes: number
  readonly parts: Array<Uint8Array>
  received: number
}

/** As much of a page as finds room in a frame; the reader goes on behind it. */
const pageText = (page: Page): string => {
  const parts: Array<string> = []
  let length = 0
  for (const event of page.events) {
    const text = JSON.stringify(event)
    if (parts.length > 0 && length + text.length > pageFrameTextMax) break
    parts.push(text)
    length += text.length
  }
  const { events: _, ...rest } = page
  const next = parts.length < page.events.length ? page.events[parts.length - 1]!.cursor : page.next
  return `{"events":[${parts.join(",")}],${JSON.stringify({ ...rest, next }).slice(1)}`
}

export const makeCalls = (options: CallsOptions): Calls => {
  const { fork, portOf } = options
  const running = new Map<number, Fiber.Fiber<unknown, unknown>>()
  const answered = new Map<number, string>()
  const cancelled = new Set<number>()
  const waiting: Array<Call> = []
  const uploads = new Map<number, Upload>()
  let largeCalls = 0

  const send = (frame: string | Uint8Array): void => options.outbox()?.send(frame)
  const fail = (id: number, failure: unknown): void => send(JSON.stringify({ frame: "failure", id, failure }))

  const answer = (frame: Call, exit: Exit.Exit<unknown, unknown>): void => {
    const { id, op } = frame
    if (Exit.isSuccess(exit)) {
      if (op === "getArtifact") return sendArtifact(id, exit.value as Uint8Array) // what the port gives
      const value = exit.value === undefined ? "null" : op === "read" ? pageText(exit.value as Page) : JSON.stringify(exit.value) // what `read` gives
      return keep(frame, `{"frame":"result","id":${id},"value":${value}}`)
    }
    const failure = toldOf(exit.cause)
    if (failure === undefined) fork(Effect.logError(`A call of ${op} failed`, exit.cause))
    keep(frame, JSON.stringify({ frame: "failure", id, failure: failure ?? fault }))
  }
  const keep = ({ id, op }: Call, text: string): void => {
    if (once.has(op)) answered.set(id, text)
    send(text)
  }

  /** The size, and then the bytes at the client's pace. What is lost with the connection is asked for again. */
  const sendArtifact = (id: number, bytes: Uint8Array): void => {
    const outbox = options.outbox()
    send(`{"frame":"result","id":${id},"value":{"sizeBytes":${bytes.byteLength}}}`)
    const more = (from: number): void => {
      if (options.outbox() !== outbox || outbox === undefined) return
      let at = from
      while (at < bytes.byteLength && !outbox.isFull()) {
        outbox.send(chunkFrame(id, bytes.subarray(at, at + chunkBytesMax)))
        at += chunkBytesMax
      }
      if (at < bytes.byteLength) setTimeout(more, 5, at)
    }
    more(0)
  }

  const start = (frame: Call, run: (port: Port) => Effect.Effect<unknown, unknown>): void => {
    const { id, op } = frame
    const port = portOf(frame.port ?? 0)
    if (port === undefined) return fail(id, new Undocked({ system: `port ${frame.port ?? 0}`, reason: "nothing is docked there" }))
    const isLarge = large.has(op)
    if (isLarge) largeCalls++
    const fiber = fork(Effect.suspend(() => run(port)))
    running.set(id, fiber)
    fiber.addObserver((exit) => {
      if (isLarge) largeCalls--
      if (running.get(id) !== fiber) return
      running.delete(id)
      if (Exit.isSuccess(exit)) options.onDone(frame, exit.value)
      if (!cancelled.delete(id)) answer(frame, exit)
      // Nobody waits for it any more; only what was taken all the same is awaited, to be given back.
      else if (op === "take") {
        if (Exit.isSuccess(exit)) answer(frame, exit)
        else fail(id, fault)
      }
      if (isLarge && waiting.length > 0) next()
    })
  }
  /** The port reads what it is given as what it is: anything. */
  const method = ({ op, args }: Call) => (port: Port): Effect.Effect<unknown, unknown> => {
    if (op === "channels") return port.channels
    return (port[op] as (...given: ReadonlyArray<unknown>) => Effect.Effect<unknown, unknown>)(...args) // each checks its arguments itself
  }
  const next = (): void => {
    while (waiting.length > 0 && largeCalls < largeMax && options.outbox()?.isFull() !== true) {
      const frame = waiting.shift()!
      start(frame, method(frame))
    }
  }

  const upload = (frame: Call): void => {
    const [sizeBytes] = frame.args
    if (typeof sizeBytes !== "number" || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
      return fail(frame.id, new InvalidPayload({ what: "artifact", path: "sizeBytes", reason: "must be the number of bytes that follow" }))
    }
    if (sizeBytes > artifactBytesMax) return fail(frame.id, new TooLarge({ what: "The artifact", size: sizeBytes, sizeMax: artifactBytesMax, unit: "bytes" }))
    // Bytes are kept in memory until they are whole: one artifact at a time.
    if (uploads.size > 0 && !uploads.has(frame.id)) {
      return fail(frame.id, new Overloaded({ what: "Artifacts that one session puts at once", limit: 1, unit: "artifacts", retryAfterMillis: 50 }))
    }
    const made: Upload = { frame, sizeBytes, parts: [], received: 0 }
    uploads.set(frame.id, made)
    if (sizeBytes === 0) complete(made)
  }
  const complete = ({ frame, parts, sizeBytes }: Upload): void => {
    uploads.delete(frame.id)
    const bytes = new Uint8Array(sizeBytes)
    let at = 0
    for (const part of parts) {
      bytes.set(part, at)
      at += part.byteLength
    }
    start(frame, (port) => port.putArtifact(bytes, frame.args[1] as string | undefined)) // the port looks at what it is
  }

  return {
    call: (frame) => {
      const { got, id, op } = frame
      if (got !== undefined) for (const arrived of got) answered.delete(arrived)
      const kept = answered.get(id)
      if (kept !== undefined) return send(kept)
      // Sent again on a new connection: what is under way will be answered there.
      if (running.has(id) || waiting.some((one) => one.id === id)) return
      // What a client has given up is still being stopped here.
      if (running.size + waiting.length >= socketCallsMax * 2 || answered.size >= socketAnswersMax) {
        return fail(id, new Overloaded({ what: "Calls without an answer", limit: socketCallsMax, unit: "calls", retryAfterMillis: 10 }))
      }
      if (op === "putArtifact") return upload(frame)
      if (!large.has(op)) return start(frame, method(frame))
      waiting.push(frame)
      next()
    },
    chunk: (id, bytes) => {
      const found = uploads.get(id)
      if (found === undefined) return
      found.received += bytes.byteLength
      if (found.received > found.sizeBytes) {
        uploads.delete(id)
        return fail(id, new InvalidPayload({ what: "artifact", path: "sizeBytes", reason: "more bytes came than it said" }))
      }
      found.parts.push(bytes)
      if (found.received === found.sizeBytes) complete(found)
    },
    cancel: (id) => {
      uploads.delete(id)
      const at = waiting.findIndex((frame) => frame.id === id)
      if (at >= 0) waiting.splice(at, 1)
      const fiber = running.get(id)
      if (fiber === undefined) return
      cancelled.add(id)
      fiber.interruptUnsafe()
    },
    isIdle: () => running.size + waiting.length + answered.size + uploads.size === 0,
    drained: next,
    keepOnly: (ids) => {
      const kept = new Set(ids)
      for (const id of answered.keys()) if (!kept.has(id)) answered.delete(id)
      for (const id of uploads.keys()) if (!kept.has(id)) uploads.delete(id)
      for (let at = waiting.length - 1; at >= 0; at--) if (!kept.has(waiting[at]!.id)) waiting.splice(at, 1)
      for (const [id, fiber] of running) {
        if (kept.has(id)) continue
        cancelled.add(id)
        fiber.interruptUnsafe()
      }
    },
    lapse: () => {
      const stopped = [...running.values()]
      // Nobody waits for what is stopped here.
      running.clear()
      for (const fiber of stopped) fiber.interruptUnsafe()
      cancelled.clear()
      answered.clear()
      uploads.clear()
      waiting.length = 0
    }
  }
}
