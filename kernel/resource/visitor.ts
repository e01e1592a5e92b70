// Who asks for a resource: a system with its port, and what its credential says. Guests of a door are visitors.
import type { ChannelNotFound, Denied } from "../../protocol/errors.ts"
import type { ChannelId, SystemId } from "../../protocol/names.ts"
import type { Port } from "../../protocol/port.ts"
import type { Role } from "../../protocol/security.ts"

export interface Visitor {
  readonly system: SystemId
  readonly port: Port
  /** Why it may not do this on that channel, or nothing. A channel that is not shown is not found. */
  readonly refusal: (channel: ChannelId, role: Role) => Denied | ChannelNotFound | undefined
  /** The same for a name that is no channel's. */
  readonly allows: (name: string, role: Role) => Denied | undefined
}

/** What artifacts that belong to no channel are asked for by. */
export const artifactScope = "artifacts"
