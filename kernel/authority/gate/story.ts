// The story of one action: what its entries in the journal say, one after another.
import type { Edit, GateStory, Link } from "../../../protocol/approval.ts"
import type { GateView } from "../../../protocol/view.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import type { Entry } from "../entry.ts"
import { payloadOf } from "../entry.ts"
import { lookup, type AuthorityState, type Placed } from "../state/state.ts"

export interface Told extends Pick<GateView, "verdict" | "answer" | "reconciled"> {
  readonly warrant: Warrant
  readonly result: unknown
  readonly resultArtifact: string | null
}

export const asked = (warrant: Warrant): Told => ({
  warrant, result: null, resultArtifact: null, verdict: warrant.reason, answer: null, reconciled: null
})

/** What one more entry makes of a warrant's story. */
export const tell = (told: Told | undefined, entry: Entry): Told | undefined => {
  if (entry.kind === "action.decided") return asked(entry.warrant)
  if (told === undefined) return undefined
  const changed = (change: Partial<Warrant>): Told => ({ ...told, warrant: { ...told.warrant, ...change } })
  const approvals = told.warrant.approvals ?? []
  switch (entry.kind) {
    case "warrant.endorsed":
      return changed({ approvals: [...approvals, { by: entry.by, at: entry.at }] })
    case "warrant.edited":
      return {
        ...changed({
          digest: entry.digest, payloadArtifact: entry.payloadArtifact, rule: entry.rule, reason: entry.verdict, editedBy: entry.by, approvals: [],
          risk: entry.risk, recovery: entry.recovery
        }),
        verdict: entry.verdict
      }
    case "warrant.answered": {
      const { at, by, outcome, reason } = entry
      const next = outcome === "approved"
        ? changed({ approvedBy: by, approvals: [...approvals, { by, at }] })
        : changed({ state: "refused", reason: reason === "" ? `Denied by ${by}` : reason })
      return { ...next, answer: { by, outcome, reason, at } }
    }
    case "warrant.expired":
      return changed({ state: "expired", reason: "Nobody answered before it expired" })
    case "warrant.started":
      return changed({
        state: "started", attempt: entry.attempt, kernelEpoch: entry.kernelEpoch,
        ...(entry.reserved === undefined || entry.charged === undefined ? {} : { reserved: entry.reserved, charged: entry.charged })
      })
    case "warrant.compensating":
      return changed({ compensation: { warrant: entry.compensation, outcome: null } })
    case "warrant.compensated":
      return changed({
        compensation: { warrant: entry.compensation, outcome: entry.outcome }, ...(entry.outcome === "succeeded" ? { state: "compensated" as const } : {})
      })
    case "warrant.finished": {
      const { at, outcome, reason, reconciledBy, result, resultArtifact, spent } = entry
      return {
        ...changed({
          state: outcome, reason, ...(spent === undefined ? {} : { spent }), ...(entry.labels === undefined ? {} : { labels: entry.labels })
        }), result, resultArtifact,
        reconciled: reconciledBy === null || outcome === "unknown" ? told.reconciled : { by: reconciledBy, outcome, reason, at }
      }
    }
    default:
      return told
  }
}

/** The chain of grants from the one that an action was asked under up to its root. */
export const linksOf = (state: AuthorityState, grant: string | null): ReadonlyArray<Link> => {
  const links: Array<Link> = []
  for (let id = grant; id !== null && links.length < 64; ) {
    const held = lookup(state.grants, id)
    if (held === undefined) {
      links.push({ id, holder: "", resource: "", access: "", caveats: {}, origin: "", live: false })
      break
    }
    const { access, caveats, holder, origin, parent, resource } = held.grant
    links.push({ id, holder, resource, access, caveats: structuredClone(caveats), origin, live: true })
    id = parent
  }
  return links
}

/** Entries whose content is told by fields of their own. */
const toldApart: ReadonlySet<Entry["kind"]> = new Set<Entry["kind"]>([
  "action.decided", "warrant.answered", "warrant.endorsed", "warrant.edited", "warrant.started", "warrant.finished", "warrant.expired"
])

/** What the entries say beside the state that they led to. */
export const details = (placed: ReadonlyArray<Placed>): Pick<GateStory, "endorsements" | "edits" | "attempts" | "endedAt" | "more" | "journal"> => {
  const endorsements: Array<GateStory["endorsements"][number]> = []
  const edits: Array<Edit> = []
  const attempts: Array<GateStory["attempts"][number]> = []
  const more: Array<GateStory["more"][number]> = []
  let endedAt: number | null = null
  for (const { cursor, entry } of placed) {
    if (entry.kind === "warrant.endorsed" || (entry.kind === "warrant.answered" && entry.outcome === "approved")) {
      const { at, by, digest, reason } = entry
      endorsements.push({ by, at, reason, digest })
    }
    if (entry.kind === "warrant.edited") {
      const { at, by, digest, from, reason } = entry
      edits.push({ by, at, reason, from, digest })
    }
    if (entry.kind === "action.decided" && entry.warrant.state === "started") attempts.push({ attempt: 1, at: entry.at, boot: entry.warrant.kernelEpoch })
    if (entry.kind === "warrant.started") attempts.push({ attempt: entry.attempt, at: entry.at, boot: entry.kernelEpoch })
    const isEnd = entry.kind === "warrant.expired" || (entry.kind === "warrant.answered" && entry.outcome === "refused") ||
      (entry.kind === "warrant.finished" && entry.outcome !== "unknown") || (entry.kind === "action.decided" && entry.warrant.state === "denied")
    if (isEnd) endedAt = entry.at
    if (!toldApart.has(entry.kind)) {
      // An entry is JSON: it was kept as that.
      more.push({ cursor, kind: entry.kind, at: entry.at, detail: payloadOf(entry) as GateStory["more"][number]["detail"] })
    }
  }
  return { endorsements, edits, attempts, endedAt, more, journal: placed.map(({ cursor }) => cursor) }
}
