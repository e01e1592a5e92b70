// Registrations: what a discovery channel keeps of channels and systems. The payloads are in the ancestor's words, so that its
// own clients read them.
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type { Draft, Event } from "../../protocol/event.ts"
import { ChannelInfo, messageKind } from "../../protocol/message.ts"
import type { ChannelId, SystemId } from "../../protocol/names.ts"

/** One method that a system offers to others. */
export interface ServiceMethod {
  readonly name: string
  readonly description: string
  /** Of each parameter whatever its author says. */
  readonly parameters: Readonly<Record<string, Schema.Json>>
}

/** What a system says of itself to those who look for it. */
export interface ServiceDescriptor {
  readonly systemId: SystemId
  readonly systemName: string
  readonly description: string
  readonly services: ReadonlyArray<ServiceMethod>
  readonly channelsRead: ReadonlyArray<ChannelId>
  readonly channelsWrite: ReadonlyArray<ChannelId>
}

const Method = Schema.Struct({
  name: Schema.String, description: Schema.String, parameters: Schema.Record(Schema.String, Schema.Json)
})
const Descriptor = Schema.Struct({
  system_id: Schema.String,
  system_name: Schema.String,
  description: Schema.String,
  services: Schema.Array(Method),
  channels_read: Schema.Array(Schema.String),
  channels_write: Schema.Array(Schema.String)
})
/** `expires_at` in Unix seconds; what is deregistered has expired at once. */
export const ChannelRegistration = Schema.Struct({ info: ChannelInfo, expires_at: Schema.Finite })
export const SystemRegistration = Schema.Struct({ descriptor: Descriptor, expires_at: Schema.Finite })
const decode = Schema.decodeUnknownExit(Schema.Union([ChannelRegistration, SystemRegistration]))

export type Registration =
  | { readonly kind: "channel"; readonly id: ChannelId; readonly info: ChannelInfo; readonly expiresAt: number }
  | { readonly kind: "system"; readonly id: SystemId; readonly descriptor: ServiceDescriptor; readonly expiresAt: number }

/** Of a system that is wired to very much, so many names are told. */
const namesMax = 100

/** The draft of a registration. The subject has the sender in it: nobody's registration takes the place of another's. */
export const draftOfRegistration = (registration: Registration, sender: SystemId): Draft => ({
  kind: messageKind,
  subject: `${registration.kind} ${registration.id} ${sender}`,
  payload: registration.kind === "channel"
    ? { info: registration.info, expires_at: registration.expiresAt }
    : { descriptor: wireOf(registration.descriptor), expires_at: registration.expiresAt }
})

/** What an event of a discovery channel says, or nothing. */
export const registrationOf = (event: Pick<Event, "payload">): Registration | undefined => {
  const decoded = decode(event.payload)
  if (Exit.isFailure(decoded)) return undefined
  const { expires_at: expiresAt, ...said } = decoded.value
  if ("info" in said) return { kind: "channel", id: said.info.id, info: said.info, expiresAt }
  const { channels_read, channels_write, description, services, system_id, system_name } = said.descriptor
  return {
    kind: "system",
    id: system_id,
    descriptor: { systemId: system_id, systemName: system_name, description, services, channelsRead: channels_read, channelsWrite: channels_write },
    expiresAt
  }
}

const wireOf = (descriptor: ServiceDescriptor): typeof Descriptor.Type => ({
  system_id: descriptor.systemId,
  system_name: descriptor.systemName,
  description: descriptor.description,
  services: descriptor.services,
  channels_read: descriptor.channelsRead.slice(0, namesMax),
  channels_write: descriptor.channelsWrite.slice(0, namesMax)
})
