// Asks a channel's security. What it throws is a refusal: code of an author must not open what it was to guard.
import { Denied } from "../../protocol/errors.ts"
import type { ChannelId } from "../../protocol/names.ts"
import type { ChannelSecurity, Principal, Role } from "../../protocol/security.ts"

/** Allows nothing: for a channel whose own security is not here. */
export const closedSecurity: ChannelSecurity = { name: "closed until its provider is docked", allows: () => false }

const words: Readonly<Record<Role, string>> = { read: "read", write: "write to", admin: "administrate" }

/** Says which role is missing on a channel. */
export const roleDenied = (principal: Principal, channel: ChannelId, operation: Role, reason: string): Denied =>
  new Denied({ system: principal.id, operation: words[operation], target: channel, reason, how: `Ask its owner for the role '${operation}'.` })

/* hot */
/** The refusal of an operation, or nothing when it is allowed. */
export const securityRefusal = (
  security: ChannelSecurity, principal: Principal, channel: ChannelId, operation: Role
): Denied | undefined => {
  let allowed = false
  try {
    // Only the word itself opens: an author's promise, for one, is not an answer.
    allowed = security.allows(principal, channel, operation) === true
  } catch {
    allowed = false
  }
  return allowed ? undefined : roleDenied(principal, channel, operation, `the channel's security (${security.name}) does not allow it`)
}
