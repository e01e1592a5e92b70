// The edge of a kernel: keys of systems outside are enrolled and revoked here, tokens for grants are signed, proofs checked.
// All of it is in the journal but the private key, which is a file of its owner's.
import * as HashMap from "effect/HashMap"
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import { actTypes, type Enrolled, type EnrolmentRequest, type EnrolmentView, type PublicKey, type RootToken } from "../../../protocol/act.ts"
import { Denied, EnrolmentExists, EnrolmentNotFound, GrantNotFound, InvalidPayload, Overloaded, StoreUnavailable } from "../../../protocol/errors.ts"
import { thumbprintInput } from "../../../protocol/jws.ts"
import { isSegment, isSystemId, type SystemId } from "../../../protocol/names.ts"
import { isRole } from "../../../protocol/security.ts"
import { decideEnrol, decideKeyed, decideUnenrol } from "../../authority/decide/edge.ts"
import type { Journal } from "../../authority/journal.ts"
import { lookup } from "../../authority/state/state.ts"
import type { KernelClock } from "../../clock.ts"
import { enrolmentsMax, rootSecondsDefault, rootSecondsMax, tokenChannelsMax } from "../../limits.ts"
import { isGuestName, type SigningKey } from "../tokens.ts"
import { keyIn, type ActCrypto, type Unread } from "./chain.ts"
import { makeProofs } from "./proofs.ts"
import { readProof, type Proof, type ProvenRequest } from "./proof.ts"
import { isWeakKey } from "./weak-key.ts"

/** Loaded at the first token. */
const jose = () => import("jose")

export interface EdgeOptions {
  readonly kernel: string
  readonly journal: Journal
  readonly clock: KernelClock
  readonly crypto: ActCrypto
  /** The private key of a generation; made and kept at the first call. */
  readonly key: (generation: number) => Effect.Effect<SigningKey, StoreUnavailable>
  /** Whether a system of the constellation has this name. */
  readonly isDocked: (name: SystemId) => boolean
}

export interface Edge {
  readonly enrol: (request: EnrolmentRequest) => Effect.Effect<Enrolled, Denied | InvalidPayload | EnrolmentExists | Overloaded | StoreUnavailable>
  /** By name. */
  readonly list: () => ReadonlyArray<EnrolmentView>
  readonly show: (system: SystemId) => Effect.Effect<Enrolled, EnrolmentNotFound>
  /** Ends its key and its grants at once, also for those who are connected with it. */
  readonly revoke: (system: SystemId) => Effect.Effect<EnrolmentView, EnrolmentNotFound>
  /** Whether a name has a key. */
  readonly has: (system: SystemId) => boolean
  readonly isLive: (system: SystemId, epoch: number) => boolean
  /** A token for a grant, for its holder's key; `by`: only for a grant of this system's own. */
  readonly mint: (grant: string, ttlSeconds?: number, by?: SystemId) => Effect.Effect<RootToken, Denied | GrantNotFound | InvalidPayload | EnrolmentNotFound | StoreUnavailable>
  /** Makes a new key of the kernel; the one before it stays good for what it signed, the one before that does not. */
  readonly rotate: Effect.Effect<ReadonlyArray<PublicKey & { readonly kid: string }>, StoreUnavailable>
  /** Keys that tokens of this kernel are signed with, newest first. */
  readonly keys: () => ReadonlyArray<PublicKey & { readonly kid: string }>
  /** What proofs of HTTP requests must carry until this kernel ends. */
  readonly nonce: string
  readonly read: (proof: string, request: ProvenRequest) => Proof | Unread
  readonly hashOf: ActCrypto["sha256Of"]
  readonly hashOfText: ActCrypto["sha256"]
  /** Done whenever a key was revoked or replaced, before that is answered; answers how to stop that. */
  readonly onRevoked: (listener: Effect.Effect<void>) => () => void
}

const invalid = (path: string, reason: string): InvalidPayload => new InvalidPayload({ what: "enrolment", path, reason })

const refusalOf = ({ channels, key, name, role }: EnrolmentRequest): InvalidPayload | undefined => {
  if (typeof name !== "string" || !isSystemId(name)) return invalid("name", "a name is one or more path segments joined by /")
  const x = keyIn(key)
  if (x === undefined) return invalid("key", "must be a public Ed25519 key: crv, kty and x, and nothing private")
  if (isWeakKey(x)) return invalid("key", "anybody could sign with this key: it is one of the few weak ones")
  if (role !== undefined && !isRole(role)) return invalid("role", "use read, write or admin")
  if (channels === undefined) return undefined
  if (!Array.isArray(channels) || channels.length === 0 || channels.length > tokenChannelsMax) {
    return invalid("channels", `must be 1 to ${tokenChannelsMax} globs; leave it out for every PUBLIC channel`)
  }
  const wrong = channels.findIndex((glob) => typeof glob !== "string" || !isSegment(glob))
  return wrong < 0 ? undefined : invalid(`channels[${wrong}]`, "must be the name of a channel, with * for any characters")
}

const random = (): string => crypto.randomUUID().replaceAll("-", "")

export const makeEdge = (options: EdgeOptions): Edge => {
  const { clock, crypto: power, isDocked, journal, kernel } = options
  const listeners = new Set<Effect.Effect<void>>()
  const keying = Semaphore.makeUnsafe(1)
  const edge = (): ReturnType<Journal["state"]>["edge"] => journal.state().edge
  const told: Effect.Effect<void> = Effect.suspend(() => Effect.forEach(listeners, (listener) => listener, { discard: true }))

  const makeKey = Effect.fnUntraced(function*(generation: number): Effect.fn.Return<void, StoreUnavailable> {
    const { x } = yield* options.key(generation)
    if (typeof x !== "string") return yield* new StoreUnavailable({ reason: "the kernel's key for capability tokens is not an Ed25519 key" })
    yield* journal.submit(decideKeyed(`aaax:${kernel}:${random()}`, generation, { kid: power.sha256(thumbprintInput(x)), x }))
  })
  /** The kernel has a name and a key at the edge from the first time on that it needs one. */
  const ready = keying.withPermit(Effect.suspend(() => (edge().audience === null ? makeKey(1) : Effect.void)))

  const enrolledView = (system: SystemId): Enrolled | undefined => {
    const { audience, enrolled } = edge()
    const found = lookup(enrolled, system)
    return found === undefined || audience === null ? undefined : { ...found, audience }
  }

  const enrol: Edge["enrol"] = Effect.fnUntraced(function*(request) {
    const refusal = refusalOf(request)
    if (refusal !== undefined) return yield* refusal
    const { channels, docks = false, key: { x }, name, replace = false, role = "write" } = request
    if (!isGuestName(name, kernel) || isDocked(name)) {
      return yield* new Denied({
        system: "operator", operation: "enroll a key for", target: name,
        reason: isDocked(name) ? "a system of the constellation has this name" : "the name is the kernel's own",
        how: "Give whoever comes from outside a name of its own."
      })
    }
    yield* ready
    const kid = power.sha256(thumbprintInput(x))
    const { answer } = yield* journal.submit(
      decideEnrol({ system: name, kid, x, role, channels: channels === undefined ? null : [...channels], docks }, replace)
    )
    if (answer === "taken") return yield* new EnrolmentExists({ system: name })
    if (answer === "full") return yield* new Overloaded({ what: "Enrolled keys of one kernel", limit: enrolmentsMax, unit: "keys", retryAfterMillis: 60_000 })
    if (replace) yield* told
    return yield* Effect.fromNullishOr(enrolledView(name)).pipe(Effect.orDie)
  })

  const publicKeys = (): ReturnType<Edge["keys"]> => edge().keys.map(({ kid, x }) => ({ crv: "Ed25519", kid, kty: "OKP", x }))

  const mint: Edge["mint"] = Effect.fnUntraced(function*(id, ttlSeconds = rootSecondsDefault, by) {
    if (!(Number.isInteger(ttlSeconds) && ttlSeconds > 0 && ttlSeconds <= rootSecondsMax)) {
      return yield* new InvalidPayload({ what: "token", path: "ttlSeconds", reason: `must be whole seconds above 0 and at most ${rootSecondsMax}` })
    }
    const grant = lookup(journal.state().grants, id)?.grant
    if (grant === undefined || (by !== undefined && grant.holder !== by)) return yield* new GrantNotFound({ grant: id })
    const { holder } = grant
    if (grant.offline !== undefined) {
      return yield* new Denied({ system: by ?? "operator", operation: "sign a token for", target: id, reason: "it was delegated by a token, which is good for it already" })
    }
    const enrolment = lookup(edge().enrolled, holder)
    if (enrolment === undefined) return yield* new EnrolmentNotFound({ system: holder })
    const { audience, generation, keys: [newest] } = edge()
    const jwk = yield* options.key(generation)
    if (audience === null || newest === undefined || jwk.x !== newest.x) {
      return yield* new StoreUnavailable({ reason: "the kernel's key for capability tokens is not the one that the journal names; make a new one with: aaax enroll rotate" })
    }
    const now = clock.now()
    const expiresAt = Math.min(now + ttlSeconds * 1_000, grant.caveats.expiresAt ?? Infinity)
    const { importJWK, SignJWT } = yield* Effect.promise(jose)
    const claims = {
      v: 1, iss: audience, aud: audience, sub: holder, jti: id, iat: now / 1_000, ep: enrolment.epoch, cnf: { jkt: enrolment.kid }, cav: { expiresAt }
    }
    const token = yield* Effect.promise(async () =>
      new SignJWT(claims).setProtectedHeader({ alg: "EdDSA", typ: actTypes.root, kid: newest.kid }).sign(await importJWK(jwk, "EdDSA")))
    return { token, grant: id, system: holder, caveats: { ...structuredClone(grant.caveats), expiresAt } }
  })

  const context = {
    crypto: power,
    get audience() {
      return edge().audience
    },
    enrolled: (system: SystemId) => lookup(edge().enrolled, system),
    now: clock.now,
    proofs: makeProofs()
  }

  return {
    enrol,
    list: () => HashMap.toValues(edge().enrolled).sort((a, b) => (a.system < b.system ? -1 : 1)),
    show: (system) =>
      Effect.suspend(() => {
        const found = enrolledView(system)
        return found === undefined ? Effect.fail(new EnrolmentNotFound({ system })) : Effect.succeed(found)
      }),
    revoke: Effect.fnUntraced(function*(system) {
      const { answer } = yield* journal.submit(decideUnenrol(system))
      if (answer === undefined) return yield* new EnrolmentNotFound({ system })
      yield* told
      return answer
    }),
    has: (system) => HashMap.has(edge().enrolled, system),
    isLive: (system, epoch) => lookup(edge().enrolled, system)?.epoch === epoch,
    mint,
    rotate: keying.withPermit(Effect.suspend(() => Effect.map(makeKey(edge().generation + 1), publicKeys))),
    keys: publicKeys,
    nonce: random(),
    read: (proof, request) => readProof(proof, request, context),
    hashOf: power.sha256Of,
    hashOfText: power.sha256,
    onRevoked: (listener) => {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    }
  }
}
