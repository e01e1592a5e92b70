// The grants that are in force, as an operator sees them; and how one is minted, passed on and ended.
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import type { Delegation, Grant } from "../../protocol/authority.ts"
import { Denied, GrantNotFound, InvalidPayload, SystemNotFound } from "../../protocol/errors.ts"
import { nearest, type SystemId } from "../../protocol/names.ts"
import type { GrantStory, GrantView } from "../../protocol/view.ts"
import { pageEventsDefault, pageEventsMax } from "../limits.ts"
import type { Decision } from "./decide/decision.ts"
import { decideDelegateFor, decideIssue, decideRevoke, type Issue, type NoGrant } from "./decide/delegate.ts"
import type { Journal } from "./journal.ts"
import { subtree } from "./state/grants.ts"
import { lookup, type HeldGrant } from "./state/state.ts"
import { chainOf, endOf, usesLeft } from "./verify.ts"

export interface GrantsQuery {
  readonly holder?: string
  readonly resource?: string
  readonly limit?: number
}

export type NotGiven = Denied | GrantNotFound | InvalidPayload | SystemNotFound

export interface Grants {
  /** Oldest first. */
  readonly list: (query?: GrantsQuery) => ReadonlyArray<GrantView>
  readonly show: (id: string) => Effect.Effect<GrantStory, GrantNotFound>
  /** Mints one for a docked system, under no other: `by` answers for it. */
  readonly issue: (by: SystemId, issue: Issue) => Effect.Effect<GrantView, NotGiven>
  /** Makes a child of one in its holder's place. */
  readonly delegate: (by: SystemId, delegation: Delegation) => Effect.Effect<GrantView, NotGiven>
  /** Ends it and what was derived from it; what is under way under one of them is interrupted. Answers how many ended. */
  readonly revoke: (id: string) => Effect.Effect<number, GrantNotFound>
}

const viewOf = ({ grant, uses }: HeldGrant): GrantView => ({ ...structuredClone(grant), uses })

export const make = (journal: Journal): Grants => {
  const given = Effect.fnUntraced(function*(
    by: SystemId, operation: string, target: string, decision: Decision<Grant | NoGrant>
  ): Effect.fn.Return<GrantView, NotGiven> {
    const { answer } = yield* journal.submit(decision)
    if ("id" in answer) return viewOf({ grant: answer, uses: 0 })
    const { isMalformed, isUnknown, reason, unknownSystem } = answer
    if (unknownSystem !== undefined) {
      const near = nearest(unknownSystem, HashMap.keys(journal.state().systems))
      return yield* new SystemNotFound({ system: unknownSystem, ...(near === undefined ? {} : { nearest: near }) })
    }
    if (isUnknown === true) return yield* new GrantNotFound({ grant: target })
    return yield* isMalformed === true
      ? new InvalidPayload({ what: "capability", path: "caveats", reason })
      : new Denied({ system: by, operation, target, reason })
  })

  return {
    list: ({ holder, limit = pageEventsDefault, resource } = {}) =>
      [...HashMap.values(journal.state().grants)]
        .filter(({ grant }) => (holder === undefined || grant.holder === holder) && (resource === undefined || grant.resource === resource))
        .sort((a, b) => a.grant.issuedAt - b.grant.issuedAt || (a.grant.id < b.grant.id ? -1 : 1))
        .slice(0, Math.min(limit, pageEventsMax))
        .map(viewOf),
    show: (id) =>
      Effect.suspend(() => {
        const state = journal.state()
        const held = lookup(state.grants, id)
        if (held === undefined) return Effect.fail(new GrantNotFound({ grant: id }))
        const chain = chainOf(state, id)
        return Effect.succeed({
          ...viewOf(held), chain: chain.slice(1).map(viewOf), usesLeft: usesLeft(chain), endsAt: endOf(chain) ?? null, below: subtree(state, [id]).size - 1
        })
      }),
    issue: (by, issue) => given(by, "issue", issue.resource, decideIssue(by, issue)),
    delegate: (by, delegation) => given(by, "delegate", delegation.token, decideDelegateFor(by, delegation)),
    revoke: (id) =>
      Effect.flatMap(journal.submit(decideRevoke(id)), ({ answer }) => (answer === 0 ? Effect.fail(new GrantNotFound({ grant: id })) : Effect.succeed(answer)))
  }
}
