// One WebSocket: says who it is first, is slowed when it sends too fast, and hands every frame on to its session. Nothing is
// sent to it before its credential was good.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import type { Duplex } from "node:stream"
import type { WebSocket } from "ws"
import type { Unauthenticated } from "../../../protocol/errors.ts"
import { chunkOf, clientFrameOf, closeCodes, frameVersions, socketMethod, socketPath, type ClientFrame, type Hello } from "../../../protocol/frame.ts"
import { socketFramesPerSecond } from "../../limits.ts"
import type { Guest, Reception } from "../guest.ts"
import { fault, toldOf } from "./failure.ts"
import { makeFeeds, type FeedsOptions } from "./feeds.ts"
import { makeOutbox } from "./outbox.ts"
import type { Connection, Session } from "./session.ts"

export interface OpenSocket extends Connection {
  readonly session: () => Session | undefined
  /** When something was heard of it, in monotonic milliseconds. */
  readonly heardAt: () => number
  readonly ping: () => void
  readonly feeds: () => number
}

export interface SocketOptions {
  readonly ws: WebSocket
  readonly socket: Duplex
  /** Whose credential came with the request to upgrade, if one did. */
  readonly guest: Guest | undefined
  readonly byToken: (token: string) => Effect.Effect<Guest, Unauthenticated>
  readonly byProof: Reception["byProof"]
  /** A nonce that nobody was given before. */
  readonly makeNonce: () => string
  readonly helloMillis: number
  /** Finds the session to go on with, or makes one; a sentence refuses. */
  readonly sessionFor: (guest: Guest, resume: string | undefined) => { readonly session: Session; readonly resumed: boolean } | string
  readonly welcome: (session: Session, resumed: boolean, version: number) => string
  readonly feeds: Omit<FeedsOptions, "outbox" | "isGood" | "fork">
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  /** Called when its credential was good. */
  readonly onAdmit: (connection: OpenSocket) => void
  readonly onClose: (connection: OpenSocket) => void
}

const monotonic = (): number => performance.now()

const nothing = new Uint8Array(0)

export const openSocket = (options: SocketOptions): OpenSocket => {
  const { fork, socket, ws } = options
  let session: Session | undefined
  let heardAt = monotonic()
  let greeted = false
  let closed = false
  /** Frames that may come at once. */
  let room: number = socketFramesPerSecond
  let countedAt = heardAt

  const outbox = makeOutbox(ws, socket, () => {
    feeds.drained()
    session?.calls.drained()
  })
  const isGood = (): boolean => {
    if (session?.guest.ended() === undefined) return true
    connection.close(closeCodes.unauthenticated, "the credential is good no more")
    return false
  }
  const feeds = makeFeeds({ ...options.feeds, outbox, isGood, fork })

  const connection: OpenSocket = {
    outbox,
    session: () => session,
    heardAt: () => heardAt,
    feeds: feeds.count,
    ping: () => ws.ping(),
    close: (code, reason) => {
      if (closed) return
      over()
      ws.close(code, reason)
      // Whoever does not read does not answer either.
      setTimeout(() => ws.terminate(), closeMillis).unref()
    }
  }
  const over = (): void => {
    if (closed) return
    closed = true
    clearTimeout(hello)
    feeds.closeAll()
    session?.detach(connection)
    options.onClose(connection)
  }
  const hello = setTimeout(() => connection.close(closeCodes.unauthenticated, "nobody said who it is"), options.helloMillis)

  const admit = (guest: Guest, { open = [], resume, versions }: Hello): void => {
    const version = frameVersions.find((known) => versions.includes(known))
    if (version === undefined) return connection.close(closeCodes.version, `spoken here: ${frameVersions.join(", ")}`)
    const found = options.sessionFor(guest, resume)
    if (typeof found === "string") return connection.close(closeCodes.tooMany, found)
    session = found.session
    options.onAdmit(connection)
    if (found.resumed) session.calls.keepOnly(open)
    outbox.send(options.welcome(session, found.resumed, version))
    session.attach(connection)
  }
  /** Of a hello with a key: what its proof must carry, once. */
  let challenged: { readonly frame: Hello; readonly nonce: string } | undefined
  const prove = (proof: string, { frame, nonce }: { readonly frame: Hello; readonly nonce: string }): void => {
    challenged = undefined
    clearTimeout(hello)
    const proven = Effect.flatMap(options.byProof(proof, { method: socketMethod, target: socketPath, nonce }), ({ guest, take }) =>
      Effect.as(take(nothing), guest))
    fork(proven).addObserver((exit) => {
      if (closed) return
      if (Exit.isSuccess(exit) && exit.value.system === frame.key) return admit(exit.value, frame)
      connection.close(closeCodes.unauthenticated, "the proof is not good here")
    })
  }
  const greet = (frame: Hello): void => {
    greeted = true
    if (frame.key !== undefined && frame.token === undefined && options.guest === undefined) {
      // Still nobody: who does not answer in time is sent away as who says nothing.
      challenged = { frame, nonce: options.makeNonce() }
      return outbox.send(JSON.stringify({ frame: "challenge", nonce: challenged.nonce }))
    }
    clearTimeout(hello)
    if (options.guest !== undefined && frame.token === undefined) return admit(options.guest, frame)
    fork(options.byToken(frame.token ?? "")).addObserver((exit) => {
      if (closed) return
      if (Exit.isSuccess(exit)) return admit(exit.value, frame)
      connection.close(closeCodes.unauthenticated, "the credential is not good here")
    })
  }

  const answer = (id: number, effect: Effect.Effect<unknown, unknown>): void => {
    fork(effect).addObserver((exit) => {
      if (Exit.isSuccess(exit)) return outbox.send(JSON.stringify({ frame: "result", id, value: exit.value ?? null }))
      const failure = toldOf(exit.cause)
      if (failure === undefined) fork(Effect.logError("A frame failed", exit.cause))
      outbox.send(JSON.stringify({ frame: "failure", id, failure: failure ?? fault }))
    })
  }

  const take = (frame: ClientFrame, of: Session): void => {
    switch (frame.frame) {
      case "hello":
        return connection.close(closeCodes.badFrame, "it has said who it is")
      case "call":
        return of.calls.call(frame)
      case "cancel":
        return of.calls.cancel(frame.id)
      case "subscribe": {
        const port = of.portOf(frame.port ?? 0)
        if (port !== undefined) return feeds.open(frame, port)
        return outbox.send(JSON.stringify({ frame: "failure", id: frame.id, failure: { _tag: "Undocked", system: `port ${frame.port ?? 0}`, reason: "nothing is docked there" } }))
      }
      case "credit":
        return feeds.credit(frame.id, frame.events)
      case "ack":
        return feeds.ack(frame.id, frame.cursor)
      case "unsubscribe":
        return feeds.close(frame.id)
      case "dock":
        return answer(frame.id, of.dock(frame))
      case "undock":
        return answer(frame.id, of.undock(frame.port))
      case "ended":
        return of.ended(frame.port, frame.run, frame.failure)
      case "answer":
        return of.asks.answer(
          frame.id,
          frame.refused !== undefined
            ? { is: "refused", reason: frame.refused }
            : frame.fault !== undefined ? { is: "fault", reason: frame.fault } : { is: "value", value: frame.value ?? null }
        )
      case "ping":
        return outbox.send(JSON.stringify({ frame: "pong", ...(frame.at === undefined ? {} : { at: frame.at }) }))
      case "pong":
        return
    }
  }

  /** Who sends faster than it may is not read for a while; what it sends then waits at its end. */
  const count = (now: number): void => {
    room = Math.min(socketFramesPerSecond, room + (now - countedAt) * (socketFramesPerSecond / 1_000)) - 1
    countedAt = now
    if (room > 0 || ws.isPaused) return
    ws.pause()
    setTimeout(() => ws.resume(), slowMillis)
  }

  ws.on("message", (data: Buffer, isBinary: boolean) => {
    if (closed) return
    heardAt = monotonic()
    count(heardAt)
    if (isBinary) {
      const chunk = session === undefined ? undefined : chunkOf(data)
      if (chunk === undefined) return connection.close(closeCodes.badFrame, "bytes that belong to nothing")
      return session?.calls.chunk(chunk.id, chunk.bytes)
    }
    const frame = clientFrameOf(data.toString())
    if (typeof frame === "string") return connection.close(closeCodes.badFrame, `not a frame: ${frame}`.slice(0, reasonLengthMax))
    if (session !== undefined) {
      if (isGood()) take(frame, session)
      return
    }
    if (frame.frame === "prove" && challenged !== undefined) return prove(frame.proof, challenged)
    if (frame.frame !== "hello" || greeted) return connection.close(closeCodes.unauthenticated, "the first frame says who it is")
    greet(frame)
  })
  ws.on("pong", () => {
    heardAt = monotonic()
  })
  ws.on("close", over)
  ws.on("error", () => ws.terminate())
  return connection
}

/** How long a peer may take to answer a close. */
const closeMillis = 1_000
/** How long a socket that was too fast is not read. */
const slowMillis = 50
/** A close frame takes 123 bytes of reason; these are characters that may be three bytes. */
const reasonLengthMax = 40
