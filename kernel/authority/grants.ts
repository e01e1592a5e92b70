// The grants that are in force, as an operator sees them, and how one is ended.
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import { GrantNotFound } from "../../protocol/errors.ts"
import type { GrantView } from "../../protocol/view.ts"
import { pageEventsDefault, pageEventsMax } from "../limits.ts"
import type { Decision } from "./decide/decision.ts"
import type { Journal } from "./journal.ts"
import { subtree } from "./state/grants.ts"
import { lookup } from "./state/state.ts"

export interface GrantsQuery {
  readonly holder?: string
  readonly resource?: string
  readonly limit?: number
}

export interface Grants {
  /** Oldest first. */
  readonly list: (query?: GrantsQuery) => ReadonlyArray<GrantView>
  readonly show: (id: string) => Effect.Effect<GrantView, GrantNotFound>
  /** Ends it and what was derived from it; what is under way under one of them is interrupted. Answers how many ended. */
  readonly revoke: (id: string) => Effect.Effect<number, GrantNotFound>
}

/** Answers how many grants ended. */
export const decideRevoke = (id: string): Decision<number> => (state, now) => {
  const held = lookup(state.grants, id)
  if (held === undefined) return { entries: [], answer: 0 }
  const grants = subtree(state, [id])
  return { entries: [{ kind: "grants.ended", at: now, holder: held.grant.holder, grants, reason: "revoked" }], answer: grants.length }
}

export const make = (journal: Journal): Grants => ({
  list: ({ holder, limit = pageEventsDefault, resource } = {}) =>
    [...HashMap.values(journal.state().grants)]
      .filter(({ grant }) => (holder === undefined || grant.holder === holder) && (resource === undefined || grant.resource === resource))
      .sort((a, b) => a.grant.issuedAt - b.grant.issuedAt || (a.grant.id < b.grant.id ? -1 : 1))
      .slice(0, Math.min(limit, pageEventsMax))
      .map(({ grant, uses }) => ({ ...structuredClone(grant), uses })),
  show: (id) =>
    Effect.suspend(() => {
      const held = lookup(journal.state().grants, id)
      return held === undefined ? Effect.fail(new GrantNotFound({ grant: id })) : Effect.succeed({ ...structuredClone(held.grant), uses: held.uses })
    }),
  revoke: (id) =>
    Effect.flatMap(journal.submit(decideRevoke(id)), ({ answer }) => (answer === 0 ? Effect.fail(new GrantNotFound({ grant: id })) : Effect.succeed(answer)))
})
