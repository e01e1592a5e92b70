// Reads a `.sssn` directory into a kernel: channels, events, artifacts, snapshots and subscriptions, under the ids that they
// have. What is there already is left as it is, so the same import can be run again at any time.
import type { LocalStore } from "../../kernel/store/local.ts"
import type { ArtifactRecord } from "../../protocol/artifact.ts"
import type { Event } from "../../protocol/event.ts"
import type { Artifact, Channel, Snapshot, Subscription } from "../../protocol/portable.ts"
import { channelRoutes } from "../../protocol/route/channels.ts"
import { resourceRoutes } from "../../protocol/route/resources.ts"
import { stateRoutes } from "../../protocol/route/state.ts"
import type { Snapshot as KernelSnapshot } from "../../protocol/snapshot.ts"
import type { SharedSubscription } from "../../protocol/subscription.ts"
import type { ChannelView } from "../../protocol/view.ts"
import { type Desk, DeskError } from "../sssn/desk.ts"
import { artifactOf, channelOf, present, snapshotOf } from "../sssn/kernel-api.ts"
import { appendEvents, found, ImportConflict, pageEvents, type Tally } from "./append.ts"
import { sameWords } from "./translate.ts"

export interface Imported {
  readonly channels: Tally
  readonly events: Tally
  readonly artifacts: Tally
  readonly snapshots: Tally
  readonly subscriptions: Tally
  /** Snapshots that are newer in the kernel, and stayed. */
  readonly newer: ReadonlyArray<string>
}

/** The directory itself is damaged: nothing was imported. */
export class ImportDamaged extends Error {
  override readonly name = "ImportDamaged"
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
