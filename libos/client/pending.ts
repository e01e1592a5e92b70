// The calls of a link: they wait while there is no connection, are sent again on the next, and each is answered once. What was
// taken for somebody who does not wait any more is given back.
import { type CallOp, chunkBytesMax, chunkFrame, once } from "../../protocol/frame.ts"

/** How a call ended. */
export type Outcome =
  | { readonly is: "value"; readonly value: unknown }
  | { readonly is: "failure"; readonly failure: unknown }
  /** The link was closed, or what the call was for is gone. */
  | { readonly is: "gone"; readonly reason: string }

/** A connection, as calls see it. */
export interface Wire {
  readonly send: (frame: string | Uint8Array) => void
  readonly bufferedAmount: () => number
  readonly callsMax: number
}

export interface Calls {
  /** Calls a method of a port with arguments as the text of a JSON list; answers how to stop waiting. */
  readonly call: (port: number, op: CallOp, args: string, done: (outcome: Outcome) => void, bytes?: Uint8Array) => () => void
  /** There will be such a port: its calls wait. */
  readonly expect: (port: number) => void
  /** From now on calls of this port are sent. */
  readonly ready: (port: number) => void
  /** Calls of this port fail from now on. */
  readonly gone: (port: number, reason: string) => void
  readonly answered: (id: number, outcome: Outcome) => void
  /** Bytes of an artifact. */
  readonly received: (id: number, bytes: Uint8Array) => void
  /** Numbers of calls that were sent and have no answer. */
  readonly open: () => ReadonlyArray<number>
  /** A connection is there: what waits is sent over it. `resumed`: the kernel knows the ports still. */
  readonly opened: (wire: Wire, resumed: boolean) => void
  readonly lost: () => void
  readonly end: (reason: string) => void
}

interface Pending {
  readonly id: number
  readonly port: number
  readonly op: CallOp
  readonly text: string
  readonly bytes: Uint8Array | undefined
  readonly done: (outcome: Outcome) => void
  /** On the connection that there is now; and on any. */
  sent: boolean
  known: boolean
  cancelled: boolean
  /** The artifact that is being received. */
  received?: { readonly bytes: Uint8Array; at: number }
}

/** Beyond so many unsent bytes nothing more is handed to the socket. */
const bufferedMax = 4 * 1_048_576
const bufferedMillis = 5
/** Confirmations in one frame. */
const gotMax = 1_000

/** `number` makes the numbers of calls. */
export const makeCalls = (number: () => number): Calls => {
  const pending = new Map<number, Pending>()
  /** Ports that there are, and whether their calls are sent already. */
  const ports = new Map<number, boolean>([[0, true]])
  let unsent: Array<Pending> = []
  let got: Array<number> = []
  let wire: Wire | undefined
  let inFlight = 0
  let ended: string | undefined
  let timer: ReturnType<typeof setTimeout> | undefined

  const cancelFrame = (id: number): string => JSON.stringify({ frame: "cancel", id })

  const upload = (one: Pending, bytes: Uint8Array, from: number, over: Wire): void => {
    let at = from
    while (at < bytes.byteLength) {
      if (wire !== over || one.cancelled) return
      if (over.bufferedAmount() > bufferedMax) return void setTimeout(upload, bufferedMillis, one, bytes, at, over)
      over.send(chunkFrame(one.id, bytes.subarray(at, at + chunkBytesMax)))
      at += chunkBytesMax
    }
  }
  const send = (one: Pending, over: Wire): void => {
    one.sent = true
    one.known = true
    inFlight++
    let { text } = one
    if (got.length > 0) {
      text = `${text.slice(0, -1)},"got":[${got.slice(0, gotMax).join(",")}]}`
      got = got.slice(gotMax)
    }
    over.send(text)
    if (one.cancelled) over.send(cancelFrame(one.id))
    if (one.bytes !== undefined) upload(one, one.bytes, 0, over)
  }
  const hasRoom = (one: Pending, over: Wire): boolean =>
    ports.get(one.port) === true && inFlight < over.callsMax && over.bufferedAmount() <= bufferedMax

  /** Hands waiting calls to the connection as long as it takes them. */
  const flush = (): void => {
    if (wire === undefined || unsent.length === 0) return
    const over = wire
    const rest: Array<Pending> = []
    for (const one of unsent) {
      if (pending.get(one.id) !== one || one.sent) continue
      if (hasRoom(one, over)) send(one, over)
      else rest.push(one)
    }
    unsent = rest
    if (rest.length === 0 || over.bufferedAmount() <= bufferedMax) return
    timer ??= setTimeout(() => {
      timer = undefined
      flush()
    }, bufferedMillis)
  }

  const settle = (one: Pending, outcome: Outcome): void => {
    pending.delete(one.id)
    if (one.sent) inFlight--
    if (once.has(one.op) && outcome.is !== "gone") got.push(one.id)
    if (!one.cancelled) one.done(outcome)
    else if (one.op === "take" && outcome.is === "value") giveBack(one, outcome.value)
    if (unsent.length > 0) flush()
  }
  const giveBack = ({ port }: Pending, value: unknown): void => {
    const items = value as ReadonlyArray<{ readonly event: { readonly channel: string; readonly cursor: number }; readonly epoch: number }> // what `take` gives
    const channel = items[0]?.event.channel
    if (channel === undefined) return
    const settlements = items.map(({ epoch, event }) => ({ cursor: event.cursor, epoch, outcome: "nack" }))
    call(port, "settle", JSON.stringify([channel, settlements]), () => {})
  }

  const call: Calls["call"] = (port, op, args, done, bytes) => {
    const gone = ended ?? (ports.has(port) ? undefined : "it is docked no more")
    if (gone !== undefined) {
      done({ is: "gone", reason: gone })
      return () => {}
    }
    const id = number()
    const one: Pending = {
      id, port, op, bytes, done, sent: false, known: false, cancelled: false,
      text: `{"frame":"call","id":${id}${port === 0 ? "" : `,"port":${port}`},"op":"${op}","args":${args}}`
    }
    pending.set(id, one)
    if (wire !== undefined && unsent.length === 0 && hasRoom(one, wire)) send(one, wire)
    else {
      unsent.push(one)
      flush()
    }
    return () => {
      if (pending.get(id) !== one || one.cancelled) return
      one.cancelled = true
      if (one.sent) wire?.send(cancelFrame(id))
      // What was taken all the same has to be given back: its answer is awaited.
      if (one.op !== "take" || !one.known) settle(one, { is: "gone", reason: "cancelled" })
    }
  }

  return {
    call,
    expect: (port) => void ports.set(port, false),
    ready: (port) => {
      ports.set(port, true)
      flush()
    },
    gone: (port, reason) => {
      ports.delete(port)
      for (const one of pending.values()) if (one.port === port) settle(one, { is: "gone", reason })
    },
    answered: (id, outcome) => {
      const one = pending.get(id)
      if (one === undefined) return
      if (one.op !== "getArtifact" || outcome.is !== "value") return settle(one, outcome)
      const { sizeBytes } = outcome.value as { readonly sizeBytes: number } // what a kernel answers
      one.received = { bytes: new Uint8Array(sizeBytes), at: 0 }
      if (sizeBytes === 0) settle(one, { is: "value", value: one.received.bytes })
    },
    received: (id, bytes) => {
      const one = pending.get(id)
      const into = one?.received
      if (one === undefined || into === undefined || into.at + bytes.byteLength > into.bytes.byteLength) return
      into.bytes.set(bytes, into.at)
      into.at += bytes.byteLength
      if (into.at === into.bytes.byteLength) settle(one, { is: "value", value: into.bytes })
    },
    open: () => [...pending.values()].filter(({ known }) => known).map(({ id }) => id),
    opened: (over, resumed) => {
      wire = over
      // The kernel was told what is open still; all else has arrived.
      got = []
      if (!resumed) for (const port of ports.keys()) ports.set(port, port === 0)
      unsent = [...pending.values()]
    },
    lost: () => {
      wire = undefined
      inFlight = 0
      for (const one of pending.values()) {
        one.sent = false
        delete one.received
      }
    },
    end: (reason) => {
      ended = reason
      wire = undefined
      clearTimeout(timer)
      const calls = [...pending.values()]
      pending.clear()
      for (const one of calls) if (!one.cancelled) one.done({ is: "gone", reason })
    }
  }
}
