// What a system hands to its port, read once and checked: a getter cannot show one value to the check and another to the
// work, and what is not of the right kind is refused here, before it reaches a store that would stop over it.
import { InvalidPayload } from "../../protocol/errors.ts"
import type { Draft, Event, Filter } from "../../protocol/event.ts"
import type { AppendOptions, EvictOptions, ReadOptions, TakeOptions } from "../../protocol/port.ts"
import type { PutOptions, SnapshotDraft } from "../../protocol/snapshot.ts"
import type { Outcome, Settlement } from "../../protocol/subscription.ts"
import { isSegment, nameLengthMax } from "../../protocol/names.ts"
import { batchEventsMax, heldCursorsMax, takeItemsMax } from "../limits.ts"

const refuse = (what: string, path: string, reason: string): InvalidPayload => new InvalidPayload({ what, path, reason })

const isCursor = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0 // a safe integer is a number

/** A name for a refusal: what is not a text cannot be quoted. */
export const nameOf = (value: unknown): string => (typeof value === "string" ? value.slice(0, nameLengthMax) : `(${typeof value})`)

const outcomes: ReadonlySet<unknown> = new Set(["ack", "nack", "dead"] satisfies ReadonlyArray<Outcome>)
const reasonLengthMax = 1_000

const none: ReadonlyArray<never> = []

/** A list that has the length that was counted. Its drafts are checked by the channel. */
export const draftsOf = (drafts: unknown): ReadonlyArray<Draft> => {
  if (!Array.isArray(drafts)) throw refuse("event", "", "an append takes a list of drafts")
  const length = Math.min(drafts.length, batchEventsMax + 1)
  const list: Array<Draft> = []
  for (let at = 0; at < length; at++) list.push(drafts[at])
  return list
}

/** Only what a system may say: class and admission of an append are the kernel's. */
export const appendOptionsOf = (given: AppendOptions): AppendOptions => {
  const { expectedHead, key } = given
  return { ...(key === undefined ? {} : { key }), ...(expectedHead === undefined ? {} : { expectedHead }) }
}

const filterFields = ["kind", "sender", "recipient", "correlationId", "parentId", "subject"] as const satisfies ReadonlyArray<keyof Filter>

const filterOf = (given: unknown): Filter => {
  if (typeof given !== "object" || given === null) throw refuse("filter", "", "must be an object")
  const filter: Partial<Record<(typeof filterFields)[number], string>> = {}
  for (const field of filterFields) {
    const value = (given as Readonly<Record<string, unknown>>)[field] // an object, seen above
    if (value === undefined) continue
    if (typeof value !== "string") throw refuse("filter", field, "must be a string")
    filter[field] = value
  }
  return filter
}

const whole = (value: unknown): number | undefined => (typeof value === "number" && value >= 0 ? value : undefined)

export const readOptionsOf = (given: ReadOptions | undefined): ReadOptions => {
  if (given === undefined || given === null) return {}
  const { after, filter, fullLog, limit } = given
  const from = whole(after)
  const most = whole(limit)
  const options: { -readonly [K in keyof ReadOptions]: ReadOptions[K] } = {}
  if (from !== undefined) options.after = from
  if (most !== undefined) options.limit = most
  if (filter !== undefined) options.filter = filterOf(filter)
  if (fullLog === true) options.fullLog = true
  return options
}

/** A cursor to wait behind; what is none is "before all". */
export const cursorOf = (given: unknown): number => whole(given) ?? 0

/** Cursors of a page that were held. */
export const heldOf = (given: unknown): ReadonlyArray<number> | undefined => {
  if (!Array.isArray(given) || given.length === 0) return undefined
  return Array.from({ length: Math.min(given.length, heldCursorsMax) }, (_, at): unknown => given[at]).filter(isCursor)
}

export const eventIdOf = (given: unknown): string => {
  if (typeof given !== "string" || !isSegment(given)) throw refuse("event", "id", "must be the id of an event")
  return given
}

export const eventIdsOf = (given: unknown): ReadonlyArray<string> => {
  if (!Array.isArray(given)) throw refuse("event", "ids", "must be a list of event ids")
  if (given.length > batchEventsMax) throw refuse("event", "ids", `at most ${batchEventsMax} are removed at once`)
  return Array.from({ length: given.length }, (_, at) => eventIdOf(given[at]))
}

export const evictOptionsOf = (given: EvictOptions | undefined): EvictOptions => {
  const { before, maxCount } = given ?? {}
  if (before === undefined && maxCount === undefined) throw refuse("evict", "", "says before when (before), or how many stay (maxCount)")
  if (before !== undefined && !Number.isFinite(before)) throw refuse("evict", "before", "must be a time in Unix milliseconds")
  if (maxCount !== undefined && !isCursor(maxCount)) throw refuse("evict", "maxCount", "must be a number of events")
  return { ...(before === undefined ? {} : { before }), ...(maxCount === undefined ? {} : { maxCount }) }
}

export const clearedOf = (given: Filter | undefined): Filter | undefined => (given === undefined || given === null ? undefined : filterOf(given))

/* hot */
export const takeOptionsOf = (given: TakeOptions | undefined): TakeOptions => {
  if (given === undefined || given === null) return {}
  const { limit, settle, wait } = given
  const most = whole(limit)
    // One shape for all.
  return { limit: most ?? 1, wait: wait === true, settle: settle === undefined ? none : settlementsOf(settle) }
}

const settlementOf = (given: unknown, at: number): Settlement => {
  const path = `[${at}]`
  if (typeof given !== "object" || given === null) throw refuse("settlement", path, "must be an object")
  const { cursor, delayMillis, epoch, outcome, reason } = given as Readonly<Record<keyof Settlement, unknown>> // checked member by member
  if (!isCursor(cursor)) throw refuse("settlement", `${path}.cursor`, "must be a cursor")
  if (!isCursor(epoch)) throw refuse("settlement", `${path}.epoch`, "must be the epoch of the lease")
  if (!outcomes.has(outcome)) throw refuse("settlement", `${path}.outcome`, "must be ack, nack or dead")
  const delay = whole(delayMillis)
  if (typeof reason !== "string" && delay === undefined) return { cursor, epoch, outcome: outcome as Outcome } // it is one of them
  return {
    cursor,
    epoch,
    outcome: outcome as Outcome,
    ...(typeof reason === "string" ? { reason: reason.slice(0, reasonLengthMax) } : {}),
    ...(delay === undefined ? {} : { delayMillis: delay })
  }
}

/* hot */
export const settlementsOf = (given: unknown): ReadonlyArray<Settlement> => {
  if (!Array.isArray(given)) throw refuse("settlement", "", "settle takes a list of settlements")
  if (given.length > takeItemsMax) throw refuse("settlement", "", `at most ${takeItemsMax} leases are settled at once`)
  const { length } = given
  // Most are of one item: a list that is grown takes room for many.
  if (length === 1) return [settlementOf(given[0], 0)]
  const settlements: Array<Settlement> = []
  for (let at = 0; at < length; at++) settlements.push(settlementOf(given[at], at))
  return settlements
}

export const leaseOf = (cursor: unknown, epoch: unknown): { readonly cursor: number; readonly epoch: number } => {
  if (!isCursor(cursor) || !isCursor(epoch)) throw refuse("lease", "", "a lease is named by cursor and epoch")
  return { cursor, epoch }
}

export const subscriptionOf = (name: unknown, cursor: unknown): { readonly name: string; readonly cursor: number } => {
  if (typeof name !== "string" || !isSegment(name)) throw refuse("subscription", "name", "must be a non-empty path segment")
  if (!isCursor(cursor)) throw refuse("subscription", "cursor", "must be a cursor")
  return { name, cursor }
}

/** Everything but the value, which is serialised by whoever keeps it. */
export const snapshotDraftOf = (given: SnapshotDraft): SnapshotDraft => {
  if (typeof given !== "object" || given === null) throw refuse("snapshot", "", "must be an object with name and value")
  const { channel, cursor, metadata, name, schema, sourceEventId, timestamp, value, visibility } = given
  if (typeof name !== "string" || !isSegment(name)) throw refuse("snapshot", "name", "must be a non-empty path segment")
  for (const [path, text] of [["channel", channel], ["sourceEventId", sourceEventId]] as const) {
    if (text !== undefined && text !== null && (typeof text !== "string" || !isSegment(text))) throw refuse("snapshot", path, "must be a non-empty path segment")
  }
  if (cursor !== undefined && cursor !== null && !isCursor(cursor)) throw refuse("snapshot", "cursor", "must be a cursor")
  if (timestamp !== undefined && !(typeof timestamp === "number" && Number.isFinite(timestamp))) throw refuse("snapshot", "timestamp", "must be a finite number")
  if (schema !== undefined && schema !== null && typeof schema !== "string") throw refuse("snapshot", "schema", "must be a string")
  if (metadata !== undefined && (typeof metadata !== "object" || metadata === null || Array.isArray(metadata))) throw refuse("snapshot", "metadata", "must be an object")
  if (visibility !== undefined && visibility !== "private" && visibility !== "public") throw refuse("snapshot", "visibility", "must be private or public")
  return {
    name, value, channel: channel ?? null, sourceEventId: sourceEventId ?? null, cursor: cursor ?? null, schema: schema ?? null,
    ...(timestamp === undefined ? {} : { timestamp }), ...(metadata === undefined ? {} : { metadata }),
    ...(visibility === undefined ? {} : { visibility })
  }
}

export const putOptionsOf = (given: PutOptions | undefined): PutOptions | undefined => {
  const expectedRevision = given?.expectedRevision
  if (expectedRevision === undefined) return undefined
  if (!isCursor(expectedRevision)) throw refuse("snapshot", "expectedRevision", "must be a revision")
  return { expectedRevision }
}

/** Where an event is: read once, so that the channel that is checked is the one that is read. */
export const placeOf = (event: Pick<Event, "channel" | "cursor"> | undefined): { readonly channel: string; readonly cursor: number } => {
  const { channel, cursor } = event ?? {}
  return { channel: nameOf(channel), cursor: isCursor(cursor) && cursor > 0 ? cursor : 0 }
}

/** A refusal as it is; anything else that was thrown while the caller's data was read is the caller's mistake. */
export const refusalOf = (thrown: unknown): InvalidPayload =>
  thrown instanceof InvalidPayload ? thrown : refuse("argument", "", "it cannot be read")
