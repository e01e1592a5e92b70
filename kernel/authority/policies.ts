// The policies of a kernel: the config's, and those that an operator put in force over it. Which one is in force is in the
// journal; its text is an artifact, so that it is there again after a restart, and can be put in force again later. One that
// cannot be made again is not replaced by anything: everything is denied until somebody decides.
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Policy, Question, Verdict } from "../../protocol/authority.ts"
import { ConfigInvalid, WarrantNotFound, type StoreUnavailable } from "../../protocol/errors.ts"
import type { SystemId } from "../../protocol/names.ts"
import type { Explanation, FreezeView, PolicyEntry, PolicyView, QuestionDraft } from "../../protocol/policy.ts"
import { journal as journalChannel } from "../../protocol/well-known.ts"
import { decodeDocument, type PolicyDocument } from "../guard/policy-document.ts"
import { pageEventsMax } from "../limits.ts"
import type { StoreService } from "../store/store.ts"
import { judge, policyIn } from "./decide/ask.ts"
import type { Rules } from "./decide/decision.ts"
import { decideFreeze, decideThaw } from "./decide/freeze.ts"
import { entryOf, policySubject, type PolicyActivated } from "./entry.ts"
import { isDecided, questionOf, saidOf, type Decided } from "./history.ts"
import type { Journal } from "./journal.ts"

/** A policy, and what it was made of; null for rules that are code. */
export interface MadePolicy {
  readonly policy: Policy
  readonly document: PolicyDocument | null
}

export interface PoliciesOptions {
  readonly journal: Journal
  readonly store: StoreService
  readonly config: MadePolicy
  /** Makes a policy of data. Absent: nothing can be put in force at run time. */
  readonly make?: (document: PolicyDocument) => Effect.Effect<Policy, ConfigInvalid>
  readonly rules: () => Rules
  readonly canonical: (value: unknown) => string
  /** After a thaw: what was held back is looked at again. */
  readonly thawed: Effect.Effect<void>
}

export interface Policies {
  readonly view: Effect.Effect<PolicyView>
  /** Newest first. */
  readonly log: Effect.Effect<ReadonlyArray<PolicyEntry>>
  readonly check: (document: unknown) => Effect.Effect<Policy, ConfigInvalid>
  readonly activate: (document: unknown, by: SystemId, reason: string) => Effect.Effect<PolicyView, ConfigInvalid | StoreUnavailable>
  /** The one that was in force before, one by its version, or "config". */
  readonly revert: (version: string | undefined, by: SystemId, reason: string) => Effect.Effect<PolicyView, ConfigInvalid>
  readonly explainRequest: (request: string) => Effect.Effect<Explanation, WarrantNotFound | ConfigInvalid>
  readonly explain: (question: QuestionDraft) => Effect.Effect<Explanation>
  readonly freeze: (by: SystemId, reason: string) => Effect.Effect<boolean>
  readonly thaw: (by: SystemId, reason: string) => Effect.Effect<boolean>
  readonly frozen: () => FreezeView | null
  /** What an operator must be told at every start. */
  readonly notes: () => ReadonlyArray<string>
}

/** The policies by version, as decisions look them up. */
export interface PolicyShelf {
  readonly policyOf: (version: string) => Policy | undefined
  readonly put: (made: MadePolicy) => void
  readonly documentOf: (version: string) => PolicyDocument | null
}

/** So many versions are held ready; the config's, and the one in force, are always. */
const shelfMax = 16

export const makeShelf = (config: MadePolicy): PolicyShelf => {
  const made = new Map<string, MadePolicy>([[config.policy.version, config]])
  return {
    policyOf: (version) => made.get(version)?.policy,
    documentOf: (version) => made.get(version)?.document ?? null,
    put: (one) => {
      made.delete(one.policy.version)
      made.set(one.policy.version, one)
      const [oldest] = [...made.keys()].filter((version) => version !== config.policy.version)
      if (made.size > shelfMax && oldest !== undefined) made.delete(oldest)
    }
  }
}

const refuse = (path: string, reason: string): ConfigInvalid => new ConfigInvalid({ issues: [{ file: "policy", path, reason }] })

const viewOf = (entry: PolicyActivated): PolicyEntry => ({
  version: entry.version, description: entry.description, origin: entry.origin ?? "config", by: entry.by ?? null, reason: entry.reason ?? "",
  at: entry.at, artifact: entry.artifact ?? null, reverted: entry.reverted === true
})

const said = ({ outcome, reason, rule }: Verdict): Explanation["verdict"] => ({ outcome, rule, reason: reason ?? "" })

/** A question as a person puts it, with the most harmless of what was left out. */
const filled = (draft: QuestionDraft, now: number): Question => {
  switch (draft.kind) {
    case "action":
      return { action: draft.executor, payload: null, risk: "medium", recentActions: 0, now, ...draft }
    case "capability":
      return { access: "execute", context: {}, declared: false, ...draft }
    case "module":
      return { framework: "esm", executors: [], channels: [], privileged: false, configured: false, ...draft }
  }
}

/** Says what is in force, and puts the config's in force at a start unless an operator's stands. */
export const make = Effect.fnUntraced(function*(options: PoliciesOptions, shelf: PolicyShelf, now: () => number): Effect.fn.Return<Policies, StoreUnavailable> {
  const { canonical, config, journal, store } = options
  let missing: string | null = null

  const log: Policies["log"] = Effect.gen(function*() {
    const entries: Array<PolicyEntry> = []
    for (let after = 0; ; ) {
      const page = yield* store.read(journalChannel, { after, limit: pageEventsMax, filter: { correlationId: policySubject } })
      for (const event of page.events) {
        const entry = entryOf(event)
        if (entry.kind === "policy.activated") entries.push(viewOf(entry))
      }
      if (page.events.length < pageEventsMax) return entries.reverse()
      after = page.events.at(-1)!.cursor
    }
  }).pipe(Effect.orDie)

  const kept = (document: PolicyDocument): Effect.Effect<string, StoreUnavailable> =>
    Effect.map(store.putArtifact(new TextEncoder().encode(canonical({ policy: document })), "application/json"), ({ digest }) => digest)

  const put = (made: MadePolicy, more: Pick<PolicyActivated, "origin" | "artifact" | "by" | "reason" | "reverted">): Effect.Effect<void> => {
    shelf.put(made)
    missing = null
    return Effect.asVoid(journal.submit((_, at) => ({
      entries: [{ kind: "policy.activated", at, version: made.policy.version, description: made.policy.description, ...more }], answer: undefined
    })))
  }

  /** Makes a policy again from its artifact. */
  const again = Effect.fnUntraced(function*(artifact: string): Effect.fn.Return<MadePolicy, ConfigInvalid> {
    const bytes = yield* Effect.mapError(store.getArtifact(artifact), () => refuse("", `its text is not kept any more (artifact ${artifact}).`))
    const value = yield* Effect.try({
      try: () => (JSON.parse(new TextDecoder().decode(bytes)) as { readonly policy: unknown }).policy, // as `kept` wrote it
      catch: () => refuse("", `its text cannot be read (artifact ${artifact}).`)
    })
    const document = yield* Effect.fromResult(decodeDocument(value, "policy"))
    if (options.make === undefined) return yield* refuse("", "this kernel makes no policies at run time.")
    return { policy: yield* options.make(document), document }
  })

  const { activated, policy: before } = journal.state()
  if (activated === null) {
    if (before !== config.policy.version) {
      yield* put(config, { origin: "config", artifact: config.document === null ? null : yield* kept(config.document) })
    }
  } else {
    const made = yield* Effect.result(again(activated.artifact))
    if (Result.isFailure(made)) missing = made.failure.message
    else if (made.success.policy.version === activated.version) shelf.put(made.success)
    // The same text under another version of the kernel.
    else yield* put(made.success, { origin: "operator", artifact: activated.artifact, by: activated.by, reason: activated.reason })
  }

  const view: Policies["view"] = Effect.gen(function*() {
    const state = journal.state()
    const policy = shelf.policyOf(state.policy)
    const newest = (yield* log)[0]
    return {
      version: state.policy, description: policy?.description ?? newest?.description ?? "", origin: newest?.origin ?? "config", by: newest?.by ?? null,
      reason: newest?.reason ?? "", since: newest?.at ?? null,
      rules: (policy?.rules ?? []).map(({ description, name }) => ({ name, description })),
      config: { version: config.policy.version, description: config.policy.description },
      missing,
      // Plain data: it was decoded from JSON, or from a config that was.
      document: shelf.documentOf(state.policy) as PolicyView["document"]
    }
  })

  const check: Policies["check"] = (given) =>
    Effect.flatMap(Effect.fromResult(decodeDocument(given, "policy")), (document) =>
      options.make === undefined ? Effect.fail(refuse("", "this kernel makes no policies at run time.")) : options.make(document))

  const explained = Effect.fnUntraced(function*(question: Question, recorded: Explanation["recorded"]): Effect.fn.Return<Explanation> {
    const policy = policyIn(options.rules(), journal.state())
    const judged = yield* judge(policy, question)
    return {
      question: judged as unknown as Explanation["question"], // plain data, as every question is
      version: policy.version, verdict: said(policy.ask(judged)),
      rules: (policy.explain?.(judged) ?? []).map(({ decision, description, rule }) => ({
        rule, description, outcome: decision?.outcome ?? null, reason: decision?.reason ?? ""
      })),
      recorded
    }
  })

  const bodyOf = (entry: Decided): Effect.Effect<unknown> =>
    Effect.map(Effect.orElseSucceed(store.event(entry.request), () => undefined), (event) => event?.payload)

  return {
    view,
    log,
    check,
    activate: Effect.fnUntraced(function*(given, by, reason) {
      const policy = yield* check(given)
      const document = yield* Effect.fromResult(decodeDocument(given, "policy"))
      yield* put({ policy, document }, { origin: "operator", artifact: yield* kept(document), by, reason })
      return yield* view
    }),
    revert: Effect.fnUntraced(function*(wanted, by, reason) {
      const current = journal.state().policy
      const entries = yield* log
      const target = wanted === undefined
        ? entries.find(({ version }) => version !== current)
        : wanted === "config" ? undefined : entries.find(({ version }) => version.startsWith(wanted))
      if (wanted === "config" || target?.version === config.policy.version) {
        yield* put(config, { origin: "config", artifact: config.document === null ? null : yield* Effect.orDie(kept(config.document)), by, reason, reverted: true })
        return yield* view
      }
      if (target === undefined) {
        return yield* refuse("", wanted === undefined ? "no other policy was in force before this one." : `no policy ${wanted} was in force; see aaax policy log.`)
      }
      if (target.artifact === null) {
        return yield* refuse("", `policy ${target.version} is code of an earlier config; put it back into the config and start again.`)
      }
      yield* put(yield* again(target.artifact), { origin: "operator", artifact: target.artifact, by, reason, reverted: true })
      return yield* view
    }),
    explainRequest: Effect.fnUntraced(function*(request) {
      const entries = yield* Effect.orDie(journal.about(request))
      const entry = entries.map((placed) => placed.entry).find(isDecided)
      if (entry === undefined) return yield* new WarrantNotFound({ warrant: request })
      const question = questionOf(entry, yield* bodyOf(entry), options.rules().digestOf)
      if (question === "unasked") return yield* refuse("", `policy was not asked about ${request}: it was ${saidOf(entry).rule} that said: ${saidOf(entry).reason}`)
      if (question === "erased") return yield* refuse("", `${request} cannot be decided again: its body was erased.`)
      if (question === "altered") return yield* refuse("", `${request} cannot be decided again: its body is not the one that was decided on.`)
      return yield* explained(question, { ...saidOf(entry), at: entry.at })
    }),
    explain: (draft) => explained(filled(draft, now()), null),
    freeze: (by, reason) => Effect.map(journal.submit(decideFreeze(by, reason)), ({ answer }) => answer),
    thaw: (by, reason) =>
      Effect.flatMap(journal.submit(decideThaw(by, reason)), ({ answer }) => (answer ? Effect.as(options.thawed, true) : Effect.succeed(false))),
    frozen: () => journal.state().frozen,
    notes: () => {
      const { activated: active, frozen } = journal.state()
      return [
        ...(frozen === null ? [] : [`FROZEN by ${frozen.by}${frozen.reason === "" ? "" : `: ${frozen.reason}`}. Nothing new starts; to go on: aaax thaw`]),
        ...(missing === null ? [] : [`THE POLICY IN FORCE IS NOT HERE, so everything is denied: ${missing} To take the config's: aaax policy revert config`]),
        ...(active === null ? [] : [`policy ${active.version} was put in force by ${active.by} and stands over the config's; to take that: aaax policy revert config`])
      ]
    }
  }
})
