// Tokens of the kernel: what lets somebody outside in, under a name, with a role, for a while.
import * as Schema from "effect/Schema"
import { SystemId } from "./names.ts"
import { Role } from "./security.ts"

/** A token without its secret. */
export const TokenView = Schema.Struct({
  jti: Schema.String,
  /** The system that its holder acts as. */
  name: SystemId,
  role: Role,
  /** Globs over channel names; null: every PUBLIC channel. */
  channels: Schema.NullOr(Schema.Array(Schema.String)),
  /** Whether its holder may dock a system of its own from another process, under this name or below it. */
  docks: Schema.Boolean,
  /** Whether its holder may answer for actions that wait, under this name; absent: it may not. */
  approves: Schema.optionalKey(Schema.Boolean),
  /** Kernel time in Unix milliseconds. */
  mintedAt: Schema.Int,
  expiresAt: Schema.Int
})
export interface TokenView extends Schema.Schema.Type<typeof TokenView> {}

/** What a token is minted from. */
export const TokenRequest = Schema.Struct({
  name: SystemId,
  role: Role,
  channels: Schema.optionalKey(Schema.Array(Schema.String)),
  docks: Schema.optionalKey(Schema.Boolean),
  approves: Schema.optionalKey(Schema.Boolean),
  /** Default: a day; at most a year. */
  ttlSeconds: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0)))
})
export interface TokenRequest extends Schema.Schema.Type<typeof TokenRequest> {}

/** A new token. The secret is told once and kept nowhere. */
export const MintedToken = Schema.Struct({ ...TokenView.fields, token: Schema.String })
export interface MintedToken extends Schema.Schema.Type<typeof MintedToken> {}

export const tokenSecondsDefault = 24 * 3600
export const tokenSecondsMax = 366 * 24 * 3600
