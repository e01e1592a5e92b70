// `aaax/effect`: the verbs of `aaax` as Effects, for modules that are written in Effect.
import type * as Effect from "effect/Effect"
import { emptyManifest, type Manifest, type System } from "../protocol/manifest.ts"
import type { Port } from "../protocol/port.ts"

export * from "../protocol/index.ts"
export { makeAuthority, type Acted, type ActOptions, type Authority, type CapabilityOptions } from "./authority.ts"
export { type Capability, type DelegateOptions } from "./capability.ts"
export { appendTo, headOf, makeReader, makeWriter, type Follower, type FollowOptions, type Reader, type Received, type Writer, type WriteOptions } from "./channel.ts"
export { makeCoordination, type CoordinationEffect } from "./coordination.ts"
export { type AskFailure } from "./coordination/asking.ts"
export { CoordinationRefused } from "./coordination/refused.ts"
export { runFold, type FoldOptions } from "./fold.ts"
export { keysOf, type Keys } from "./handling.ts"
export { toStandard, validate, type PayloadSchema } from "./payload.ts"
export { firstAnswer, makeReplies, type Accept, type Replies } from "./request.ts"
export { periodic } from "./source.ts"
export { Later, Poison, work, type Item, type WorkOptions } from "./worker.ts"

/** A system whose life is an Effect: it is interrupted to stop it, and may clean up in finalizers. */
export const defineSystem = (
  manifest: Partial<Manifest> & Pick<Manifest, "id">, run: (port: Port) => Effect.Effect<void, unknown>,
  rest: Omit<System, "manifest" | "run"> = {}
): System => ({ ...rest, manifest: { ...emptyManifest(manifest.id), ...manifest }, run })
