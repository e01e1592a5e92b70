// The operator's answers: yes, no, other arguments, more of the same, and what became of what nobody knows.
import { isDeepStrictEqual } from "node:util"
import * as Effect from "effect/Effect"
import type { Client, ClientError } from "../../libos/http.ts"
import type { BatchAnswer, GateStory, StandingPreview, StandingTerms } from "../../protocol/approval.ts"
import { EffectFailed } from "../../protocol/errors.ts"
import type { GateView } from "../../protocol/view.ts"
import { type Called, show, spanOf } from "../called.ts"
import { jsonOf } from "../data.ts"
import { type NotFound, UsageError } from "../failure.ts"
import { connect } from "../run-file.ts"
import { ago, err, onErr, plain, table } from "../terminal.ts"
import { find, matcherOf, withOf } from "./inbox.ts"
import { confirmed } from "./prompt.ts"
import { proved, type ProofFlags } from "./prove.ts"
import { story } from "./story.ts"

type Failed = ClientError | NotFound | UsageError

export interface WhichFlags {
  /** Instead of one request: all that wait and match. */
  readonly match?: string
  readonly system?: string
  readonly yes: boolean
}

export interface ApproveFlags extends ProofFlags, WhichFlags {
  readonly reason?: string
  readonly digest?: string
  readonly for?: string
  readonly target?: string
  readonly uses?: number
}

const answered = (called: Called, warrant: GateView, word: string): Effect.Effect<void> =>
  show(called, warrant, () => [
    `${word} ${warrant.id}: ${warrant.state}${warrant.state === "escalated" && (warrant.quorum ?? 1) > 1 ? `, ${warrant.approvals?.length ?? 0} of ${warrant.quorum} approvers` : ""}`
  ])

const told = (story_: GateStory, now: number): void => {
  for (const one of story(story_, now)) err(onErr.dim(one))
}

const previewed = ({ examples, looked, matched, newly, standing }: StandingPreview, millis: number): void => {
  err(`For ${ago(millis)}${standing.usesMax === null ? "" : `, at most ${standing.usesMax} times`}: ${plain(standing.system)} may ${plain(standing.action)}, ${plain(standing.executor)} on ${plain(standing.target)}${standing.digest === undefined ? ", with whatever arguments" : " with exactly these arguments"}, risk up to ${standing.riskMax}, without asking.`)
  err(`Of the last ${looked} actions it would have matched ${matched}, of which ${newly} had asked a human.`)
  if (examples.length > 0) for (const one of table(["REQUEST", "RISK", "ASKED", "TARGET"], examples.map(({ id, newly: asked, risk, target }) => [id, risk, asked ? "yes" : "no", target]))) err(one)
}

const termsOf = Effect.fnUntraced(function*(flags: ApproveFlags): Effect.fn.Return<StandingTerms | undefined, UsageError> {
  if (flags.for === undefined) {
    if (flags.target !== undefined || flags.uses !== undefined) return yield* new UsageError({ reason: "--target and --uses are of --for: say how long, such as --for 10m." })
    return undefined
  }
  return { millis: yield* spanOf("--for", flags.for), ...(flags.target === undefined ? {} : { target: flags.target }), ...(flags.uses === undefined ? {} : { uses: flags.uses }) }
})

/** What waits and matches, shown; nothing when there is none, or the person says no. */
const chosen = Effect.fnUntraced(function*(
  called: Called, client: Client, { match, system, yes }: WhichFlags, word: string
): Effect.fn.Return<ReadonlyArray<GateView>, Failed> {
  const waiting = yield* client.call("gate", { query: { state: "escalated", limit: 1_000, ...(system === undefined ? {} : { system }) } })
  const found = (match === undefined ? waiting : waiting.filter(matcherOf(match))).slice(0, 200)
  if (found.length === 0) return []
  const { now } = yield* client.call("status")
  if (!called.json) {
    for (const one of table(["REQUEST", "RISK", "SYSTEM", "EXECUTOR", "AGE", "TARGET", "WITH"], found.map((warrant) => [
      warrant.id, warrant.risk, warrant.system, warrant.executor, ago(now - warrant.requestedAt), warrant.target, withOf(warrant)
    ]))) err(one)
  }
  return (yield* confirmed(`${word} these ${found.length}, each as it is now?`, yes)) ? found : []
})

const batch = Effect.fnUntraced(function*(
  called: Called, outcome: "approved" | "refused", flags: ProofFlags & WhichFlags & { readonly reason?: string }
): Effect.fn.Return<void, Failed> {
  const client = yield* connect(called.directory)
  const found = yield* chosen(called, client, flags, outcome === "approved" ? "Approve" : "Refuse")
  const answers = found.map(({ digest, id }) => ({ id, digest }))
  const results: ReadonlyArray<BatchAnswer> = answers.length === 0
    ? []
    : yield* proved(flags, (proof) => client.call("answerAll", { payload: { outcome, answers, ...(flags.reason === undefined ? {} : { reason: flags.reason }), ...proof } }))
  yield* show(called, results, () =>
    results.length === 0
      ? ["Nothing was answered."]
      : results.map(({ id, ok, reason, state }) => (ok ? `${outcome} ${id}: ${state ?? "gone"}` : `left ${id}: ${plain(reason)}`)))
})

const one = (id: string | undefined, { match }: WhichFlags): Effect.Effect<string | undefined, UsageError> =>
  (id === undefined) === (match === undefined)
    ? Effect.fail(new UsageError({ reason: "Name one request, or say which with --match EXECUTOR:TARGET." }))
    : Effect.succeed(id)

export const approve = Effect.fnUntraced(function*(called: Called, given: string | undefined, flags: ApproveFlags): Effect.fn.Return<void, Failed> {
  const which = yield* one(given, flags)
  const standing = yield* termsOf(flags)
  if (which === undefined) {
    if (standing !== undefined) return yield* new UsageError({ reason: "--for is for one request: it says what more of the same is." })
    return yield* batch(called, "approved", flags)
  }
  const client = yield* connect(called.directory)
  const shown = yield* client.call("warrant", { id: yield* find(client, which) })
  if (!called.json) told(shown, (yield* client.call("status")).now)
  if (standing !== undefined) {
    previewed(yield* client.call("preview", { id: shown.id, payload: standing }), standing.millis)
    if (!(yield* confirmed("Approve it, and more of the same?", flags.yes))) return yield* show(called, null, () => ["Nothing was answered."])
  }
  // Bound to what was just shown: if it changed in between, the kernel refuses.
  const warrant = yield* proved(flags, (proof) => client.call("approve", {
    id: shown.id,
    payload: {
      digest: flags.digest ?? shown.digest, ...(flags.reason === undefined ? {} : { reason: flags.reason }), ...(standing === undefined ? {} : { standing }), ...proof
    }
  }))
  yield* answered(called, warrant, "approved")
  if (standing !== undefined) err(onErr.dim(`Take it back with: aaax gate standing revoke standing:${warrant.id}`))
})

export const deny = Effect.fnUntraced(function*(
  called: Called, given: string | undefined, flags: WhichFlags & { readonly reason: string }
): Effect.fn.Return<void, Failed> {
  const which = yield* one(given, flags)
  if (which === undefined) return yield* batch(called, "refused", flags)
  const client = yield* connect(called.directory)
  const id = yield* find(client, which)
  yield* answered(called, yield* client.call("deny", { id, payload: { reason: flags.reason } }), "denied")
})

export interface EditFlags extends ProofFlags {
  readonly payload: string
  readonly reason?: string
  readonly digest?: string
  /** And approve it, as it then is. */
  readonly approve: boolean
}

export const edit = Effect.fnUntraced(function*(called: Called, given: string, flags: EditFlags): Effect.fn.Return<void, Failed> {
  const payload = yield* jsonOf(flags.payload, "--payload")
  const client = yield* connect(called.directory)
  const shown = yield* client.call("warrant", { id: yield* find(client, given) })
  const reason = flags.reason === undefined ? {} : { reason: flags.reason }
  // The same command is said again when it has to be proved: then these arguments wait already.
  const isThere = flags.approve && (flags.digest ?? shown.digest) === shown.digest && isDeepStrictEqual(shown.payload, payload)
  const edited = isThere ? shown : yield* client.call("edit", {
    id: shown.id, payload: { payload: payload as null, digest: flags.digest ?? shown.digest, ...reason } // JSON, as was just parsed
  })
  if (!flags.approve) return yield* answered(called, edited, "edited")
  if (!called.json) told(yield* client.call("warrant", { id: shown.id }), (yield* client.call("status")).now)
  const warrant = yield* proved(flags, (proof) => client.call("approve", { id: shown.id, payload: { digest: edited.digest, ...reason, ...proof } }))
  yield* answered(called, warrant, "edited and approved")
})

/** How long the command stays for what becomes of it, and how often it looks. */
const outcomeMillis = 10_000
const lookMillis = 50

const ended = (client: Client, warrant: GateView, waited = 0): Effect.Effect<GateView, ClientError> =>
  warrant.state !== "started" || waited >= outcomeMillis
    ? Effect.succeed(warrant)
    : Effect.flatMap(Effect.delay(client.call("warrant", { id: warrant.id }), lookMillis), (next) => ended(client, next, waited + lookMillis))

/** Closed ones are not listed: the id is taken as it is. */
export const compensate = Effect.fnUntraced(function*(
  called: Called, given: string, flags: ProofFlags & { readonly reason: string }
): Effect.fn.Return<void, Failed> {
  const client = yield* connect(called.directory)
  const { id } = yield* client.call("warrant", { id: given })
  const { reason, ...proof } = flags
  const back = yield* ended(client, yield* proved(proof, (shown) => client.call("compensate", { id, payload: { reason, ...shown } })))
  yield* show(called, back, () => [
    back.state === "started" ? `${back.id} takes back ${id}; what became of it: aaax gate show ${id}` : `${back.id} takes back ${id}: ${back.state}`
  ])
  if (back.state === "failed" || back.state === "unknown") return yield* new EffectFailed({ request: back.id, outcome: back.state, reason: plain(back.reason) })
})

export const reconcile = Effect.fnUntraced(function*(
  called: Called, given: string, outcome: "succeeded" | "failed", reason: string
): Effect.fn.Return<void, Failed> {
  const client = yield* connect(called.directory)
  const id = yield* find(client, given)
  yield* answered(called, yield* client.call("reconcile", { id, payload: { outcome, reason } }), "reconciled")
})
