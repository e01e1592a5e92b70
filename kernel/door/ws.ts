// The WebSocket door, at `/v1/ws` of the listener: subscriptions, calls and whole systems of other processes over one socket
// each. It keeps the sessions, and looks after sockets that are silent, slow or not wanted any more.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { WebSocketServer } from "ws"
import { closeCodes, frameBytesMax, type Welcome } from "../../protocol/frame.ts"
import type { SystemId } from "../../protocol/names.ts"
import type { Kernel } from "../kernel.ts"
import {
  outboxMillisMax, sessionGraceMillis, sessionMillisMax, sessionsLostMax, socketCallsMax, socketHelloMillis, socketPingMillis, socketSilenceMillis, socketsMax,
  socketsOfGuestMax, socketStrangersMax
} from "../limits.ts"
import type { Guest, Reception } from "./guest.ts"
import { openSocket, type OpenSocket } from "./ws/connection.ts"
import { makePages } from "./ws/pages.ts"
import { makeSession, type Names, type Session } from "./ws/session.ts"
import { makeWakes } from "./ws/wakes.ts"

export interface WebSocketOptions {
  readonly kernel: Kernel
  readonly reception: Reception
  /** For tests: shorter times than those of the limits. */
  readonly times?: Partial<WebSocketTimes>
}

export interface WebSocketTimes {
  readonly helloMillis: number
  readonly graceMillis: number
  readonly sessionMillis: number
  readonly outboxMillis: number
  readonly pingMillis: number
  readonly silenceMillis: number
  /** How often sockets and sessions are looked at. */
  readonly lookMillis: number
}

export interface WebSockets {
  /** Takes over the socket of a request to upgrade. Its Host and Origin were checked by whoever hands it over. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  readonly connections: () => number
  /** Sessions, those without a connection included. */
  readonly sessions: () => number
  readonly subscriptions: () => number
  /** Bytes that were sent and not taken yet, over all sockets. */
  readonly outboxBytes: () => number
  /** Clients that were dropped because they did not take what was sent. */
  readonly dropped: () => number
}

interface Lost {
  readonly session: Session
  readonly at: number
  lapsed: boolean
}

const defaults: WebSocketTimes = {
  helloMillis: socketHelloMillis,
  graceMillis: sessionGraceMillis,
  sessionMillis: sessionMillisMax,
  outboxMillis: outboxMillisMax,
  pingMillis: socketPingMillis,
  silenceMillis: socketSilenceMillis,
  lookMillis: 500
}

/** Opens it until the scope closes. */
export const webSockets = Effect.fnUntraced(function*(options: WebSocketOptions): Effect.fn.Return<WebSockets, never, Scope.Scope> {
  const { kernel, reception } = options
  const times = { ...defaults, ...options.times }
  const fork = Effect.runForkWith(yield* Effect.context())
  const server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: frameBytesMax, perMessageDeflate: false, maxFragments: 1_024 })
  const wakes = makeWakes(kernel.channels.store)
  const pages = makePages()
  const sockets = new Set<OpenSocket>()
  /** Those that have not said who they are. */
  const strangers = new Set<OpenSocket>()
  const ofGuest = new Map<SystemId, number>()
  const sessions = new Map<string, Session>()
  const lost = new Map<string, Lost>()
  const names: Names = new Map()
  let dropped = 0
  let opening = 0
  let closing = false

  const end = (session: Session, reason: string): void => {
    sessions.delete(session.secret)
    lost.delete(session.secret)
    fork(session.end(reason))
  }

  const sessionFor = (guest: Guest, resume: string | undefined): { readonly session: Session; readonly resumed: boolean } | string => {
    const known = resume === undefined ? undefined : sessions.get(resume)
    if (known !== undefined && known.guest.system === guest.system && known.guest.ended() === undefined) {
      lost.delete(known.secret)
      return { session: known, resumed: true }
    }
    if ((ofGuest.get(guest.system) ?? 0) >= socketsOfGuestMax) return "one guest has that many connections"
    const session = makeSession({ kernel, guest, secret: randomBytes(24).toString("base64url"), names, fork })
    sessions.set(session.secret, session)
    return { session, resumed: false }
  }
  const welcome = (session: Session, resumed: boolean, version: number): string => {
    const frame: Welcome = {
      frame: "welcome", version, kernel: kernel.id, boot: kernel.status().boot, system: session.guest.system, resume: session.secret, resumed,
      silenceMillis: times.silenceMillis, graceMillis: times.graceMillis, callsMax: socketCallsMax
    }
    ofGuest.set(session.guest.system, (ofGuest.get(session.guest.system) ?? 0) + 1)
    return JSON.stringify(frame)
  }
  const onAdmit = (connection: OpenSocket): void => void strangers.delete(connection)
  const onClose = (connection: OpenSocket): void => {
    sockets.delete(connection)
    strangers.delete(connection)
    const session = connection.session()
    if (session === undefined) return
    const left = (ofGuest.get(session.guest.system) ?? 1) - 1
    if (left > 0) ofGuest.set(session.guest.system, left)
    else ofGuest.delete(session.guest.system)
    // Another connection may go on with it already.
    if (session.connection() !== undefined || closing) return
    if (session.guest.ended() !== undefined) return end(session, "its credential is good no more")
    if (session.isEmpty()) return end(session, "its connection was closed")
    lost.set(session.secret, { session, at: performance.now(), lapsed: false })
    if (lost.size > sessionsLostMax) for (const [, oldest] of lost) return end(oldest.session, "more sessions were lost than are kept")
  }

  const accept = (request: IncomingMessage, socket: Duplex, head: Buffer, guest: Guest | undefined): void => {
    server.handleUpgrade(request, socket, head, (ws) => {
      const opened = openSocket({
        ws, socket, guest, byToken: reception.byToken, byProof: reception.byProof,
        makeNonce: () => randomBytes(24).toString("base64url"), helloMillis: times.helloMillis, sessionFor, welcome, fork, onAdmit, onClose,
        feeds: { store: kernel.channels.store, wakes, pages }
      })
      sockets.add(opened)
      strangers.add(opened)
    })
  }
  const refuse = (socket: Duplex, status: string): void => {
    socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  }

  const lookAtSockets = (now: number): void => {
    for (const socket of sockets) {
      if (socket.outbox.stuckMillis(now) > times.outboxMillis) {
        dropped++
        socket.close(closeCodes.tooSlow, "what was sent was not taken in time")
        continue
      }
      if (socket.session()?.guest.ended() !== undefined) {
        socket.close(closeCodes.unauthenticated, "the credential is good no more")
        continue
      }
      const silence = now - socket.heardAt()
      if (silence > times.silenceMillis) socket.close(closeCodes.silent, "nothing was heard for too long")
      else if (silence > times.pingMillis) socket.ping()
    }
  }
  const lookAtSessions = (now: number): void => {
    for (const one of lost.values()) {
      const { at, session } = one
      if (session.guest.ended() !== undefined) end(session, "its credential is good no more")
      else if (now - at > times.sessionMillis) end(session, "its connection was lost, and nobody came back")
      else if (!one.lapsed && now - at > times.graceMillis) {
        one.lapsed = true
        fork(session.lapse)
      }
    }
  }

  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const timer = setInterval(() => {
        const now = performance.now()
        lookAtSockets(now)
        lookAtSessions(now)
      }, times.lookMillis)
      timer.unref()
      return timer
    }),
    (timer) =>
      Effect.suspend(() => {
        closing = true
        clearInterval(timer)
        wakes.close()
        for (const socket of sockets) socket.close(closeCodes.goingAway, "the kernel is going down")
        return Effect.forEach([...sessions.values()], (session) => session.end("the kernel is going down"), { discard: true })
      })
  )

  return {
    upgrade: (request, socket, head) => {
      if (closing || sockets.size + opening >= socketsMax || strangers.size + opening >= socketStrangersMax) return refuse(socket, "503 Service Unavailable")
      const { authorization } = request.headers
      // Without one, the first frame says who it is; browsers cannot send headers.
      if (authorization === undefined) return accept(request, socket, head, undefined)
      opening++
      fork(reception.authenticate(authorization)).addObserver((exit) => {
        opening--
        if (exit._tag === "Success") accept(request, socket, head, exit.value)
        else refuse(socket, "401 Unauthorized\r\nwww-authenticate: Bearer")
      })
    },
    connections: () => sockets.size,
    sessions: () => sessions.size,
    subscriptions: () => [...sockets].reduce((sum, socket) => sum + socket.feeds(), 0),
    outboxBytes: () => [...sockets].reduce((sum, socket) => sum + socket.outbox.bytes(), 0),
    dropped: () => dropped
  }
})
