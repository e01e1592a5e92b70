// Refs between packages, what they resolve to, and what a package says of its resources: the entry `aaax/ref`.
export { SSSNRefError } from "../../protocol/portable-error.ts"
export { type RefKind, SSSNRef } from "../../protocol/ref.ts"
export { type Table, type Target } from "./config.ts"
export { type ClientOptions, type ResolvedSSSNRef, type ResolverOptions, SSSNResolver } from "./resolver.ts"
export {
  channelResource, type ChannelResource, type EndpointDescription, packageManifest, type PackageManifestInput, type ResourceOptions, snapshotResource, type SnapshotResource
} from "./resource.ts"
