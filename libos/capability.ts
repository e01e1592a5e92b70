// Capabilities as a system has them in its hands: to act with, to pass a part of on, to take back.
import type { Access, Caveats } from "../protocol/authority.ts"
import type { SystemId } from "../protocol/names.ts"
import type { Session } from "./surface.ts"

/** What is known of a capability. Plain data: it can be told to the one who was given it, and is worth nothing to anybody else. */
export interface Capability {
  readonly resource: string
  readonly access: Access
  readonly token: string
  /** Kernel time in Unix seconds, after which it is dead; null: it does not expire. */
  readonly expires: number | null
}

export interface DelegateOptions {
  /** What it allows less than the one that it is made of; whatever holds for that one holds as well. */
  readonly caveats?: Caveats
  /** Less access than one has. */
  readonly access?: Access
  /** Seconds; default: as long as the one that it is made of, and for a facet five minutes. */
  readonly ttl?: number
  /** Makes it repeatable: the same key delegates once. */
  readonly key?: string
  readonly timeoutMillis?: number
}

/** A capability that was given to another system: its data is for that one, its end is for the giver. */
export interface GivenCapability extends Capability {
  /** Takes it back, and what was made of it. Answers how many ended. */
  readonly revoke: () => Promise<number>
}

/** A capability that this system holds. */
export interface HeldCapability extends GivenCapability {
  /** Makes a narrower one for another system, or for a part of this one. Rejects with `Refused`. */
  readonly delegate: (to: SystemId, options?: DelegateOptions) => Promise<GivenCapability>
  /** As `delegate`, of what may be used and neither passed on nor kept: it ends with this run of the kernel, at the latest in an hour. */
  readonly facet: (to: SystemId, options?: DelegateOptions) => Promise<GivenCapability>
}

/** Beside the data there are verbs, which do not travel with it. */
const withVerbs = <Verbs extends object>(capability: Capability, verbs: Verbs): Capability & Verbs => {
  const { access, expires, resource, token } = capability
  const descriptors = Object.fromEntries(Object.entries(verbs).map(([name, value]) => [name, { value }]))
  // The verbs are properties of it now.
  return Object.defineProperties({ resource, access, token, expires }, descriptors) as Capability & Verbs
}

const revoking = ({ authority, bridge }: Session, { token }: Capability): (() => Promise<number>) => () => bridge.run(authority.revokeCapability(token))

/** A capability with what can be done with it by its holder. */
export const heldBy = (session: Session, capability: Capability): HeldCapability => {
  const give = (isFacet: boolean) => async (to: SystemId, options: DelegateOptions = {}): Promise<GivenCapability> => {
    const given = await session.bridge.run(session.authority.delegate(capability.token, to, isFacet ? { ...options, facet: true } : options))
    return withVerbs(given, { revoke: revoking(session, given) })
  }
  return withVerbs(capability, { delegate: give(false), facet: give(true), revoke: revoking(session, capability) })
}
