// Composites: a system that owns others is docked with them. Each has a port of its own, so that each speaks for itself; they
// come and go together, at any depth, and what is decided of the owner is decided of them.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { DockRefused, type SystemNotFound } from "../../protocol/errors.ts"
import type { System } from "../../protocol/manifest.ts"
import type { ChannelId, SystemId } from "../../protocol/names.ts"
import { contained, inWords } from "../executor/executor.ts"
import { subsystemDepthMax, systemsMax } from "../limits.ts"
import type { Constellation, Docked, DockFailure, DockRequest } from "./constellation.ts"

/** A system as it was read, once: what was looked at is what is docked. */
export type Whole = Omit<System, "prepare" | "subsystems"> & { readonly subsystems: ReadonlyArray<Whole> }

/** A system and all that it owns, owners first. */
export const membersOf = (whole: Whole): ReadonlyArray<Whole> => [whole, ...whole.subsystems.flatMap(membersOf)]

/** Prepares and reads a system and all that it owns. Preparing twice is up to the system; the library's do it once. */
export const readWhole = (system: System): Effect.Effect<Whole, DockRefused> => {
  let count = 0
  const refuse = (name: string, reason: string): DockRefused => new DockRefused({ system: name, reason })
  const read = (of: System, depth: number): Effect.Effect<Whole, DockRefused> =>
    Effect.gen(function*() {
      if (depth > subsystemDepthMax) return yield* refuse("", `Systems inside systems go ${subsystemDepthMax} deep, and no deeper.`)
      if (++count > systemsMax) return yield* refuse("", `At most ${systemsMax} systems can be docked.`)
      yield* contained(() => of.prepare ?? Effect.void).pipe(
        Effect.catchCause((cause) => Effect.fail(refuse(idOf(of), `${idOf(of) || "A system"} could not be set up: ${inWords(Cause.squash(cause))}`)))
      )
      const { parts, rest } = yield* Effect.try({ try: () => membersRead(of), catch: (error) => refuse("", `A system cannot be read: ${inWords(error)}`) })
      return { ...rest, subsystems: yield* Effect.forEach(parts, (part) => read(part, depth + 1)) }
    })
  return read(system, 0)
}

/** Its id, for a refusal; reading it may fail. */
const idOf = (system: System): string => {
  try {
    return system.manifest.id
  } catch {
    return ""
  }
}

/** Members are named one by one: a system may be an object whose members are not its own. */
const membersRead = (system: System): { readonly parts: ReadonlyArray<System>; readonly rest: Omit<Whole, "subsystems"> } => {
  const { converters, drain, executors, manifest, run, schemas, securities, subsystems } = system
  return {
    parts: [...(subsystems ?? [])],
    rest: {
      manifest: structuredClone(manifest),
      ...(schemas === undefined ? {} : { schemas }),
      ...(securities === undefined ? {} : { securities }),
      ...(converters === undefined ? {} : { converters }),
      ...(executors === undefined ? {} : { executors }),
      ...(run === undefined ? {} : { run }),
      ...(drain === undefined ? {} : { drain })
    }
  }
}

/** The constellation, with owners and what they own. */
export const composite = (one: Constellation): Constellation => {
  const owned = new Map<SystemId, ReadonlyArray<SystemId>>()

  const place = Effect.fnUntraced(function*(whole: Whole, request: DockRequest): Effect.fn.Return<Docked, DockFailure> {
    const docked = yield* one.dock(whole, request)
    if (whole.subsystems.length === 0) return docked
    const placed: Array<SystemId> = []
    owned.set(docked.id, placed)
    // What they may do their manifests say; being privileged, and what the host adds, is for the owner alone.
    const inside: DockRequest = {
      channels: [], privileged: false, configured: request.configured, ...(request.coming === undefined ? {} : { coming: request.coming })
    }
    for (const part of whole.subsystems) {
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

  /** Done to what it owns; one that was undocked by itself is passed over. */
  const inParts = (id: SystemId, change: (part: SystemId) => Effect.Effect<void, SystemNotFound>): Effect.Effect<void> =>
    Effect.suspend(() => Effect.forEach([...(owned.get(id) ?? [])].reverse(), (part) => Effect.ignore(change(part)), { discard: true }))

  const pause: Constellation["pause"] = (id) => Effect.andThen(one.pause(id), inParts(id, pause))
  const resume: Constellation["resume"] = (id) => Effect.andThen(one.resume(id), inParts(id, resume))
  const revoke: Constellation["revoke"] = (id) => Effect.andThen(one.revoke(id), inParts(id, revoke))
  // What it owns ends first, while its channels still take what they have to say.
  const drain: Constellation["drain"] = (id, timeoutMillis) =>
    Effect.andThen(inParts(id, (part) => drain(part, timeoutMillis)), one.drain(id, timeoutMillis))

  return {
    ...one,
    dock: (system, request) =>
      Effect.flatMap(readWhole(system), (whole) => {
        const coming = whole.subsystems.length === 0 ? undefined : provided(membersOf(whole))
        return place(whole, coming === undefined ? request : { ...request, coming })
      }),
    undock,
    pause,
    resume,
    revoke,
    drain
  }
}

/** What a manifest that is none provides is seen when it is docked. */
const provided = (members: ReadonlyArray<Whole>): ReadonlySet<ChannelId> =>
  new Set(members.flatMap(({ manifest }) => (Array.isArray(manifest?.provides) ? manifest.provides.map((spec) => spec?.name) : [])))
