// What the author of a channel class says of it, in the ancestor's words, and the channel that the kernel makes of it.
import type { ChannelSpec, Delivery, Durability, Form, Visibility } from "../../protocol/channel.ts"
import { periodSecondsDefault } from "../../protocol/message.ts"
import type { ChannelId } from "../../protocol/names.ts"
import type { ChannelSecurity } from "../../protocol/security.ts"
import type { ProvideSpec } from "../module.ts"
import type { PayloadSchema } from "../payload.ts"

export interface ChannelOptions {
  readonly id: ChannelId
  /** For humans; default: the id. */
  readonly name?: string
  readonly description?: string
  /** PUBLIC channels are shown by doors; default: private. */
  readonly visibility?: Visibility
  /** Seconds of rest between two cycles of pulling and processing; default 60. */
  readonly period?: number
  /** Conversions under way at once; default 10. */
  readonly maxWorkers?: number
  /** Raw items that wait to be converted; beyond it a write is refused. Default 10,000. */
  readonly maxRawBufferSize?: number
  /** Seconds that a message is kept. */
  readonly retentionMaxAge?: number
  /** Newest messages that are kept. */
  readonly retentionMaxCount?: number
  /** Seconds between two calls of `onMaintain`; default 60. */
  readonly maintenanceIntervalSeconds?: number
  /** Seconds that a claim lasts; default 300. */
  readonly claimTimeout?: number
  /** Deliveries of one message before it goes to the dead letters; default 5. */
  readonly attemptsMax?: number
  /** Asked before every operation of others on this channel; default: the wiring alone decides. */
  readonly security?: ChannelSecurity
  /** Content that it refuses is refused by the kernel, whoever writes it. */
  readonly schema?: PayloadSchema | string | null
  readonly form?: Form
  readonly durability?: Durability
  readonly metadata?: ChannelSpec["metadata"]
}

/** What a class adds: how its messages are delivered. */
export interface Shape {
  readonly form?: Form
  readonly delivery?: Delivery
  readonly exclusiveReads?: boolean
}

/** Seconds that a registration in a discovery channel lasts. */
export const registrationTtlDefault = 3_600
export const workersDefault = 10
export const rawBufferDefault = 10_000
export const maintenanceSecondsDefault = 60

/** Without the code of its schema, which a manifest cannot hold. */
export const plain = ({ schema, ...channel }: ProvideSpec): ChannelSpec => (typeof schema === "string" ? { ...channel, schema } : channel)

/** The channel as its system provides it. */
export const provided = (options: ChannelOptions, shape: Shape): ProvideSpec => {
  const { attemptsMax, claimTimeout, description, durability, id, name, period, retentionMaxAge, retentionMaxCount, schema, visibility } = options
  const form = options.form ?? shape.form
  return {
    name: id,
    ...(form === undefined ? {} : { form }),
    ...(shape.delivery === undefined ? {} : { delivery: shape.delivery }),
    ...(shape.exclusiveReads === undefined ? {} : { exclusiveReads: shape.exclusiveReads }),
    ...(durability === undefined ? {} : { durability }),
    ...(description === undefined ? {} : { description }),
    ...(visibility === undefined ? {} : { visibility }),
    ...(schema === undefined ? {} : { schema }),
    ...(claimTimeout === undefined ? {} : { leaseMillis: Math.max(1, Math.round(claimTimeout * 1_000)) }),
    ...(attemptsMax === undefined ? {} : { attemptsMax }),
    retention: {
      ...(retentionMaxCount === undefined ? {} : { count: retentionMaxCount }),
      ...(retentionMaxAge === undefined ? {} : { ageMillis: Math.max(1, Math.round(retentionMaxAge * 1_000)) })
    },
    // Where the doors find what the kernel has no word for.
    metadata: { ...options.metadata, name: name ?? id, period: period ?? periodSecondsDefault }
  }
}
