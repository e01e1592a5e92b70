// From what a writer gives to what the store keeps: checked, validated and serialised once. What a schema has accepted
// is what is kept, byte for byte, however strange the object was that it came from.
import * as Effect from "effect/Effect"
import type { Channel } from "../../protocol/channel.ts"
import { InvalidPayload, TooLarge } from "../../protocol/errors.ts"
import type { Draft } from "../../protocol/event.ts"
import type { SystemId } from "../../protocol/names.ts"
import { issuePath, type StandardResult, type StandardSchemaV1 } from "../../protocol/standard-schema.ts"
import { batchEventsMax, batchTextMax } from "../limits.ts"
import { checkBatch, prepare, toText } from "../store/codec.ts"
import type { Prepared } from "../store/store.ts"

export type Refusal = InvalidPayload | TooLarge

/** A batch that may be appended, or, when a schema answers later, when it does. */
export type Checked = ReadonlyArray<Prepared> | Effect.Effect<ReadonlyArray<Prepared>, Refusal>

export const isLater = (checked: Checked): checked is Exclude<Checked, ReadonlyArray<Prepared>> => !Array.isArray(checked)

const refuse = (path: string, reason: string): InvalidPayload => new InvalidPayload({ what: "event", path, reason })

/** Says which draft of a batch it is. */
const at = (index: number, batch: ReadonlyArray<Draft>, refusal: Refusal): Refusal =>
  batch.length === 1 || refusal._tag === "TooLarge"
    ? refusal
    : refuse(`[${index}]${refusal.path === "" ? "" : `.${refusal.path}`}`, refusal.reason)

const validate = (schema: StandardSchemaV1, value: unknown): StandardResult<unknown> | Promise<StandardResult<unknown>> => {
  try {
    return schema["~standard"].validate(value)
  } catch (thrown) {
    throw refuse("payload", `the channel's schema failed: ${refusalOf(thrown).message}`)
  }
}

/** Why a payload is refused, or nothing. */
const verdictOf = (result: StandardResult<unknown>): Refusal | undefined => {
  if (result.issues === undefined) return undefined
  const issue = result.issues[0]
  const path = issue === undefined ? "" : issuePath(issue)
  const separator = path === "" || path.startsWith("[") ? "" : "."
  return refuse(`payload${separator}${path}`, issue?.message ?? "the channel's schema refuses it")
}

/**
 * Prepares a batch; `isAwaited`: readers wait for it. Throws a `Refusal` or, when a getter or a proxy of the caller does, anything at all: see `refusalOf`.
 */
export const check = (
  drafts: ReadonlyArray<Draft>, sender: SystemId, channel: Channel, schema: StandardSchemaV1 | undefined, isAwaited = false
): Checked => {
  if (!Array.isArray(drafts)) throw refuse("", "an append takes a list of drafts")
  if (drafts.length > batchEventsMax) {
    throw new TooLarge({ what: "The batch", size: drafts.length, sizeMax: batchEventsMax, unit: "events" })
  }
  const batch: Array<Prepared> = []
  let later: Array<Promise<Refusal | undefined>> | undefined
  let length = 0
  for (let i = 0; i < drafts.length; i++) {
    let prepared: Prepared
    try {
      const given: Draft | null | undefined = drafts[i]
      if (typeof given !== "object" || given === null) throw refuse("", "a draft is an object")
      // Each member is read once: a getter cannot show one recipient to the index and another to the event.
      const draft: Draft = { ...given }
      if (schema === undefined) prepared = prepare(draft, sender, channel, undefined, isAwaited)
      else {
        const text = draft.payload === undefined ? "null" : toText(draft.payload)
        const result = validate(schema, JSON.parse(text))
        if (result instanceof Promise) (later ??= []).push(result.then(verdictOf, refusalOf).then((late) => late && at(i, drafts, late)))
        else {
          const verdict = verdictOf(result)
          if (verdict !== undefined) throw verdict
        }
        prepared = prepare(draft, sender, channel, text)
      }
    } catch (thrown) {
      throw at(i, drafts, refusalOf(thrown))
    }
    batch.push(prepared)
    // Here already, so that a thousand large drafts are not all serialised before they are refused.
    if ((length += prepared.text.length) > batchTextMax) break
  }
  checkBatch(batch)
  if (later === undefined) return batch
  const verdicts = later
  return Effect.flatMap(Effect.promise(() => Promise.all(verdicts)), (all) => {
    const verdict = all.find((one) => one !== undefined)
    return verdict === undefined ? Effect.succeed(batch) : Effect.fail(verdict)
  })
}

/** What a caller is told of anything that was thrown while its drafts were looked at. */
export const refusalOf = (thrown: unknown): Refusal => {
  if (thrown instanceof InvalidPayload || thrown instanceof TooLarge) return thrown
  let reason = "it cannot be read"
  try {
    if (thrown instanceof Error) reason = `it cannot be read: ${String(thrown.message).slice(0, 300)}`
  } catch {
    // An error whose message throws tells nothing.
  }
  return refuse("", reason)
}
