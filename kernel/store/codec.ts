// Between an event and its text. A draft is checked and serialised once, at the port; the text goes to disk as it is,
// and is parsed at most once for all readers. Members that have their default are left out:
//
//   {"id":"…","sender":"…","kind":"…","payload":…,"source":…,"timestamp":…,"schema":…,"metadata":…,
//    "correlationId":…,"parentIds":[…],"recipient":…,"subject":…,"labels":[…],"traceparent":…}
//
// id is minted by the store; channel, cursor and recordedAt are known from where the text lies.
import type { Channel, IndexField } from "../../protocol/channel.ts"
import { InvalidPayload, TooLarge } from "../../protocol/errors.ts"
import { forEveryone, type Draft, type Event } from "../../protocol/event.ts"
import { isTraceparent } from "../../protocol/trace.ts"
import { isSegment, isSystemId, type SystemId } from "../../protocol/names.ts"
import { batchEventsMax, batchTextMax, labelsMax, parentsMax, payloadDepthMax, payloadNodesMax, subjectLengthMax } from "../limits.ts"
import type { LiveDraft, Prepared } from "./store.ts"

const refuse = (path: string, reason: string): InvalidPayload => new InvalidPayload({ what: "event", path, reason })

let nodes = 0

/* hot */
/** Whether JSON keeps a value as it is, within the bounds. Says only yes or no: paths are built for mistakes alone. */
const fits = (value: unknown, depth: number): boolean => {
  if (typeof value === "string" || typeof value === "boolean") return true
  if (typeof value === "number") return Number.isFinite(value)
  if (typeof value !== "object") return false
  if (value === null) return true
  if (depth > payloadDepthMax) return false
  if (Array.isArray(value)) {
    if ((nodes += value.length) > payloadNodesMax || "toJSON" in value) return false
    for (let i = 0; i < value.length; i++) if (!fits(value[i], depth + 1)) return false
    return true
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return false
  for (const key in value) {
    if (++nodes > payloadNodesMax || key === "__proto__") return false
    const member = (value as Record<string, unknown>)[key]
    if (member !== undefined && !fits(member, depth + 1)) return false
  }
  return true
}

/** Stands for a value that JSON does not keep as it is. */
const misfit = Symbol("misfit")

/* hot */
/** A frozen copy of a value that `fits`, as JSON would give it back; else `misfit`. Each member is read once. */
const copyOf = (value: unknown, depth: number): unknown => {
  if (typeof value === "string" || typeof value === "boolean") return value
  if (typeof value === "number") return Number.isFinite(value) ? value + 0 : misfit // JSON has no -0
  if (typeof value !== "object") return misfit
  if (value === null) return null
  if (depth > payloadDepthMax) return misfit
  if (Array.isArray(value)) {
    if ((nodes += value.length) > payloadNodesMax || "toJSON" in value) return misfit
    const copy: Array<unknown> = []
    for (let i = 0; i < value.length; i++) {
      const item = copyOf(value[i], depth + 1)
      if (item === misfit) return misfit
      copy.push(item)
    }
    return Object.freeze(copy)
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return misfit
  const copy: Record<string, unknown> = {}
  for (const key in value) {
    if (++nodes > payloadNodesMax || key === "__proto__") return misfit
    const member = (value as Record<string, unknown>)[key]
    if (member === undefined) continue
    const item = copyOf(member, depth + 1)
    if (item === misfit) return misfit
    copy[key] = item
  }
  return Object.freeze(copy)
}

/** A copy for readers that wait, when the payload is a list or an object that fits and needs no words about a mistake. */
const liveCopyOf = (payload: unknown): Event["payload"] | undefined => {
  if (typeof payload !== "object" || payload === null) return undefined
  try {
    nodes = 0
    const copy = copyOf(payload, 1)
    return copy === misfit ? undefined : (copy as Event["payload"]) // it was made of JSON's kinds of values alone
  } catch {
    return undefined // whoever serialises it will say what is wrong
  }
}

/** Finds the mistake in a value that does not fit, and throws a refusal that says where it is. */
const refuseWithin = (value: unknown, path: string, depth: number): void => {
  if (typeof value === "string" || typeof value === "boolean" || value === null) return
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw refuse(path, "numbers must be finite")
    return
  }
  if (typeof value !== "object") {
    throw refuse(path, `${typeof value} is not JSON; use null, booleans, numbers, strings, arrays and plain objects`)
  }
  if (depth > payloadDepthMax) throw refuse(path.slice(0, 200), `nested deeper than ${payloadDepthMax}`)
  if (Array.isArray(value)) {
    if ((nodes += value.length) > payloadNodesMax) throw refuse(path, `more than ${payloadNodesMax} items`)
    if ("toJSON" in value) throw refuse(path, "a list with toJSON is not a plain list")
    for (let i = 0; i < value.length; i++) refuseWithin(value[i], `${path}[${i}]`, depth + 1)
    return
  }
  const prototype = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) {
    throw refuse(path, `${prototype?.constructor?.name ?? "an object with a prototype"} is not a plain object`)
  }
  for (const key in value) {
    if (key === "__proto__") throw refuse(path, "the key __proto__ is refused")
    if (++nodes > payloadNodesMax) throw refuse(path, `more than ${payloadNodesMax} keys`)
    const member = (value as Record<string, unknown>)[key]
    if (member !== undefined) refuseWithin(member, `${path}.${key}`, depth + 1)
  }
}

/**
 * The JSON text of a value.
 *
 * Throws `InvalidPayload` when the value is not JSON (functions, cycles, NaN, class instances, `__proto__` keys) or
 * deeper or wider than the limits. Members that are `undefined` are left out, as JSON does. What a getter or a proxy
 * answers the second time may differ; then the text is JSON of that, or a refusal.
 */
export const toText = (value: unknown, path = "payload"): string => {
  if (typeof value === "string") return JSON.stringify(value)
  try {
    nodes = 0
    if (!fits(value, 1)) {
      nodes = 0
      refuseWithin(value, path, 1)
      throw refuse(path, "it changes while it is read")
    }
    const text: string | undefined = JSON.stringify(value)
    if (text === undefined) throw refuse(path, "it changes while it is read")
    return text
  } catch (failure) {
    if (failure instanceof InvalidPayload) throw failure
    throw refuse(path, `it cannot be read: ${failure instanceof Error ? failure.message : "it throws"}`)
  }
}

/** Text that is so short, and so flat whatever stands in its strings, that `toText` would take its value; looked at only as far as it must be. */
export const isSurelyKept = (text: string): boolean => {
  if (text.length > payloadNodesMax || text.includes('"__proto__"')) return false
  let open = 0
  for (let at = text.indexOf("{"); at >= 0; at = text.indexOf("{", at + 1)) open++
  for (let at = text.indexOf("["); at >= 0; at = text.indexOf("[", at + 1)) open++
  return open <= payloadDepthMax
}

const token = (text: unknown, path: string): string => {
  if (typeof text !== "string" || !isSegment(text)) throw refuse(path, "must be a non-empty token")
  return text
}

const knownMembers: ReadonlySet<string> = new Set([
  "id", "kind", "payload", "source", "timestamp", "schema", "metadata", "correlationId", "parentIds", "recipient", "subject",
  "labels", "traceparent"
])

const none: ReadonlyArray<string> = []
const quotedSenders = new Map<SystemId, string>()

const quotedSender = (sender: SystemId): string => {
  let quoted = quotedSenders.get(sender)
  if (quoted === undefined) {
    if (quotedSenders.size > 10_000) quotedSenders.clear()
    quoted = `"sender":${JSON.stringify(sender)}`
    quotedSenders.set(sender, quoted)
  }
  return quoted
}

/* hot */
/**
 * Checks and serialises a draft. Throws `InvalidPayload` with the path of the first mistake; nothing of the caller's
 * object is kept. `payloadText` skips the walk for a payload that was serialised before. `isAwaited`: readers wait for it.
 */
export const prepare = (draft: Draft, sender: SystemId, channel: Channel, payloadText?: string, isAwaited = false): Prepared => {
  let text = quotedSender(sender)
  let count = 1
  const kind = draft.kind
  if (kind !== undefined) text += `,"kind":${JSON.stringify(token(kind, "kind"))}`
  const payload = draft.payload
  // The text is made of the copy, so that both say the same, whatever the caller's object answers the second time.
  const copy = isAwaited && payloadText === undefined ? liveCopyOf(payload) : undefined
  let live: LiveDraft | undefined = copy === undefined ? undefined : { kind: kind ?? "event", payload: copy }
  if (payloadText !== undefined) text += `,"payload":${payloadText}`
  else if (copy !== undefined) text += `,"payload":${JSON.stringify(copy)}`
  else if (payload !== undefined && payload !== null) text += `,"payload":${toText(payload)}`
  let parentIds = none
  let rest: Rest | undefined
  // Most drafts have a kind and a payload and nothing else: look at the rest only when there is one.
  for (const key in draft) {
    count++
    if (count > 3 || (key !== "kind" && key !== "payload")) {
      rest = prepareRest(draft)
      if (live !== undefined) live = rest.isPlain ? { kind: live.kind, payload: live.payload, correlationId: rest.correlationId, recipient: rest.recipient, subject: rest.subject } : undefined
      text += rest.text
      parentIds = rest.parentIds
      break
    }
  }
  let index: Array<readonly [IndexField, string]> | undefined
  if (channel.indexes.length > 0) {
    index = []
    for (const field of channel.indexes) {
      if (field === "sender") index.push([field, sender])
      else if (field === "kind") index.push([field, kind ?? "event"])
      else if (field === "parentId") for (const parent of parentIds) index.push([field, parent])
      else {
        const value = draft[field]
        if (value !== undefined && value !== null) index.push([field, value])
        else if (field === "recipient") index.push([field, forEveryone])
      }
    }
  }
  return rest === undefined ? { id: draft.id, text, parentIds, index, live } : { id: draft.id, text, parentIds, index, live, labels: rest.labels, tail: rest.tail }
}

const labelsText = (labels: ReadonlyArray<string> | undefined): string => (labels === undefined || labels.length === 0 ? "" : `,"labels":${JSON.stringify(labels)}`)

/** The same draft with these labels in place of its own. */
export const withLabels = (prepared: Prepared, labels: ReadonlyArray<string>): Prepared => {
  const { labels: before, live: _, plain, tail = "", text, ...rest } = prepared
  const end = labelsText(before).length + tail.length
  return { ...rest, labels, tail, plain: plain ?? text, text: text.slice(0, text.length - end) + labelsText(labels) + tail }
}

/** What the kernel itself writes: made of its own data, and not looked at again. */
export interface OwnDraft {
  readonly kind: string
  /** JSON that `toText` would take. */
  readonly payloadText: string
  /** Words, digests and numbers: nothing that JSON would escape. */
  readonly metadata: Readonly<Record<string, string | number>>
  readonly correlationId?: string | null | undefined
  readonly recipient?: SystemId | undefined
  readonly subject?: string | undefined
  /** It is one. */
  readonly traceparent?: string | undefined
  readonly labels?: ReadonlyArray<string> | undefined
  /** The payload, deeply frozen, when readers wait for it. */
  readonly live?: Event["payload"] | undefined
}

const plainText = (metadata: OwnDraft["metadata"]): string => {
  let text = "{"
  for (const key in metadata) {
    const value = metadata[key]
    text += `${text === "{" ? "" : ","}"${key}":${typeof value === "number" ? value : `"${value}"`}`
  }
  return text + "}"
}

/* hot */
/** As `prepare`, for the kernel's own drafts. */
export const prepareOwn = (draft: OwnDraft, sender: SystemId, { indexes }: Channel): Prepared => {
  const { correlationId, kind, labels, live, metadata, payloadText, recipient, subject, traceparent } = draft
  let text = `${quotedSender(sender)},"kind":"${kind}","payload":${payloadText},"metadata":${plainText(metadata)}`
  if (correlationId !== undefined && correlationId !== null) text += `,"correlationId":${JSON.stringify(correlationId)}`
  if (recipient !== undefined) text += `,"recipient":${JSON.stringify(recipient)}`
  if (subject !== undefined) text += `,"subject":${JSON.stringify(subject)}`
  if (labels !== undefined) text += labelsText(labels)
  if (traceparent !== undefined) text += `,"traceparent":"${traceparent}"`
  let index: Array<readonly [IndexField, string]> | undefined
  if (indexes.length > 0) {
    index = []
    for (const field of indexes) {
      const value = field === "sender" ? sender : field === "parentId" ? undefined : field === "recipient" ? (recipient ?? forEveryone) : draft[field]
      if (value !== undefined && value !== null) index.push([field, value])
    }
  }
  return {
    id: undefined, text, parentIds: none, index,
    live: live === undefined || subject !== undefined || traceparent !== undefined || labels !== undefined ? undefined : { kind, payload: live, metadata: Object.freeze(metadata), correlationId: correlationId ?? null, recipient: recipient ?? null }
  }
}

interface Rest {
  readonly text: string
  /** Of all of it the next three alone were given. */
  readonly isPlain: boolean
  readonly correlationId: string | null
  readonly recipient: string | null
  readonly subject: string | null
  readonly parentIds: ReadonlyArray<string>
  readonly labels: ReadonlyArray<string> | undefined
  readonly tail: string
}

const prepareRest = (draft: Draft): Rest => {
  let text = ""
  for (const key of Object.keys(draft)) {
    if (!knownMembers.has(key)) {
      throw refuse(key, key === "sender" || key === "from" || key === "system_id"
        ? "the sender is stamped by the kernel and cannot be given"
        : "is not a member of a draft")
    }
  }
  if (draft.id !== undefined) token(draft.id, "id")
  let isPlain = draft.id === undefined
  let correlationId: string | null = null
  let recipient: string | null = null
  let subject: string | null = null
  if (draft.source !== undefined && draft.source !== null) {
    if (typeof draft.source !== "string") throw refuse("source", "must be a string")
    text += `,"source":${JSON.stringify(draft.source)}`
  }
  if (draft.timestamp !== undefined) {
    if (typeof draft.timestamp !== "number" || !Number.isFinite(draft.timestamp)) throw refuse("timestamp", "must be a finite number")
    text += `,"timestamp":${draft.timestamp}`
  }
  if (draft.schema !== undefined && draft.schema !== null) {
    if (typeof draft.schema !== "string") throw refuse("schema", "must be a string")
    text += `,"schema":${JSON.stringify(draft.schema)}`
  }
  if (draft.metadata !== undefined && draft.metadata !== null) {
    if (typeof draft.metadata !== "object" || Array.isArray(draft.metadata)) throw refuse("metadata", "must be an object")
    text += `,"metadata":${toText(draft.metadata, "metadata")}`
  }
  if (text !== "") isPlain = false
  if (draft.correlationId !== undefined && draft.correlationId !== null) {
    correlationId = token(draft.correlationId, "correlationId")
    text += `,"correlationId":${JSON.stringify(correlationId)}`
  }
  let parentIds = none
  if (draft.parentIds !== undefined) {
    if (!Array.isArray(draft.parentIds)) throw refuse("parentIds", "must be a list of event ids")
    if (draft.parentIds.length > parentsMax) throw refuse("parentIds", `at most ${parentsMax} are allowed`)
    parentIds = Array.from(draft.parentIds, (id, at) => token(id, `parentIds[${at}]`))
    if (parentIds.length > 0) {
      text += `,"parentIds":${JSON.stringify(parentIds)}`
      isPlain = false
    }
  }
  if (draft.recipient !== undefined && draft.recipient !== null) {
    if (typeof draft.recipient !== "string" || !isSystemId(draft.recipient)) throw refuse("recipient", "must be a system id")
    recipient = draft.recipient
    text += `,"recipient":${JSON.stringify(recipient)}`
  }
  if (draft.subject !== undefined && draft.subject !== null) {
    if (typeof draft.subject !== "string" || draft.subject.length > subjectLengthMax) {
      throw refuse("subject", `must be a string of at most ${subjectLengthMax} characters`)
    }
    subject = draft.subject
    text += `,"subject":${JSON.stringify(subject)}`
  }
  let kept: ReadonlyArray<string> | undefined
  if (draft.labels !== undefined) {
    // A plain copy: a list of the caller's own making may answer differently, or bring a toJSON along.
    const labels: ReadonlyArray<unknown> = Array.isArray(draft.labels) && draft.labels.length <= labelsMax ? Array.from(draft.labels) : [null]
    if (labels.length > labelsMax || !labels.every((label) => typeof label === "string")) {
      throw refuse("labels", `must be a list of at most ${labelsMax} strings`)
    }
    kept = labels as ReadonlyArray<string> // every one of them was just seen to be a string
    text += labelsText(kept)
    isPlain = false
  }
  let tail = ""
  if (draft.traceparent !== undefined && draft.traceparent !== null) {
    if (typeof draft.traceparent !== "string") throw refuse("traceparent", "must be a string")
    if (isTraceparent(draft.traceparent)) tail = `,"traceparent":"${draft.traceparent}"`
    isPlain = false
  }
  return { text: text + tail, isPlain, correlationId, recipient, subject, parentIds, labels: kept, tail }
}

/** Checks the bounds of one append. Throws `TooLarge` or `InvalidPayload`. Answers the length of its text. */
export const checkBatch = (batch: ReadonlyArray<Prepared>): number => {
  if (batch.length === 0) throw refuse("", "an append needs at least one draft")
  if (batch.length > batchEventsMax) {
    throw new TooLarge({ what: "The batch", size: batch.length, sizeMax: batchEventsMax, unit: "events" })
  }
  let length = 0
  for (let i = 0; i < batch.length; i++) length += batch[i]!.text.length
  if (length > batchTextMax) throw new TooLarge({ what: "The batch", size: length, sizeMax: batchTextMax, unit: "characters" })
  return length
}

const deepFreeze = (value: unknown): void => {
  if (typeof value !== "object" || value === null) return
  if (Array.isArray(value)) for (let i = 0; i < value.length; i++) deepFreeze(value[i])
  else for (const key in value) deepFreeze((value as Record<string, unknown>)[key])
  Object.freeze(value)
}

const emptyObject = Object.freeze({})
const emptyList: ReadonlyArray<string> = Object.freeze([])

/** The event of a stored text (with braces and id), deeply frozen: one object serves all readers. */
export const parseEvent = (text: string, channel: string, cursor: number, recordedAt: number): Event => {
  const data = JSON.parse(text) as Partial<Event> & { readonly id: string; readonly sender: string }
  if (data.payload !== undefined) deepFreeze(data.payload)
  if (data.metadata !== undefined) deepFreeze(data.metadata)
  if (data.parentIds !== undefined) Object.freeze(data.parentIds)
  if (data.labels !== undefined) Object.freeze(data.labels)
  return Object.freeze({
    id: data.id,
    channel,
    cursor,
    recordedAt,
    sender: data.sender,
    kind: data.kind ?? "event",
    payload: data.payload ?? null,
    source: data.source ?? data.sender,
    timestamp: data.timestamp ?? recordedAt / 1000,
    schema: data.schema ?? null,
    metadata: data.metadata ?? emptyObject,
    correlationId: data.correlationId ?? null,
    parentIds: data.parentIds ?? emptyList,
    recipient: data.recipient ?? null,
    subject: data.subject ?? null,
    labels: data.labels ?? emptyList,
    traceparent: data.traceparent ?? null
  })
}

/* hot */
/** The event of a draft that was copied for the readers that wait: the same as of its text. */
export const liveEvent = (
  { correlationId, kind, metadata, payload, recipient, subject }: LiveDraft, id: string, sender: SystemId, channel: string, cursor: number, recordedAt: number
): Event =>
  Object.freeze({
    id,
    channel,
    cursor,
    recordedAt,
    sender,
    kind,
    payload,
    source: sender,
    timestamp: recordedAt / 1000,
    schema: null,
    metadata: metadata ?? emptyObject,
    correlationId: correlationId ?? null,
    parentIds: emptyList,
    recipient: recipient ?? null,
    subject: subject ?? null,
    labels: emptyList,
    traceparent: null
  })
