// Reads a `.sssn` directory into a kernel: channels, events, artifacts, snapshots and subscriptions, under the ids that they
// have. What is there already is left as it is, so the same import can be run again at any time.
import { createHash } from "node:crypto"
import type { LocalStore } from "../../kernel/store/local.ts"
import type { ArtifactRecord } from "../../protocol/artifact.ts"
import type { Event } from "../../protocol/event.ts"
import type { Artifact, Channel, KeptEvent, Snapshot, Subscription } from "../../protocol/portable.ts"
import { channelRoutes } from "../../protocol/route/channels.ts"
import { resourceRoutes } from "../../protocol/route/resources.ts"
import { stateRoutes } from "../../protocol/route/state.ts"
import type { Snapshot as KernelSnapshot } from "../../protocol/snapshot.ts"
import type { SharedSubscription } from "../../protocol/subscription.ts"
import type { ChannelView } from "../../protocol/view.ts"
import { type Desk, DeskError } from "../sssn/desk.ts"
import { artifactOf, channelOf, present, snapshotOf } from "../sssn/kernel-api.ts"
import { canonicalText, draftOf, portableOf, sameWords } from "./translate.ts"

/** How many were made, and how many were there. */
export interface Tally {
  made: number
  there: number
}

export interface Imported {
  readonly channels: Tally
  readonly events: Tally
  readonly artifacts: Tally
  readonly snapshots: Tally
  readonly subscriptions: Tally
  /** Snapshots that are newer in the kernel, and stayed. */
  readonly newer: ReadonlyArray<string>
}

/** Something is there under the same name or id, and is not the same. Nothing of it was changed. */
export class ImportConflict extends Error {
  override readonly name = "ImportConflict"
}

/** The directory itself is damaged: nothing was imported. */
export class ImportDamaged extends Error {
  override readonly name = "ImportDamaged"
}

const pageEvents = 1_000
const batchEvents = 500
/** Characters of one batch in JSON, well below what a request may have. */
const batchText = 400_000

const isMissing = (failure: unknown): boolean => failure instanceof DeskError && failure.status === 404

/** The answer, or nothing when there is none of that name. */
const found = async <A>(asked: Promise<A>): Promise<A | undefined> => {
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

/** Whether it was made: the dead letters of a queue come with the queue. */
const makeChannel = async (desk: Desk, channel: Channel): Promise<boolean> => {
  try {
    await desk.ask(channelRoutes.createChannel, { body: { ...channel, visibility: "public" } })
    return true
  } catch (failure) {
    if (failure instanceof DeskError && failure.code === "ChannelExists") return false
    throw failure
  }
}

const makeChannels = async (desk: Desk, channels: ReadonlyArray<Channel>): Promise<Tally> => {
  const tally: Tally = { made: 0, there: 0 }
  const known = new Map((await desk.ask<ReadonlyArray<ChannelView>>(channelRoutes.channels)).map((view) => [view.name, channelOf(view)]))
  // All of them before one is made: an import that cannot end should not begin.
  for (const channel of channels) {
    const there = known.get(channel.name)
    if (there !== undefined && !sameWords(there, channel)) {
      throw new ImportConflict(`Channel ${channel.name} is there already, and is not the same: ${JSON.stringify(there)}, not ${JSON.stringify(channel)}.`)
    }
  }
  for (const channel of channels) {
    if (known.has(channel.name) || !(await makeChannel(desk, channel))) tally.there++
    else tally.made++
  }
  return tally
}

/** Appends a batch. When some of it is there, each is looked at by itself. */
const appendBatch = async (desk: Desk, channel: string, events: ReadonlyArray<KeptEvent>, tally: Tally): Promise<void> => {
  const drafts = events.map(draftOf)
  const key = `sssn/${createHash("sha256").update(JSON.stringify(drafts)).digest("base64url")}`
  try {
    await desk.ask(channelRoutes.append, { id: channel, body: { events: drafts, key } })
    tally.made += events.length
    return
  } catch (failure) {
    if (!(failure instanceof DeskError) || failure.code !== "EventExists") throw failure
  }
  const missing: Array<KeptEvent> = []
  for (const event of events) {
    const there = await found(desk.ask<Event>(channelRoutes.event, { id: event.id }))
    if (there === undefined) missing.push(event)
    else if (canonicalText(portableOf(there)) === canonicalText(event)) tally.there++
    else throw new ImportConflict(`Event ${event.id} of ${channel} is there already, with other content.`)
  }
  if (missing.length > 0) await appendBatch(desk, channel, missing, tally)
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

const appendEvents = async (desk: Desk, store: LocalStore, progress: (done: number) => void): Promise<Tally> => {
  const tally: Tally = { made: 0, there: 0 }
  const [first] = store.everyEvent({ limit: 1 })
  if (first === undefined) return tally
  const name = markName(first)
  const mark = await readMark(desk, store, name)
  const waiting = new Map<string, Waiting>()
  const waitingIn = new Map<string, string>()
  const flush = async (): Promise<void> => {
    for (const [channel, { events }] of waiting) await appendBatch(desk, channel, events, tally)
    waiting.clear()
    waitingIn.clear()
    progress(tally.made + tally.there)
  }
  if (mark !== undefined) tally.there = store.countEvents(mark.cursor)
  for (let after = mark?.cursor ?? 0;;) {
    const page = store.everyEvent({ afterCursor: after, limit: pageEvents })
    if (page.length === 0) break
    for (const event of page) {
      const batch = waiting.get(event.channel) ?? { events: [], text: 0 }
      const text = JSON.stringify(event).length
      // A parent goes before its child: in the same batch it does, in another channel's it might not.
      const isParentWaiting = event.parent_ids.some((id) => (waitingIn.get(id) ?? event.channel) !== event.channel)
      if (isParentWaiting || batch.events.length >= batchEvents || batch.text + text > batchText) {
        await flush()
        waiting.set(event.channel, { events: [event], text })
      } else {
        batch.events.push(event)
        batch.text += text
        waiting.set(event.channel, batch)
      }
      waitingIn.set(event.id, event.channel)
    }
    await flush()
    const last = page.at(-1)! // the page has events
    after = last.cursor
    await desk.ask(stateRoutes.putSnapshot, { id: name, body: { value: { cursor: last.cursor, id: last.id, root: store.root } } })
  }
  return tally
}

const putArtifact = async (desk: Desk, store: LocalStore, artifact: Artifact, tally: Tally): Promise<void> => {
  const words = ({ channel, event_ids, id, media_type, metadata, sha256, size }: Artifact): object => ({ channel, event_ids, id, media_type, metadata, sha256, size })
  const there = await found(desk.ask<ArtifactRecord>(resourceRoutes.artifact, { id: artifact.id }))
  if (there !== undefined) {
    if (!sameWords(words(artifactOf(there)), words(artifact))) throw new ImportConflict(`Artifact ${artifact.id} is there already, and is not the same.`)
    tally.there++
    return
  }
  const { channel, event_ids: ids, id, media_type: mediaType, metadata } = artifact
  await desk.ask(resourceRoutes.putArtifact, {
    query: present({ id, channel, eventIds: ids.length === 0 ? null : ids.join(","), metadata: JSON.stringify(metadata) }),
    bytes: store.readArtifact(id), mediaType
  })
  tally.made++
}

const putSnapshot = async (desk: Desk, snapshot: Snapshot, tally: Tally, newer: Array<string>): Promise<void> => {
  const there = await found(desk.ask<KernelSnapshot>(stateRoutes.snapshot, { id: snapshot.name }))
  if (there !== undefined && sameWords(snapshotOf(there), snapshot)) {
    tally.there++
    return
  }
  if (there !== undefined && there.timestamp >= snapshot.timestamp) {
    newer.push(snapshot.name)
    return
  }
  const { channel, metadata, name, schema, source_event_id: sourceEventId, timestamp, value } = snapshot
  await desk.ask(stateRoutes.putSnapshot, {
    id: name, body: { ...present({ channel, metadata, schema, sourceEventId, timestamp }), value, visibility: "public" },
    headers: there === undefined ? { "if-none-match": "*" } : { "if-match": `"${there.revision}"` }
  })
  tally.made++
}

const makeSubscription = async (desk: Desk, store: LocalStore, subscription: Subscription, tally: Tally): Promise<void> => {
  const { batch_size: batchSize, channel, consumer, cursor, filters, id, metadata } = subscription
  const was = await found(desk.ask<SharedSubscription>(resourceRoutes.subscription, { id }))
  const { differing } = await desk.ask<{ readonly differing: ReadonlyArray<string> }>(resourceRoutes.subscribe, {
    body: { ...present({ id, channel, consumer, batchSize, metadata }), filters: present({ kind: filters.kind }) }
  })
  if (differing.length > 0) throw new ImportConflict(`Subscription ${id} is there already, with other ${differing.join(", ")}.`)
  const last = store.newestEvent(channel, cursor)
  if (last !== undefined) {
    const { cursor: there } = await desk.ask<Event>(channelRoutes.event, { id: last.id })
    // A cursor never goes back: one that went on here stays where it is.
    if (there > (was?.cursor ?? 0)) await desk.ask(resourceRoutes.ack, { id, body: { cursor: there } })
  }
  if (was === undefined) tally.made++
  else tally.there++
}

/** What is wrong with a directory beyond what an import can do without: payloads that nobody names are no loss. */
const damageOf = (store: LocalStore): ReadonlyArray<string> => store.verify().filter((problem) => !problem.startsWith("Artifact payload has no artifact"))

/** Throws `ImportDamaged` before anything is done, `ImportConflict` at the first thing that is there and not the same. */
export const importDirectory = async (desk: Desk, store: LocalStore, progress: (done: number) => void): Promise<Imported> => {
  const damage = damageOf(store)
  if (damage.length > 0) throw new ImportDamaged(`${store.root} is damaged, and nothing was imported: ${damage.slice(0, 20).join("; ")}`)
  const channels = await makeChannels(desk, store.listChannels())
  const events = await appendEvents(desk, store, progress)
  const artifacts: Tally = { made: 0, there: 0 }
  for (let afterId = "";;) {
    const page = store.listArtifacts({ afterId, limit: pageEvents })
    if (page.length === 0) break
    for (const artifact of page) await putArtifact(desk, store, artifact, artifacts)
    afterId = page.at(-1)!.id // the page has artifacts
  }
  const snapshots: Tally = { made: 0, there: 0 }
  const newer: Array<string> = []
  for (const snapshot of store.listSnapshots()) await putSnapshot(desk, snapshot, snapshots, newer)
  const subscriptions: Tally = { made: 0, there: 0 }
  for (const subscription of store.listSubscriptions()) await makeSubscription(desk, store, subscription, subscriptions)
  return { channels, events, artifacts, snapshots, subscriptions, newer }
}
