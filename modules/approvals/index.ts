// Approvals: says which actions wait for a human, and keeps the newest word on each where doors and readers find it.
import { defineModule, Schema, wellKnown, type System } from "aaax"

/** What the kernel says of an action that waits. Other fields are passed over. */
const Waiting = Schema.Struct({
  id: Schema.String,
  system: Schema.String,
  executor: Schema.String,
  action: Schema.String,
  target: Schema.String,
  risk: Schema.String,
  reason: Schema.String,
  digest: Schema.String,
  expiresAt: Schema.NullOr(Schema.Int)
})
const Answered = Schema.Struct({
  id: Schema.String,
  outcome: Schema.optionalKey(Schema.String),
  by: Schema.optionalKey(Schema.String),
  reason: Schema.optionalKey(Schema.String)
})
/** One approval of several, or other arguments in place of those that were asked for: it waits on. */
const Changed = Schema.Struct({ id: Schema.String, by: Schema.String, digest: Schema.String })
const asWaiting = Schema.decodeUnknownExit(Waiting)
const asChanged = Schema.decodeUnknownExit(Changed)
const asAnswered = Schema.decodeUnknownExit(Answered)

export const approvals = (options: { readonly id?: string } = {}): System =>
  defineModule({
    id: options.id ?? "approvals",
    description: "shows which actions wait for a human",
    privileged: true,
    provides: [{
      name: "approvals.waiting",
      delivery: "latest",
      visibility: "public",
      description: "the newest word on every action that waits or waited for a human; subject: its warrant"
    }],
    reads: { escalations: wellKnown.approvals },
    writes: { waiting: "approvals.waiting" },
    run: ({ log, reads, writes }) =>
      reads.escalations.each(async (event, on) => {
        const waiting = event.kind === "approval.waiting" ? asWaiting(event.payload) : undefined
        if (waiting?._tag === "Success") {
          const { action, executor, id, risk, system, target } = waiting.value
          log.warn(`${visible(system)} waits to ${visible(action)}: ${visible(executor)} on ${visible(target)} (${risk}). aaax gate show ${id}`)
          await on.append(writes.waiting, { state: "waiting", ...waiting.value }, { kind: "waiting", subject: id, surely: true })
          return
        }
        if (event.kind === "approval.endorsed" || event.kind === "approval.edited") {
          const changed = asChanged(event.payload)
          if (changed._tag === "Failure") return log.warn(`${event.channel}#${event.cursor} is not understood`, { kind: event.kind })
          const word = event.kind === "approval.endorsed" ? "endorsed" : "edited"
          log.info(`${changed.value.id} ${word} by ${visible(changed.value.by)}; it waits on`)
          await on.append(writes.waiting, { state: "waiting", [word]: changed.value.by, ...changed.value }, { kind: "waiting", subject: changed.value.id, surely: true })
          return
        }
        const answered = asAnswered(event.payload)
        if (answered._tag === "Failure") return log.warn(`${event.channel}#${event.cursor} is not understood`, { kind: event.kind })
        const state = answered.value.outcome ?? (event.kind === "approval.expired" ? "expired" : "answered")
        log.info(`${answered.value.id} ${state}${answered.value.by === undefined ? "" : ` by ${visible(answered.value.by)}`}`)
        await on.append(writes.waiting, { state, ...answered.value }, { kind: "closed", subject: answered.value.id, surely: true })
      }, { gap: "continue" })
  })

/** Words of strangers as one short line that cannot move a terminal's cursor. */
const visible = (text: string): string => text.slice(0, 300).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, "?")

export default approvals
