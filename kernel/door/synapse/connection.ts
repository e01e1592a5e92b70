// One socket of the synapse wire: says who it is with its first frame, binds its name, and asks. Frames pass the gates in the
// ancestor's order; while one of them waits at a gate the others wait behind it, and nothing more is read of the socket.
import { randomBytes } from "node:crypto"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import type { WebSocket } from "ws"
import { requests, systemOfSeat, type Ask, type Refusal } from "../../../protocol/coordination.ts"
import type { SystemId } from "../../../protocol/names.ts"
import type { Port } from "../../../protocol/port.ts"
import { synapseCloses, synapseExtensions } from "../../../protocol/synapse.ts"
import { synapseBeatsBurst, synapseBeatsPerSecond, synapseDeliveriesPerSecond, synapseFrameBytesMax, synapseWaitsMax } from "../../limits.ts"
import type { Guest } from "../guest.ts"
import { makeOutbox, type WireOutbox } from "../ws/outbox.ts"
import { askIn, askOf, isAskType, Unfit } from "./asks.ts"
import { countRefusal, type Counts } from "./counts.ts"
import { fieldsOf, type Fields } from "./frame.ts"
import { authDeniedFrame, errorFrame, nameConflictFrame, presenceOf, refusalFrame, textOf, welcomeOf, type Told } from "./frames.ts"
import { nameRefusal, shownName, switchOf, takenText } from "./name.ts"
import { makeBucket, reserve, take, type Bucket } from "./pace.ts"

/** Somebody whose credential is good: of one name and what is below it, or, without a guest, of any name that is free. */
export interface Identity {
  readonly guest?: Guest
}

/** A connection's part in a seat that is docked. */
export interface Seated {
  readonly name: string
  readonly system: SystemId
  readonly port: Port
  /** Others were in it before: everybody has been told that it is here. */
  readonly wasHere: boolean
  readonly leave: () => void
}

/** One request that has no answer yet. */
export interface Asking {
  readonly connection: Connection
  readonly ask: Ask
  readonly type: string
  readonly requestId: string | undefined
  readonly at: number
  /** It may take as long as it likes. */
  readonly waits: boolean
  /** What it asked for was told to everybody, and to the asker with its id. */
  told: boolean
}

/** What a connection needs of the hub. */
export interface Hall {
  readonly id: string
  readonly counts: Counts
  readonly now: () => number
  readonly rate: number
  readonly burst: number
  readonly bindMillis: number
  readonly asksMax: () => number
  readonly clients: () => number
  readonly online: () => ReadonlyArray<string>
  /** Whether somebody who presents this may come in; says what is wrong otherwise. */
  readonly identify: (token: string, then: (identity: Identity | undefined) => void) => void
  readonly isLive: (name: string) => boolean
  /** Why a name that is live is not to be had, not even beside whoever has it. */
  readonly inTheWay: (connection: Connection, name: string, system: SystemId, beside: boolean) => string | undefined
  readonly isTaken: (name: string) => boolean
  /** Docks the seat when it is its turn, or gives a place beside whoever has it. */
  readonly seat: (connection: Connection, name: string, system: SystemId, beside: boolean, then: (seated: Seated | string) => void) => void
  readonly bucketOf: (connection: Connection, name: string) => Bucket
  /** Sends it a frame of its own, in order. */
  readonly tell: (connection: Connection, text: string) => void
  /** From now on it is told what everybody is told. */
  readonly admit: (connection: Connection) => void
  readonly submit: (asking: Asking, port: Port) => void
  readonly closed: (connection: Connection) => void
}

export interface Connection {
  readonly address: string
  readonly outbox: WireOutbox
  readonly seated: () => Seated | undefined
  readonly identity: () => Identity | undefined
  readonly wantsNotices: () => boolean
  /** It has to say who it is, and has not. */
  readonly isStranger: () => boolean
  readonly tell: (told: Told, requestId?: string) => void
  readonly heardAt: () => number
  /** Once in a silence. */
  readonly ping: () => void
  /** Says welcome to who may be told who is here. */
  readonly greet: () => void
  /** So many are told of what it asked for. Who makes others hear more than they should is read more slowly. */
  readonly charge: (listeners: number) => void
  /** A request of it has its answer. */
  readonly answered: (asking: Asking) => void
  readonly close: (code: number, reason: string) => void
  /** At once, without a word: it does not read. */
  readonly drop: () => void
}

export interface ConnectionOptions {
  readonly ws: WebSocket
  readonly socket: Duplex
  readonly request: IncomingMessage
  readonly hall: Hall
  /** Nobody needs a credential here. */
  readonly open: boolean
  /** Presented with the request to upgrade. */
  readonly identity: Identity | undefined
}

const requestIdMax = 256
/** An answer of so many characters costs nothing beside its request, and so many more are as dear as telling one more listener. */
const freeText = 4_096
const textPerDelivery = 8
/** Questions whose answers may be long: one at a time. */
const isLong: ReadonlySet<string> = new Set(["state", "board", "manifest", "history", "resume", "receipts", "inbox"])
/** How long a peer may take to answer a close. */
const closeMillis = 1_000

const senderOf = ({ sender }: Fields): string => (typeof sender === "string" ? sender : typeof sender === "number" ? String(sender) : "").trim()
const typeOf = ({ type }: Fields): string => (typeof type === "string" ? type.trim().toLowerCase() : type === undefined || type === null ? "" : String(type)) || "chat"
const requestIdOf = ({ request_id: id }: Fields): string | undefined => (typeof id === "string" && id !== "" && id.length <= requestIdMax ? id : undefined)

const reachesSeat = ({ guest }: Identity, name: string): boolean =>
  guest === undefined || ((name === guest.system || name.startsWith(`${guest.system}/`)) && guest.allows(requests, "write") === undefined)

export const openConnection = ({ hall, identity: presented, open, request, socket, ws }: ConnectionOptions): Connection => {
  // A name for who gives none.
  const ownName = `anon-${randomBytes(6).toString("hex")}`
  const address = request.socket.remoteAddress ?? ""
  let identity = presented
  let seated: Seated | undefined
  let name: string | undefined
  let addressee = "all"
  let bucket: Bucket | undefined
  let heardAt = performance.now()
  /** The silence that it was pinged in: once is enough. */
  let pingedFor = -1
  const beats = makeBucket(synapseBeatsBurst, heardAt)
  let closed = false
  let welcomed = false
  let notices = false
  let receiver: string | undefined
  /** A gate has it. */
  let held = false
  let asking = 0
  let long = 0
  let waiting = 0
  let backlog: Array<string> = []
  const told = makeBucket(synapseDeliveriesPerSecond, heardAt)
  /** Until what it made others hear is paid for. */
  let resting = false

  const outbox = makeOutbox(ws, socket, () => {})
  const send = (text: string): void => hall.tell(connection, text)
  const tell: Connection["tell"] = (told, requestId) => {
    if ("reason_code" in told.fields && told.fields.reason_code !== undefined) countRefusal(hall.counts, told.fields.reason_code)
    const text = textOf({ hub: hall.id, at: hall.now() / 1_000, target: addressee }, told)
    // Whoever asks for much pays for it as for telling others.
    if (text.length > freeText) charge((text.length - freeText) / textPerDelivery)
    send(requestId === undefined ? text : `${text.slice(0, -1)},"request_id":${JSON.stringify(requestId)}}`)
  }
  const welcome = (): void => {
    welcomed = true
    send(textOf({ hub: hall.id, at: hall.now() / 1_000, target: "self" }, welcomeOf(hall.clients(), hall.online(), synapseExtensions)))
    hall.admit(connection)
  }

  const over = (): void => {
    if (closed) return
    closed = true
    clearTimeout(unbound)
    backlog = []
    hall.closed(connection)
    seated?.leave()
  }
  const close: Connection["close"] = (code, reason) => {
    if (closed) return
    ws.close(code, reason)
    setTimeout(() => ws.terminate(), closeMillis).unref()
    over()
    // A gate may have held it: its answer to the close is to be read.
    if (ws.isPaused) ws.resume()
  }
  const unbound = setTimeout(() => {
    if (!open && identity === undefined) return close(synapseCloses.unbound, "nobody said who it is")
  }, hall.bindMillis)

  const isBusy = (): boolean => held || resting || long > 0 || asking >= hall.asksMax()
  const hold = (): void => {
    if (!ws.isPaused) ws.pause()
  }
  /** Goes on with what waited. */
  const goOn = (): void => {
    let next = 0
    while (!closed && !isBusy() && next < backlog.length) handle(backlog[next++]!)
    backlog = next === 0 ? backlog : backlog.slice(next)
    if (!closed && !isBusy() && backlog.length === 0 && ws.isPaused) ws.resume()
  }
  const release = (): void => {
    held = false
    goOn()
  }

  const charge = (deliveries: number): void => {
    const millis = reserve(told, synapseDeliveriesPerSecond, synapseDeliveriesPerSecond, performance.now(), deliveries)
    if (millis < 1 || resting || closed) return
    resting = true
    hold()
    setTimeout(() => {
      resting = false
      goOn()
    }, millis).unref()
  }

  const deny = (message: string, code: string): void => {
    tell(authDeniedFrame(message, code))
    close(synapseCloses.auth, "auth denied")
  }
  const conflict = (message: string, code: string, reason: string): void => {
    tell(nameConflictFrame(message, code))
    close(synapseCloses.name, reason)
  }

  const bind = (fields: Fields, wanted: string): void => {
    const who = identity ?? {}
    const refused = nameRefusal(wanted)
    if (refused !== undefined) return conflict(refused, "NAME_INVALID", "name invalid")
    if (!reachesSeat(who, wanted)) return deny(`Token is not authorised for agent '${wanted}'.`, "NAME_DENIED")
    const system = who.guest === undefined ? systemOfSeat(wanted) : wanted
    const beside = fields["beside"] === true
    const inTheWay = hall.inTheWay(connection, wanted, system, beside)
    if (inTheWay !== undefined) return conflict(inTheWay, "NAME_CONFLICT", "name conflict")
    // Whoever has a token of a name may have it; what guests stand beside is docked under its name.
    const isOurs = who.guest !== undefined && (who.guest.system === wanted || hall.isLive(wanted))
    if (!isOurs && hall.isTaken(wanted)) return conflict(takenText(wanted), "NAME_CONFLICT", "name conflict")
    held = true
    hold()
    hall.seat(connection, wanted, system, beside, (given) => {
      if (closed) {
        if (typeof given !== "string") given.leave()
        return
      }
      if (typeof given === "string") return conflict(given, "NAME_CONFLICT", "name conflict")
      clearTimeout(unbound)
      seated = given
      name = wanted
      if (hall.rate > 0) bucket = hall.bucketOf(connection, wanted)
      if (!welcomed) welcome()
      if (beside) arrive(typeOf(fields) === "heartbeat")
      else if (typeOf(fields) !== "heartbeat") attach({})
      // As all were told that it came.
      if (given.wasHere) tell(presenceOf("joined", wanted, hall.online()))
      dispatch(fields)
      release()
    })
  }
  /** What was kept for the seat is not for one that acts beside others. */
  const arrive = (isBeat: boolean): void => {
    attached = actsBeside = true
    if (!isBeat) submit({ verb: "beat" }, "heartbeat", undefined)
  }
  /** It is here; `-rx` is how the ancestor's clients call a seat that only waits for another one's messages. */
  const attach = (fields: Fields): void => {
    const given = fields["mailbox_for"]
    receiver = typeof given === "string" && given !== "" ? given : /^(.+)-rx$/su.exec(name ?? "")?.[1]
    submit({ verb: "attach", ...(receiver === undefined ? {} : { receiver }) }, "heartbeat", undefined)
  }

  const submit = (ask: Ask, type: string, requestId: string | undefined): void => {
    if (seated === undefined) return
    const waits = (ask.verb === "claim" && ask.wait === true) || (ask.verb === "inbox" && ask.waitMillis !== undefined)
    if (waits && ++waiting > synapseWaitsMax) {
      waiting--
      return refuse(type, ask, { ok: false, code: "QUOTA_EXCEEDED", message: `At most ${synapseWaitsMax} requests of one connection may wait.` }, requestId)
    }
    if (!waits) asking++
    if (!waits && isLong.has(ask.verb)) long++
    hall.submit({ connection, ask, type, requestId, at: performance.now(), waits, told: false }, seated.port)
    if (isBusy()) hold()
  }
  const refuse = (type: string, ask: Ask | undefined, refusal: Refusal, requestId: string | undefined): void => {
    if (type === "claim") hall.counts.denied++
    tell(refusalFrame(type, ask, refusal, requestId !== undefined), requestId)
  }

  const limited = (isAllowed: boolean, perSecond: number, requestId?: string): boolean => {
    if (!isAllowed) tell(errorFrame("Rate limit exceeded.", "RATE_LIMITED", Math.ceil(1 / perSecond)), requestId)
    return !isAllowed
  }
  const beat = (fields: Fields): void => {
    if (limited(take(beats, synapseBeatsPerSecond, synapseBeatsBurst, performance.now()), synapseBeatsPerSecond)) return
    if (fields["notices"] === true) notices = true
    const isNew = !attached || (!actsBeside && typeof fields["mailbox_for"] === "string" && fields["mailbox_for"] !== receiver)
    attached = true
    if (isNew) attach(fields)
    else submit({ verb: "beat" }, "heartbeat", undefined)
  }
  let attached = false
  let actsBeside = false

  const dispatch = (fields: Fields): void => {
    const type = typeOf(fields)
    if (type === "heartbeat") return beat(fields)
    attached = true
    const requestId = requestIdOf(fields)
    if (bucket !== undefined && limited(take(bucket, hall.rate, hall.burst, performance.now()), hall.rate, requestId)) return
    if (type !== "ask" && !isAskType(type)) {
      const shown = type.length > 80 ? `${type.slice(0, 80)}…` : type
      return tell(errorFrame(`Unknown message type '${shown}'.`, "UNKNOWN_TYPE"), requestId)
    }
    const ask = type === "ask" ? askIn(fields) : askOf(type, fields)
    if (ask instanceof Unfit) {
      const task = fields["task_id"]
      return refuse(type, typeof task === "string" ? { verb: "wait", task } : undefined, { ok: false, code: "INVALID", message: ask.message }, requestId)
    }
    submit(ask, type, requestId)
  }

  const handle = (text: string): void => {
    const fields = fieldsOf(text)
    if (typeof fields === "string") {
      if (!open && identity === undefined) return deny("Authentication token required.", "TOKEN_REQUIRED")
      if (limited(take(beats, synapseBeatsPerSecond, synapseBeatsBurst, performance.now()), synapseBeatsPerSecond)) return
      countRefusal(hall.counts, "MALFORMED")
      return send(textOf({ hub: hall.id, at: hall.now() / 1_000, target: "all" }, errorFrame(fields, "MALFORMED")))
    }
    const wanted = senderOf(fields) || ownName
    addressee = name ?? shownName(wanted)
    if (seated !== undefined) {
      if (wanted !== name) return conflict(switchOf(name ?? "", wanted), "NAME_SWITCH", "name switch")
      if (identity?.guest?.ended() !== undefined) return deny("Invalid authentication token.", "TOKEN_INVALID")
      return dispatch(fields)
    }
    if (open || identity !== undefined) return bind(fields, wanted)
    const { token } = fields
    if (typeof token !== "string" || token === "") return deny("Authentication token required.", "TOKEN_REQUIRED")
    held = true
    hold()
    hall.identify(token, (found) => {
      if (closed) return
      if (found === undefined) return deny("Invalid authentication token.", "TOKEN_INVALID")
      identity = found
      held = false
      bind(fields, wanted)
      if (!held) goOn()
    })
  }

  const connection: Connection = {
    address, outbox, tell, close,
    seated: () => seated,
    identity: () => identity,
    wantsNotices: () => notices,
    isStranger: () => !open && identity === undefined,
    heardAt: () => heardAt,
    ping: () => {
      if (pingedFor === heardAt) return
      pingedFor = heardAt
      ws.ping()
    },
    greet: () => {
      if (open || identity !== undefined) welcome()
    },
    charge,
    answered: ({ ask, waits }) => {
      if (waits) waiting--
      else asking--
      if (!waits && isLong.has(ask.verb)) long--
      if (backlog.length > 0 || ws.isPaused) goOn()
    },
    drop: () => {
      ws.close(synapseCloses.slow, "what was sent was not taken in time")
      ws.terminate()
      over()
    }
  }

  // Too long a frame is told so by whoever reads frames: here it learns how long one may be.
  const wsClose = ws.close.bind(ws)
  ws.close = (code, reason) => wsClose(code, code === synapseCloses.tooLarge && reason === undefined ? `frames have at most ${synapseFrameBytesMax} bytes` : reason)

  ws.on("message", (data: Buffer) => {
    if (closed) return
    heardAt = performance.now()
    hall.counts.received++
    const text = data.toString()
    if (isBusy() || backlog.length > 0) {
      backlog.push(text)
      return hold()
    }
    handle(text)
  })
  ws.on("pong", () => {
    heardAt = performance.now()
  })
  ws.on("close", over)
  ws.on("error", () => {
    // A frame that is too long was answered with a close; anything else has no answer.
    setTimeout(() => ws.terminate(), closeMillis).unref()
  })
  return connection
}

