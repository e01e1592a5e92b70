// Seats of the wire: each is one docked system, with the one connection that has it and those that act beside it, whichever came
// first. It is docked once, and left when the last of them is gone.
import * as Effect from "effect/Effect"
import { requests } from "../../../protocol/coordination.ts"
import type { SystemId } from "../../../protocol/names.ts"
import type { Kernel } from "../../kernel.ts"
import { synapseBesideMax } from "../../limits.ts"
import type { Connection, Identity, Seated } from "./connection.ts"
import { besideDenied, besideFull, conflictOf } from "./name.ts"
import type { Bucket } from "./pace.ts"

type Docked = Effect.Success<ReturnType<Kernel["dockSeat"]>>

interface Place {
  readonly system: SystemId
  /** The one that has it, then the others as they came. */
  readonly members: Array<Connection>
  owner: Connection | undefined
  /** Somebody who has shown nothing is in it, or was: whoever has shown something came beside them, and must not keep them out. */
  isOpen: boolean
  /** Nothing: it could not be docked. */
  readonly docked: Promise<Docked | undefined>
  /** One for all of them that nobody vouches for. */
  bucket: { readonly bucket: Bucket; readonly leave: () => void } | undefined
}

export interface SeatsOptions {
  readonly kernel: Pick<Kernel, "dockSeat">
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => { readonly addObserver: (observer: (exit: { readonly _tag: "Success"; readonly value: A } | { readonly _tag: "Failure" }) => void) => unknown }
  /** How long whoever binds this name has to wait, in milliseconds. */
  readonly delayOf: (name: string) => number
}

export interface Seats {
  readonly isLive: (name: string) => boolean
  /** Why a name that is live is not to be had, or nothing: then the connection may join those who are there. */
  readonly refusal: (connection: Connection, name: string, system: SystemId, beside: boolean) => string | undefined
  /** Takes the seat, or a place beside whoever has it. */
  readonly take: (connection: Connection, name: string, system: SystemId, beside: boolean, then: (seated: Seated | string) => void) => void
  readonly bucketOf: (name: string, enter: () => { readonly bucket: Bucket; readonly leave: () => void }) => Bucket
  readonly has: (system: SystemId) => boolean
  /** Its connections; the first is the one that has it, or else came first. */
  readonly of: (system: SystemId) => ReadonlyArray<Connection>
  /** Nobody is in these any more, and they are about to be undocked. */
  readonly leaving: ReadonlyMap<string, Promise<void>>
}

const none: ReadonlyArray<Connection> = []

/**
 * Whether a newcomer has shown as much as is needed to be in the seat: without a credential it joins no seat that only others
 * with one have been in. A token of the kernel joins those of the same token, and its very own name.
 */
const isAsGood = (newcomer: Identity | undefined, { isOpen, members }: Place, name: string): boolean => {
  const guest = newcomer?.guest?.system
  const isGuests = members.some((member) => member.identity()?.guest !== undefined)
  if (guest === undefined) return !isGuests && (newcomer !== undefined || isOpen)
  return isGuests && (guest === name || members.some((member) => member.identity()?.guest?.system === guest))
}

export const makeSeats = ({ delayOf, fork, kernel }: SeatsOptions): Seats => {
  const places = new Map<string, Place>()
  const bySystem = new Map<SystemId, Place>()
  const leaving = new Map<string, Promise<void>>()

  const dock = (name: string, system: SystemId): Promise<Docked | undefined> =>
    new Promise((resolve) => {
      fork(Effect.gen(function*() {
        const millis = delayOf(name)
        if (millis >= 1) yield* Effect.sleep(millis)
        const gone = leaving.get(name)
        if (gone !== undefined) yield* Effect.promise(() => gone)
        return yield* kernel.dockSeat(system)
      })).addObserver((exit) => resolve(exit._tag === "Success" ? exit.value : undefined))
    })

  const forget = (name: string, place: Place): void => {
    if (places.get(name) === place) places.delete(name)
    if (bySystem.get(place.system) === place) bySystem.delete(place.system)
  }

  const undock = (name: string, { bucket }: Place, { leave, port }: Docked): void => {
    bucket?.leave()
    const gone = Effect.runPromise(Effect.andThen(Effect.ignore(port.append(requests, [{ kind: "request", payload: { verb: "leave" } }])), leave))
    leaving.set(name, gone)
    void gone.catch(() => {}).then(() => {
      if (leaving.get(name) === gone) leaving.delete(name)
    })
  }

  return {
    leaving,
    isLive: (name) => places.has(name),
    refusal: (connection, name, system, beside) => {
      const place = places.get(name)
      if (place === undefined) return undefined
      if (place.system !== system || (!beside && place.owner !== undefined)) return conflictOf(name)
      if (!isAsGood(connection.identity(), place, name)) return beside ? besideDenied(name) : conflictOf(name)
      const besides = place.members.length - (place.owner === undefined ? 0 : 1)
      return beside && besides >= synapseBesideMax ? besideFull(name, synapseBesideMax) : undefined
    },
    take: (connection, name, system, beside, then) => {
      const there = places.get(name)
      const place: Place = there ?? { system, members: [], owner: undefined, isOpen: false, docked: dock(name, system), bucket: undefined }
      if (there === undefined) {
        places.set(name, place)
        bySystem.set(system, place)
      }
      place.isOpen ||= connection.identity() === undefined
      if (beside) place.members.push(connection)
      else {
        place.owner = connection
        place.members.unshift(connection)
      }
      void place.docked.then((docked) => {
        if (docked === undefined) {
          forget(name, place)
          return then(`Name '${name}' cannot be docked now.`)
        }
        then({
          name, system, port: docked.port, wasHere: there !== undefined,
          leave: () => {
            const at = place.members.indexOf(connection)
            if (at < 0) return
            place.members.splice(at, 1)
            if (place.owner === connection) place.owner = undefined
            if (place.members.length > 0) return
            forget(name, place)
            undock(name, place, docked)
          }
        })
      })
    },
    bucketOf: (name, enter) => {
      const place = places.get(name)
      if (place === undefined) return enter().bucket
      return (place.bucket ??= enter()).bucket
    },
    has: (system) => bySystem.has(system),
    of: (system) => bySystem.get(system)?.members.filter((member) => member.seated() !== undefined) ?? none
  }
}
