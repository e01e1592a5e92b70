// What a module asks for, as data: what a publisher signs, what an operator approves, and what more a newer version wants.
import * as Schema from "effect/Schema"
import type { Manifest } from "./manifest.ts"
import { isWeaker, tiers, type Tier } from "./tier.ts"

const Names = Schema.Array(Schema.String)

export const Asks = Schema.Struct({
  reads: Names,
  writes: Names,
  takes: Names,
  provides: Names,
  snapshots: Names,
  /** Executors that it wants to act with, and those that it serves. */
  executors: Names,
  serves: Names,
  remoteChannels: Names,
  /** Roots of reading powers. */
  powers: Names,
  privileged: Schema.Boolean,
  tier: Schema.Literals(tiers)
})
export interface Asks extends Schema.Schema.Type<typeof Asks> {}

const sorted = (names: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set(names)].sort()

/** Of a module and all that it owns together. */
export const asksOf = (manifests: ReadonlyArray<Manifest>, serves: ReadonlyArray<string>, tier: Tier): Asks => {
  const all = (of: (manifest: Manifest) => ReadonlyArray<string>): ReadonlyArray<string> => sorted(manifests.flatMap(of))
  return {
    reads: all(({ reads }) => reads),
    writes: all(({ writes }) => writes),
    takes: all(({ takes }) => takes),
    provides: all(({ provides }) => provides.map(({ name }) => name)),
    snapshots: all(({ snapshots }) => snapshots),
    executors: all(({ executors }) => executors),
    serves: sorted(serves),
    remoteChannels: all(({ remoteChannels }) => remoteChannels),
    powers: all(({ powers }) => powers.map(({ root }) => root)),
    privileged: manifests.some(({ privileged }) => privileged),
    tier
  }
}

const lists = ["reads", "writes", "takes", "provides", "snapshots", "executors", "serves", "remoteChannels", "powers"] as const

/** What `now` asks for beyond `before`, in words; nothing when it is as small or smaller. */
export const moreThan = (before: Asks, now: Asks): ReadonlyArray<string> => [
  ...lists.flatMap((list) => {
    const had = new Set(before[list])
    return now[list].filter((name) => !had.has(name)).map((name) => `${list}: ${name}`)
  }),
  ...(now.privileged && !before.privileged ? ["privileged"] : []),
  ...(isWeaker(now.tier, before.tier) ? [`tier: ${now.tier}, where it was ${before.tier}`] : [])
]
