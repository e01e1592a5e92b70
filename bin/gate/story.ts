// One request on one screen: what was asked, under which authority, what was said to it, what became of it.
import * as Effect from "effect/Effect"
import type { ClientError } from "../../libos/http.ts"
import type { GateStory, Link } from "../../protocol/approval.ts"
import type { GateView } from "../../protocol/view.ts"
import { type Called, show } from "../called.ts"
import { momentOf } from "../event-line.ts"
import type { NotFound, UsageError } from "../failure.ts"
import { connect } from "../run-file.ts"
import { ago, brief, json, onOut, plain } from "../terminal.ts"
import { find } from "./inbox.ts"

const row = (name: string, text: string): string => `${name.padEnd(10)}${text}`
const rows = (name: string, texts: ReadonlyArray<string>): ReadonlyArray<string> => texts.map((text, at) => row(at === 0 ? name : "", text))
const because = (reason: string): string => (reason === "" ? "" : `: ${plain(reason)}`)

/** Text in which what a terminal would obey, or hide, is written out. Nothing of it is cut off: it is decided on. */
export const exact = (text: string): string => {
  const written = json(text)
  return written === `"${text}"` ? text : written
}

/** What a human said, and when. */
const said = (name: string, word: GateView["answer"] | GateView["reconciled"]): ReadonlyArray<string> =>
  word === null ? [] : [row(name, `${word.outcome} by ${plain(word.by)}, ${momentOf(word.at)}${because(word.reason)}`)]

const caveats = ({ caveats: { budget, expiresAt, riskMax, targets, usesMax, ...others } }: Link): string => [
  ...(expiresAt === undefined ? [] : [`until ${momentOf(expiresAt)}`]),
  ...(riskMax === undefined ? [] : [`risk up to ${riskMax}`]),
  ...(targets === undefined ? [] : [`targets ${targets.map(plain).join(" ")}`]),
  ...(usesMax === undefined ? [] : [`${usesMax} uses`]),
  ...(budget === undefined ? [] : [`budget ${brief(budget, 80)}`]),
  ...(Object.keys(others).length === 0 ? [] : [brief(others, 120)])
].map((one) => `, ${one}`).join("")

const link = (one: Link, depth: number): string =>
  `${depth === 0 ? "" : `${"  ".repeat(depth - 1)}└ `}${plain(one.id)}  ${one.live ? `${plain(one.holder)} may ${one.access} ${plain(one.resource)}${caveats(one)}` : "not in force any more"}`

/** With the final arguments, whole: nobody can decide on what was cut off. */
export const story = (warrant: GateStory, now: number): ReadonlyArray<string> => {
  const { approvals: given = [], attempts, canonical, edits, endorsements, fence, labels = [], quorum = 1, request } = warrant
  const waits = warrant.state === "escalated"
  return [
    row("request", warrant.id),
    row("state", `${onOut.bold(warrant.state)}${warrant.reason === warrant.verdict || warrant.reason === "" ? "" : because(warrant.reason)}` +
      `${waits && warrant.expiresAt !== null ? `, ends as a refusal in ${ago(Math.max(0, warrant.expiresAt - now))}` : ""}`),
    row("asked", `by ${plain(warrant.system)}, ${momentOf(warrant.requestedAt)}${request === null || request.parents.length === 0 ? "" : `, because of ${request.parents.map(plain).join(" ")}`}`),
    row("action", exact(warrant.action)),
    row("executor", `${exact(warrant.executor)}   risk ${onOut.bold(warrant.risk)}   recovery ${warrant.recovery}`),
    row("target", exact(warrant.target)),
    ...rows("payload", json(warrant.payload, 2).split("\n")),
    ...(canonical === null ? [] : [row("canonical", json(canonical).slice(1, -1).replace(/\\(["\\])/gu, "$1"))]),
    row("digest", warrant.digest),
    ...(labels.length === 0 ? [] : [row("labels", labels.map(plain).join(" "))]),
    ...(fence === undefined ? [] : [row("fence", `${plain(fence.channel)}/${plain(fence.key)} at epoch ${fence.epoch}`)]),
    ...rows("grant", warrant.grants.length === 0 ? ["none"] : warrant.grants.map(link)),
    row("rule", `${plain(warrant.rule)}: ${plain(warrant.verdict)}`),
    ...(warrant.policy === undefined ? [] : [row("policy", warrant.policy.slice(0, 16))]),
    ...(warrant.cost === undefined && warrant.reserved === undefined && warrant.spent === undefined ? [] : [row("budget", [
      ...(warrant.cost === undefined ? [] : [`declared ${brief(warrant.cost, 120)}`]),
      ...(warrant.reserved === undefined ? [] : [`held ${brief(warrant.reserved, 120)}`]),
      ...(warrant.spent === undefined ? [] : [`spent ${brief(warrant.spent, 120)}`])
    ].join("; "))]),
    ...rows("edited", edits.map(({ at, by, digest, from, reason }) => `by ${plain(by)}, ${momentOf(at)}, ${from.slice(0, 12)} into ${digest.slice(0, 12)}${because(reason)}`)),
    ...rows("approved", endorsements.map(({ at, by, digest, reason }) =>
      `by ${plain(by)}, ${momentOf(at)}${digest === warrant.digest ? "" : ` (as it was before: ${digest.slice(0, 12)})`}${because(reason)}`)),
    ...(waits && quorum > 1 ? [row("approvers", `${given.length} of ${quorum}`)] : []),
    ...(warrant.standing === undefined ? [] : [row("standing", warrant.standing)]),
    ...said("answer", warrant.answer),
    ...rows("attempt", attempts.map(({ at, attempt, boot }) => `${attempt}, ${momentOf(at)}, boot ${boot}`)),
    ...said("outcome", warrant.reconciled),
    ...(warrant.endedAt === null ? [] : [row("ended", `${momentOf(warrant.endedAt)}, ${ago(warrant.endedAt - warrant.requestedAt)} after it was asked`)]),
    ...(warrant.result === null ? [] : [row("result", brief(warrant.result, 2000))]),
    ...(warrant.compensates === undefined ? [] : [row("undoes", warrant.compensates)]),
    ...(warrant.compensation === undefined ? [] : [row("undone", `${warrant.compensation.outcome ?? "under way"}, by ${warrant.compensation.warrant}`)]),
    ...rows("also", warrant.more.map(({ at, cursor, detail, kind }) => `#${cursor} ${kind}, ${momentOf(at)}  ${brief(detail, 200)}`)),
    row("journal", warrant.journal.map((cursor) => `#${cursor}`).join(" "))
  ]
}

export const showOne = Effect.fnUntraced(function*(called: Called, given: string): Effect.fn.Return<void, ClientError | NotFound | UsageError> {
  const client = yield* connect(called.directory)
  const warrant = yield* client.call("warrant", { id: yield* find(client, given) })
  const { now } = yield* client.call("status")
  yield* show(called, warrant, () => story(warrant, now))
})
