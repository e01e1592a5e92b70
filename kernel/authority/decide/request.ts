// What every request shares: who asks, whether it has its verdict, and the answer to one that cannot be decided.
import type { SystemId } from "../../../protocol/names.ts"
import type { Entry, RequestReference } from "../entry.ts"
import { lookup, type AuthorityState, type KnownRequest } from "../state/state.ts"
import { nothing, type Decision } from "./decision.ts"

/** The position of a request's verdict in the journal is what its service waits for. */
export const answered = (state: AuthorityState, reference: RequestReference): KnownRequest | undefined =>
  lookup(state.requests, reference.request)

/** A request that claims another identity than the stamped one is refused; an equal claim is accepted. */
export const falseClaim = (claims: object, sender: SystemId): string | undefined => {
  for (const field of ["from", "system_id", "sender"] as const) {
    const claimed = (claims as Readonly<Record<string, unknown>>)[field]
    if (claimed !== undefined && claimed !== sender) {
      return `the payload says ${field} = ${JSON.stringify(claimed)?.slice(0, 200)}, but the sender is ${sender}; leave the field out, the kernel stamps it`
    }
  }
  return undefined
}

export const refuseRequest = (reference: RequestReference, reply: string, reason: string): Decision<void> => (state, now) =>
  answered(state, reference) === undefined
    ? { entries: [{ kind: "request.refused", at: now, ...reference, reply, reason }], answer: undefined }
    : nothing

/** The answer to a request that was carried out by other entries or by docking. */
export const decideReply = (
  reference: RequestReference, make: (at: number) => Extract<Entry, { readonly kind: "module.decided" | "lifecycle.decided" }>
): Decision<void> => (state, now) => (answered(state, reference) === undefined ? { entries: [make(now)], answer: undefined } : nothing)
