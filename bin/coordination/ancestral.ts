// The ancestor's commands at a hub: its words and its exit code when nobody answers; refusals are told apart by ours.
import * as Effect from "effect/Effect"
import { KernelUnreachable } from "../../libos/http.ts"
import { Ended } from "../failure.ts"
import { codes } from "../exit-code.ts"
import { seatOf, unreachableText, withSeat, type SeatFailure, type Seated, type SeatFlags, type SeatOptions } from "./connect.ts"

const unreachable = (directory: string, flags: SeatFlags, seat: string | undefined) => (error: KernelUnreachable): Effect.Effect<never, Ended> =>
  Effect.fail(new Ended({ code: codes.failed, reason: unreachableText(seat ?? seatOf(directory, flags.name), error) }))

/** As `withSeat`. `options.name`: a seat that is not the one of the flags. */
export const ancestral = <A>(
  called: { readonly directory: string }, flags: SeatFlags, body: (seated: Seated) => Promise<A> | A, options: SeatOptions = {}
): Effect.Effect<A, SeatFailure | Ended> =>
  withSeat(called, flags, body, options).pipe(
    Effect.catchIf((error): error is KernelUnreachable => error instanceof KernelUnreachable, unreachable(called.directory, flags, options.name))
  )

/**
 * As `ancestral`, for commands that only look: when nobody said which seat to take, one that is taken is no obstacle, and they look
 * from a seat of their own.
 */
export const looking = <A>(
  called: { readonly directory: string }, flags: SeatFlags, body: (seated: Seated) => Promise<A> | A
): Effect.Effect<A, SeatFailure | Ended> =>
  Effect.suspend(() => {
    let isTaken = false
    const work = async (seated: Seated): Promise<A> => {
      isTaken = true
      return body(seated)
    }
    const first = ancestral(called, flags, work)
    if (flags.name !== undefined) return first
    return Effect.catchIf(first, (error) => !isTaken && error._tag === "SynapseRefused" && error.code === "NAME_CONFLICT",
      () => ancestral(called, flags, work, { name: `${seatOf(called.directory)}/look-${process.pid}` }))
  })

