// Channel security: what a credential allows on a channel. The three roles are SSSN v1's.
import * as Schema from "effect/Schema"

/** `write` includes `read`, `admin` includes both. Taking and settling need `write`; creating, clearing and evicting `admin`. */
export const Role = Schema.Literals(["read", "write", "admin"])
export type Role = typeof Role.Type

const ranks: Readonly<Record<Role, number>> = { read: 0, write: 1, admin: 2 }

/** Whether a role is enough for an operation. An unknown role is enough for nothing. */
export const suffices = (held: Role, asked: Role): boolean => ranks[held] >= ranks[asked]
