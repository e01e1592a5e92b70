// What the kernel hands to a call, for tests that make one by hand.
import * as Effect from "effect/Effect"
import type { CallPowers } from "../../protocol/executor.ts"

export const powers = (more: Partial<CallPowers> = {}): { readonly powers: CallPowers; readonly kept: Array<Uint8Array> } => {
  const kept: Array<Uint8Array> = []
  return {
    kept,
    powers: {
      stillHolds: Effect.void,
      mayChange: () => Effect.void,
      covers: () => true,
      secret: (name) => Effect.fail({ reason: `there is no secret ${name}` }),
      keep: (bytes, mediaType) => Effect.sync(() => ({ artifact: `artifact-${kept.push(bytes) - 1}`, sizeBytes: bytes.length, mediaType })),
      ...more
    }
  }
}
