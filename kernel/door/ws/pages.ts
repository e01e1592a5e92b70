// Pages as frames. Readers at one pace get the same page of a channel: it is made into text once, and into bytes once for
// each subscription number.
import type { Event } from "../../../protocol/event.ts"
import { pageFrameTextMax } from "../../../protocol/frame.ts"
import type { Cursor } from "../../../protocol/names.ts"

interface Encoded {
  readonly events: ReadonlyArray<Event>
  /** Events that found room, from the first one. */
  readonly count: number
  readonly next: Cursor
  readonly text: string
  readonly frames: Map<number, Buffer>
}

export interface Frame {
  readonly bytes: Buffer
  /** Events that found room in the frame, from the first one of the page. */
  readonly count: number
  /** Where to go on. */
  readonly next: Cursor
}

/** Makes the frame of a page, which has an event, for one subscription. */
export type Pages = (id: number, channel: string, events: ReadonlyArray<Event>, next: Cursor, head: Cursor) => Frame

/** Encoded pages that are remembered of one channel: readers are at most so many pages apart. */
const rememberedMax = 4
/** Channels that are remembered; when there are more, each has few readers. */
const channelsMax = 256
/** Frames of one page that are remembered; most clients give their subscriptions the same small numbers. */
const framesMax = 8

/** Events are handed to live readers as the same frozen objects, so that looking at these is enough. */
const isSame = (a: ReadonlyArray<Event>, b: ReadonlyArray<Event>): boolean => {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}

export const makePages = (): Pages => {
  const remembered = new Map<string, Array<Encoded>>()

  const encode = (channel: string, events: ReadonlyArray<Event>, next: Cursor, head: Cursor): Encoded => {
    let text = ""
    let count = 0
    while (count < events.length) {
      const event = JSON.stringify(events[count])
      if (count > 0 && text.length + event.length > pageFrameTextMax) break
      text += count === 0 ? event : `,${event}`
      count++
    }
    const goOn = count < events.length ? events[count - 1]!.cursor : next // at least the first found room
    return { events, count, next: goOn, frames: new Map(), text: `,"channel":${JSON.stringify(channel)},"next":${goOn},"head":${head},"events":[${text}]}` }
  }
  const remember = (channel: string, encoded: Encoded): void => {
    const list = remembered.get(channel)
    if (list !== undefined) {
      if (list.push(encoded) > rememberedMax) list.shift()
      return
    }
    if (remembered.size >= channelsMax) remembered.clear()
    remembered.set(channel, [encoded])
  }

  return (id, channel, events, next, head) => {
    let encoded = remembered.get(channel)?.find((one) => (one.count < events.length || one.next === next) && isSame(one.events, events))
    if (encoded === undefined) {
      encoded = encode(channel, events, next, head)
      remember(channel, encoded)
    }
    let bytes = encoded.frames.get(id)
    if (bytes === undefined) {
      bytes = Buffer.from(`{"frame":"events","id":${id}${encoded.text}`)
      if (encoded.frames.size < framesMax) encoded.frames.set(id, bytes)
    }
    return { bytes, count: encoded.count, next: encoded.next }
  }
}
