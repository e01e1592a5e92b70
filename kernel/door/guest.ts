// A guest: somebody outside whose credential was checked. To the kernel it is a docked system like any other.
import type * as Effect from "effect/Effect"
import type { Channel } from "../../protocol/channel.ts"
import type { ChannelExists, ChannelNotFound, Denied, InvalidPayload, StoreUnavailable, Unauthenticated } from "../../protocol/errors.ts"
import type { ChannelSpec } from "../../protocol/channel.ts"
import type { Manifest } from "../../protocol/manifest.ts"
import type { ChannelId, SystemId } from "../../protocol/names.ts"
import type { Port } from "../../protocol/port.ts"
import type { Principal, Role } from "../../protocol/security.ts"
import type { ProvenRequest } from "../guard/act/proof.ts"

export interface Guest {
  /** The id under which it is docked: the sender of whatever it writes. */
  readonly system: SystemId
  /** Holder of the kernel's operator token: everything of `/v1`, and `admin` everywhere. */
  readonly isOperator: boolean
  /** Who it is and what its credential says. */
  readonly principal: Principal
  /** Why its credential is good for nothing any more: it expired or was revoked; nothing while it is good. */
  readonly ended: () => string | undefined
  /**
   * Its own port. It is wired to PUBLIC channels only, also to those that are created later, and every call checks what
   * its credential allows on that channel: `read`; `write` to append, take and settle; so a surface need not check again.
   * A channel that it may not see is not found.
   */
  readonly port: Port
  /** What its credential says of one channel: nothing when it is allowed. A private or hidden channel is not found. */
  readonly refusal: (channel: ChannelId, role: Role) => Denied | ChannelNotFound | undefined
  /**
   * What its credential says of a name, whether or not there is such a channel: for snapshots and artifacts that belong to
   * no channel. Nothing when it is allowed.
   */
  readonly allows: (name: string, role: Role) => Denied | undefined
  /** Channels that it may see, by name. */
  readonly channels: () => ReadonlyArray<Channel>
  /**
   * What its credential says of docking a system of its own with this manifest, from another process: nothing when it may.
   * The operator may dock any id that is free. A token may when it was minted for that (`--system`): the id is its name or
   * below it (`NAME/...`), it asks for no privilege, and every channel that it names is one that the token is good for, with
   * a role that is enough: `read` to read, `write` to append and take, `admin` to provide.
   */
  readonly docking: (manifest: Manifest) => Denied | undefined
  /** Creates a PUBLIC channel; needs `admin` for that name. */
  readonly create: (spec: ChannelSpec) => Effect.Effect<Channel, ChannelExists | Denied | InvalidPayload | StoreUnavailable>
}

/** Somebody with an enrolled key, whose proof was for this request as far as its head says. */
export interface Proven {
  readonly guest: Guest
  /** sha-256 of the token that the proof goes with; undefined: none. */
  readonly token: string | undefined
  /** Takes the proof, once, for a body with these bytes. */
  readonly take: (body: Uint8Array) => Effect.Effect<void, Unauthenticated>
}

/** Checks credentials. The same credential gives the same guest for as long as it is good. */
export interface Reception {
  /** `authorization`: the header, `Bearer TOKEN` or `Basic` with the token as password. Checked on every request; cheap when it is known. */
  readonly authenticate: (authorization: string | undefined) => Effect.Effect<Guest, Unauthenticated>
  /** The token alone, for a WebSocket's first frame. */
  readonly byToken: (token: string) => Effect.Effect<Guest, Unauthenticated>
  /** A proof of an enrolled key. Never remembered: each is good once. */
  readonly byProof: (proof: string, request: ProvenRequest) => Effect.Effect<Proven, Unauthenticated>
  /** What proofs of requests must carry. */
  readonly nonce: string
}
