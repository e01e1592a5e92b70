// Composites: a system that owns others is docked with them. Each has a port of its own, so that each speaks for itself; they
// come and go together, at any depth, and what is decided of the owner is decided of them.
import * as Effect from "effect/Effect"
import { DockRefused, type SystemNotFound } from "../../protocol/errors.ts"
import type { System } from "../../protocol/manifest.ts"
import type { ChannelId, SystemId } from "../../protocol/names.ts"
import { contained, inWords } from "../executor/executor.ts"
import { subsystemDepthMax, systemsMax } from "../limits.ts"
import type { Constellation, Docked, DockFailure, DockRequest } from "./constellation.ts"

/** Its id, for a refusal; reading it may fail. */
const nameOf = (system: System): string => {
  try {
    return system.manifest.id
  } catch {
    return ""
  }
}

/**
 * The system and all that it owns, owners first, each prepared: what it provides and what it owns is known from then on.
 * Preparing twice is up to the system; those that are written as classes do it once.
 */
export const membersOf = (system: System, depth = 0): Effect.Effect<ReadonlyArray<System>, DockRefused> =>
  Effect.gen(function*() {
    const refuse = (reason: string): DockRefused => new DockRefused({ system: nameOf(system), reason })
    if (depth > subsystemDepthMax) return yield* refuse(`Systems inside systems go ${subsystemDepthMax} deep, and no deeper.`)
    const { prepare } = system
    if (prepare !== undefined) {
      yield* contained(() => prepare).pipe(Effect.mapError((error) => refuse(`${nameOf(system)} could not be set up: ${inWords(error)}`)))
    }
    const members: Array<System> = [system]
    for (const part of yield* partsOf(system, refuse)) {
      for (const member of yield* membersOf(part, depth + 1)) members.push(member)
      if (members.length > systemsMax) return yield* refuse(`At most ${systemsMax} systems can be docked.`)
    }
    return members
  })

const partsOf = (system: System, refuse: (reason: string) => DockRefused): Effect.Effect<ReadonlyArray<System>, DockRefused> =>
  Effect.try({ try: () => [...(system.subsystems ?? [])], catch: (error) => refuse(`its subsystems cannot be read: ${inWords(error)}`) })

const provided = (members: ReadonlyArray<System>): ReadonlySet<ChannelId> =>
  new Set(members.flatMap(({ manifest }) => manifest.provides.map(({ name }) => name)))

/** The constellation, with owners and what they own. */
export const composite = (one: Constellation): Constellation => {
  const owned = new Map<SystemId, ReadonlyArray<SystemId>>()

  const place = Effect.fnUntraced(function*(system: System, request: DockRequest): Effect.fn.Return<Docked, DockFailure> {
    const docked = yield* one.dock(system, request)
    const parts = yield* partsOf(system, (reason) => new DockRefused({ system: docked.id, reason }))
    if (parts.length === 0) return docked
    const placed: Array<SystemId> = []
    owned.set(docked.id, placed)
    // What they may do their manifests say; being privileged, and what the host adds, is for the owner alone.
    const inside: DockRequest = {
      channels: [], privileged: false, configured: request.configured, ...(request.coming === undefined ? {} : { coming: request.coming })
    }
    for (const part of parts) {
      const { id } = yield* place(part, inside).pipe(Effect.onError(() => undock(docked.id, "a system that it owns could not be docked")))
      placed.push(id)
    }
    return docked
  })

  const undock = (id: SystemId, reason: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      const parts = owned.get(id) ?? []
      owned.delete(id)
      return Effect.andThen(Effect.forEach([...parts].reverse(), (part) => undock(part, reason), { discard: true }), one.undock(id, reason))
    })

  const parts = (id: SystemId): ReadonlyArray<SystemId> => owned.get(id) ?? []
  /** Done to what it owns; one that was undocked by itself is passed over. */
  const inParts = (
    id: SystemId, change: (part: SystemId) => Effect.Effect<void, SystemNotFound>
  ): Effect.Effect<void> =>
    Effect.suspend(() => Effect.forEach([...parts(id)].reverse(), (part) => Effect.ignore(change(part)), { discard: true }))

  const pause: Constellation["pause"] = (id) => Effect.andThen(one.pause(id), inParts(id, pause))
  const resume: Constellation["resume"] = (id) => Effect.andThen(one.resume(id), inParts(id, resume))
  const revoke: Constellation["revoke"] = (id) => Effect.andThen(one.revoke(id), inParts(id, revoke))
  // What it owns ends first, while its channels still take what they have to say.
  const drain: Constellation["drain"] = (id, timeoutMillis) =>
    Effect.andThen(inParts(id, (part) => drain(part, timeoutMillis)), one.drain(id, timeoutMillis))

  return {
    ...one,
    dock: (system, request) =>
      Effect.suspend(() => {
        if (system.subsystems === undefined && system.prepare === undefined) return one.dock(system, request)
        return Effect.flatMap(membersOf(system), (members) =>
          place(system, members.length === 1 ? request : { ...request, coming: provided(members) }))
      }),
    undock,
    pause,
    resume,
    revoke,
    drain
  }
}
