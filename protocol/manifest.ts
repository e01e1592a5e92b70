// A manifest: what a system provides, wires and asks for. And the system itself, as the kernel docks it.
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ChannelSpec } from "./channel.ts"
import type { Draft } from "./event.ts"
import type { Executor } from "./executor.ts"
import { ChannelId, SystemId } from "./names.ts"
import type { Port } from "./port.ts"
import type { ChannelSecurity } from "./security.ts"
import type { StandardSchemaV1 } from "./standard-schema.ts"

/** Names of frameworks that the loader knows. Those not built yet are refused by name. */
export const frameworks = ["esm", "placeholder", "process", "llm", "lllm"] as const

/** Reading files and history under one root. */
export const PowerRequest = Schema.Struct({
  power: Schema.Literal("read"),
  /** Absolute, or relative to the directory that the constellation works on. */
  root: Schema.NonEmptyString
})
export interface PowerRequest extends Schema.Schema.Type<typeof PowerRequest> {}

export const Manifest = Schema.Struct({
  id: SystemId,
  framework: Schema.String,
  description: Schema.String,
  /** Channels of others that it reads. */
  reads: Schema.Array(ChannelId),
  /** Channels of others that it appends to. */
  writes: Schema.Array(ChannelId),
  /** Exclusive channels that it takes from. */
  takes: Schema.Array(ChannelId),
  /** Channels that it brings along. It may read, append and take there. */
  provides: Schema.Array(ChannelSpec),
  /** Snapshots that it puts; anyone wired to nothing may read them through doors only. */
  snapshots: Schema.Array(Schema.String),
  /** Executors that it wants an execute grant for. */
  executors: Schema.Array(Schema.String),
  /** Remote channels that it wants a read grant for. */
  remoteChannels: Schema.Array(Schema.String),
  powers: Schema.Array(PowerRequest),
  /** Also append to the module loader and lifecycle, and read the registries. */
  privileged: Schema.Boolean,
  riskProfile: Schema.String
})
export interface Manifest extends Schema.Schema.Type<typeof Manifest> {}

export const emptyManifest = (id: SystemId, framework = "esm"): Manifest => ({
  id,
  framework,
  description: "",
  reads: [],
  writes: [],
  takes: [],
  provides: [],
  snapshots: [],
  executors: [],
  remoteChannels: [],
  powers: [],
  privileged: false,
  riskProfile: "medium"
})

/** `sender` is who writes; the draft is stamped with it, whatever the converter does. */
export type Converter = (sender: SystemId, raw: unknown) => Promise<Draft | null | undefined> | Draft | null | undefined

/** What the kernel docks: a manifest and the code behind it. Authors make one with `defineModule` or `BaseSystem`. */
export interface System {
  /** Awaited before its manifest is read: what it provides may be known only then. */
  readonly prepare?: Effect.Effect<void, unknown>
  readonly manifest: Manifest
  /** Systems of its own: docked behind it, each with a port of its own, and undocked with it. */
  readonly subsystems?: ReadonlyArray<System>
  /** Payload schemas of the channels that it provides; a refused payload is refused at append. */
  readonly schemas?: Readonly<Record<ChannelId, StandardSchemaV1>>
  /** Who may do what on the channels that it provides, beyond their wiring; asked before every operation of others. */
  readonly securities?: Readonly<Record<ChannelId, ChannelSecurity>>
  /**
   * What its own code makes of a raw write that comes from outside to a channel that it provides: a draft, or nothing to
   * discard it. Absent: the value is wrapped as the content of a message.
   */
  readonly converters?: Readonly<Record<ChannelId, Converter>>
  /** Executors that it serves; they are registered while it is docked. */
  readonly executors?: ReadonlyArray<Executor>
  /**
   * Its life. Ends when its work is done; is interrupted to stop it; is started again by supervision when it
   * fails. Absent: it docks and does nothing.
   */
  readonly run?: (port: Port) => Effect.Effect<void, unknown>
  /** Awaited by drain before the system is stopped. */
  readonly drain?: (port: Port) => Effect.Effect<void, unknown>
}
