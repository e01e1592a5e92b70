// Seats of the wire: each is one docked system, with the connection that took it and those that act beside it. It is docked once,
// and left when the last of them is gone.
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
  /** In the order in which they came. */
  readonly members: Array<Connection>
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
  /** Why a name that is live is not to be had, or nothing: then the connection may act beside those who have it. */
  readonly refusal: (connection: Connection, name: string, system: SystemId, beside: boolean) => string | undefined
  /** Takes the seat, or a place beside whoever has it. */
  readonly take: (connection: Connection, name: string, system: SystemId, then: (seated: Seated | string) => void) => void
  readonly bucketOf: (name: string, enter: () => { readonly bucket: Bucket; readonly leave: () => void }) => Bucket
  readonly has: (system: SystemId) => boolean
  /** Its connections; the first is who took it, or has stayed longest since. */
  readonly of: (system: SystemId) => ReadonlyArray<Connection>
  /** Nobody is in these any more, and they are about to be undocked. */
  readonly leaving: ReadonlyMap<string, Promise<void>>
}

const none: ReadonlyArray<Connection> = []

/**
 * Whether what a newcomer has shown is as good as what somebody has who is there. Connections with a token of the kernel stand
 * beside those of the same token, or with the token of the very name; others beside nobody who has shown more than they have.
 */
const isAsGood = (newcomer: Identity | undefined, there: Identity | undefined, name: string): boolean =>
  newcomer?.guest !== undefined || there?.guest !== undefined
    ? newcomer?.guest !== undefined && (newcomer.guest.system === name || newcomer.guest.system === there?.guest?.system)
    : newcomer !== undefined || there === undefined

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
      if (!beside || place.system !== system) return conflictOf(name)
      if (!place.members.some((member) => isAsGood(connection.identity(), member.identity(), name))) return besideDenied(name)
      return place.members.length >= synapseBesideMax ? besideFull(name, synapseBesideMax) : undefined
    },
    take: (connection, name, system, then) => {
      const there = places.get(name)
      const isBeside = there !== undefined
      const place = there ?? { system, members: [], docked: dock(name, system), bucket: undefined }
      if (!isBeside) {
        places.set(name, place)
        bySystem.set(system, place)
      }
      place.members.push(connection)
      void place.docked.then((docked) => {
        if (docked === undefined) {
          forget(name, place)
          return then(`Name '${name}' cannot be docked now.`)
        }
        then({
          name, system, isBeside, port: docked.port,
          leave: () => {
            const at = place.members.indexOf(connection)
            if (at < 0) return
            place.members.splice(at, 1)
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
