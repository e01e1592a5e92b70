// Channel security: who may do what on a channel, beyond the wiring. The three roles are SSSN v1's.
import * as Schema from "effect/Schema"
import type { ChannelId, SystemId } from "./names.ts"
import { isSystemId } from "./names.ts"
import { matchesGlob } from "./glob.ts"

/** `write` includes `read`, `admin` includes both. Taking and settling need `write`; creating, clearing and evicting `admin`. */
export const Role = Schema.Literals(["read", "write", "admin"])
export type Role = typeof Role.Type

const ranks: Readonly<Record<Role, number>> = { read: 0, write: 1, admin: 2 }

/** Whether a role is enough for an operation. An unknown role is enough for nothing. */
export const suffices = (held: Role, asked: Role): boolean => ranks[held] >= ranks[asked]

export const isRole = (value: unknown): value is Role => typeof value === "string" && Object.hasOwn(ranks, value)

/** Who asks. Made by the kernel from a port or from a credential that was checked, never from data. */
export interface Principal {
  readonly id: SystemId
  /** What its credential says; absent for a system that is docked in-process, whose wiring is its credential. */
  readonly role?: Role
  /** Globs over the names of channels that its credential is good for; absent: every channel. */
  readonly channels?: ReadonlyArray<string>
  /** When its credential ends: kernel time in Unix milliseconds. */
  readonly expiresAt?: number
  /** Whether its credential lets it dock a system of its own. */
  readonly docks?: boolean
  /** Whether its credential lets it answer for actions that wait. Only the kernel's own tokens do. */
  readonly approves?: boolean
  /** Of its enrolled key; absent: it came with a token. */
  readonly epoch?: number
  /** Id of its token, for revocation. */
  readonly tokenId?: string
  /** The security that vouches for it; absent: the kernel itself. */
  readonly authority?: ChannelSecurity
}

/** Whether a credential is good for a name, whatever is there under that name. */
export const reaches = (principal: Principal, channel: ChannelId): boolean =>
  principal.channels === undefined || principal.channels.some((glob) => matchesGlob(glob, channel))

/**
 * Decides for a channel. Given to a channel by its author, it is asked before every operation on it, settling and
 * clearing included, whether the caller is docked in-process or comes over the network. Given to the network, it is asked
 * for every PUBLIC channel that has none of its own, and it says whose token it is.
 */
export interface ChannelSecurity {
  readonly name: string
  /** Allows so much that it must not be reached from elsewhere: such a security serves loopback addresses only. */
  readonly loopbackOnly?: boolean
  /** On the path of every operation: no waiting, no I/O. What throws is a refusal. */
  readonly allows: (principal: Principal, channel: ChannelId, operation: Role) => boolean
  /**
   * Whose token it is, or nothing. Absent: it knows no tokens, and those of the kernel name the caller. `now` is kernel
   * time in Unix milliseconds.
   */
  readonly authenticate?: (token: string, now: number) => Promise<Principal | undefined>
  /** Whether what it authenticated is still good; asked before every operation. Absent: until it expires. */
  readonly isGood?: (principal: Principal) => boolean
}

/** For development: a token *is* the id of a system, and everything is allowed. Only on loopback addresses. */
export class OpenSecurity implements ChannelSecurity {
  readonly name = "open"
  readonly loopbackOnly = true
  readonly allows = (): boolean => true
  readonly authenticate = (token: string): Promise<Principal | undefined> =>
    Promise.resolve(isSystemId(token) ? { id: token, role: "admin", authority: this } : undefined)
  /** The id itself. */
  readonly generateToken = (system: SystemId): string => system
}

/** Ids that may read, write and administrate. */
export interface AccessLists {
  readonly read?: Iterable<SystemId>
  readonly write?: Iterable<SystemId>
  readonly admin?: Iterable<SystemId>
}

/** Three lists of ids, changed while they are in use. */
export class AccessControl {
  readonly #held = new Map<SystemId, Role>()

  constructor(lists: AccessLists = {}) {
    for (const role of ["read", "write", "admin"] as const) for (const id of lists[role] ?? []) this.grant(id, role)
  }

  /** Gives a role, in any case of letters; a higher one that is held already stays. */
  grant(id: SystemId, role: Role | Uppercase<Role>): void {
    const given = typeof role === "string" ? role.toLowerCase() : role
    if (!isRole(given)) throw new RangeError(`Unknown role ${JSON.stringify(role)}: use read, write or admin.`)
    const held = this.#held.get(id)
    if (held === undefined || !suffices(held, given)) this.#held.set(id, given)
  }

  /** Takes everything away. */
  revoke(id: SystemId): void {
    this.#held.delete(id)
  }

  holds(id: SystemId, operation: Role): boolean {
    const held = this.#held.get(id)
    return held !== undefined && suffices(held, operation)
  }
}

/**
 * Lists of system ids. A change counts from the next call on. An id is no credential: over the network the caller is
 * whom its kernel token names, and these lists decide what it may do.
 */
export class ACLSecurity implements ChannelSecurity {
  readonly name = "acl"
  readonly #lists: AccessControl

  constructor(lists: AccessLists = {}) {
    this.#lists = new AccessControl(lists)
  }

  readonly allows = (principal: Principal, _channel: ChannelId, operation: Role): boolean => this.#lists.holds(principal.id, operation)
  readonly grant = (id: SystemId, role: Role | Uppercase<Role>): void => this.#lists.grant(id, role)
  readonly revoke = (id: SystemId): void => this.#lists.revoke(id)
  /** Grants the role and answers the id. */
  readonly generateToken = (id: SystemId, role: Role | Uppercase<Role>): string => {
    this.#lists.grant(id, role)
    return id
  }
}
