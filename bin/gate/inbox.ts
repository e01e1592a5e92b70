// The inbox: what waits for a human, by risk and age, with the time that is left; and what nobody knows the outcome of.
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Client, ClientError } from "../../libos/http.ts"
import { matchesGlob } from "../../protocol/glob.ts"
import type { GateView } from "../../protocol/view.ts"
import { type WarrantState, WarrantState as States } from "../../protocol/warrant.ts"
import { approvals } from "../../protocol/well-known.ts"
import { type Called, idOf, show } from "../called.ts"
import { clockOf } from "../event-line.ts"
import { type NotFound, UsageError } from "../failure.ts"
import { connect } from "../run-file.ts"
import { ago, brief, err, json, onErr, onOut, out, plain, table } from "../terminal.ts"

const isState = (word: string): word is WarrantState => States.literals.some((state) => state === word)

export interface ListFlags {
  readonly state?: string
  readonly system?: string
  readonly match?: string
  /** One line for each kind of action instead of one for each action. */
  readonly group: boolean
}

/** `fs.write:docs/**`: globs over executor and target; the target may be left out. */
export const matcherOf = (pattern: string): ((warrant: Pick<GateView, "executor" | "target">) => boolean) => {
  const colon = pattern.indexOf(":")
  const [executor, target] = colon === -1 ? [pattern, undefined] : [pattern.slice(0, colon), pattern.slice(colon + 1)]
  return (warrant) => matchesGlob(executor, warrant.executor) && (target === undefined || matchesGlob(target, warrant.target))
}

const left = ({ expiresAt, state }: GateView, now: number): string => (state === "escalated" && expiresAt !== null ? ago(Math.max(0, expiresAt - now)) : "")

const votes = ({ approvals: given = [], quorum = 1, state }: GateView): string => (state === "escalated" && quorum > 1 ? `escalated ${given.length}/${quorum}` : state)

/** The arguments, short: enough to tell one from another, and not to decide on. */
export const withOf = ({ payload }: GateView): string => (payload === null ? "" : brief(payload, 60))

/** By system, executor and action: what one decision may be for. */
const grouped = (warrants: ReadonlyArray<GateView>, now: number): ReadonlyArray<string> => {
  const groups = new Map<string, Array<GateView>>()
  for (const warrant of warrants) {
    const key = JSON.stringify([warrant.system, warrant.executor, warrant.action, warrant.risk, warrant.state])
    groups.set(key, [...(groups.get(key) ?? []), warrant])
  }
  return table(["COUNT", "STATE", "RISK", "SYSTEM", "EXECUTOR", "ACTION", "OLDEST", "TARGETS"], [...groups.values()].map((same) => {
    const first = same[0]! // a group has one
    return [
      String(same.length), first.state, first.risk, first.system, first.executor, first.action, ago(now - Math.min(...same.map(({ requestedAt }) => requestedAt))),
      [...new Set(same.map(({ target }) => target))].slice(0, 5).join(", ")
    ]
  }))
}

export const list = Effect.fnUntraced(function*(called: Called, { group, match, state, system }: ListFlags): Effect.fn.Return<void, ClientError | UsageError> {
  if (state !== undefined && !isState(state)) {
    return yield* new UsageError({ reason: `--state ${state} is none of ${States.literals.join(", ")}.` })
  }
  const client = yield* connect(called.directory)
  const all = yield* client.call("gate", { query: { limit: 1_000, ...(state === undefined ? {} : { state }), ...(system === undefined ? {} : { system }) } })
  const warrants = match === undefined ? all : all.filter(matcherOf(match))
  const { now } = yield* client.call("status")
  yield* show(called, warrants, () =>
    warrants.length === 0
      ? [onOut.dim("Nothing waits.")]
      : group
        ? grouped(warrants, now)
        : table(["REQUEST", "STATE", "RISK", "SYSTEM", "EXECUTOR", "AGE", "ENDS IN", "TARGET", "WITH"], warrants.map((warrant) => [
            warrant.id, votes(warrant), warrant.risk, warrant.system, warrant.executor, ago(now - warrant.requestedAt), left(warrant, now), warrant.target, withOf(warrant)
          ])))
  if (called.json) return
  const unknown = warrants.filter((warrant) => warrant.state === "unknown").length
  if (unknown > 0) err(onErr.yellow(`${unknown} ${unknown === 1 ? "outcome is" : "outcomes are"} unknown: look at the world, then aaax gate reconcile ID succeeded|failed`))
  if (!group && warrants.length > 20) err(onErr.dim("Many at once: aaax gate ls --group, and aaax gate approve|deny --match EXECUTOR:TARGET"))
})

/** A whole id, or the beginning of one that is open. */
export const find = Effect.fnUntraced(function*(client: Client, given: string): Effect.fn.Return<string, ClientError | NotFound | UsageError> {
  const known = yield* Effect.option(client.call("warrant", { id: given }))
  if (known._tag === "Some") return known.value.id
  const open = yield* client.call("gate", { query: { limit: 1_000 } })
  return yield* idOf(given, open.map(({ id }) => id), "request")
})

/** What waits now, and whatever comes, until Ctrl-C. */
export const watch = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const tell = (warrant: GateView, word: string): Effect.Effect<void> =>
    Effect.promise(() => out(called.json
      ? json({ ...warrant, event: word })
      : `${onOut.dim(clockOf(warrant.requestedAt))}  ${word.padEnd(9)}  ${warrant.id}  ${onOut.bold(warrant.risk.padEnd(12))}  ${plain(warrant.system)}: ${plain(warrant.executor)} on ${plain(warrant.target)}  ${onOut.dim(withOf(warrant))}`.trimEnd()))
  const head = (yield* client.call("channel", { id: approvals })).head
  for (const warrant of yield* client.call("gate", { query: { state: "escalated" } })) yield* tell(warrant, "waiting")
  if (!called.json) err(onErr.dim("Watching; Ctrl-C ends it."))
  yield* client.tail({ pattern: approvals, after: head, follow: "true" }).pipe(
    Stream.runForEach((event) =>
      event.subject === null || event.cursor <= head
        ? Effect.void
        : Effect.flatMap(Effect.option(client.call("warrant", { id: event.subject })), (found) =>
            found._tag === "None" ? Effect.void : tell(found.value, event.kind.replace(/^approval\./u, ""))))
  )
})
