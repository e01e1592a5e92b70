// What every command about claims begins with: the working tree, the seat in it, and the hub that it asks.
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { SynapseRefused } from "../../libos/synapse/refused.ts"
import type { Called } from "../called.ts"
import { seatOf, withSeat, type Seated, type SeatFailure, type SeatFlags } from "../coordination/connect.ts"
import { codes } from "../exit-code.ts"
import { Ended, GitFailed, UsageError } from "../failure.ts"
import { plain } from "../terminal.ts"
import { worktreeOf, type Worktree } from "../worktree/worktree.ts"

export type ClaimsFailure = SeatFailure | GitFailed | Ended | UsageError

/** Anything else that it throws is a fault of ours. */
export const attempt = <A>(body: () => Promise<A>): Effect.Effect<A, GitFailed | UsageError | Ended> =>
  Effect.tryPromise({
    try: body,
    catch: (error) => {
      if (error instanceof GitFailed || error instanceof UsageError || error instanceof Ended) return error
      throw error
    }
  })

export interface Place {
  readonly worktree: Worktree
  readonly seat: string
  /** Where the hub is looked for. */
  readonly directory: string
  readonly flags: SeatFlags
}

export const placeOf = (called: Called, flags: SeatFlags): Effect.Effect<Place, GitFailed | UsageError | Ended> =>
  attempt(async () => ({ worktree: await worktreeOf(called.directory), seat: seatOf(called.directory, flags.name), directory: called.directory, flags }))

/** Claims go with a branch. */
export const branchOf = ({ branch, top }: Worktree): Effect.Effect<string, Ended> =>
  branch === undefined
    ? Effect.fail(new Ended({ code: codes.denied, reason: `HEAD of ${top} is at no branch, and claims go with one.\ntry: git switch --create NAME` }))
    : Effect.succeed(branch)

const isTaken = (error: SeatFailure): boolean => error instanceof SynapseRefused && error.code === "NAME_CONFLICT"

/** As the seat itself, beside an agent that is in it. What has it for itself alone may be a command that is over soon. */
export const asSeat = <A>({ directory, flags, seat }: Place, body: (seated: Seated) => Promise<A>): Effect.Effect<A, SeatFailure> =>
  withSeat({ directory }, { ...flags, name: seat }, body).pipe(
    Effect.retry({ while: isTaken, times: 10, schedule: Schedule.spaced(200) }),
    Effect.mapError((error) => isTaken(error)
      ? new Ended({ code: codes.conflict, reason: `${error.message}\ntry: the hub and the token by which it is connected; or --seat ${plain(seat)}/shell, a seat of its own` })
      : error)
  )

/** From a seat of its own, whoever has that of the flags: it only asks. */
export const fromAside = <A>({ directory, flags, seat }: Place, body: (seated: Seated) => Promise<A>): Effect.Effect<A, SeatFailure> =>
  withSeat({ directory }, { ...flags, name: `${seat}/look-${crypto.randomUUID().slice(0, 8)}` }, body)

/** Whatever somebody else's claim is in the way of. */
export const isInTheWay = (error: unknown): error is SynapseRefused =>
  error instanceof SynapseRefused && ["LEASE_LIVE", "SCOPE_CONFLICT", "WOULD_DEADLOCK"].includes(error.code)
