// The synapse wire in front of the coordinator: all connections of one kernel, whichever listener they came by. What the coordinator
// writes is told to everybody, what it answers to the asker; nobody waits for somebody who does not read.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { hash, timingSafeEqual } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { WebSocketServer } from "ws"
import type { Answer, LedgerEntries, Notice } from "../../../protocol/coordination.ts"
import type { Event } from "../../../protocol/event.ts"
import { synapseCloses } from "../../../protocol/synapse.ts"
import { chatOf } from "../../../protocol/synapse/records.ts"
import { foldRoster, makeRoster } from "../../../protocol/synapse/roster.ts"
import { framesOf } from "../../../protocol/synapse/told.ts"
import type { Kernel } from "../../kernel.ts"
import {
  synapseAsksMax, synapseBindMillis, synapseBindsBurst, synapseBindsPerSecond, synapseBucketsMax, synapseClientsDefault, synapseFrameBytesMax, synapseOutboxBytesMax,
  synapsePingMillis, synapsePongMillis, synapseStuckMillis
} from "../../limits.ts"
import type { Reception } from "../guest.ts"
import { makePace } from "../pace.ts"
import { openConnection, type Asking, type Connection, type Hall, type Identity } from "./connection.ts"
import { countRefusal, makeCounts, type Counts } from "./counts.ts"
import { answerFrame, noticeFrame, refusalFrame, resultFrames } from "./frames.ts"
import { hubId } from "./name.ts"
import { followNews, inOrder, type News } from "./news.ts"
import { asksTogether, makeOpenAsks } from "./open-asks.ts"
import { makeBucket, makeBuckets, reserve, type Bucket } from "./pace.ts"
import { makeSeats } from "./seats.ts"
import { makeTape } from "./tape.ts"

/** How one listener lets people in. */
export interface Entrance {
  readonly reception: Reception
  /** Nobody needs a credential; only where this machine alone can reach it. */
  readonly open: boolean
  /** Good for any name that is free, beside the credentials of the kernel. */
  readonly tokens: ReadonlyArray<string>
}

export interface HubOptions {
  readonly kernel: Kernel
  /** As its frames say; default: another one with every start. */
  readonly id?: string
  /** Messages per second that one seat sustains, and how many may come at once; 0, the default: as many as it likes. */
  readonly rate?: number
  readonly burst?: number
  /** Connections, and those of one address. */
  readonly clients?: number
  readonly perHost?: number
  /** For tests: other bounds than those of the limits. */
  readonly times?: Partial<HubTimes>
}

export interface HubTimes {
  readonly pingMillis: number
  readonly pongMillis: number
  readonly stuckMillis: number
  /** What may wait for a client, in bytes. */
  readonly outboxBytes: number
  readonly lookMillis: number
  /** In which a connection must say who it is, where somebody has to. */
  readonly bindMillis: number
  /** After which a request that should have been answered is given up. */
  readonly answerMillis: number
  /** The same while the store takes no writes. */
  readonly stoppedMillis: number
}

export interface Hub {
  /** As its frames say: another one with every start. */
  readonly id: string
  /** Takes over the socket of a request to upgrade. Its Host and Origin were checked by whoever hands it over. */
  readonly upgrade: (entrance: Entrance) => (request: IncomingMessage, socket: Duplex, head: Buffer) => void
  readonly connections: () => number
  /** Bytes that were sent and not taken yet, over all connections. */
  readonly outboxBytes: () => number
  /** Clients that were dropped because they did not take what was sent. */
  readonly dropped: () => number
  /** Names that are online, those of systems that came otherwise included. */
  readonly seats: () => number
  /** Requests that have no answer yet. */
  readonly underWay: () => number
  readonly counts: Readonly<Counts>
}

const times_: HubTimes = { pingMillis: synapsePingMillis, pongMillis: synapsePongMillis, stuckMillis: synapseStuckMillis, outboxBytes: synapseOutboxBytesMax, lookMillis: 500, bindMillis: synapseBindMillis, answerMillis: 60_000, stoppedMillis: 3_000 }

const digestOf = (text: string): Buffer => Buffer.from(hash("sha256", text, "hex"))

/** So many listeners are twice as dear as their number. */
const manyListeners = 250

/** Opens it until the scope closes. */
export const synapseHub = Effect.fnUntraced(function*(options: HubOptions): Effect.fn.Return<Hub, never, Scope.Scope> {
  const { burst = 20, clients: clientsMax = synapseClientsDefault, kernel, rate = 0 } = options
  const { perHost = clientsMax } = options
  const times = { ...times_, ...options.times }
  const fork = Effect.runForkWith(yield* Effect.context())
  const server = new WebSocketServer({ noServer: true, clientTracking: false, maxPayload: synapseFrameBytesMax, perMessageDeflate: false, maxFragments: 1_024 })
  const { id = hubId() } = options
  const connections = new Set<Connection>()
  const ofAddress = new Map<string, number>()
  const roster = makeRoster()
  const buckets = makeBuckets(rate, Math.max(1, burst))
  const binds = new Map<string, Bucket>()
  const wrongs = makePace()
  const counts = makeCounts()
  const tape = makeTape(counts)
  let dropped = 0
  let closing = false

  /** Who has presented nothing takes no place from those who have. */
  const strangersMax = Math.max(1, clientsMax >> 2)

  const tellAnswer = (asking: Asking, answer: Answer): void => {
    const { ask, connection, requestId, type } = asking
    connection.answered(asking)
    if (!answer.ok && ask.verb === "claim") counts.denied++
    if (!answer.ok && type === "ask") countRefusal(counts, answer.code)
    if (type === "ask") return connection.tell(answerFrame(answer), requestId)
    if (type === "heartbeat") return
    if (!answer.ok) return connection.tell(refusalFrame(type, ask, answer, requestId !== undefined), requestId)
    if (asking.told) return
    const asker = { hub: id, seat: connection.seated()?.name ?? "", connected: connections.size }
    for (const told of resultFrames(ask, answer, asker)) connection.tell(told, requestId)
  }

  const onNotice = (connections: ReadonlyArray<Connection>, notice: Notice): void => {
    if (notice.notice !== "message") {
      for (const connection of connections) if (connection.wantsNotices()) connection.tell(noticeFrame(notice))
      return
    }
    // One is enough: it is the same seat that gets it.
    const [connection] = connections
    if (connection?.wantsNotices() === true) return connection.tell(noticeFrame(notice))
    // What was sent while it was away is all that the ancestor's clients understand.
    if (connection !== undefined && notice.replayed) tape.tell(connection, JSON.stringify({ ...chatOf(id, notice.chat), replayed: true }))
  }

  const broadcast = (event: Event): void => {
    const asking = asks.askerOf(event)
    const frames = framesOf(event, id, roster.online)
    if (frames.length === 0) return
    // What was asked with `ask` has an answer of its own.
    const isAskers = asking !== undefined && asking.type !== "ask" && asking.type !== "heartbeat"
    if (isAskers) asking.told = true
    // Many listeners cost each other more than few: they keep the hub from everything else for longer at once.
    asking?.connection.charge(connections.size * (1 + connections.size / manyListeners))
    for (let at = 0; at < frames.length; at++) {
      const isLast = at === frames.length - 1
      tape.broadcast(JSON.stringify(frames[at]), isAskers && isLast ? asking.connection : undefined, asking?.requestId)
    }
  }

  const tell = ({ ledger, presence, replies, talk }: News): void => {
    for (const event of inOrder(presence, ledger.length === 0 ? talk : talk.length === 0 ? ledger : [...ledger, ...talk])) {
      foldRoster(roster, event.kind, event.payload)
      // The coordinator's own, by its contract.
      if (event.kind === "claimed") counts[(event.payload as unknown as LedgerEntries["claimed"]).renewed ? "renewed" : "granted"]++
      broadcast(event)
    }
    tape.ended()
    for (const event of replies) {
      const { kind, recipient } = event
      if (kind !== "notice") asks.answered(event)
      else if (recipient !== null) onNotice(seats.of(recipient), event.payload as unknown as Notice) // as above
    }
    for (const connection of connections) if (connection.outbox.bytes() > times.outboxBytes) drop(connection)
  }
  const drop = (connection: Connection): void => {
    dropped++
    connection.drop()
  }

  /** Of what may be presented at an entrance. */
  const identify = ({ reception, tokens }: Entrance, address: string): Hall["identify"] => {
    const digests = tokens.filter((token) => token !== "").map(digestOf)
    return (token, then) => {
      const digest = digestOf(token)
      let isOurs = false
      for (const each of digests) isOurs = timingSafeEqual(each, digest) || isOurs
      if (isOurs) return then({})
      fork(reception.byToken(token)).addObserver((exit) => {
        if (exit._tag === "Success") return then(exit.value.isOperator ? {} : { guest: exit.value })
        // A guesser waits for the answer, and ever longer.
        const millis = wrongs.wrong(address)
        if (millis === undefined) return then(undefined)
        setTimeout(() => {
          wrongs.told()
          then(undefined)
        }, millis)
      })
    }
  }

  /** Who binds names faster than others should hear of it waits. */
  const bindDelay = (name: string): number => {
    const perSecond = Math.max(synapseBindsPerSecond, 2_000 / Math.max(1, connections.size))
    let bucket = binds.get(name)
    const now = performance.now()
    if (bucket === undefined) {
      if (binds.size >= synapseBucketsMax) binds.clear()
      binds.set(name, (bucket = makeBucket(synapseBindsBurst, now)))
    }
    return reserve(bucket, perSecond, synapseBindsBurst, now)
  }

  const seats = makeSeats({ kernel, fork, delayOf: bindDelay })

  const asks = makeOpenAsks({ kernel, fork, times, isHere: (connection) => connections.has(connection), isOurs: seats.has, tell: tellAnswer })

  const hallOf = (entrance: Entrance, address: string): Hall => ({
    id,
    counts,
    now: kernel.channels.clock.now,
    rate,
    burst: Math.max(1, burst),
    bindMillis: times.bindMillis,
    asksMax: () => Math.max(4, Math.min(synapseAsksMax, Math.floor(asksTogether / Math.max(1, connections.size)))),
    clients: () => connections.size,
    online: () => [...roster.online()],
    identify: identify(entrance, address),
    isLive: seats.isLive,
    inTheWay: seats.refusal,
    isTaken: (name) => !seats.leaving.has(name) && kernel.isTaken(name),
    seat: (connection, name, system, beside, then) => seats.take(connection, name, system, beside, (given) => then(typeof given === "string" ? given : {
      ...given,
      leave: () => {
        // Nothing of it may come behind its leaving.
        asks.handOver()
        given.leave()
      }
    })),
    bucketOf: (connection, name) => {
      const guest = connection.identity()?.guest
      if (guest !== undefined) return buckets.ofCredential(guest.system)
      return seats.bucketOf(name, () => {
        const bucket = buckets.enter(address, name, performance.now())
        return { bucket, leave: () => buckets.leave(address, name, bucket, performance.now()) }
      })
    },
    submit: asks.submit,
    tell: tape.tell,
    admit: tape.enter,
    closed: (connection) => {
      connections.delete(connection)
      tape.leave(connection)
      asks.left(connection)
      const left = (ofAddress.get(address) ?? 1) - 1
      if (left > 0) ofAddress.set(address, left)
      else ofAddress.delete(address)
    }
  })

  const accept = (entrance: Entrance, request: IncomingMessage, socket: Duplex, head: Buffer, identity: Identity | undefined): void => {
    const address = request.socket.remoteAddress ?? ""
    server.handleUpgrade(request, socket, head, (ws) => {
      const together = ofAddress.get(address) ?? 0
      if (connections.size >= clientsMax) return ws.close(synapseCloses.full, `at most ${clientsMax} clients`)
      if (together >= perHost) return ws.close(synapseCloses.host, `at most ${perHost} clients of one host`)
      const isStranger = !entrance.open && identity === undefined
      if (isStranger && [...connections].filter((one) => one.isStranger()).length >= strangersMax) return ws.close(synapseCloses.strangers, `at most ${strangersMax} that have not said who they are`)
      ofAddress.set(address, together + 1)
      const connection = openConnection({ ws, socket, request, hall: hallOf(entrance, address), open: entrance.open, identity })
      connections.add(connection)
      connection.greet()
    })
  }

  const look = (): void => {
    const now = performance.now()
    for (const connection of connections) {
      if (connection.outbox.stuckMillis(now) > times.stuckMillis) {
        drop(connection)
        continue
      }
      if (connection.identity()?.guest?.ended() !== undefined) {
        connection.close(synapseCloses.auth, "auth denied")
        continue
      }
      const silence = now - connection.heardAt()
      if (silence > times.pingMillis + times.pongMillis) connection.close(synapseCloses.slow, "it answers no ping")
      else if (silence > times.pingMillis) connection.ping()
    }
    asks.look(now)
  }

  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const timer = setInterval(look, times.lookMillis)
      timer.unref()
      const stop = followNews({
        channels: kernel.channels, fork, tell,
        before: (events) => {
          for (const { kind, payload } of events) foldRoster(roster, kind, payload)
        }
      })
      return { stop, timer }
    }),
    ({ stop, timer }) =>
      Effect.promise(async () => {
        closing = true
        clearInterval(timer)
        for (const connection of connections) connection.close(synapseCloses.ended, "the hub is going down")
        await Promise.allSettled(seats.leaving.values())
        stop()
        tape.close()
      })
  )

  const refuse = (socket: Duplex, status: string): void => void socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
  return {
    id,
    upgrade: (entrance) => (request, socket, head) => {
      if (closing) return refuse(socket, "503 Service Unavailable")
      const token = /^bearer +(.+)$/iu.exec(request.headers.authorization ?? "")?.[1]
      if (token === undefined) return accept(entrance, request, socket, head, undefined)
      identify(entrance, request.socket.remoteAddress ?? "")(token.trim(), (identity) => {
        if (identity === undefined) refuse(socket, "401 Unauthorized\r\nwww-authenticate: Bearer")
        else if (!socket.destroyed) accept(entrance, request, socket, head, identity)
      })
    },
    connections: () => connections.size,
    outboxBytes: () => [...connections].reduce((sum, { outbox }) => sum + outbox.bytes(), 0),
    dropped: () => dropped,
    seats: () => roster.online().length,
    underWay: asks.size,
    counts
  }
})
