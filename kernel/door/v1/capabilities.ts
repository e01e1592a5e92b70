// Rows of capabilities: what an operator sees of grants, mints, passes on and ends.
import * as Effect from "effect/Effect"
import { GrantNotFound } from "../../../protocol/errors.ts"
import type { Kernel } from "../../kernel.ts"
import { operator } from "../operator.ts"
import type { Handlers } from "./handlers.ts"

export const capabilityRows = ({ grants }: Kernel): Pick<Handlers, "grants" | "grant" | "issueGrant" | "delegateGrant" | "revokeGrant"> => ({
  // Who is not the operator sees what it holds, and learns of nothing else.
  grants: ({ guest, query }) => Effect.sync(() => grants.list(guest.isOperator ? query : { ...query, holder: guest.system })),
  grant: ({ guest, id }) =>
    Effect.filterOrFail(grants.show(id), ({ holder }) => guest.isOperator || holder === guest.system, () => new GrantNotFound({ grant: id })),
  issueGrant: ({ payload }) => grants.issue(operator, payload),
  // What came in as JSON is JSON: the kernel reads caveats once more, and strictly.
  delegateGrant: ({ payload }) => grants.delegate(operator, payload),
  revokeGrant: ({ id }) => Effect.map(grants.revoke(id), (ended) => ({ ended }))
})
