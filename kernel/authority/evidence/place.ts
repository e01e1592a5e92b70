// Where checkpoints lie, outside the store: what the kernel asks of such a place. `kernel/power/checkpoint-place.ts` is one
// made of files.
import type * as Effect from "effect/Effect"
import type { StoreUnavailable } from "../../../protocol/errors.ts"
import type { Signer } from "./checkpoint.ts"

export interface CheckpointPlace {
  /** In words. */
  readonly where: string
  /** The key that signs, made and kept at the first call. */
  readonly signer: Effect.Effect<Signer, StoreUnavailable>
  /** Notes that are kept, oldest first, those of readable witnesses included. */
  readonly notes: Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
  /** Kept through a power cut when it succeeds. Witnesses that cannot be reached are told of in the log. */
  readonly append: (note: string) => Effect.Effect<void, StoreUnavailable>
  /** Puts everything aside, witnesses' copies as well, where nothing is held against the journal any more. Says where. */
  readonly setAside: Effect.Effect<string, StoreUnavailable>
}

/** How often a checkpoint is written when something has changed: after so many entries, or so long. */
export interface CheckpointPace {
  readonly entries: number
  readonly millis: number
}
