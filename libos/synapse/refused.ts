// Refusals of a hub, told apart by their code.
import * as Schema from "effect/Schema"
import type { RefusalCode } from "../../protocol/coordination.ts"

/** Codes of the wire itself, beside those of coordination. `REFUSED`: a hub that gives no codes said no. */
export type SynapseCode = RefusalCode | "AUTH_DENIED" | "RATE_LIMITED" | "MALFORMED" | "UNKNOWN_TYPE" | "UNSUPPORTED" | "REFUSED"

const Maybe = Schema.optionalKey(Schema.String)

/** The hub said no. `reason` is its own sentence. */
export class SynapseRefused extends Schema.TaggedError<SynapseRefused>()("SynapseRefused", {
  /** A `SynapseCode`; a newer hub may have others. */
  code: Schema.String, reason: Schema.String,
  /** The seat that is in the way, and its task; what a number would have to be. */
  holder: Maybe, conflict: Maybe, current: Schema.optionalKey(Schema.Finite)
}) {
  override get message(): string {
    return this.reason
  }
}

const textIn = (frame: Readonly<Record<string, unknown>>, field: string): string | undefined => {
  const value = frame[field]
  return typeof value === "string" && value !== "" ? value : undefined
}

/** By their sentences, for hubs that send no codes. */
const sentences: ReadonlyArray<readonly [RegExp, SynapseCode]> = [
  [/^Rate limit exceeded/u, "RATE_LIMITED"],
  [/^Malformed JSON/u, "MALFORMED"],
  [/^Unknown message type/u, "UNKNOWN_TYPE"],
  [/ID is required\.$/u, "TASK_ID_REQUIRED"],
  [/title is required\.$/u, "TITLE_REQUIRED"],
  [/target is required\.$/u, "TARGET_REQUIRED"],
  [/^Handoff target .* is not online\.$/su, "TARGET_OFFLINE"],
  [/ is already claimed by /u, "LEASE_LIVE"],
  [/ file scope conflicts with /u, "SCOPE_CONFLICT"],
  [/ is not (?:currently )?claimed/u, "NOT_CLAIMED"],
  [/ epoch is stale /u, "EPOCH_STALE"],
  [/ version conflict /u, "VERSION_CONFLICT"],
  [/ cannot transition /u, "TRANSITION_ILLEGAL"],
  [/ would form a cycle\.$/u, "DEPENDENCY_CYCLE"],
  [/ would deadlock\.$/u, "WOULD_DEADLOCK"],
  [/^Unknown ledger status /u, "STATUS_UNKNOWN"],
  [/^Unknown progress kind /u, "KIND_UNKNOWN"],
  [/^You already hold /u, "ALREADY_HELD"],
  [/ is already owned by /u, "ALREADY_OWNED"],
  [/ owned by .*, not .*\.$/su, "NOT_OWNER"],
  [/^resource offer requires/u, "OFFER_INCOMPLETE"],
  [/ not found\.$| is not on the board\.$/u, "TASK_NOT_FOUND"]
]

/** What a frame that refuses something says. */
export const refusalOf = (frame: Readonly<Record<string, unknown>>): SynapseRefused => {
  const reason = textIn(frame, "payload") ?? "The hub refused it without a reason."
  const type = frame["type"]
  const code = textIn(frame, "reason_code") ??
    (type === "name_conflict" ? "NAME_CONFLICT" : type === "auth_denied" ? "AUTH_DENIED" : sentences.find(([words]) => words.test(reason))?.[1] ?? "REFUSED")
  const holder = textIn(frame, "holder")
  const conflict = textIn(frame, "conflict")
  const { current } = frame
  return new SynapseRefused({
    code, reason,
    ...(holder === undefined ? {} : { holder }), ...(conflict === undefined ? {} : { conflict }),
    ...(typeof current === "number" && Number.isFinite(current) ? { current } : {})
  })
}
