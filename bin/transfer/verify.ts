// Compares a `.sssn` directory with what a kernel has of it: how many there are of each, and one digest over all of them.
import { createHash } from "node:crypto"
import type { LocalStore } from "../../kernel/store/local.ts"
import { sha256Of } from "../../kernel/store/local/payloads.ts"
import type { ArtifactRecord } from "../../protocol/artifact.ts"
import type { Channel as KernelChannel } from "../../protocol/channel.ts"
import type { Event, Page } from "../../protocol/event.ts"
import { channelRoutes } from "../../protocol/route/channels.ts"
import { resourceRoutes } from "../../protocol/route/resources.ts"
import { stateRoutes } from "../../protocol/route/state.ts"
import type { Snapshot as KernelSnapshot } from "../../protocol/snapshot.ts"
import type { SharedSubscription } from "../../protocol/subscription.ts"
import { jsonOf } from "../../protocol/portable.ts"
import type { Desk } from "../sssn/desk.ts"
import { artifactOf, channelOf, snapshotOf, subscriptionOf } from "../sssn/kernel-api.ts"
import { canonicalText, portableOf } from "./translate.ts"

export interface Compared {
  /** `events of NAME`, `artifacts` and so on. */
  readonly what: string
  readonly inDirectory: number
  readonly inKernel: number
  readonly digestInDirectory: string
  readonly digestInKernel: string
  readonly isSame: boolean
}

interface Sum {
  readonly add: (text: string) => void
  readonly end: () => readonly [count: number, digest: string]
}

const makeSum = (): Sum => {
  const hash = createHash("sha256")
  let count = 0
  return {
    add: (text) => {
      hash.update(text).update("\n")
      count++
    },
    end: () => [count, hash.digest("hex")]
  }
}

const compared = (what: string, directory: Sum, kernel: Sum): Compared => {
  const [inDirectory, digestInDirectory] = directory.end()
  const [inKernel, digestInKernel] = kernel.end()
  return { what, inDirectory, inKernel, digestInDirectory, digestInKernel, isSame: digestInDirectory === digestInKernel }
}

const textOf = (value: object): string => JSON.stringify(jsonOf(value, "value"))

/** Those that the directory has, in the order of the kernel: what else is in its channels is not looked at. */
const eventsOf = async (desk: Desk, store: LocalStore, channel: string): Promise<Compared> => {
  const directory = makeSum()
  const ids = new Set<string>()
  for (let after = 0;;) {
    const page = store.queryEvents(channel, { afterCursor: after, limit: 1_000 })
    for (const event of page) {
      directory.add(canonicalText(event))
      ids.add(event.id)
    }
    if (page.length === 0) break
    after = page.at(-1)!.cursor // the page has events
  }
  const kernel = makeSum()
  for (let after = 0;;) {
    const page: Page = await desk.ask<Page>(channelRoutes.read, { id: channel, query: { after, limit: 1_000 } })
    for (const event of page.events as ReadonlyArray<Event>) if (ids.has(event.id)) kernel.add(canonicalText(portableOf(event)))
    if (page.next >= page.head || page.next === after) break
    after = page.next
  }
  return compared(`events of ${channel}`, directory, kernel)
}

/** Each by itself; one that the kernel does not have is left out of its sum. */
const each = async <A>(
  what: string, all: Iterable<A>, mine: (one: A) => string, theirs: (one: A) => Promise<string>
): Promise<Compared> => {
  const [directory, kernel] = [makeSum(), makeSum()]
  for (const one of all) {
    directory.add(mine(one))
    const text = await theirs(one).catch(() => undefined)
    if (text !== undefined) kernel.add(text)
  }
  return compared(what, directory, kernel)
}

function* artifactsOf(store: LocalStore): Iterable<ReturnType<LocalStore["getArtifact"]>> {
  for (let afterId = "";;) {
    const page = store.listArtifacts({ afterId, limit: 1_000 })
    yield* page
    if (page.length === 0) return
    afterId = page.at(-1)!.id // the page has artifacts
  }
}

/** Without what the two sides have each their own of: the path of a payload, the cursor of a subscription. */
const without = (value: object, key: string): string => textOf(Object.fromEntries(Object.entries(value).filter(([name]) => name !== key)))

/** Reads both sides whole, payloads included. */
export const compare = async (desk: Desk, store: LocalStore): Promise<ReadonlyArray<Compared>> => {
  const channels = store.listChannels()
  const results = [await each("channels", channels, textOf, async ({ name }) =>
    textOf(channelOf(await desk.ask<KernelChannel>(channelRoutes.channel, { id: name }))))]
  for (const { name } of channels) results.push(await eventsOf(desk, store, name))
  results.push(
    await each("artifacts", artifactsOf(store), (artifact) => `${without(artifact, "path")} ${sha256Of(store.readArtifact(artifact.id))}`, async ({ id }) => {
      const record = await desk.ask<ArtifactRecord>(resourceRoutes.artifact, { id })
      return `${without(artifactOf(record), "path")} ${sha256Of(await desk.bytes(resourceRoutes.artifactBytes, { id }))}`
    }),
    await each("snapshots", store.listSnapshots(), textOf, async ({ name }) =>
      textOf(snapshotOf(await desk.ask<KernelSnapshot>(stateRoutes.snapshot, { id: name })))),
    await each("subscriptions", store.listSubscriptions(), (one) => without({ ...one, filters: (one.filters.kind ?? null) === null ? {} : one.filters }, "cursor"), async ({ id }) =>
      without(subscriptionOf(await desk.ask<SharedSubscription>(resourceRoutes.subscription, { id })), "cursor"))
  )
  return results
}
