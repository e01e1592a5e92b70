// A subscription over a link as an async iterable: events come as fast as they are asked for, and after a broken connection
// from where they were.
import { Denied, InvalidPayload, Undocked } from "../../protocol/errors.ts"
import type { Event, Filter } from "../../protocol/event.ts"
import type { KernelFrame } from "../../protocol/frame.ts"
import type { ChannelId, Cursor } from "../../protocol/names.ts"
import type { Link, RequestFrame } from "./link.ts"
import { failureOf } from "./remote-port.ts"

export interface FeedOptions {
  /** Events behind this cursor; default: what comes from now on. */
  readonly after?: Cursor
  readonly filter?: Filter
  /** A durable subscription: starts where it was, and remembers an event when the next one is asked for. */
  readonly name?: string
  readonly signal?: AbortSignal
  /** Events that may be on their way or wait here; default 1,000. */
  readonly ahead?: number
}

const aheadDefault = 1_000

/** Follows one channel, or all whose names match a pattern with `*`. */
export async function* follow(link: Link, of: { readonly channel: ChannelId } | { readonly pattern: string }, options: FeedOptions = {}): AsyncGenerator<Event, void, undefined> {
  const { filter, name, signal } = options
  const ahead = Math.max(2, options.ahead ?? aheadDefault)
  const cursors = new Map<ChannelId, Cursor>()
  const id = link.number()
  let buffer: Array<Event> = []
  let at = 0
  let used = 0
  let failure: unknown
  let isOver = false
  let wake: (() => void) | undefined
  const awake = (): void => {
    const waking = wake
    wake = undefined
    waking?.()
  }
  const fail = (error: unknown): void => {
    failure = error
    isOver = true
    awake()
  }

  const begin = (): void => {
    const [single] = cursors.values()
    const after = "channel" in of && single !== undefined ? single : options.after
    const frame: RequestFrame = {
      frame: "subscribe", ...of, credit: ahead - (buffer.length - at),
      ...(after === undefined ? {} : { after }),
      ...("pattern" in of && cursors.size > 0 ? { cursors: Object.fromEntries(cursors) } : {}),
      ...(name === undefined ? {} : { name }),
      ...(filter === undefined ? {} : { filter })
    }
    used = 0
    link.request(id, frame, (outcome) => {
      // The next connection begins it again.
      if (outcome.is === "gone") return
      if (outcome.is === "failure") return fail(failureOf(link.url, outcome.failure))
      const { cursors: begun } = outcome.value as { readonly cursors: Readonly<Record<ChannelId, Cursor>> } // a kernel's word
      for (const [channel, cursor] of Object.entries(begun)) if (!cursors.has(channel)) cursors.set(channel, cursor)
    })
  }
  const events = (frame: Extract<KernelFrame, { readonly frame: "events" }>): void => {
    const last = cursors.get(frame.channel) ?? 0
    for (const event of frame.events as ReadonlyArray<Event>) { // a kernel's word
      // A durable position may lie before what came already.
      if (event.cursor > last) buffer.push(event)
      else used++
    }
    cursors.set(frame.channel, Math.max(last, frame.next))
    awake()
  }
  const stop = link.listen({
    opened: begin,
    closed: (reason) => fail(new Undocked({ system: link.welcome().system, reason })),
    frame: (frame) => {
      if (frame.frame === "events" && frame.id === id) events(frame)
      else if (frame.frame === "over" && frame.id === id) fail(frame.failure === undefined ? new Denied({ system: link.welcome().system, operation: "read", target: "it", reason: "it has ended" }) : failureOf(link.url, frame.failure))
    }
  })
  signal?.addEventListener("abort", awake)
  const ended = link.ended()
  if (ended !== undefined) fail(new Undocked({ system: link.welcome().system, reason: ended }))
  else if (link.isOpen()) begin()

  try {
    while (signal?.aborted !== true) {
      const event = buffer[at]
      if (event === undefined) {
        buffer = []
        at = 0
        if (isOver) throw failure
        await new Promise<void>((resolve) => (wake = resolve))
        continue
      }
      at++
      yield event
      used++
      if (name !== undefined) link.tell({ frame: "ack", id, cursor: event.cursor })
      if (used >= ahead / 2) {
        link.tell({ frame: "credit", id, events: used })
        used = 0
      }
    }
  } finally {
    stop()
    signal?.removeEventListener("abort", awake)
    if (!isOver) link.tell({ frame: "unsubscribe", id })
  }
}

/** A pattern is not a name: asking for both is a mistake. */
export const subjectOf = (subject: ChannelId | { readonly pattern: string }): { readonly channel: ChannelId } | { readonly pattern: string } => {
  if (typeof subject === "string") return { channel: subject }
  if (typeof subject.pattern !== "string") throw new InvalidPayload({ what: "subscription", path: "pattern", reason: "must be a name with * for any characters" })
  return { pattern: subject.pattern }
}
