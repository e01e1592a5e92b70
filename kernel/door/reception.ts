// The reception: whose credential it is, and what it may do here. A credential docks as a system of its own; several of
// one name are one system, and each keeps its own role. Nothing is decided once and believed for long: whether a
// credential is still good, and what it allows, is asked before every call.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { hash, timingSafeEqual } from "node:crypto"
import type { EnrolmentView } from "../../protocol/act.ts"
import { channelOf } from "../../protocol/channel.ts"
import { ChannelExists, ChannelNotFound, ConfigInvalid, Denied, StoreUnavailable, Unauthenticated, Undocked } from "../../protocol/errors.ts"
import type { ChannelId, SystemId } from "../../protocol/names.ts"
import { isRole, reaches, suffices, type ChannelSecurity, type Principal, type Role } from "../../protocol/security.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import { isReserved } from "../../protocol/well-known.ts"
import { roleDenied, securityRefusal } from "../guard/channel-security.ts"
import { isGuestName } from "../guard/tokens.ts"
import { commonRole, isPublic } from "../guard/wiring.ts"
import type { Kernel } from "../kernel.ts"
import { credentialLengthMax, credentialsMax, credentialSweepMillis, guestsMax } from "../limits.ts"
import { guestPort, type Seat } from "./guest-port.ts"
import type { Guest, Proven, Reception } from "./guest.ts"
import { operator } from "./operator.ts"

export interface ReceptionOptions {
  readonly kernel: Kernel
  /** What the operator presents: random, new at each start. */
  readonly operatorToken: string
  /** Whose tokens are accepted beside the kernel's own, and what decides on PUBLIC channels without a security of their own. */
  readonly security?: ChannelSecurity
  /** Whether only this machine can reach the listener. */
  readonly isLoopback: boolean
}

const digestOf = (text: string): string => hash("sha256", text, "base64")

/** The token of an `authorization` header: a bearer, or a password. */
const tokenOf = (authorization: string): string | undefined => {
  const space = authorization.indexOf(" ")
  const scheme = authorization.slice(0, space).toLowerCase()
  const rest = authorization.slice(space + 1).trim()
  if (scheme === "bearer") return rest
  if (scheme !== "basic") return undefined
  const pair = Buffer.from(rest, "base64").toString("utf8")
  const colon = pair.indexOf(":")
  return colon < 0 ? undefined : pair.slice(colon + 1)
}

/** One sentence for every wrong credential: it tells a guesser nothing. */
const refused = new Unauthenticated({ reason: "The credential is not good here.", how: "Mint a token with: aaax token mint NAME --role read" })
const missing = new Unauthenticated({ reason: "Missing Bearer token.", how: "Send `authorization: Bearer TOKEN`, or the token as password of HTTP Basic." })

/** What an author's security answers, taken apart: it says who, but not that it is one of ours. */
const checked = (principal: Principal | undefined, authority: ChannelSecurity, kernel: Kernel): Principal | undefined => {
  if (principal === undefined || typeof principal !== "object" || !isGuestName(String(principal.id), kernel.id)) return undefined
  const { channels, expiresAt, id, role, tokenId } = principal
  if (role !== undefined && !isRole(role)) return undefined
  if (expiresAt !== undefined && !Number.isFinite(expiresAt)) return undefined
  return {
    id,
    authority,
    ...(role === undefined ? {} : { role }),
    ...(channels === undefined ? {} : { channels: channels.map(String) }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(tokenId === undefined ? {} : { tokenId })
  }
}

interface Credential {
  readonly principal: Principal
  readonly guest: Guest
}

/** Somebody who waits under a credential. */
interface Waiter {
  readonly system: SystemId
  readonly ended: () => string | undefined
  readonly leave: (reason: string) => void
}

/** Opens a reception for as long as the scope. */
export const makeReception = Effect.fnUntraced(function*(
  options: ReceptionOptions
): Effect.fn.Return<Reception, ConfigInvalid, Scope.Scope> {
  const { kernel, security: networkSecurity } = options
  const { channels } = kernel
  const { clock, store } = channels
  if (networkSecurity?.loopbackOnly === true && !options.isLoopback) {
    return yield* new ConfigInvalid({
      issues: [{
        file: "config", path: "network.security",
        reason: `'${networkSecurity.name}' security takes a name for a credential, so it serves loopback addresses only; mint tokens, or configure another security, to listen elsewhere.`
      }]
    })
  }
  const operatorDigest = Buffer.from(digestOf(options.operatorToken))
  /** By the digest of the token, the oldest first. */
  const known = new Map<string, Credential>()
  /** Guests that are docked, and when each was last active: the number of the call. */
  const docked = new Map<SystemId, { used: number }>()
  let calls = 0
  const waiters = new Set<Waiter>()
  const creating = new Set<ChannelId>()

  const endedOf = (principal: Principal): string | undefined => {
    if (principal.epoch !== undefined) return kernel.edge.isLive(principal.id, principal.epoch) ? undefined : "its key was revoked"
    if (principal.expiresAt !== undefined && clock.now() >= principal.expiresAt) return "its token has expired"
    if (principal.authority === undefined) {
      return principal.tokenId !== undefined && !kernel.tokens.isLive(principal.tokenId) ? "its token was revoked" : undefined
    }
    return principal.authority.isGood?.(principal) === false ? "its token was revoked" : undefined
  }

  /** The security that decides for a principal on a channel; nothing: its own role does. */
  const securityFor = (principal: Principal, channel: ChannelId): ChannelSecurity | undefined => {
    const own = kernel.securityOf(channel)
    if (own !== undefined || networkSecurity === undefined) return own
    // A security that knows tokens speaks for those; the kernel's tokens are the kernel's.
    return principal.authority === undefined && networkSecurity.authenticate !== undefined ? undefined : networkSecurity
  }

  const leave = (system: SystemId): Effect.Effect<void> =>
    Effect.suspend(() => {
      docked.delete(system)
      return kernel.undock(system)
    })

  /** Makes room for one more guest: of those that wait for nothing, the one that was quiet for the longest time leaves. */
  const makeRoom = (arriving: SystemId): Effect.Effect<void, Undocked> =>
    Effect.suspend(() => {
      if (docked.size < guestsMax) return Effect.void
      const waiting = new Set(Array.from(waiters, ({ system }) => system))
      let quiet: SystemId | undefined
      let least = Infinity
      for (const [system, { used }] of docked) {
        if (used >= least || waiting.has(system) || system === operator) continue
        quiet = system
        least = used
      }
      return quiet !== undefined ? leave(quiet) : Effect.fail(new Undocked({ system: arriving, reason: `${guestsMax} guests are here, the most there can be` }))
    })

  /** The port under which a guest acts. A name that a system of the constellation has is not for guests. */
  const seatOf = (id: SystemId, description: string, enrolled: boolean): Seat => {
    const arrive = kernel.dockGuest(id, description, { enrolled }).pipe(
      Effect.mapError((failure) => new Undocked({ system: id, reason: failure.message })),
      Effect.map(({ port }) => {
        docked.set(id, { used: ++calls })
        return port
      })
    )
    return {
      now: () => {
        const entry = docked.get(id)
        if (entry !== undefined) entry.used = ++calls
        return entry === undefined ? undefined : kernel.guest(id)?.port
      },
      arrive: Effect.suspend(() => (docked.has(id) ? arrive : Effect.andThen(makeRoom(id), arrive)))
    }
  }

  const makeGuest = (principal: Principal, isOperator: boolean): Guest => {
    const { id } = principal
    const ended = (): string | undefined => endedOf(principal)
    const scopeOf = (name: string, role: Role): Denied | undefined => {
      const why = ended()
      if (why !== undefined) return roleDenied(principal, name, role, why)
      if (!reaches(principal, name)) return roleDenied(principal, name, role, "its token is not for this name")
      return principal.role !== undefined && !suffices(principal.role, role)
        ? roleDenied(principal, name, role, `its token has the role '${principal.role}'`)
        : undefined
    }
    const isEnrolled = principal.epoch !== undefined
    const scopeOfKey = (): Denied | undefined => {
      const why = ended()
      return why === undefined ? undefined : new Denied({ system: id, operation: "ask", target: "the kernel", reason: why })
    }
    /** An authority speaks for the channels that it guards, and for none beside them. */
    const isVouched = (channel: ChannelId): boolean => principal.authority === undefined || securityFor(principal, channel) === principal.authority
    const refusal: Guest["refusal"] = (channel, role) => {
      // Its own way to the kernel, whatever its key is for beside that.
      if (isEnrolled && commonRole(channel) === role) return scopeOfKey()
      if (!isPublic(channels.get(channel)) || !reaches(principal, channel) || !isVouched(channel)) return new ChannelNotFound({ channel })
      const scope = scopeOf(channel, role)
      if (scope !== undefined || isOperator) return scope
      const security = securityFor(principal, channel)
      if (security !== undefined) return securityRefusal(security, principal, channel, role)
      return principal.role === undefined ? roleDenied(principal, channel, role, "its credential has no role") : undefined
    }
    const allows: Guest["allows"] = (name, role) => {
      const scope = scopeOf(name, role)
      if (scope !== undefined || isOperator) return scope
      if (principal.authority !== undefined && principal.authority !== networkSecurity) {
        return roleDenied(principal, name, role, "its credential is good for channels of one owner")
      }
      const security = securityFor(principal, name)
      return security === undefined ? undefined : securityRefusal(security, principal, name, role)
    }
    const docking: Guest["docking"] = (manifest) => {
      const ended_ = ended()
      const no = (reason: string, how?: string): Denied =>
        new Denied({ system: id, operation: "dock", target: manifest.id, reason, ...(how === undefined ? {} : { how }) })
      if (ended_ !== undefined) return no(ended_)
      if (isOperator) return undefined
      // Its grants are for its key, and would be there for whoever has its name.
      if (!isEnrolled && kernel.edge.has(manifest.id)) return no("a key is enrolled for this name", `Come with that, or take ${id}/… as id.`)
      if (principal.docks !== true) return no("its token is not for docking systems", "Mint one with: aaax token mint NAME --system --role admin")
      if (manifest.id !== id && !manifest.id.startsWith(`${id}/`)) return no(`its token docks ${id} and what is below it`, `Take ${id} or ${id}/… as id.`)
      if (manifest.privileged || manifest.powers.length > 0) return no("a system from elsewhere gets no privilege and no reading power here")
      const wishes: ReadonlyArray<readonly [Role, ReadonlyArray<string>]> = [
        ["read", manifest.reads], ["write", [...manifest.writes, ...manifest.takes, ...manifest.snapshots]],
        ["admin", manifest.provides.map(({ name }) => name)]
      ]
      for (const [role, names] of wishes) {
        for (const name of names) {
          const denied = scopeOf(name, role)
          if (denied !== undefined) return no(`it asks to ${role} ${name}: ${denied.reason}`)
          const channel = channels.get(name)
          const isOthers = channel !== undefined && channel.owner !== manifest.id && !isPublic(channel) && !wellKnown.common.includes(name)
          // What is private is named by the credential, or it is not there.
          if (isOthers && principal.channels === undefined) return no(`it asks to ${role} ${name}, which is private`, "Mint a token that names it with --channel.")
        }
      }
      return undefined
    }
    const create: Guest["create"] = (spec) =>
      Effect.suspend((): ReturnType<Guest["create"]> => {
        const { name } = spec
        const denied = allows(name, "admin")
        if (denied !== undefined) return Effect.fail(denied)
        // The owner of a channel that is not shown is not told.
        if (isReserved(name) || creating.has(name) || channels.get(name) !== undefined) return Effect.fail(new ChannelExists({ channel: name, owner: "" }))
        creating.add(name)
        const channel = channelOf({ ...spec, visibility: "public" }, kernel.id)
        return Effect.as(channels.open(channel), channel).pipe(Effect.ensuring(Effect.sync(() => creating.delete(name))))
      })
    return {
      system: id,
      isOperator,
      principal,
      ended,
      refusal,
      allows,
      channels: () =>
        channels.all().filter((channel) => isPublic(channel) && refusal(channel.name, "read") === undefined)
          .sort((a, b) => (a.name < b.name ? -1 : 1))
          .map((channel) => structuredClone(channel)),
      create,
      docking,
      port: guestPort(id, seatOf(id, isOperator ? "The person at the command line." : `A guest, by ${isEnrolled ? "key" : principal.authority?.name ?? "token"}.`, isEnrolled), {
        ended, refusal, allows,
        mayWrite: () =>
          principal.role !== undefined && !suffices(principal.role, "write")
            ? roleDenied(principal, "an artifact", "write", `its token has the role '${principal.role}'`)
            : undefined,
        onEnd: (leave) => {
          const waiter = { system: id, ended, leave }
          waiters.add(waiter)
          return () => void waiters.delete(waiter)
        },
        snapshot: (name) =>
          typeof name === "string"
            ? Effect.mapError(store.getSnapshot(name), (corrupt) => new StoreUnavailable({ reason: corrupt.message }))
            : Effect.succeed(undefined)
      })
    }
  }

  /** Ends what is not good any more: those who wait under it are told, and a guest without a credential leaves. */
  const sweep = Effect.suspend(() => {
    for (const waiter of waiters) {
      const why = waiter.ended()
      if (why !== undefined) waiter.leave(why)
    }
    const held = new Set<SystemId>([operator])
    for (const [key, { principal }] of known) {
      if (endedOf(principal) === undefined) held.add(principal.id)
      else known.delete(key)
    }
    return Effect.forEach([...docked.keys()].filter((system) => !held.has(system)), leave, { discard: true })
  })

  const remember = (key: string, principal: Principal): Guest => {
    // Somebody may have come with the same token while it was checked.
    const before = known.get(key)
    if (before !== undefined) return before.guest
    if (known.size >= credentialsMax) {
      for (const oldest of known.keys()) {
        known.delete(oldest)
        break
      }
    }
    const guest = makeGuest(principal, false)
    known.set(key, { principal, guest })
    return guest
  }

  /** Asks everybody who may know the token; the first who does speaks for it. */
  const principalOf = Effect.fnUntraced(function*(token: string): Effect.fn.Return<Principal | undefined> {
    const own = yield* kernel.tokens.verify(token)
    if (own !== undefined) return own
    for (const authority of new Set([...(networkSecurity === undefined ? [] : [networkSecurity]), ...kernel.securities()])) {
      // Open to names: only where the listener is the configured one.
      if (authority.authenticate === undefined || (authority.loopbackOnly === true && !options.isLoopback)) continue
      const principal = yield* Effect.tryPromise(async () => authority.authenticate?.(token, clock.now())).pipe(Effect.orElseSucceed(() => undefined))
      const found = checked(principal, authority, kernel)
      if (found !== undefined) return found
    }
    return undefined
  })

  const operatorGuest = makeGuest({ id: operator, role: "admin" }, true)

  const unknown = Effect.fnUntraced(function*(token: string, key: string): Effect.fn.Return<Guest, Unauthenticated> {
    const principal = yield* principalOf(token)
    return principal === undefined || endedOf(principal) !== undefined ? yield* refused : remember(key, principal)
  })

  const byToken: Reception["byToken"] = (token) =>
    Effect.suspend((): Effect.Effect<Guest, Unauthenticated> => {
      if (typeof token !== "string" || token.length === 0 || token.length > credentialLengthMax) return Effect.fail(refused)
      const key = digestOf(token)
      // Nobody chooses a digest: how long it takes to find one tells nothing of a token.
      const before = known.get(key)
      if (before !== undefined && endedOf(before.principal) === undefined) return Effect.succeed(before.guest)
      known.delete(key)
      if (timingSafeEqual(Buffer.from(key), operatorDigest)) return Effect.succeed(operatorGuest)
      return before === undefined ? unknown(token, key) : Effect.fail(refused)
    })

  const { edge } = kernel
  const guestOf = ({ channels: globs, docks, epoch, role, system }: EnrolmentView): Guest =>
    remember(`key ${system} ${epoch}`, { id: system, role, epoch, docks, ...(globs === null ? {} : { channels: globs }) })
  /** Who has a key is told what is wrong with its proof; a stranger is told nothing. */
  const unproven = (reason: string): Unauthenticated =>
    reason === "" ? refused : new Unauthenticated({ reason: `Not taken: ${reason}.`, how: "Make a new proof, with the nonce that came with this answer." })
  const byProof: Reception["byProof"] = (text, request) =>
    Effect.suspend((): Effect.Effect<Proven, Unauthenticated> => {
      const proof = edge.read(text, request)
      if ("refused" in proof) return Effect.fail(unproven(proof.refused))
      const guest = guestOf(proof.enrolment)
      return Effect.succeed({
        guest,
        token: proof.token,
        take: (body) =>
          Effect.suspend(() => {
            const wrong = proof.take(edge.hashOf(body))
            return wrong === undefined ? Effect.void : Effect.fail(unproven(wrong))
          })
      })
    })

  // Seen from the start, as somebody who could act.
  yield* Effect.ignore(operatorGuest.port.channels)
  yield* Effect.acquireRelease(Effect.sync(() => kernel.tokens.onRevoked(sweep)), (stop) => Effect.sync(stop))
  yield* Effect.acquireRelease(Effect.sync(() => edge.onRevoked(sweep)), (stop) => Effect.sync(stop))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(credentialSweepMillis), sweep)))
  return {
    authenticate: (authorization) =>
      Effect.suspend(() => {
        if (authorization === undefined || authorization === "") return Effect.fail(missing)
        const token = tokenOf(authorization)
        return token === undefined ? Effect.fail(missing) : byToken(token)
      }),
    byToken,
    byProof,
    nonce: edge.nonce
  }
})
