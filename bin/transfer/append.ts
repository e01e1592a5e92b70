// Appends the events of a `.sssn` directory to a kernel: in their order, parents before children, in as few requests as that
// allows, and each of them once, however often it is run.
import { createHash } from "node:crypto"
import type { LocalStore } from "../../kernel/store/local.ts"
import type { Event } from "../../protocol/event.ts"
import type { KeptEvent } from "../../protocol/portable.ts"
import { channelRoutes } from "../../protocol/route/channels.ts"
import { stateRoutes } from "../../protocol/route/state.ts"
import type { Snapshot as KernelSnapshot } from "../../protocol/snapshot.ts"
import { type Desk, DeskError } from "../sssn/desk.ts"
import { canonicalText, draftOf, portableOf } from "./translate.ts"

/** How many were made, and how many were there. */
export interface Tally {
  made: number
  there: number
}

/** Something is there under the same name or id, and is not the same. Nothing of it was changed. */
export class ImportConflict extends Error {
  override readonly name = "ImportConflict"
}

export const pageEvents = 1_000
const batchEvents = 500
/** Characters of one batch in JSON, well below what a request may have. */
const batchText = 400_000

const isMissing = (failure: unknown): boolean => failure instanceof DeskError && failure.status === 404

/** The answer, or nothing when there is none of that name. */
export const found = async <A>(asked: Promise<A>): Promise<A | undefined> => {
  try {
    return await asked
  } catch (failure) {
    if (isMissing(failure)) return undefined
    throw failure
  }
}

/** A batch of drafts of one channel that wait to be sent. */
interface Waiting {
  readonly events: Array<KeptEvent>
  text: number
}

const askedAtOnce = 16

/** Those of a batch that are not there. Throws for one that is there with other content. */
const missingOf = async (desk: Desk, channel: string, events: ReadonlyArray<KeptEvent>): Promise<ReadonlyArray<KeptEvent>> => {
  const missing: Array<KeptEvent> = []
  for (let from = 0; from < events.length; from += askedAtOnce) {
    const some = events.slice(from, from + askedAtOnce)
    const answers = await Promise.all(some.map(({ id }) => found(desk.ask<Event>(channelRoutes.event, { id }))))
    for (const [at, event] of some.entries()) {
      const there = answers[at]
      if (there === undefined) missing.push(event)
      else if (canonicalText(portableOf(there)) !== canonicalText(event)) {
        throw new ImportConflict(`Event ${event.id} of ${channel} is there already, with other content.`)
      }
    }
  }
  return missing
}

/** Appends a batch. When some of it is there, each is looked at by itself. */
const appendBatch = async (desk: Desk, channel: string, events: ReadonlyArray<KeptEvent>, tally: Tally): Promise<void> => {
  const send = (some: ReadonlyArray<KeptEvent>): Promise<unknown> => desk.ask(channelRoutes.append, { id: channel, body: { events: some.map(draftOf) } })
  let missing = events
  try {
    await send(events)
  } catch (failure) {
    if (!(failure instanceof DeskError) || failure.code !== "EventExists") throw failure
    missing = await missingOf(desk, channel, events)
    if (missing.length > 0) await send(missing)
  }
  tally.made += missing.length
  tally.there += events.length - missing.length
}

/** What waits to be sent, one batch for each channel, and which channel must go before which: parents before children. */
const makeWindow = (desk: Desk, tally: Tally) => {
  const waiting = new Map<string, Waiting>()
  const waitingIn = new Map<string, string>()
  const before = new Map<string, Set<string>>()

  const goesBefore = (channel: string, other: string): boolean =>
    [...(before.get(other) ?? [])].some((one) => one === channel || goesBefore(channel, one))

  const send = async (channel: string): Promise<void> => {
    const batch = waiting.get(channel)
    waiting.delete(channel)
    for (const first of before.get(channel) ?? []) await send(first)
    if (batch !== undefined) await appendBatch(desk, channel, batch.events, tally)
  }

  const flush = async (): Promise<void> => {
    for (const channel of waiting.keys()) await send(channel)
    waitingIn.clear()
    before.clear()
  }

  const add = async (event: KeptEvent): Promise<void> => {
    const { channel } = event
    const text = JSON.stringify(event).length
    const parents = (): ReadonlySet<string> => new Set(event.parent_ids.map((id) => waitingIn.get(id) ?? channel).filter((name) => name !== channel))
    const batch = waiting.get(channel)
    const isFull = batch !== undefined && (batch.events.length >= batchEvents || batch.text + text > batchText)
    // Two channels that would each have to go before the other cannot wait together.
    if (isFull || [...parents()].some((parent) => goesBefore(channel, parent))) await flush()
    const own = waiting.get(channel) ?? { events: [], text: 0 }
    own.events.push(event)
    own.text += text
    waiting.set(channel, own)
    before.set(channel, new Set([...(before.get(channel) ?? []), ...parents()]))
    waitingIn.set(event.id, channel)
  }
  return { add, flush }
}

/** Where an earlier import of the same log ended. */
interface Mark {
  readonly cursor: number
  readonly id: string
}

/** Directories that began with the same event are one log, wherever they lie. */
const markName = (first: KeptEvent): string => `sssn-import.${createHash("sha256").update(canonicalText(first)).digest("hex").slice(0, 32)}`

const readMark = async (desk: Desk, store: LocalStore, name: string): Promise<Mark | undefined> => {
  const kept = (await found(desk.ask<KernelSnapshot>(stateRoutes.snapshot, { id: name })))?.value as Partial<Mark> | undefined // `writeMark` put it
  if (typeof kept?.cursor !== "number" || typeof kept.id !== "string") return undefined
  // A copy that went another way since then has another event at this place.
  const [at] = store.everyEvent({ afterCursor: kept.cursor - 1, limit: 1 })
  return at?.cursor === kept.cursor && at.id === kept.id ? { cursor: kept.cursor, id: kept.id } : undefined
}

/** All events behind the mark of an earlier import, which is moved along. */
export const appendEvents = async (desk: Desk, store: LocalStore, progress: (done: number) => void): Promise<Tally> => {
  const tally: Tally = { made: 0, there: 0 }
  const [first] = store.everyEvent({ limit: 1 })
  if (first === undefined) return tally
  const name = markName(first)
  const mark = await readMark(desk, store, name)
  const window = makeWindow(desk, tally)
  if (mark !== undefined) tally.there = store.countEvents(mark.cursor)
  for (let after = mark?.cursor ?? 0;;) {
    const page = store.everyEvent({ afterCursor: after, limit: pageEvents })
    if (page.length === 0) break
    for (const event of page) await window.add(event)
    await window.flush()
    progress(tally.made + tally.there)
    const last = page.at(-1)! // the page has events
    after = last.cursor
    await desk.ask(stateRoutes.putSnapshot, { id: name, body: { value: { cursor: last.cursor, id: last.id, root: store.root } } })
  }
  return tally
}
