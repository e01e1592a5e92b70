// What a package says of its channels and states to those who list packages, and the manifest around it.
import { InvalidPayloadError } from "../../protocol/portable-error.ts"
import {
  checkChannel, checkSnapshot, type Channel, type ChannelDraft, type CheckOptions, type JsonObject, type Snapshot, type SnapshotDraft
} from "../../protocol/portable.ts"

/** What is said of an endpoint that a package adds to the portable API: what `endpoint` of `aaax/door/endpoint` makes, without its code. */
export interface EndpointDescription {
  readonly name: string
  readonly method: string
  readonly path: string
  readonly scope: string
  readonly description: string
  readonly tags: ReadonlyArray<string>
}

export type ChannelResource = Channel & { readonly endpoints: ReadonlyArray<EndpointDescription> }

export type SnapshotResource = Pick<Snapshot, "name" | "schema" | "channel" | "metadata"> & {
  readonly description: string
  readonly endpoints: ReadonlyArray<EndpointDescription>
}

export interface ResourceOptions {
  /** Endpoints; whatever is none is passed by. */
  readonly endpoints?: ReadonlyArray<unknown>
}

// Neither is asked for: a resource has a name, and says nothing of time.
const checks: CheckOptions = { newId: () => "", now: () => 0 }

const copyOf = (metadata: JsonObject): JsonObject => structuredClone(metadata)

const isEndpoint = (value: unknown): value is EndpointDescription =>
  typeof value === "object" && value !== null && "method" in value && "path" in value && "tags" in value

const isNew = (seen: Set<string>, key: string): boolean => seen.size !== seen.add(key).size

/** Two endpoints have one place when they differ in what their parameters are called, and in nothing else. */
const descriptionsOf = ({ endpoints = [] }: ResourceOptions): ReadonlyArray<EndpointDescription> => {
  const names = new Set<string>()
  const places = new Set<string>()
  return endpoints.filter(isEndpoint).map(({ description, method, name, path, scope, tags }) => {
    if (!isNew(names, name)) throw new InvalidPayloadError(`endpoint name is used twice: ${name}`)
    if (!isNew(places, `${method} ${path.replace(/\{[^}]*\}/gu, "{}")}`)) throw new InvalidPayloadError(`endpoint path is used twice: ${method} ${path}`)
    return { name, method, path, scope, description, tags: [...tags] }
  })
}

/** A channel as a package lists it. Throws `InvalidPayloadError`, also when two endpoints are in each other's place. */
export const channelResource = (channel: ChannelDraft, options: ResourceOptions = {}): ChannelResource => {
  const { name, schema, form, description, metadata } = checkChannel(channel, checks)
  return { name, schema, form, description, metadata: copyOf(metadata), endpoints: descriptionsOf(options) }
}

/** A snapshot as a package lists it: what it is of, not what its value is. */
export const snapshotResource = (
  snapshot: SnapshotDraft, { description = "", ...options }: ResourceOptions & { readonly description?: string } = {}
): SnapshotResource => {
  const { name, schema, channel, metadata } = checkSnapshot(snapshot, checks)
  return { name, schema, channel, description, metadata: copyOf(metadata), endpoints: descriptionsOf(options) }
}

export interface PackageManifestInput {
  readonly org: string
  readonly name: string
  readonly version: string
  /** What the package is for, such as `channels.raw`. */
  readonly primary?: string
  readonly kind?: string
  readonly description?: string
  readonly schemas?: Readonly<Record<string, unknown>>
  readonly channels?: ReadonlyArray<ChannelResource>
  readonly snapshots?: ReadonlyArray<SnapshotResource>
  readonly runs?: Readonly<Record<string, unknown>>
}

const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || value === "" ||
  (Array.isArray(value) ? value.length === 0 : typeof value === "object" && Object.keys(value).length === 0)

/** Members that say something. */
const pruned = (table: object): Record<string, unknown> => Object.fromEntries(Object.entries(table).filter(([, value]) => !isEmpty(value)))

const byName = (resources: ReadonlyArray<{ readonly name: string }>): Record<string, unknown> =>
  Object.fromEntries(resources.map(({ name, ...rest }) => [name, pruned(rest)]))

/** The manifest of a package, as plain data: what is empty is left out. */
export const packageManifest = (input: PackageManifestInput): Record<string, unknown> => {
  const { schemas = {}, channels = [], snapshots = [], runs = {}, org, name, version, kind = "channel", primary, description } = input
  return structuredClone(pruned({
    package: pruned({ psi_version: "0.1", org, name, version, kind, primary, description }),
    schemas, channels: byName(channels), snapshots: byName(snapshots), runs
  }))
}
