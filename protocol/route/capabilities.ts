// Routes of capabilities: who holds what, and how an operator mints, passes on and ends it.
import * as Schema from "effect/Schema"
import { Access, Caveats } from "../authority.ts"
import { SystemId } from "../names.ts"
import { GrantStory, GrantView } from "../view.ts"
import { MaybeNumber, None, row, Text } from "./row.ts"

const Given = {
  to: SystemId,
  caveats: Schema.optionalKey(Caveats),
  /** Seconds. */
  ttl: Schema.optionalKey(Schema.Finite)
}

export const capabilityRoutes = {
  grants: row({
    method: "GET", path: "/v1/capabilities", group: "capabilities", enrolled: true, says: "Grants that are in force, oldest first.", payload: None,
    query: Schema.Struct({ holder: Text, resource: Text, limit: MaybeNumber }), success: Schema.Array(GrantView)
  }),
  issueGrant: row({
    method: "POST", path: "/v1/capabilities", group: "capabilities", query: None, status: 201, success: GrantView,
    says: "Mints a grant for a docked system. Without `ttl` and `expiresAt` it lasts an hour.",
    payload: Schema.Struct({ ...Given, resource: Schema.NonEmptyString.check(Schema.isMaxLength(1000)), access: Access })
  }),
  delegateGrant: row({
    method: "POST", path: "/v1/delegations", group: "capabilities", query: None, status: 201, success: GrantView,
    says: "Makes a narrower grant of one, in its holder's place. It ends with it.",
    payload: Schema.Struct({ ...Given, token: Schema.NonEmptyString, access: Schema.optionalKey(Access), facet: Schema.optionalKey(Schema.Boolean) })
  }),
  grant: row({
    method: "GET", path: "/v1/capabilities/:id", group: "capabilities", enrolled: true, says: "One grant, with everything that it is checked together with.",
    query: None, payload: None, success: GrantStory
  }),
  revokeGrant: row({
    method: "DELETE", path: "/v1/capabilities/:id", group: "capabilities", query: None, payload: None,
    says: "Ends a grant and what was derived from it, and interrupts what is under way under it.",
    /** How many grants ended. */
    success: Schema.Struct({ ended: Schema.Int })
  })
} as const
