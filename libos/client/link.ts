// A link to a kernel: one session over as many connections as it takes. Calls wait while there is no connection and are sent
// again on the next; what must not be done twice is answered as it was. Ends for good only when it is closed or refused.
import { type CallOp, chunkBytesMax, chunkFrame, chunkOf, type ClientFrame, closeCodes, frameVersions, type KernelFrame, once, socketPath, type Welcome } from "../../protocol/frame.ts"
import { KernelUnreachable } from "../http.ts"
import { newSocket, type Socket } from "./socket.ts"

export interface LinkOptions {
  /** `http://127.0.0.1:8100` or `ws://...`. */
  readonly url: string
  readonly token: string
  /** Longest pause between two attempts to connect, in milliseconds; default 5,000. */
  readonly pauseMillisMax?: number
}

/** How a call ended. */
export type Outcome =
  | { readonly is: "value"; readonly value: unknown }
  | { readonly is: "failure"; readonly failure: unknown }
  /** The link was closed, or what the call was for is gone. */
  | { readonly is: "gone"; readonly reason: string }

/** A frame of its own that is answered by a result or a failure. */
type Request = Extract<ClientFrame, { readonly frame: "subscribe" | "dock" | "undock" }>
export type RequestFrame = { readonly [Frame in Request["frame"]]: Omit<Extract<Request, { readonly frame: Frame }>, "id"> }[Request["frame"]]

export interface Listener {
  /** A connection is there. `resumed`: the session goes on; otherwise the kernel knows nothing of what was before. */
  readonly opened: (welcome: Welcome, resumed: boolean) => void
  readonly lost: () => void
  readonly frame: (frame: KernelFrame) => void
  readonly closed: (reason: string) => void
}

export interface Link {
  readonly url: string
  /** The newest welcome. */
  readonly welcome: () => Welcome
  readonly isOpen: () => boolean
  /** Why it ended for good, or nothing. */
  readonly ended: () => string | undefined
  /** Calls a method of a port with arguments as the text of a JSON list; answers how to stop waiting. */
  readonly call: (port: number, op: CallOp, args: string, done: (outcome: Outcome) => void, bytes?: Uint8Array) => () => void
  /** Sends a frame that is answered once on this very connection; its number is made by `number`. */
  readonly request: (id: number, frame: RequestFrame, done: (outcome: Outcome) => void) => void
  /** Sends a frame now, or never. */
  readonly tell: (frame: ClientFrame) => void
  readonly number: () => number
  /** There will be such a port: its calls wait. */
  readonly expect: (port: number) => void
  /** From now on calls of this port are sent. */
  readonly ready: (port: number) => void
  /** Calls of this port fail from now on. */
  readonly gone: (port: number, reason: string) => void
  readonly listen: (listener: Listener) => () => void
  readonly close: (reason: string) => void
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

const pauseMillisFirst = 50
const pauseMillisMaxDefault = 5_000
/** Beyond so many unsent bytes nothing more is handed to the socket. */
const bufferedMax = 4 * 1_048_576
const bufferedMillis = 5
/** How long the first answer of a kernel may take. */
const welcomeMillis = 10_000

const socketUrl = (url: string): string => `${url.replace(/^http/u, "ws").replace(/\/+$/u, "")}${socketPath}`

/** Connects for the first time; later it connects again by itself. Rejects with `KernelUnreachable`. */
export const openLink = async (options: LinkOptions): Promise<Link> => {
  const { token, url } = options
  const pauseMillisMax = options.pauseMillisMax ?? pauseMillisMaxDefault
  const listeners = new Set<Listener>()
  const pending = new Map<number, Pending>()
  let unsent: Array<Pending> = []
  const requests = new Map<number, (outcome: Outcome) => void>()
  /** Ports that there are, and whether their calls are sent already. */
  const ports = new Map<number, boolean>([[0, true]])
  let got: Array<number> = []
  let socket: Socket | undefined
  let welcome: Welcome | undefined
  let ended: string | undefined
  let newest = 0
  let inFlight = 0
  let heardAt = 0
  let flushTimer: ReturnType<typeof setTimeout> | undefined
  let retryTimer: ReturnType<typeof setTimeout> | undefined
  let attempts = 0

  const send = (text: string | Uint8Array): void => {
    try {
      socket?.send(text)
    } catch {
      // It is closing: what was not sent is sent on the next connection.
    }
  }
  const sendCall = (one: Pending): void => {
    one.sent = true
    one.known = true
    inFlight++
    let { text } = one
    if (got.length > 0) {
      text = `${text.slice(0, -1)},"got":[${got.slice(0, 1_000).join(",")}]}`
      got = got.slice(1_000)
    }
    send(text)
    if (one.cancelled) send(JSON.stringify({ frame: "cancel", id: one.id }))
    if (one.bytes !== undefined) upload(one, one.bytes, 0, socket)
  }
  const upload = (one: Pending, bytes: Uint8Array, from: number, over: Socket | undefined): void => {
    let at = from
    while (at < bytes.byteLength) {
      if (socket !== over || over === undefined || one.cancelled) return
      if (over.bufferedAmount > bufferedMax) return void setTimeout(upload, bufferedMillis, one, bytes, at, over)
      send(chunkFrame(one.id, bytes.subarray(at, at + chunkBytesMax)))
      at += chunkBytesMax
    }
  }
  /** Hands waiting calls to the socket as long as it takes them. */
  const flush = (): void => {
    if (socket === undefined || welcome === undefined || unsent.length === 0) return
    const rest: Array<Pending> = []
    for (const one of unsent) {
      if (pending.get(one.id) !== one || one.sent) continue
      if (ports.get(one.port) !== true || inFlight >= welcome.callsMax || socket.bufferedAmount > bufferedMax) rest.push(one)
      else sendCall(one)
    }
    unsent = rest
    if (rest.length > 0 && socket.bufferedAmount > bufferedMax) {
      flushTimer ??= setTimeout(() => {
        flushTimer = undefined
        flush()
      }, bufferedMillis)
    }
  }

  const settle = (one: Pending, outcome: Outcome): void => {
    pending.delete(one.id)
    if (one.sent) inFlight--
    if (once.has(one.op) && outcome.is !== "gone") got.push(one.id)
    if (!one.cancelled) one.done(outcome)
    else if (one.op === "take" && outcome.is === "value") giveBack(one, outcome.value)
    if (unsent.length > 0) flush()
  }
  /** Nobody waits for these items any more. */
  const giveBack = (one: Pending, value: unknown): void => {
    const items = value as ReadonlyArray<{ readonly event: { readonly channel: string; readonly cursor: number }; readonly epoch: number }> // what `take` gives
    const channel = items[0]?.event.channel
    if (channel === undefined) return
    const settlements = items.map(({ epoch, event }) => ({ cursor: event.cursor, epoch, outcome: "nack" }))
    link.call(one.port, "settle", JSON.stringify([channel, settlements]), () => {})
  }

  const answered = (frame: Extract<KernelFrame, { readonly frame: "result" | "failure" }>): void => {
    const request = requests.get(frame.id)
    const outcome: Outcome = frame.frame === "result" ? { is: "value", value: frame.value } : { is: "failure", failure: frame.failure }
    if (request !== undefined) {
      requests.delete(frame.id)
      return request(outcome)
    }
    const one = pending.get(frame.id)
    if (one === undefined) return
    if (one.op === "getArtifact" && frame.frame === "result") {
      const { sizeBytes } = frame.value as { readonly sizeBytes: number } // what a kernel answers
      one.received = { bytes: new Uint8Array(sizeBytes), at: 0 }
      if (sizeBytes === 0) settle(one, { is: "value", value: one.received.bytes })
      return
    }
    settle(one, outcome)
  }
  const received = (data: ArrayBuffer | Uint8Array): void => {
    const chunk = chunkOf(data instanceof Uint8Array ? data : new Uint8Array(data))
    const one = chunk === undefined ? undefined : pending.get(chunk.id)
    const into = one?.received
    if (chunk === undefined || one === undefined || into === undefined || into.at + chunk.bytes.byteLength > into.bytes.byteLength) return
    into.bytes.set(chunk.bytes, into.at)
    into.at += chunk.bytes.byteLength
    if (into.at === into.bytes.byteLength) settle(one, { is: "value", value: into.bytes })
  }

  const opened = (frame: Welcome): void => {
    const before = welcome
    welcome = frame
    attempts = 0
    // The kernel was told what is open still; all else has arrived.
    got = []
    if (!frame.resumed) {
      for (const port of ports.keys()) ports.set(port, port === 0)
    }
    unsent = [...pending.values()]
    for (const listener of listeners) listener.opened(frame, frame.resumed && before !== undefined)
    flush()
  }
  const lost = (): void => {
    socket = undefined
    inFlight = 0
    for (const one of pending.values()) {
      one.sent = false
      delete one.received
    }
    const open = [...requests.values()]
    requests.clear()
    for (const done of open) done({ is: "gone", reason: "the connection was lost" })
    for (const listener of listeners) listener.lost()
  }

  const end = (reason: string): void => {
    if (ended !== undefined) return
    ended = reason
    clearTimeout(retryTimer)
    clearTimeout(flushTimer)
    clearInterval(beat)
    const over = socket
    socket = undefined
    if (over !== undefined) {
      over.onclose = null
      over.onmessage = null
      over.close(closeCodes.normal, "closed")
    }
    const calls = [...pending.values()]
    pending.clear()
    for (const one of calls) if (!one.cancelled) one.done({ is: "gone", reason })
    const open = [...requests.values()]
    requests.clear()
    for (const done of open) done({ is: "gone", reason })
    for (const listener of listeners) listener.closed(reason)
  }

  const hear = (data: unknown): void => {
    heardAt = performance.now()
    if (typeof data !== "string") return received(data as ArrayBuffer) // the socket was asked for these
    const frame = JSON.parse(data) as KernelFrame // a kernel's word
    switch (frame.frame) {
      case "result":
      case "failure":
        return answered(frame)
      case "welcome":
        return opened(frame)
      case "ping":
        return send(`{"frame":"pong"}`)
      case "pong":
        return
      default:
        for (const listener of listeners) listener.frame(frame)
    }
  }

  /** One connection: resolves when it is welcome, rejects with why it is not. */
  const connect = async (): Promise<void> => {
    const made = await newSocket(socketUrl(url))
    await new Promise<void>((resolve, reject) => {
      let isWelcome = false
      const timer = setTimeout(() => {
        made.close()
        fail("it did not answer in time")
      }, welcomeMillis)
      const fail = (reason: string): void => {
        clearTimeout(timer)
        reject(new KernelUnreachable({ url, reason }))
      }
      made.onopen = () => {
        const resume = welcome?.resume
        const open = [...pending.values()].filter(({ known }) => known).map(({ id }) => id)
        made.send(JSON.stringify({ frame: "hello", versions: frameVersions, token, ...(resume === undefined ? {} : { resume, open }) }))
      }
      made.onmessage = ({ data }) => {
        if (ended !== undefined) return made.close()
        if (!isWelcome) {
          isWelcome = true
          clearTimeout(timer)
          socket = made
          hear(data)
          resolve()
          return
        }
        hear(data)
      }
      made.onerror = (event) => {
        const { message } = event as { readonly message?: unknown } // both kinds may say why
        if (!isWelcome) fail(typeof message === "string" && message !== "" ? message : "the connection could not be made")
      }
      made.onclose = ({ code, reason }) => {
        const isFinal = code >= 4_400 && code < 4_500
        const said = reason === "" ? `it closed the connection (${code})` : reason
        if (!isWelcome) {
          if (isFinal) end(said)
          return fail(said)
        }
        if (socket !== made) return
        lost()
        if (isFinal) end(said)
        else again()
      }
    })
  }
  const again = (): void => {
    if (ended !== undefined) return
    // Many clients whose kernel starts again do not come back in the same moment.
    const pause = Math.min(pauseMillisMax, pauseMillisFirst * 2 ** Math.min(attempts++, 16)) * (0.5 + Math.random() / 2)
    retryTimer = setTimeout(() => {
      connect().catch(() => again())
    }, pause)
  }

  // A kernel that says nothing for so long is asked; one that does not answer is gone, whatever its socket says.
  const beat = setInterval(() => {
    if (socket === undefined || welcome === undefined) return
    const silence = performance.now() - heardAt
    if (silence > welcome.silenceMillis) {
      const dead = socket
      dead.onclose = null
      dead.onmessage = null
      dead.close()
      lost()
      again()
    } else if (silence > welcome.silenceMillis / 3) send(`{"frame":"ping"}`)
  }, beatMillis)
  ;(beat as { readonly unref?: () => void }).unref?.() // only where timers hold a process

  const link: Link = {
    url,
    welcome: () => welcome!, // a link is handed out when it was welcome
    isOpen: () => socket !== undefined,
    ended: () => ended,
    number: () => ++newest,
    call: (port, op, args, done, bytes) => {
      const gone = ended ?? (ports.has(port) ? undefined : "it is docked no more")
      if (gone !== undefined) {
        done({ is: "gone", reason: gone })
        return () => {}
      }
      const id = ++newest
      const one: Pending = {
        id, port, op, bytes, done, sent: false, known: false, cancelled: false,
        text: `{"frame":"call","id":${id}${port === 0 ? "" : `,"port":${port}`},"op":"${op}","args":${args}}`
      }
      pending.set(id, one)
      if (socket !== undefined && welcome !== undefined && ports.get(port) === true && unsent.length === 0 && inFlight < welcome.callsMax && socket.bufferedAmount <= bufferedMax) sendCall(one)
      else {
        unsent.push(one)
        flush()
      }
      return () => {
        if (pending.get(id) !== one || one.cancelled) return
        one.cancelled = true
        if (one.sent) send(JSON.stringify({ frame: "cancel", id }))
        // What was taken all the same has to be given back: its answer is awaited.
        if (one.op !== "take" || !one.known) settle(one, { is: "gone", reason: "cancelled" })
      }
    },
    request: (id, frame, done) => {
      if (socket === undefined) return done({ is: "gone", reason: ended ?? "the connection was lost" })
      requests.set(id, done)
      send(JSON.stringify({ ...frame, id }))
    },
    tell: (frame) => send(JSON.stringify(frame)),
    expect: (port) => void ports.set(port, false),
    ready: (port) => {
      ports.set(port, true)
      flush()
    },
    gone: (port, reason) => {
      ports.delete(port)
      for (const one of pending.values()) if (one.port === port) settle(one, { is: "gone", reason })
    },
    listen: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: end
  }
  try {
    await connect()
  } catch (error) {
    end("it never began")
    throw error
  }
  return link
}

const beatMillis = 1_000
