// Channel security by JSON Web Tokens of somebody else's making, or of one's own. What a token must be is configured here
// and never read from the token: the algorithms, the issuer, the audience, the keys.
import type { JSONWebKeySet, JWK, JWTVerifyGetKey, JWTVerifyOptions } from "jose"
import { ConfigInvalid } from "../../protocol/errors.ts"
import { isSystemId, type ChannelId, type SystemId } from "../../protocol/names.ts"
import {
  AccessControl, isRole, reaches, suffices, type AccessLists, type ChannelSecurity, type Principal, type Role
} from "../../protocol/security.ts"
import { tokenSecondsDefault, tokenSecondsMax } from "../../protocol/token.ts"
import { systemSource } from "../clock.ts"
import { revokedTokensMax, tokenChannelsMax } from "../limits.ts"
import { partsOf } from "./canonical-token.ts"

export type JWTAlgorithm = "EdDSA" | "ES256" | "HS256"

/** A set of public keys, the https address where it is kept, or what reads it. */
export type JWKSource = string | URL | JSONWebKeySet | (() => Promise<JSONWebKeySet>)

export interface JWTSecurityOptions {
  readonly issuer: string
  readonly audience: string
  /** Those that are accepted; default: EdDSA alone. HS256 stands alone, so that no public key is ever taken for a secret. */
  readonly algorithms?: ReadonlyArray<JWTAlgorithm>
  /** For HS256: at least 32 bytes. */
  readonly secret?: string | Uint8Array
  /** Public keys for EdDSA and ES256. They are told apart by `kid`, so that a new one comes before the old one goes. */
  readonly jwks?: JWKSource
  /** The private key that `generateToken` signs with, where this side issues tokens. */
  readonly signingKey?: JWK
  /** Systems that are docked in-process carry no token: what they may do. Who provides the channel needs none of these. */
  readonly systems?: AccessLists
  /** Ids of tokens, or subjects, that are not good any more. */
  readonly revoked?: Iterable<string>
}

export interface GenerateOptions {
  /** Globs over channel names; default: every channel that this security guards. */
  readonly channels?: ReadonlyArray<string>
  /** Default: a day. */
  readonly expiresInSeconds?: number
  /** Unix milliseconds; default: the wall clock's. */
  readonly now?: number
}

/** Loaded at the first token. */
const jose = () => import("jose")

const known: ReadonlySet<string> = new Set(["EdDSA", "ES256", "HS256"] satisfies ReadonlyArray<JWTAlgorithm>)

/** A header that brings a key along, or rules of its own, is not ours. */
const foreignHeaders = ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"] as const

const secretBytesMin = 32

const refuse = (path: string, reason: string): ConfigInvalid =>
  new ConfigInvalid({ issues: [{ file: "JWTChannelSecurity", path, reason }] })

const remote = (given: string | URL): JWTVerifyGetKey => {
  const url = URL.canParse(String(given)) ? new URL(given) : undefined
  if (url === undefined) throw refuse("jwks", "must be an https address, a set of keys, or a function that reads one.")
  const isLocal = ["127.0.0.1", "localhost", "[::1]"].includes(url.hostname)
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLocal)) throw refuse("jwks", "keys are fetched over https only.")
  let set: JWTVerifyGetKey | undefined
  return async (header, token) => {
    set ??= (await jose()).createRemoteJWKSet(url, { timeoutDuration: 5_000, cooldownDuration: 30_000, cacheMaxAge: 600_000 })
    return set(header, token)
  }
}

const keysOf = (source: JWKSource): JWTVerifyGetKey => {
  if (typeof source === "string" || source instanceof URL) return remote(source)
  const kept = typeof source === "function" ? undefined : structuredClone(source)
  return async (header, token) => (await jose()).createLocalJWKSet(kept ?? await (source as () => Promise<JSONWebKeySet>)())(header, token) // nothing is kept of a function alone
}

export class JWTChannelSecurity implements ChannelSecurity {
  readonly name = "jwt"
  readonly #issuer: string
  readonly #audience: string
  readonly #algorithms: ReadonlyArray<JWTAlgorithm>
  readonly #secret: Uint8Array | undefined
  readonly #signingKey: JWK | undefined
  readonly #systems: AccessControl
  readonly #revoked: Set<string>
  #keys: JWTVerifyGetKey | undefined

  /** Throws `ConfigInvalid` for what would leave a token unchecked. */
  constructor(options: JWTSecurityOptions) {
    const { algorithms = ["EdDSA"], audience, issuer, jwks, revoked, secret, signingKey, systems } = options
    if (typeof issuer !== "string" || issuer === "") throw refuse("issuer", "is missing: whose tokens are these?")
    if (typeof audience !== "string" || audience === "") throw refuse("audience", "is missing: for whom are the tokens?")
    const strange = algorithms.find((algorithm) => !known.has(algorithm))
    if (strange !== undefined || algorithms.length === 0) throw refuse("algorithms", `${strange ?? "none"} is not offered; use EdDSA, ES256 or HS256.`)
    const isShared = algorithms.includes("HS256")
    if (isShared && algorithms.length > 1) throw refuse("algorithms", "HS256 stands alone: beside it a public key could be taken for the secret.")
    if (isShared && secret === undefined) throw refuse("secret", "is missing: HS256 needs one.")
    if (!isShared && secret !== undefined) throw refuse("secret", "is for HS256 alone; EdDSA and ES256 have keys in `jwks`.")
    if (!isShared && jwks === undefined) throw refuse("jwks", "is missing: EdDSA and ES256 need public keys.")
    if (isShared && (jwks !== undefined || signingKey !== undefined)) throw refuse("jwks", "is for EdDSA and ES256; HS256 has a `secret`.")
    this.#issuer = issuer
    this.#audience = audience
    this.#algorithms = [...algorithms]
    // A copy: what the caller does to its bytes afterwards changes nothing here.
    this.#secret = secret === undefined ? undefined : typeof secret === "string" ? new TextEncoder().encode(secret) : Uint8Array.from(secret)
    if (this.#secret !== undefined && this.#secret.byteLength < secretBytesMin) throw refuse("secret", `must have at least ${secretBytesMin} bytes.`)
    this.#keys = jwks === undefined ? undefined : keysOf(jwks)
    this.#signingKey = signingKey === undefined ? undefined : structuredClone(signingKey)
    this.#systems = new AccessControl(systems)
    this.#revoked = new Set(revoked)
  }

  /** Who holds a token; nothing when it is forged, expired, revoked, or for somebody else. */
  readonly authenticate = async (token: string, now: number = systemSource.wall()): Promise<Principal | undefined> => {
    const parts = partsOf(token)
    if (parts === undefined || foreignHeaders.some((name) => Object.hasOwn(parts.header, name))) return undefined
    const options: JWTVerifyOptions = {
      algorithms: [...this.#algorithms], issuer: this.#issuer, audience: this.#audience, requiredClaims: ["exp", "iss", "aud", "sub"],
      currentDate: new Date(now)
    }
    const { jwtVerify } = await jose()
    const verified = this.#secret !== undefined
      ? jwtVerify(token, this.#secret, options)
      : this.#keys !== undefined ? jwtVerify(token, this.#keys, options) : undefined
    const claims = await verified?.then(({ payload }) => payload, () => undefined)
    if (claims === undefined) return undefined
    const { channels, exp, jti, role, sub } = claims
    if (sub === undefined || !isSystemId(sub) || exp === undefined) return undefined
    const globs = channels === undefined ? undefined : listOf(channels)
    if (channels !== undefined && globs === undefined) return undefined
    const principal: Principal = {
      id: sub,
      authority: this,
      expiresAt: exp * 1_000,
      // A role that nobody knows is enough for nothing.
      ...(isRole(role) ? { role } : {}),
      ...(globs === undefined ? {} : { channels: globs }),
      ...(typeof jti === "string" ? { tokenId: jti } : {})
    }
    return this.isGood(principal) ? principal : undefined
  }

  readonly allows = (principal: Principal, channel: ChannelId, operation: Role): boolean => {
    const { authority, id, role } = principal
    if (authority === this) return role !== undefined && suffices(role, operation) && reaches(principal, channel) && this.isGood(principal)
    // Without a credential it is docked in-process. A credential of somebody else says nothing here.
    return authority === undefined && role === undefined && this.#systems.holds(id, operation)
  }

  readonly isGood = ({ id, tokenId }: Principal): boolean =>
    this.#revoked.size === 0 || !(this.#revoked.has(id) || (tokenId !== undefined && this.#revoked.has(tokenId)))

  /** Whose token it is, when it is enough for this operation on this channel. */
  readonly authorizeFromToken = async (token: string, channel: ChannelId, operation: Role, now?: number): Promise<SystemId | undefined> => {
    const principal = await this.authenticate(token, now)
    return principal !== undefined && this.allows(principal, channel, operation) ? principal.id : undefined
  }

  /** A signed token. Only where this side has the secret or a signing key. */
  readonly generateToken = async (
    system: SystemId, role: Role, { channels, expiresInSeconds = tokenSecondsDefault, now = systemSource.wall() }: GenerateOptions = {}
  ): Promise<string> => {
    if (!isSystemId(system)) throw new RangeError(`${JSON.stringify(system)} is not a system id.`)
    if (!isRole(role)) throw new RangeError(`Unknown role ${JSON.stringify(role)}: use read, write or admin.`)
    if (!(expiresInSeconds > 0 && expiresInSeconds <= tokenSecondsMax)) throw new RangeError(`A token lives up to ${tokenSecondsMax} seconds.`)
    if (channels !== undefined && listOf(channels) === undefined) throw new RangeError(`A token names at most ${tokenChannelsMax} channels.`)
    const { importJWK, SignJWT } = await jose()
    const algorithm = this.#secret !== undefined ? "HS256" : this.#signingKey?.crv === "P-256" ? "ES256" : "EdDSA"
    const key = this.#secret ?? (this.#signingKey === undefined ? undefined : await importJWK(this.#signingKey, algorithm))
    if (key === undefined) throw new RangeError("Tokens are issued elsewhere: there is no signing key here.")
    const issued = Math.floor(now / 1_000)
    const kid = this.#signingKey?.kid
    return new SignJWT({ role, ...(channels === undefined ? {} : { channels: [...channels] }) })
      .setProtectedHeader({ alg: algorithm, typ: "JWT", ...(kid === undefined ? {} : { kid }) })
      .setIssuer(this.#issuer).setAudience(this.#audience).setSubject(system).setJti(crypto.randomUUID())
      .setIssuedAt(issued).setExpirationTime(issued + Math.ceil(expiresInSeconds))
      .sign(key)
  }

  /** Ends tokens from the next call on, also on open connections: one by its id, or all of a subject. Kept in memory only. */
  readonly revoke = (tokenIdOrSubject: string): void => {
    // Forgetting one would revive it.
    if (this.#revoked.size >= revokedTokensMax) throw new RangeError(`${revokedTokensMax} tokens are revoked; change the key instead.`)
    this.#revoked.add(tokenIdOrSubject)
  }

  /** Takes other public keys from now on. */
  readonly rotate = (jwks: JWKSource): void => {
    if (this.#secret !== undefined) throw refuse("jwks", "is for EdDSA and ES256; HS256 has a `secret`.")
    this.#keys = keysOf(jwks)
  }
}

const listOf = (given: unknown): ReadonlyArray<string> | undefined =>
  Array.isArray(given) && given.length <= tokenChannelsMax && given.every((glob) => typeof glob === "string") ? [...given] : undefined
