// A link to a kernel: one session over as many connections as it takes. Ends for good only when it is closed or refused.
import type { EnrolledKey } from "../../protocol/act.ts"
import { chunkOf, type ClientFrame, closeCodes, frameBytesMax, frameVersions, type KernelFrame, socketMethod, socketPath, type Welcome } from "../../protocol/frame.ts"
import type { ReadingPower } from "../../protocol/power.ts"
import { KernelUnreachable } from "../http.ts"
import { prove } from "./key.ts"
import { makeCalls, type Calls, type Outcome } from "./pending.ts"
import { newSocket, type Socket } from "./socket.ts"

export interface LinkOptions {
  /** `http://127.0.0.1:8100` or `ws://...`. */
  readonly url: string
  readonly token?: string
  /** In place of a token: an enrolled key. */
  readonly key?: EnrolledKey
  /** Longest pause between two attempts to connect, in milliseconds; default 5,000. */
  readonly pauseMillisMax?: number
}

/** A frame of its own that is answered by a result or a failure. */
type Request = Extract<ClientFrame, { readonly frame: "subscribe" | "dock" | "undock" }>
export type RequestFrame = { readonly [Frame in Request["frame"]]: Omit<Extract<Request, { readonly frame: Frame }>, "id"> }[Request["frame"]]

export interface Listener {
  /** A connection is there. `resumed`: the session goes on; otherwise the kernel knows nothing of what was before. */
  readonly opened: (welcome: Welcome, resumed: boolean) => void
  readonly frame: (frame: KernelFrame) => void
  readonly closed: (reason: string) => void
}

export interface Link extends Pick<Calls, "call" | "expect" | "ready" | "gone"> {
  readonly url: string
  /** The newest welcome. */
  readonly welcome: () => Welcome
  readonly isOpen: () => boolean
  /** Why it ended for good, or nothing. */
  readonly ended: () => string | undefined
  /** Sends a frame that is answered once on this very connection; its number is made by `number`. */
  readonly request: (id: number, frame: RequestFrame, done: (outcome: Outcome) => void) => void
  /** Sends a frame now, or never. */
  readonly tell: (frame: ClientFrame) => void
  readonly number: () => number
  readonly listen: (listener: Listener) => () => void
  readonly close: (reason: string) => void
  /** Reading powers of a port, where the kernel hands any over. */
  readonly powersOf?: (port: number) => ReadonlyArray<ReadingPower>
}

const pauseMillisFirst = 50
const pauseMillisMaxDefault = 5_000
/** How long the first answer of a kernel may take. */
const welcomeMillis = 10_000
/** How often it is looked whether the kernel is there. */
const beatMillis = 1_000

const encoder = new TextEncoder()

/** The nonce of a challenge; nothing when the frame is another one. */
const challengeIn = (data: unknown): string | undefined => {
  if (typeof data !== "string") return undefined
  const frame = JSON.parse(data) as KernelFrame // a kernel's word
  return frame.frame === "challenge" ? frame.nonce : undefined
}

const socketUrl = (url: string): string => `${url.replace(/^http/u, "ws").replace(/\/+$/u, "")}${socketPath}`

/** Connects for the first time; later it connects again by itself. Rejects with `KernelUnreachable`. */
export const openLink = async (options: LinkOptions): Promise<Link> => {
  const { key, token = "", url } = options
  const pauseMillisMax = options.pauseMillisMax ?? pauseMillisMaxDefault
  const listeners = new Set<Listener>()
  const requests = new Map<number, (outcome: Outcome) => void>()
  let socket: Socket | undefined
  let welcome: Welcome | undefined
  let ended: string | undefined
  let newest = 0
  let heardAt = 0
  let retryTimer: ReturnType<typeof setTimeout> | undefined
  let attempts = 0
  const number = (): number => ++newest
  const calls = makeCalls(number)

  const send = (frame: string | Uint8Array): void => {
    try {
      socket?.send(frame)
    } catch {
      // It is closing: what was not sent is sent on the next connection.
    }
  }
  const forget = (reason: string): void => {
    const open = [...requests.values()]
    requests.clear()
    for (const done of open) done({ is: "gone", reason })
  }
  const opened = (frame: Welcome, over: Socket): void => {
    const resumed = frame.resumed && welcome !== undefined
    welcome = frame
    attempts = 0
    calls.opened({ send, callsMax: frame.callsMax, bufferedAmount: () => over.bufferedAmount }, resumed)
    for (const listener of listeners) listener.opened(frame, resumed)
    calls.ready(0)
  }
  const lost = (): void => {
    socket = undefined
    calls.lost()
    forget("the connection was lost")
  }
  const end = (reason: string): void => {
    if (ended !== undefined) return
    ended = reason
    clearTimeout(retryTimer)
    clearInterval(beat)
    const over = socket
    socket = undefined
    if (over !== undefined) {
      over.onclose = null
      over.onmessage = null
      over.close(closeCodes.normal, "closed")
    }
    calls.end(reason)
    forget(reason)
    for (const listener of listeners) listener.closed(reason)
  }

  const hear = (data: unknown, over: Socket): void => {
    heardAt = performance.now()
    if (typeof data !== "string") {
      const chunk = chunkOf(new Uint8Array(data as ArrayBuffer)) // the socket was asked for these
      if (chunk !== undefined) calls.received(chunk.id, chunk.bytes)
      return
    }
    const frame = JSON.parse(data) as KernelFrame // a kernel's word
    switch (frame.frame) {
      case "result":
      case "failure": {
        const outcome: Outcome = frame.frame === "result" ? { is: "value", value: frame.value } : { is: "failure", failure: frame.failure }
        const request = requests.get(frame.id)
        requests.delete(frame.id)
        return request === undefined ? calls.answered(frame.id, outcome) : request(outcome)
      }
      case "welcome":
        return opened(frame, over)
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
      const fail = (reason: string): void => {
        clearTimeout(timer)
        reject(new KernelUnreachable({ url, reason }))
      }
      const timer = setTimeout(() => {
        made.close()
        fail("it did not answer in time")
      }, welcomeMillis)
      made.onopen = () => {
        const resume = welcome?.resume
        made.send(JSON.stringify({ frame: "hello", versions: frameVersions, ...(key === undefined ? { token } : { key: key.system }), ...(resume === undefined ? {} : { resume, open: calls.open() }) }))
      }
      made.onmessage = ({ data }) => {
        if (ended !== undefined) return made.close()
        if (isWelcome) return hear(data, made)
        const challenge = key === undefined ? undefined : challengeIn(data)
        if (challenge !== undefined && key !== undefined) {
          prove(key, { method: socketMethod, target: socketPath, nonce: challenge })
            .then((proof) => made.send(JSON.stringify({ frame: "prove", proof })), (error: unknown) => fail(`its proof could not be made: ${String(error)}`))
          return
        }
        isWelcome = true
        clearTimeout(timer)
        socket = made
        hear(data, made)
        resolve()
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

  try {
    await connect()
  } catch (error) {
    end("it never began")
    throw error
  }
  return {
    url,
    number,
    call: calls.call,
    expect: calls.expect,
    ready: calls.ready,
    gone: calls.gone,
    welcome: () => welcome!, // a link is handed out when it was welcome
    isOpen: () => socket !== undefined,
    ended: () => ended,
    request: (id, frame, done) => {
      if (socket === undefined) return done({ is: "gone", reason: ended ?? "the connection was lost" })
      const text = JSON.stringify({ ...frame, id })
      const size = encoder.encode(text).byteLength
      // A frame that is too large would end the connection, and be sent again on the next.
      if (size > frameBytesMax) {
        const failure = { _tag: "TooLarge", what: `The ${frame.frame} frame`, size, sizeMax: frameBytesMax, unit: "bytes" }
        return done({ is: "failure", failure })
      }
      requests.set(id, done)
      send(text)
    },
    tell: (frame) => send(JSON.stringify(frame)),
    listen: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    close: end
  }
}
