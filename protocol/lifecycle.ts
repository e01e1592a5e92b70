// Lifecycle: what may be done to a docked system, and the states it can be in.
import * as Schema from "effect/Schema"
import { SystemId } from "./names.ts"

export const LifecycleCommand = Schema.Literals(["revoke", "pause", "resume", "drain"])
export type LifecycleCommand = typeof LifecycleCommand.Type

/** Payload on `aaax.lifecycle`; here `system_id` is the target. An unknown command is answered, not malformed. */
export const LifecycleRequest = Schema.Struct({
  command: Schema.String.check(Schema.isMaxLength(100)),
  system_id: SystemId,
  /** Seconds; for drain. Default 30. */
  timeout: Schema.optionalKey(Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 3600 })))
})
export interface LifecycleRequest extends Schema.Schema.Type<typeof LifecycleRequest> {}

export const drainSecondsDefault = 30

export const SystemStatus = Schema.Literals([
  "docked",
  "running",
  "paused",
  "draining",
  "drained",
  "stopped",
  "failed",
  "quarantined",
  "revoked"
])
export type SystemStatus = typeof SystemStatus.Type
