// A seat at a hub over as many connections as it takes: each is a seat's only when the hub has really taken its name.
import type { AgentType, Envelope, HubFrame } from "../../protocol/synapse.ts"
import { KernelUnreachable } from "../http.ts"
import { newSocket, type Socket } from "../client/socket.ts"
import { secondsNow } from "../promise.ts"
import { refusalOf, SynapseRefused } from "./refused.ts"

export interface SessionOptions {
  readonly uri: string
  readonly name: string
  readonly token?: string
  /** Fields of each first frame. */
  readonly hello: Readonly<Record<string, unknown>>
  readonly reconnect: boolean
  readonly connectMillis: number
  readonly pauseMillisMax: number
  readonly heartbeatMillis: number
}

export interface SessionListener {
  /** The name is taken, by a hub with these extensions. */
  readonly bound: (isFirst: boolean) => void
  readonly frame: (frame: HubFrame) => void
  /** The connection broke; another one is made. */
  readonly lost: (reason: string) => void
  /** There will be none any more. */
  readonly ended: (failure: KernelUnreachable | SynapseRefused | undefined) => void
}

export interface Session {
  /** Resolves when the name was taken for the first time. */
  readonly start: () => Promise<void>
  /** Sends a frame now; false when there is no connection. */
  readonly send: (type: AgentType, fields: Readonly<Record<string, unknown>>, target?: string, payload?: string) => boolean
  readonly isBound: () => boolean
  readonly has: (extension: string) => boolean
  readonly hubId: () => string
  readonly close: () => void
}

const pauseMillisFirst = 100
const normalClosure = 1_000

/** A frame of a hub, if that is what it is. A hub that writes what is no JSON is not understood. */
const frameOf = (data: unknown): HubFrame | undefined => {
  try {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data as ArrayBuffer) // the socket was asked for these
    const frame: unknown = JSON.parse(text)
    return typeof frame === "object" && frame !== null && "type" in frame && typeof frame.type === "string" && "payload" in frame && typeof frame.payload === "string"
      ? frame as unknown as HubFrame // of the type that it says; whoever looks at one of its fields knows that a hub wrote it
      : undefined
  } catch {
    return undefined
  }
}

export const makeSession = (options: SessionOptions, on: SessionListener): Session => {
  const { name, uri } = options
  let socket: Socket | undefined
  let extensions: ReadonlyArray<string> = []
  let hubId = ""
  let bounds = 0
  let attempts = 0
  let hasEnded = false
  let isDenied = false
  let retryTimer: ReturnType<typeof setTimeout> | undefined
  let beatTimer: ReturnType<typeof setInterval> | undefined
  let dialing: Socket | undefined

  const envelope = (type: AgentType, target: string, payload: string): Envelope => ({ type, sender: name, target, payload, timestamp: secondsNow() })
  const write = (over: Socket, type: AgentType, fields: Readonly<Record<string, unknown>>, target = "all", payload = ""): boolean => {
    try {
      over.send(JSON.stringify({ ...envelope(type, target, payload), ...fields }))
      return true
    } catch {
      // It is closing: who waits for an answer asks again on the next connection.
      return false
    }
  }
  const end = (failure?: KernelUnreachable | SynapseRefused): void => {
    if (hasEnded) return
    hasEnded = true
    clearTimeout(retryTimer)
    clearInterval(beatTimer)
    for (const over of [socket, dialing]) {
      if (over === undefined) continue
      over.onclose = null
      over.onmessage = null
      over.onerror = () => undefined
      over.close(normalClosure, "")
    }
    socket = dialing = undefined
    on.ended(failure)
  }

  /** One connection: resolves when the name is taken on it, rejects with why it is not. */
  const connect = async (): Promise<void> => {
    const made = await newSocket(uri).catch((error: unknown) => {
      throw new KernelUnreachable({ url: uri, reason: error instanceof Error ? error.message : String(error) })
    })
    if (hasEnded) return made.close()
    dialing = made
    await new Promise<void>((resolve, reject) => {
      let refused: SynapseRefused | undefined
      const fail = (failure: KernelUnreachable | SynapseRefused): void => {
        clearTimeout(timer)
        if (dialing === made) dialing = undefined
        made.onmessage = null
        made.onclose = null
        made.close()
        reject(failure)
      }
      const timer = setTimeout(() => fail(refused ?? new KernelUnreachable({ url: uri, reason: "it did not answer in time" })), options.connectMillis)
      made.onopen = () => {
        const token = options.token === undefined ? {} : { token: options.token }
        write(made, "heartbeat", { ...options.hello, ...token }, "all", "online")
      }
      made.onmessage = ({ data }) => {
        const frame = frameOf(data)
        if (frame === undefined) return
        if (socket === made) return on.frame(frame)
        if (frame.type === "welcome") {
          extensions = Array.isArray(frame.extensions) ? frame.extensions.filter((one) => typeof one === "string") : []
          hubId = typeof frame.hub_id === "string" ? frame.hub_id : ""
        } else if (frame.type === "name_conflict" || frame.type === "auth_denied" || frame.type === "error") {
          // Its close comes behind it; a name that is no name is refused without one.
          refused = refusalOf({ ...frame })
          isDenied = frame.type === "auth_denied"
          return fail(refused)
        } else if (frame.type === "presence_update" && frame.event === "joined" && frame.agent === name) {
          clearTimeout(timer)
          socket = made
          dialing = undefined
          attempts = 0
          bounds += 1
          clearInterval(beatTimer)
          beatTimer = setInterval(() => void (socket !== undefined && write(socket, "heartbeat", {}, "all", "alive")), options.heartbeatMillis)
          ;(beatTimer as { readonly unref?: () => void }).unref?.() // only where timers hold a process
          on.frame(frame)
          on.bound(bounds === 1)
          return resolve()
        }
        on.frame(frame)
      }
      made.onerror = (event) => {
        const { message } = event as { readonly message?: unknown } // both kinds of socket may say why
        if (socket !== made) fail(new KernelUnreachable({ url: uri, reason: typeof message === "string" && message !== "" ? message : "the connection could not be made" }))
      }
      made.onclose = ({ code, reason }) => {
        const said = reason === "" ? `it closed the connection (${code})` : `it closed the connection: ${reason}`
        if (socket !== made) return fail(refused ?? new KernelUnreachable({ url: uri, reason: said }))
        socket = undefined
        clearInterval(beatTimer)
        if (hasEnded) return
        if (!options.reconnect) return end(new KernelUnreachable({ url: uri, reason: said }))
        on.lost(said)
        again()
      }
    })
  }
  const again = (): void => {
    if (hasEnded) return
    // Many seats whose hub starts again do not come back in the same moment.
    const pause = Math.min(options.pauseMillisMax, pauseMillisFirst * 2 ** Math.min(attempts++, 16)) * (0.5 + Math.random() / 2)
    retryTimer = setTimeout(() => {
      connect().catch((error: unknown) => {
        // The hub may hold the connection that broke for a while, and with it the name. A token that is good no longer stays so.
        if (error instanceof SynapseRefused && isDenied) end(error)
        else again()
      })
    }, pause)
  }

  return {
    start: async () => {
      try {
        await connect()
      } catch (error) {
        end(error instanceof SynapseRefused || error instanceof KernelUnreachable ? error : undefined)
        throw error
      }
    },
    send: (type, fields, target, payload) => socket !== undefined && write(socket, type, fields, target, payload),
    isBound: () => socket !== undefined,
    has: (extension) => extensions.includes(extension),
    hubId: () => hubId,
    close: () => end()
  }
}
