// What those outside may use beside channels: subscriptions, artifacts, snapshots, and events by their ids. Every door
// offers these same four.
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ArtifactRecord } from "../../protocol/artifact.ts"
import type { Channel } from "../../protocol/channel.ts"
import { ChannelNotFound, type ChannelExists, type Denied, type StoreUnavailable } from "../../protocol/errors.ts"
import type { ChannelId } from "../../protocol/names.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import type { ChannelsService } from "../channel/channels.ts"
import { artifactSweepMillis } from "../limits.ts"
import { makeArtifacts, type Artifacts } from "./artifacts.ts"
import { makeEvents, type Events } from "./events.ts"
import { makeRecords } from "./records.ts"
import { makeSnapshots, type Snapshots } from "./snapshots.ts"
import { makeSubscriptions, type KeptSubscription, type Subscriptions } from "./subscriptions.ts"
import type { Visitor } from "./visitor.ts"

export interface Resources {
  /** A channel that the visitor may read; a copy. */
  readonly channel: (visitor: Visitor, name: ChannelId) => Effect.Effect<Channel, ChannelNotFound | Denied>
  readonly events: Events
  readonly subscriptions: Subscriptions
  readonly artifacts: Artifacts
  readonly snapshots: Snapshots
}

/** Opens them on the kernel's channels. Bytes that nobody claimed are looked for as long as the scope is open. */
export const make = Effect.fnUntraced(function*(
  channels: ChannelsService
): Effect.fn.Return<Resources, ChannelExists | StoreUnavailable, Scope.Scope> {
  const subscriptions = yield* makeRecords<KeptSubscription>(channels, wellKnown.subscriptions, "subscription", "Every shared subscription.")
  const records = yield* makeRecords<ArtifactRecord>(channels, wellKnown.artifacts, "artifact", "Every artifact that has an id.")
  const events = makeEvents(channels)
  const artifacts = makeArtifacts(channels, records)
  const collect = Effect.flatMap(artifacts.collect, (dropped) =>
    dropped.length === 0 ? Effect.void : Effect.logInfo(`removed ${dropped.length} artifacts that were sent and never recorded`))
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(
    collect.pipe(Effect.catch((failure) => Effect.logWarning(`unrecorded artifacts could not be removed: ${failure.message}`))),
    Effect.sleep(artifactSweepMillis)
  )))
  const channel: Resources["channel"] = (visitor, name) =>
    Effect.suspend((): Effect.Effect<Channel, ChannelNotFound | Denied> => {
      const refused = visitor.refusal(name, "read")
      if (refused !== undefined) return Effect.fail(refused)
      const found = channels.get(name)
      return found === undefined ? Effect.fail(new ChannelNotFound({ channel: name })) : Effect.succeed(structuredClone(found))
    })
  return { channel, events, artifacts, subscriptions: makeSubscriptions(channels, events, subscriptions), snapshots: makeSnapshots(channels) }
})
