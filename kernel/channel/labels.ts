// Labels of what is appended: an event has its own, those of its channel, of its parents, and of the artifacts that it
// names. They are put together here, at the append, where no writer can leave one out.
import * as Effect from "effect/Effect"
import type { Channel } from "../../protocol/channel.ts"
import { InvalidPayload, TooLarge } from "../../protocol/errors.ts"
import { labelsInheritedMax } from "../limits.ts"
import { checkBatch, withLabels } from "../store/codec.ts"
import type { Prepared, StoreService } from "../store/store.ts"

/** What is known of labels beside the events themselves. */
export interface LabelBook {
  /** No artifact has labels. */
  readonly isIdle: () => boolean
  readonly ofArtifact: (digest: string) => ReadonlyArray<string>
  /** Labels that a human took from what follows from this event. */
  readonly removedFrom: (event: string) => ReadonlyArray<string>
  /** Keeps that these artifacts carry these labels, before the event that says so is kept. */
  readonly record: (artifacts: ReadonlyArray<string>, labels: ReadonlyArray<string>) => Effect.Effect<void>
}

export interface Labels {
  /** Whether there may be something to inherit. */
  readonly concerns: (channel: Channel, batch: ReadonlyArray<Prepared>) => boolean
  readonly inherit: (channel: Channel, batch: ReadonlyArray<Prepared>) => Effect.Effect<ReadonlyArray<Prepared>, InvalidPayload | TooLarge>
  /** Ids of drafts that are being appended, so that what follows from them in the same moment knows their labels. */
  readonly entering: (batch: ReadonlyArray<Prepared>) => (() => void) | undefined
}

const digests = /[0-9a-f]{64}/gu

/** Whatever looks like the digest of an artifact, each once. */
export const digestsIn = (text: string): ReadonlyArray<string> => [...new Set(text.match(digests) ?? [])]

const none: ReadonlyArray<string> = []

/** Labels of events, by id. */
type Found = ReadonlyMap<string, ReadonlyArray<string>>
const nothingFound: Found = new Map()

const cannotRead = (parent: string, reason: string): InvalidPayload =>
  new InvalidPayload({ what: "event", path: "parentIds", reason: `the labels of ${parent} cannot be read: ${reason}` })

export const makeLabels = (store: StoreService, book: LabelBook | undefined): Labels => {
  /** Given ids under way, with their labels. */
  const underWay = new Map<string, ReadonlyArray<string>>()

  /** Asked anew each time: an event that was evicted may come again under its id, with other labels. */
  const ofParent = (parent: string): Effect.Effect<ReadonlyArray<string>, InvalidPayload> =>
    Effect.suspend(() => {
      const entering = underWay.get(parent)
      if (entering !== undefined) return Effect.succeed(entering)
      return Effect.mapBoth(store.event(parent), {
        // One that is not there is refused by the store.
        onSuccess: (event) => event?.labels ?? none,
        onFailure: ({ message }) => cannotRead(parent, message)
      })
    })

  /** Where a parent lies before this event in its batch; -1: elsewhere. */
  const placeOf = (parent: string, batch: ReadonlyArray<Prepared>, before: number): number => {
    for (let at = 0; at < before; at++) if (batch[at]!.id === parent) return at
    return -1
  }

  /** Parents that are not before the events of this batch that name them, each once. */
  const parentsOf = (batch: ReadonlyArray<Prepared>): ReadonlySet<string> => {
    const parents = new Set<string>()
    for (let at = 0; at < batch.length; at++) {
      for (const parent of batch[at]!.parentIds) if (placeOf(parent, batch, at) === -1) parents.add(parent)
    }
    return parents
  }

  /** Labels of those of these parents that have some. */
  const labelsOf = (parents: ReadonlySet<string>): Effect.Effect<Found, InvalidPayload> => {
    const found = new Map<string, ReadonlyArray<string>>()
    return Effect.as(
      Effect.forEach(parents, (parent) => Effect.map(ofParent(parent), (labels) => labels.length > 0 && found.set(parent, labels)), { discard: true }),
      found
    )
  }

  const inheritOne = (channel: Channel, batch: ReadonlyArray<Prepared>, at: number, found: Found): Prepared => {
    const prepared = batch[at]!
    const all = new Set(prepared.labels)
    const own = all.size
    for (const label of channel.labels ?? none) all.add(label)
    for (const parent of prepared.parentIds) {
      const place = placeOf(parent, batch, at)
      const inherited = (place === -1 ? found.get(parent) : batch[place]!.labels) ?? none
      if (inherited.length === 0) continue
      const removed = book?.removedFrom(parent) ?? none
      for (const label of inherited) if (!removed.includes(label)) all.add(label)
    }
    if (book?.isIdle() === false) for (const digest of digestsIn(prepared.text)) for (const label of book.ofArtifact(digest)) all.add(label)
    if (all.size === own) return prepared
    if (all.size > labelsInheritedMax) {
      throw new InvalidPayload({ what: "event", path: "labels", reason: `with those that it inherits it has ${all.size} labels, at most ${labelsInheritedMax} are allowed` })
    }
    return withLabels(prepared, [...all].sort())
  }

  const inheritAll = (
    channel: Channel, given: ReadonlyArray<Prepared>, found: Found
  ): Effect.Effect<ReadonlyArray<Prepared>, InvalidPayload | TooLarge> => {
    const batch = [...given]
    try {
      for (let at = 0; at < batch.length; at++) batch[at] = inheritOne(channel, batch, at, found)
      checkBatch(batch)
    } catch (refusal) {
      return refusal instanceof InvalidPayload || refusal instanceof TooLarge ? Effect.fail(refusal) : Effect.die(refusal)
    }
    return book === undefined || batch.every(({ labels }) => labels === undefined || labels.length === 0)
      ? Effect.succeed(batch)
      : Effect.as(recorded(book, batch), batch)
  }

  /** What labelled events name is labelled before they are kept. */
  const recorded = Effect.fnUntraced(function*(known: LabelBook, batch: ReadonlyArray<Prepared>) {
    for (const { labels, text } of batch) {
      if (labels === undefined || labels.length === 0) continue
      const named = digestsIn(text).filter((digest) => {
        const before = known.ofArtifact(digest)
        return labels.some((label) => !before.includes(label))
      })
      if (named.length > 0) yield* known.record(named, labels)
    }
  })

  return {
    concerns: (channel, batch) => {
      if (channel.labels !== undefined && channel.labels.length > 0) return true
      if (book?.isIdle() === false) return true
      for (let at = 0; at < batch.length; at++) {
        const { labels, parentIds } = batch[at]!
        if (parentIds.length > 0 || (labels !== undefined && labels.length > 0)) return true
      }
      return false
    },
    inherit: (channel, given) => {
      const parents = parentsOf(given)
      return parents.size === 0
        ? inheritAll(channel, given, nothingFound)
        : Effect.flatMap(labelsOf(parents), (found) => inheritAll(channel, given, found))
    },
    entering: (batch) => {
      let ids: Array<string> | undefined
      for (let at = 0; at < batch.length; at++) {
        const { id, labels } = batch[at]!
        if (id === undefined || labels === undefined || labels.length === 0) continue
        underWay.set(id, labels)
        ;(ids ??= []).push(id)
      }
      return ids === undefined ? undefined : () => {
        for (const id of ids) underWay.delete(id)
      }
    }
  }
}
