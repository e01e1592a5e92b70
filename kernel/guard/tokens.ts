// Tokens of this kernel: signed so that nobody else can make one, and in the journal so that each can be taken back. A
// token is good when both agree; what it allows is read from the journal and never from the token.
//
//   header  {"alg":"EdDSA","typ":"aaax+jwt","kid":<thumbprint of the key>}
//   claims  {"iss":<kernel>,"aud":<kernel>,"sub":<name>,"jti","iat","exp","role","channels"?}
import * as HashMap from "effect/HashMap"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { CryptoKey, JWK } from "jose"
import { doorPrefix } from "../../protocol/coordination.ts"
import { ConfigInvalid, Denied, InvalidPayload, Overloaded, StoreUnavailable, TokenNotFound } from "../../protocol/errors.ts"
import { isSegment, isSystemId, kernelSystem, type SystemId } from "../../protocol/names.ts"
import type { Principal } from "../../protocol/security.ts"
import { isRole } from "../../protocol/security.ts"
import { tokenSecondsDefault, tokenSecondsMax, type MintedToken, type TokenRequest, type TokenView } from "../../protocol/token.ts"
import { isReserved } from "../../protocol/well-known.ts"
import type { Decision } from "../authority/decide/decision.ts"
import type { Journal } from "../authority/journal.ts"
import { lookup } from "../authority/state/state.ts"
import type { KernelClock } from "../clock.ts"
import { tokenChannelsMax, tokensMax } from "../limits.ts"
import { partsOf } from "./canonical-token.ts"

/** Loaded at the first token: most kernels start without one. */
const jose = () => import("jose")

/** A private Ed25519 key, as JWK. */
export type SigningKey = JWK

export interface TokensOptions {
  readonly kernel: string
  readonly journal: Journal
  readonly clock: KernelClock
  /** The key of this kernel; made and kept at the first call. */
  readonly key: Effect.Effect<SigningKey, StoreUnavailable>
  /** Whether a system of the constellation has this name. */
  readonly isDocked: (name: SystemId) => boolean
}

export interface Tokens {
  readonly mint: (request: TokenRequest) => Effect.Effect<MintedToken, Denied | InvalidPayload | Overloaded | StoreUnavailable>
  /** Those that are good, oldest first. */
  readonly list: () => ReadonlyArray<TokenView>
  /** By id, or all of a name; at once, also for open connections. Answers what was revoked. */
  readonly revoke: (target: string) => Effect.Effect<ReadonlyArray<TokenView>, TokenNotFound>
  /** Who holds a token; nothing when it is none of this kernel's, has expired, or was revoked. */
  readonly verify: (token: string) => Effect.Effect<Principal | undefined>
  readonly isLive: (jti: string) => boolean
  /** Fails when there are tokens whose key cannot be used: whoever published then would let nobody in, or anybody. */
  readonly ready: Effect.Effect<void, ConfigInvalid>
  /** Done whenever tokens were revoked, before `revoke` answers; answers how to stop that. */
  readonly onRevoked: (listener: Effect.Effect<void>) => () => void
}

const type = "aaax+jwt"

/** Names that no credential may carry: they speak for the kernel or for its operator. */
const taken: ReadonlySet<SystemId> = new Set(["operator", "terminal", kernelSystem])

/** Whether somebody outside may act under a name. */
export const isGuestName = (name: string, kernel: string): boolean =>
  isSystemId(name) && !taken.has(name) && !isReserved(name) && !name.startsWith(doorPrefix) && !name.startsWith(`${kernelSystem}/`) && name !== kernel

const invalid = (path: string, reason: string): InvalidPayload => new InvalidPayload({ what: "token", path, reason })

const requestRefusal = ({ channels, name, role, ttlSeconds }: TokenRequest): InvalidPayload | undefined => {
  if (typeof name !== "string" || !isSystemId(name)) return invalid("name", "a name is one or more path segments joined by /")
  if (!isRole(role)) return invalid("role", "use read, write or admin")
  if (ttlSeconds !== undefined && !(Number.isInteger(ttlSeconds) && ttlSeconds > 0 && ttlSeconds <= tokenSecondsMax)) {
    return invalid("ttlSeconds", `must be whole seconds above 0 and at most ${tokenSecondsMax}`)
  }
  if (channels === undefined) return undefined
  if (!Array.isArray(channels) || channels.length === 0 || channels.length > tokenChannelsMax) {
    return invalid("channels", `must be 1 to ${tokenChannelsMax} globs; leave it out for every PUBLIC channel`)
  }
  const wrong = channels.findIndex((glob) => typeof glob !== "string" || !isSegment(glob))
  return wrong < 0 ? undefined : invalid(`channels[${wrong}]`, "must be the name of a channel, with * for any characters")
}

/** A new key, as it is kept. */
export const newSigningKey = async (): Promise<SigningKey> => {
  const { exportJWK, generateKeyPair } = await jose()
  const { privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true })
  return exportJWK(privateKey)
}

/** A key that dies with the process, for a store that does. */
export const tokenKeyInMemory = (): Effect.Effect<SigningKey> => {
  let made: Promise<SigningKey> | undefined
  return Effect.promise(() => (made ??= newSigningKey()))
}

interface Keys {
  readonly kid: string
  readonly sign: CryptoKey | Uint8Array
  readonly verify: CryptoKey | Uint8Array
}

const keysOf = async (jwk: SigningKey): Promise<Keys> => {
  const { calculateJwkThumbprint, importJWK } = await jose()
  const { d: _, ...open } = jwk
  return { kid: await calculateJwkThumbprint(open), sign: await importJWK(jwk, "EdDSA"), verify: await importJWK(open, "EdDSA") }
}

const decideMint = (view: TokenView): Decision<boolean> => (state, now) =>
  HashMap.size(state.tokens) >= tokensMax && ![...HashMap.values(state.tokens)].some(({ expiresAt }) => expiresAt <= now)
    ? { entries: [], answer: false }
    : { entries: [{ kind: "token.minted", at: now, token: view }], answer: true }

const decideRevoke = (target: string): Decision<ReadonlyArray<TokenView>> => (state, now) => {
  const one = lookup(state.tokens, target)
  const fallen = one === undefined ? [...HashMap.values(state.tokens)].filter(({ name }) => name === target) : [one]
  return {
    entries: fallen.map((token) => ({ kind: "token.revoked" as const, at: now, jti: token.jti, name: token.name })),
    answer: fallen
  }
}

export const makeTokens = ({ clock, isDocked, journal, kernel, key }: TokensOptions): Tokens => {
  const listeners = new Set<Effect.Effect<void>>()
  const loading = Semaphore.makeUnsafe(1)
  let loaded: Keys | undefined
  const keys: Effect.Effect<Keys, StoreUnavailable> = loading.withPermit(Effect.suspend(() =>
    loaded !== undefined
      ? Effect.succeed(loaded)
      : Effect.flatMap(key, (jwk) =>
          Effect.tryPromise({
            try: async () => (loaded = await keysOf(jwk)),
            catch: () => new StoreUnavailable({ reason: "the kernel's token key is not an Ed25519 key" })
          }))))

  const isLive = (jti: string): boolean => {
    const token = lookup(journal.state().tokens, jti)
    return token !== undefined && token.expiresAt > clock.now()
  }

  const mint: Tokens["mint"] = Effect.fnUntraced(function*(request) {
    const refusal = requestRefusal(request)
    if (refusal !== undefined) return yield* refusal
    const { approves = false, channels, docks = false, name, role, ttlSeconds = tokenSecondsDefault } = request
    if (!isGuestName(name, kernel) || isDocked(name)) {
      return yield* new Denied({
        system: "operator", operation: "mint a token for", target: name,
        reason: isDocked(name) ? "a system of the constellation has this name" : "the name is the kernel's own",
        how: "Give whoever comes from outside a name of its own."
      })
    }
    const { kid, sign } = yield* keys
    const mintedAt = clock.now()
    const view: TokenView = {
      jti: crypto.randomUUID(), name, role, channels: channels === undefined ? null : [...channels], docks: docks === true, ...(approves === true ? { approves } : {}),
      mintedAt, expiresAt: mintedAt + ttlSeconds * 1_000
    }
    const { SignJWT } = yield* Effect.promise(jose)
    const token = yield* Effect.promise(() =>
      new SignJWT({ role, ...(channels === undefined ? {} : { channels: [...channels] }) })
        .setProtectedHeader({ alg: "EdDSA", typ: type, kid })
        .setIssuer(kernel).setAudience(kernel).setSubject(name).setJti(view.jti)
        .setIssuedAt(Math.floor(mintedAt / 1_000)).setExpirationTime(Math.ceil(view.expiresAt / 1_000))
        .sign(sign))
    // Told only when it is written down: what nobody can find nobody can revoke.
    const { answer } = yield* journal.submit(decideMint(view))
    if (!answer) return yield* new Overloaded({ what: "Tokens of one kernel", limit: tokensMax, unit: "tokens", retryAfterMillis: 60_000 })
    return { ...view, token }
  })

  const verify: Tokens["verify"] = Effect.fnUntraced(function*(token) {
    const parts = partsOf(token)
    if (parts === undefined) return undefined
    const { jti } = parts.claims
    // What the journal does not know is not worth a signature's time.
    const kept = typeof jti === "string" ? lookup(journal.state().tokens, jti) : undefined
    if (kept === undefined || !isLive(kept.jti)) return undefined
    const held = yield* Effect.option(keys)
    if (held._tag === "None" || parts.header["kid"] !== held.value.kid) return undefined
    const { jwtVerify } = yield* Effect.promise(jose)
    const isSigned = yield* Effect.promise(() =>
      jwtVerify(token, held.value.verify, {
        algorithms: ["EdDSA"], typ: type, issuer: kernel, audience: kernel, subject: kept.name,
        requiredClaims: ["exp", "jti"], currentDate: new Date(clock.now())
      }).then(() => true, () => false))
    if (!isSigned) return undefined
    const { approves, channels, docks, expiresAt, name, role } = kept
    return { id: name, role, tokenId: kept.jti, expiresAt, docks, ...(approves === true ? { approves } : {}), ...(channels === null ? {} : { channels }) }
  })

  return {
    mint,
    list: () => [...HashMap.values(journal.state().tokens)].filter(({ expiresAt }) => expiresAt > clock.now()).sort((a, b) => a.mintedAt - b.mintedAt || (a.jti < b.jti ? -1 : 1)),
    revoke: Effect.fnUntraced(function*(target) {
      const { answer } = yield* journal.submit(decideRevoke(target))
      if (answer.length === 0) return yield* new TokenNotFound({ token: target })
      yield* Effect.forEach(listeners, (listener) => listener, { discard: true })
      return answer
    }),
    verify,
    isLive,
    ready: Effect.suspend(() =>
      [...HashMap.keys(journal.state().tokens)].some(isLive)
        ? Effect.asVoid(Effect.mapError(keys, ({ reason }) => new ConfigInvalid({ issues: [{ file: "tokens", path: "", reason: `${reason}.` }] })))
        : Effect.void),
    onRevoked: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    }
  }
}
