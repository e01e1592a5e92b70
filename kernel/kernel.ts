// The kernel, as hosts, doors and the command line see it. Composes the rooms.
import type * as Effect from "effect/Effect"
import type {
  ChannelExists, ChannelNotFound, Denied, InvalidPayload, ModuleRejected, StoreUnavailable, SystemExists, SystemNotFound, AppendUnknown
} from "../protocol/errors.ts"
import type { Event } from "../protocol/event.ts"
import type { Manifest, System } from "../protocol/manifest.ts"
import type { ChannelId, Cursor, SystemId } from "../protocol/names.ts"
import type { Port } from "../protocol/port.ts"
import type { AuditReport, ChannelView, GateView, KernelStatus, ModuleView, SystemView } from "../protocol/view.ts"
import type { WarrantState } from "../protocol/warrant.ts"
import type { ChannelsService } from "./channel/channels.ts"

export interface DockOptions {
  /** Channels of others that it is wired to, for reading and appending, beside those of its manifest. */
  readonly channels?: ReadonlyArray<ChannelId>
  readonly privileged?: boolean
  /** The operator's config vouches for the manifest: what it declares is granted without asking a rule. */
  readonly configured?: boolean
}

export interface Docked {
  readonly id: SystemId
  readonly port: Port
}

export type DockError =
  | SystemExists | ChannelExists | ChannelNotFound | ModuleRejected | InvalidPayload | StoreUnavailable | AppendUnknown | Denied

export interface Gate {
  /** Open warrants: waiting for a human, started, or unknown; oldest first. `state` narrows, also to closed ones. */
  readonly list: (options?: { readonly state?: WarrantState; readonly limit?: number }) => Effect.Effect<ReadonlyArray<GateView>>
  readonly show: (id: string) => Effect.Effect<GateView, InvalidPayload>
  /** Bound to the digest that was shown; `by` must not be the requester. Answers the warrant as it then is. */
  readonly approve: (id: string, by: SystemId, options?: { readonly digest?: string; readonly reason?: string }) => Effect.Effect<GateView, Denied | InvalidPayload | StoreUnavailable>
  readonly deny: (id: string, by: SystemId, reason: string) => Effect.Effect<GateView, Denied | InvalidPayload | StoreUnavailable>
  /** Says what became of an unknown one. */
  readonly reconcile: (id: string, by: SystemId, outcome: "succeeded" | "failed", reason: string) => Effect.Effect<GateView, Denied | InvalidPayload | StoreUnavailable>
}

export interface Kernel {
  readonly id: string
  readonly name: string
  readonly channels: ChannelsService
  /** Docks a system and starts it. Nothing is left half-wired when it fails. */
  readonly dock: (system: System, options?: DockOptions) => Effect.Effect<Docked, DockError>
  /** Revokes its grants, takes its port and channels' wiring back and stops it. Unknown id: no effect. */
  readonly undock: (id: SystemId) => Effect.Effect<void>
  readonly pause: (id: SystemId) => Effect.Effect<void, SystemNotFound | StoreUnavailable>
  readonly resume: (id: SystemId) => Effect.Effect<void, SystemNotFound | StoreUnavailable>
  readonly drain: (id: SystemId, timeoutMillis?: number) => Effect.Effect<void, SystemNotFound | StoreUnavailable>
  readonly revoke: (id: SystemId) => Effect.Effect<void, SystemNotFound | StoreUnavailable>
  readonly gate: Gate
  readonly modules: () => ReadonlyArray<ModuleView>
  /** Loads an `esm` module file at run time, as `aaax.module-loader` would. */
  readonly loadModule: (manifest: Partial<Manifest> & { readonly file?: string; readonly id?: string }) => Effect.Effect<ModuleView, DockError>
  readonly systems: () => ReadonlyArray<SystemView>
  readonly views: () => ReadonlyArray<ChannelView>
  readonly status: () => KernelStatus
  /** Journal entries behind a cursor, oldest first, at most `limit`. */
  readonly audit: (after: Cursor, limit: number) => Effect.Effect<ReadonlyArray<Event>>
  readonly verifyAudit: Effect.Effect<AuditReport>
  /** Does exactly what is pending (requests, replies, expiries, one heartbeat) and returns. */
  readonly step: Effect.Effect<void>
  /** Completes when somebody asked the kernel to go down. */
  readonly awaitDown: Effect.Effect<void>
  /** Asks it to go down: drains, then stops. */
  readonly down: Effect.Effect<void>
}
