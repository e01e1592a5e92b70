// Writes what a kernel has into a `.sssn` directory, or as lines of JSON. The directory may be there: what it has already is
// left as it is, so that an export can be run again and adds what is new.
import type { LocalStore } from "../../kernel/store/local.ts"
import type { ArtifactRecord } from "../../protocol/artifact.ts"
import type { Event, Page } from "../../protocol/event.ts"
import type { Channel, EventDraft, JsonObject } from "../../protocol/portable.ts"
import { channelRoutes } from "../../protocol/route/channels.ts"
import { resourceRoutes } from "../../protocol/route/resources.ts"
import { stateRoutes } from "../../protocol/route/state.ts"
import type { Snapshot as KernelSnapshot } from "../../protocol/snapshot.ts"
import type { SharedSubscription } from "../../protocol/subscription.ts"
import type { ChannelView } from "../../protocol/view.ts"
import { isReserved } from "../../protocol/well-known.ts"
import type { Desk } from "../sssn/desk.ts"
import { artifactOf, channelOf, snapshotOf, subscriptionOf } from "../sssn/kernel-api.ts"
import { portableOf } from "./translate.ts"

export interface Exported {
  readonly channels: number
  readonly events: number
  readonly artifacts: number
  readonly snapshots: number
  readonly subscriptions: number
}

/** Takes what is exported, each kind in its order: channels, then events with parents before children, then the rest. */
export interface Sink {
  readonly channel: (channel: Channel) => void
  /** Keeps them, and answers the cursor of each. */
  readonly events: (events: ReadonlyArray<EventDraft & { readonly id: string }>) => ReadonlyArray<number>
  /** Whether an event is there, so that others may name it. */
  readonly has: (id: string) => boolean
  readonly artifact: (record: ReturnType<typeof artifactOf>, bytes: () => Promise<Uint8Array>) => Promise<void>
  readonly snapshot: (snapshot: ReturnType<typeof snapshotOf>) => void
  readonly subscription: (subscription: ReturnType<typeof subscriptionOf>) => void
}

const pageEvents = 1_000
const batchEvents = 500

/** One channel, read ahead page by page. */
interface Source {
  readonly name: string
  events: ReadonlyArray<Event>
  at: number
  after: number
  isEnd: boolean
  /** Where its newest exported event went, for subscriptions. */
  readonly marks: Array<{ readonly cursor: number; exported: number }>
}

const fill = async (desk: Desk, source: Source): Promise<void> => {
  while (source.at >= source.events.length && !source.isEnd) {
    const page = await desk.ask<Page>(channelRoutes.read, { id: source.name, query: { after: source.after, limit: pageEvents } })
    source.events = page.events
    source.at = 0
    source.isEnd = page.next >= page.head || page.next === source.after
    source.after = page.next
  }
}

/** All channels merged by kernel time; within one millisecond a parent goes before its child. */
const exportEvents = async (desk: Desk, sources: ReadonlyArray<Source>, sink: Sink): Promise<number> => {
  let count = 0
  let batch: Array<{ readonly source: Source; readonly event: Event }> = []
  const batched = new Set<string>()
  const flush = (): void => {
    const before = new Set<string>()
    const cursors = sink.events(batch.map(({ event }) => {
      const known = knownParents(portableOf(event), (id) => before.has(id) || sink.has(id))
      before.add(event.id)
      return known
    }))
    for (const [at, { event, source }] of batch.entries()) {
      for (const mark of source.marks) if (event.cursor <= mark.cursor) mark.exported = cursors[at]! // one for each event
    }
    count += batch.length
    batch = []
    batched.clear()
  }
  for (;;) {
    for (const source of sources) await fill(desk, source)
    const heads = sources.filter(({ at, events }) => at < events.length).map((source) => ({ source, event: source.events[source.at]! }))
    if (heads.length === 0) break
    const earliest = heads.reduce((least, { event }) => Math.min(least, event.recordedAt), Infinity)
    const now = heads.filter(({ event }) => event.recordedAt === earliest)
    const isFree = ({ event }: { readonly event: Event }): boolean => event.parentIds.every((id) => batched.has(id) || sink.has(id))
    const next = (now.length === 1 ? now[0] : now.find(isFree) ?? now[0])! // there is one
    next.source.at++
    batch.push(next)
    batched.add(next.event.id)
    if (batch.length >= batchEvents) flush()
  }
  if (batch.length > 0) flush()
  return count
}

/** Parents that retention has let go of cannot be named in a directory: they are told in the metadata. */
const knownParents = <E extends EventDraft>(event: E, has: (id: string) => boolean): E => {
  const parents = event.parent_ids ?? []
  const missing = parents.filter((id) => !has(id))
  return missing.length === 0
    ? event
    : { ...event, parent_ids: parents.filter((id) => has(id)), metadata: { ...event.metadata, "aaax.missing_parents": missing } }
}

/** The whole list of a route that gives it in parts. */
async function* listed<A>(desk: Desk, route: typeof resourceRoutes.artifacts | typeof resourceRoutes.subscriptions): AsyncGenerator<A, void, undefined> {
  for (let after = 0;;) {
    const { isEnd, items, next } = await desk.ask<{ readonly items: ReadonlyArray<A>; readonly next: number; readonly isEnd: boolean }>(route, {
      query: { after, limit: pageEvents }
    })
    yield* items
    if (isEnd || next === after) return
    after = next
  }
}

/** A channel that is not exported cannot be named in a directory: it is told in the metadata. */
const withoutChannel = <A extends { readonly channel: string | null; readonly metadata: JsonObject }>(one: A, names: ReadonlySet<string>): A =>
  one.channel === null || names.has(one.channel) ? one : { ...one, channel: null, metadata: { ...one.metadata, "aaax.channel": one.channel } }

/** Channels whose name the filter takes; never the kernel's own. */
export const exportTo = async (desk: Desk, sink: Sink, wanted: (channel: string) => boolean): Promise<Exported> => {
  const views = (await desk.ask<ReadonlyArray<ChannelView>>(channelRoutes.channels)).filter(({ name }) => !isReserved(name) && wanted(name))
  for (const view of views) sink.channel(channelOf(view))
  const names: ReadonlySet<string> = new Set(views.map(({ name }) => name))
  const subscriptions: Array<SharedSubscription> = []
  for await (const one of listed<SharedSubscription>(desk, resourceRoutes.subscriptions)) if (names.has(one.channel)) subscriptions.push(one)

  const sources = views.map(({ name }): Source => ({
    name, events: [], at: 0, after: 0, isEnd: false,
    marks: subscriptions.filter(({ channel }) => channel === name).map(({ cursor }) => ({ cursor, exported: 0 }))
  }))
  const events = await exportEvents(desk, sources, sink)

  for (const [at, one] of subscriptions.entries()) {
    const source = sources.find(({ name }) => name === one.channel)
    const place = subscriptions.filter(({ channel }, before) => channel === one.channel && before < at).length
    sink.subscription({ ...subscriptionOf(one), cursor: source?.marks[place]?.exported ?? 0 })
  }
  let artifacts = 0
  for await (const record of listed<ArtifactRecord>(desk, resourceRoutes.artifacts)) {
    const known = withoutChannel(artifactOf(record), names)
    const ids = known.event_ids.filter((id) => sink.has(id))
    await sink.artifact({ ...known, event_ids: ids }, () => desk.bytes(resourceRoutes.artifactBytes, { id: record.id }))
    artifacts++
  }
  let snapshots = 0
  for (let after = "";;) {
    const heads = await desk.ask<ReadonlyArray<{ readonly name: string }>>(stateRoutes.snapshots, { query: after === "" ? {} : { after } })
    for (const { name } of heads) {
      if (isReserved(name) || name.startsWith("sssn-import.")) continue
      const known = withoutChannel(snapshotOf(await desk.ask<KernelSnapshot>(stateRoutes.snapshot, { id: name })), names)
      sink.snapshot(known.source_event_id === null || sink.has(known.source_event_id) ? known : { ...known, source_event_id: null })
      snapshots++
    }
    if (heads.length === 0) break
    after = heads.at(-1)!.name // there are some
  }
  return { channels: views.length, events, artifacts, snapshots, subscriptions: subscriptions.length }
}

function* artifactsOf(store: LocalStore): Iterable<string> {
  for (let afterId = "";;) {
    const page = store.listArtifacts({ afterId, limit: pageEvents })
    for (const { id } of page) yield id
    if (page.length === 0) return
    afterId = page.at(-1)!.id // the page has artifacts
  }
}

/** Into a directory. */
export const directorySink = (store: LocalStore): Sink => {
  const has = (id: string): boolean => {
    try {
      store.getEvent(id)
      return true
    } catch {
      return false
    }
  }
  const channels = new Set(store.listChannels().map(({ name }) => name))
  const artifacts = new Set(artifactsOf(store))
  return {
    has,
    channel: (channel) => {
      if (!channels.has(channel.name)) store.createChannel(channel)
    },
    events: (events) => store.appendEvents(events).map(({ cursor }) => cursor),
    artifact: async ({ channel, event_ids, id, media_type, metadata }, bytes) => {
      if (!artifacts.has(id)) store.writeArtifact(await bytes(), { channel, event_ids, media_type, metadata }, { id })
    },
    snapshot: (snapshot) => void store.putSnapshot(snapshot),
    subscription: ({ batch_size: batchSize, channel, consumer, cursor, filters, id, metadata }) => {
      store.createSubscription(channel, { id, consumer, batchSize, filters, metadata, cursor })
      store.ackSubscription(id, cursor)
    }
  }
}

/** As lines of JSON, each with a `type`. Bytes of artifacts are not in them. */
export const lineSink = (write: (line: string) => void): Sink => {
  const ids = new Set<string>()
  let cursor = 0
  const line = (type: string, object: object): void => write(JSON.stringify({ type, ...object }))
  return {
    has: (id) => ids.has(id),
    channel: (channel) => line("channel", channel),
    events: (events) =>
      events.map((event) => {
        ids.add(event.id)
        line("event", { ...event, cursor: ++cursor })
        return cursor
      }),
    artifact: async (artifact) => line("artifact", artifact),
    snapshot: (snapshot) => line("snapshot", snapshot),
    subscription: (subscription) => line("subscription", subscription)
  }
}
