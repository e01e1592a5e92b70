// Receipts: what the journal says of one action, signed by the audit key, for whoever asked for it to keep. The verdict and
// the outcome are two, because they are two claims: that it was allowed, and what the executor reported.
import type { Receipts } from "../../../protocol/view.ts"
import type { Entry } from "../entry.ts"
import type { Placed } from "../state/state.ts"
import { base64Of, type Signer } from "./checkpoint.ts"
import { keyText } from "./keeper.ts"
import { hexOf, type Hashing } from "./merkle.ts"

export interface ReceiptOptions {
  readonly kernel: string
  readonly signer: Signer
  readonly hashing: Hashing
  readonly canonical: (value: unknown) => string
  readonly sha256: (text: string) => string
}

const urlText = (text: string): string => base64Of(new TextEncoder().encode(text)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/u, "")

/** A compact JWS (EdDSA) over claims in canonical JSON. */
const jws = ({ canonical, signer }: ReceiptOptions, claims: Readonly<Record<string, unknown>>): string => {
  const header = canonical({ alg: "EdDSA", kid: keyText(signer.publicKey), typ: "aaax-receipt+jws" })
  const text = `${urlText(header)}.${urlText(canonical(claims))}`
  return `${text}.${base64Of(signer.sign(text)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/u, "")}`
}

const isVerdict = ({ kind }: Entry): boolean => kind === "action.decided" || kind === "warrant.answered" || kind === "warrant.expired" || kind === "warrant.edited"

/** What was decided, in one word. */
const decisionOf = (entry: Entry): string =>
  entry.kind === "action.decided" ? entry.warrant.state : entry.kind === "warrant.answered" ? entry.outcome : entry.kind === "warrant.edited" ? "edited" : "expired"

/** Receipts of an action from its entries, oldest first; nothing when they are of no action. */
export const receiptsOf = (options: ReceiptOptions, entries: ReadonlyArray<Placed>): Receipts | undefined => {
  const asked = entries.find(({ entry }) => entry.kind === "action.decided")
  const verdict = entries.findLast(({ entry }) => isVerdict(entry))
  if (asked?.entry.kind !== "action.decided" || verdict === undefined) return undefined
  const { warrant } = asked.entry
  const common = ({ cursor, entry, hash }: Placed): Readonly<Record<string, unknown>> => ({
    kernel: options.kernel, request: warrant.id, cursor, hash, leaf: hexOf(options.hashing.entry(cursor, hash)), at: entry.at
  })
  const policy = (warrant as { readonly policy?: unknown }).policy
  const decision = jws(options, {
    ...common(verdict), receipt: "decision", decision: decisionOf(verdict.entry), system: warrant.system, executor: warrant.executor, action: warrant.action,
    target: warrant.target, digest: verdict.entry.kind === "warrant.answered" || verdict.entry.kind === "warrant.edited" ? verdict.entry.digest : warrant.digest,
    risk: warrant.risk, rule: warrant.rule, policy: typeof policy === "string" ? policy : null
  })
  const outcome = entries.findLast(({ entry }) => entry.kind === "warrant.finished")
  if (outcome?.entry.kind !== "warrant.finished") return { decision, execution: null }
  const { attempt, outcome: word, result, resultArtifact } = outcome.entry
  return {
    decision,
    execution: jws(options, {
      ...common(outcome), receipt: "execution", outcome: word, attempt,
      // An artifact is named by the digest of its bytes, which are this text.
      resultHash: resultArtifact ?? options.sha256(options.canonical(result ?? null))
    })
  }
}
