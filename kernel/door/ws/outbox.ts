// The outbox of one WebSocket: what was sent and not yet taken by its client, counted in bytes. Whoever sends events looks
// whether it is full; whoever does not take what is there in time is found here.
import type { Duplex } from "node:stream"
import type { WebSocket } from "ws"
import { outboxBytesMax } from "../../limits.ts"

export interface Outbox {
  /** Sends a frame. Frames of one turn leave together. */
  readonly send: (frame: string | Uint8Array) => void
  /** A text that is in bytes already. */
  readonly sendEncoded: (frame: Buffer) => void
  /** So much waits that nothing more should be read for this client. */
  readonly isFull: () => boolean
  readonly bytes: () => number
  /** For how long the oldest byte has been waiting, in milliseconds. Asked again and again, or it does not know. */
  readonly stuckMillis: (now: number) => number
}

export interface WireOutbox extends Outbox {
  /** Whole frames, with their heads: bytes that many sockets are sent. Only where nothing is compressed. */
  readonly sendWhole: (frames: Buffer) => void
}

/** `onDrained` is called when a full outbox has room again. */
export const makeOutbox = (ws: WebSocket, socket: Duplex, onDrained: () => void): WireOutbox => {
  let sent = 0
  let corked = false
  let full = false
  /** Everything up to this mark had been sent when the clock below was started. */
  let mark = 0
  let markedAt = 0

  const uncork = (): void => {
    corked = false
    socket.uncork()
    // A socket that is full has said so; one that took everything at once says nothing more.
    if (full && ws.bufferedAmount < outboxBytesMax) drained()
  }
  const drained = (): void => {
    if (!full || ws.bufferedAmount >= outboxBytesMax) return
    full = false
    onDrained()
  }
  socket.on("drain", drained)

  const cork = (): void => {
    if (corked) return
    corked = true
    socket.cork()
    process.nextTick(uncork)
  }
  const write = (frame: string | Uint8Array, binary: boolean): void => {
    if (ws.readyState !== ws.OPEN) return
    cork()
    ws.send(frame, { binary })
    sent += frame.length
    if (ws.bufferedAmount >= outboxBytesMax) full = true
  }

  return {
    send: (frame) => write(frame, typeof frame !== "string"),
    sendEncoded: (frame) => write(frame, false),
    sendWhole: (frames) => {
      if (ws.readyState !== ws.OPEN) return
      cork()
      socket.write(frames)
      sent += frames.length
      if (ws.bufferedAmount >= outboxBytesMax) full = true
    },
    isFull: () => full,
    bytes: () => ws.bufferedAmount,
    stuckMillis: (now) => {
      const waiting = ws.bufferedAmount
      // Headers and wide characters make more bytes than were counted, so less may seem taken than was; never more.
      if (waiting === 0 || sent - waiting >= mark) {
        mark = sent
        markedAt = now
        return 0
      }
      return now - markedAt
    }
  }
}
