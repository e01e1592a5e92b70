// Looking at policy: what is in force, what was, whether a file is one, and why it says what it says.
import * as Effect from "effect/Effect"
import { makeCedarEngine } from "../../kernel/power/cedar-engine.ts"
import type { ClientError } from "../../libos/http.ts"
import type { ConfigInvalid } from "../../protocol/errors.ts"
import type { Explanation, PolicyEntry, PolicyView, QuestionDraft } from "../../protocol/policy.ts"
import { type Called, idOf, show } from "../called.ts"
import { jsonOf } from "../data.ts"
import { momentOf } from "../event-line.ts"
import { type NotFound, UsageError } from "../failure.ts"
import { connect } from "../run-file.ts"
import { brief, err, onErr, onOut, plain, table } from "../terminal.ts"
import { type CedarFlags, givenPolicy } from "./given.ts"

const whose = ({ by, origin, reason, since }: Pick<PolicyView, "by" | "origin" | "reason" | "since">): string =>
  origin === "config"
    ? "the config"
    : `${plain(by ?? "an operator")}${since === null ? "" : `, ${momentOf(since)}`}${reason === "" ? "" : `: ${plain(reason)}`}; it stands over the config's`

export const policyLines = (view: PolicyView): ReadonlyArray<string> => [
  `version   ${view.version}`,
  `put by    ${whose(view)}`,
  ...(view.origin === "config" || view.config.version === view.version ? [] : [`config    ${view.config.version}: ${plain(view.config.description)}`]),
  ...(view.missing === null ? [] : [onOut.red(`missing   everything is denied: ${plain(view.missing)}`)]),
  ...view.rules.map(({ description, name }, at) => `${at === 0 ? "rules     " : "          "}${plain(name)}: ${plain(description)}`)
]

export const showPolicy = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const view = yield* client.call("policy")
  yield* show(called, view, () => policyLines(view))
})

const entryRow = (entry: PolicyEntry): ReadonlyArray<string> => [
  entry.version, momentOf(entry.at), entry.origin === "config" ? "config" : entry.by ?? "", `${entry.description}${entry.reason === "" ? "" : ` (${entry.reason})`}`
]

export const log = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const entries = yield* client.call("policyLog")
  yield* show(called, entries, () => table(["VERSION", "SINCE", "BY", "POLICY"], entries.map(entryRow)))
})

export const check = Effect.fnUntraced(function*(called: Called, file: string, flags: CedarFlags): Effect.fn.Return<void, ConfigInvalid | NotFound | UsageError> {
  const { document, policy } = yield* Effect.scoped(Effect.flatMap(makeCedarEngine, ({ make }) => givenPolicy(file, flags, make)))
  const { description, rules = [], version } = policy
  yield* show(called, { ok: true, version, description, rules, activates: document !== null }, () => [
    onOut.green(`ok  ${version}`),
    ...rules.map((rule) => `  ${plain(rule.name)}: ${plain(rule.description)}`),
    ...(document === null ? [onOut.dim("  Its rules are code: it can stand in a config, and cannot be put in force at run time.")] : [])
  ])
})

export interface ExplainFlags {
  readonly question?: string
  readonly system?: string
  readonly executor?: string
  readonly target?: string
  readonly action?: string
  readonly risk?: string
  readonly payload?: string
}

const draftOf = Effect.fnUntraced(function*({ payload, question, ...flags }: ExplainFlags): Effect.fn.Return<QuestionDraft, UsageError> {
  // What it has to be is checked by the kernel, which says what is wrong with it.
  if (question !== undefined) return (yield* jsonOf(question, "--question")) as QuestionDraft
  if (flags.executor === undefined || flags.target === undefined) {
    return yield* new UsageError({ reason: "Give the id of a request, or --executor and --target of an action that is not asked for, or --question as JSON." })
  }
  return {
    kind: "action", ...flags, executor: flags.executor, target: flags.target, system: flags.system ?? "terminal",
    ...(payload === undefined ? {} : { payload: yield* jsonOf(payload, "--payload") })
  } as QuestionDraft
})

const words = { allow: onOut.green, deny: onOut.red, escalate: onOut.yellow } as const

const explanationLines = ({ question, recorded, rules, verdict, version }: Explanation): ReadonlyArray<string> => [
  `question  ${brief(question, 2_000)}`,
  ...(recorded === null
    ? []
    : [`then      ${words[recorded.outcome](recorded.outcome)} by ${plain(recorded.rule)}, version ${recorded.version}, ${momentOf(recorded.at)}${recorded.reason === "" ? "" : `: ${plain(recorded.reason)}`}`]),
  `now       ${words[verdict.outcome](verdict.outcome)} by ${plain(verdict.rule)}, version ${version}${verdict.reason === "" ? "" : `: ${plain(verdict.reason)}`}`,
  "",
  ...table(["RULE", "SAYS", "WHY"], rules.map(({ description, outcome, reason, rule }) => [rule, outcome ?? "nothing", reason === "" ? description : reason]))
]

export const explain = Effect.fnUntraced(function*(
  called: Called, request: string | undefined, flags: ExplainFlags
): Effect.fn.Return<void, ClientError | NotFound | UsageError> {
  const client = yield* connect(called.directory)
  if (request === undefined) {
    const explanation = yield* client.call("explainPolicy", { payload: { question: yield* draftOf(flags) } })
    return yield* show(called, explanation, () => explanationLines(explanation))
  }
  const explanation = yield* Effect.catchTag(client.call("explainPolicy", { payload: { request } }), "WarrantNotFound", Effect.fnUntraced(function*() {
    const open = yield* client.call("gate")
    return yield* client.call("explainPolicy", { payload: { request: yield* idOf(request, open.map(({ id }) => id), "request") } })
  }))
  if (!called.json && explanation.recorded !== null && explanation.recorded.version !== explanation.version) {
    err(onErr.dim(`The policy has changed since: ${explanation.recorded.version} then, ${explanation.version} now.`))
  }
  yield* show(called, explanation, () => explanationLines(explanation))
})
