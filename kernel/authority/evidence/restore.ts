// What a start makes of the journal: the newest snapshot that the journal vouches for, the entries behind it, and on the way
// the chain, the Merkle tree, and the newest checkpoint that lies outside the store.
import * as Effect from "effect/Effect"
import type { Event } from "../../../protocol/event.ts"
import { StoreCorrupt } from "../../../protocol/errors.ts"
import type { Cursor } from "../../../protocol/names.ts"
import type { Snapshot } from "../../../protocol/snapshot.ts"
import { journal } from "../../../protocol/well-known.ts"
import { journalCheckedAtStart } from "../../limits.ts"
import { entryOf } from "../entry.ts"
import { thaw, type FrozenState } from "../state/frozen.ts"
import { initial, type AuthorityState, type Placed } from "../state/state.ts"
import { foldVersion, step } from "../state/step.ts"
import type { Checkpoint } from "./checkpoint.ts"
import { differs } from "./keeper.ts"
import { makeLedger, type FrozenLedger, type Ledger } from "./ledger.ts"
import { hexOf, type Hashing } from "./merkle.ts"

/** The value of a snapshot of the fold. */
export interface Frozen {
  readonly foldVersion: number
  readonly state: FrozenState
  /** Absent in snapshots of the first layout, which are not used any more. */
  readonly ledger?: FrozenLedger
}

export interface RestoreOptions {
  readonly hashing: Hashing
  readonly hashOf: (previous: string, entry: Pick<Event, "kind" | "payload">) => string
  readonly shaOf: (value: unknown) => string
  readonly page: (after: Cursor) => Effect.Effect<ReadonlyArray<Event>, StoreCorrupt>
  readonly snapshot: Effect.Effect<Snapshot | undefined, StoreCorrupt>
}

export interface Restored {
  readonly state: AuthorityState
  readonly ledger: Ledger
  /** What speaks against the checkpoint that the journal was held against. */
  readonly differs: string | undefined
  /** The snapshot that it began with and whose entries were not read again: they are many. */
  readonly unread: Checkpoint | undefined
}

export const hashOfEvent = (event: Event): string => {
  const hash = event.metadata["hash"]
  return typeof hash === "string" ? hash : ""
}

export const placed = (event: Event): Placed => ({ cursor: event.cursor, hash: hashOfEvent(event), entry: entryOf(event) })

const broken = (cursor: Cursor): StoreCorrupt => new StoreCorrupt({ where: `${journal}#${cursor}`, reason: "its hash does not follow from the entry before it" })

/** Folds what is behind a state; verifies the chain on the way. */
export const foldTail = Effect.fnUntraced(function*(
  { hashOf, page }: Pick<RestoreOptions, "hashOf" | "page">, from: AuthorityState, ledger: Ledger, seen: () => void = () => undefined
): Effect.fn.Return<AuthorityState, StoreCorrupt> {
  let state = from
  for (;;) {
    const events = yield* page(state.cursor)
    if (events.length === 0) return state
    for (const event of events) {
      if (hashOfEvent(event) !== hashOf(state.chain, event)) return yield* broken(event.cursor)
      const one = placed(event)
      state = step(state, one)
      ledger.append(one)
      seen()
    }
  }
})

/** Reads the entries up to a place and says what they come to: none is believed that does not follow from the one before it. */
export const readUpTo = Effect.fnUntraced(function*(
  { hashing, hashOf, page }: RestoreOptions, upTo: Cursor
): Effect.fn.Return<Checkpoint, StoreCorrupt> {
  const ledger = makeLedger(hashing)!
  let chain = ""
  for (let after = 0; ;) {
    const events = (yield* page(after)).filter(({ cursor }) => cursor <= upTo)
    for (const event of events) {
      const one = placed(event)
      if (one.hash !== hashOf(chain, event)) return yield* broken(event.cursor)
      ledger.append(one)
      ;({ cursor: after, hash: chain } = one)
    }
    if (events.length === 0 || after >= upTo) return ledger.head()
  }
})

/** The newest snapshot, when the journal vouches for it, and no checkpoint is older: that one could not be looked at any more. */
const begin = Effect.fnUntraced(function*(
  options: RestoreOptions, newest: Checkpoint | undefined
): Effect.fn.Return<{ readonly state: AuthorityState; readonly ledger: Ledger }, StoreCorrupt> {
  const fresh = { state: initial, ledger: makeLedger(options.hashing)! }
  const snapshot = yield* options.snapshot
  if (snapshot === undefined) return fresh
  // Sound when the hash is found below: the value is what a kernel of this fold version wrote.
  const frozen = snapshot.value as unknown as Frozen
  if (frozen === null || typeof frozen !== "object" || frozen.foldVersion !== foldVersion || frozen.ledger === undefined) return fresh
  if (typeof frozen.state?.cursor !== "number") return fresh
  const ledger = makeLedger(options.hashing, { frozen: frozen.ledger, cursor: frozen.state.cursor, chain: frozen.state.chain })
  if (ledger === undefined || (newest !== undefined && newest.size < ledger.size())) return fresh
  const sha = options.shaOf(snapshot.value)
  for (let after = frozen.state.cursor; ; ) {
    const events = yield* options.page(after)
    if (events.length === 0) return fresh
    const vouched = events.some((event) => {
      const entry = entryOf(event)
      return entry.kind === "snapshot.taken" && entry.sha256 === sha && entry.cursor === frozen.state.cursor
    })
    if (vouched) return { state: thaw(frozen.state), ledger }
    after = events[events.length - 1]!.cursor
  }
})

export const agrees = (a: Checkpoint, b: Checkpoint): boolean => a.size === b.size && a.chain === b.chain && hexOf(a.root) === hexOf(b.root)

export const restore = Effect.fnUntraced(function*(
  options: RestoreOptions, newest: Checkpoint | undefined
): Effect.fn.Return<Restored, StoreCorrupt> {
  const { ledger, state: from } = yield* begin(options, newest)
  const start = ledger.head()
  let different: string | undefined
  const look = (): void => {
    if (newest !== undefined && newest.size === ledger.size()) different = differs(newest, ledger.head())
  }
  look()
  // A short beginning is read again: what the snapshot says of it must be what lies there.
  if (start.size > 0 && start.size <= journalCheckedAtStart && !agrees(yield* readUpTo(options, start.cursor), start)) {
    return yield* new StoreCorrupt({ where: `${journal}#1..${start.cursor}`, reason: "its entries are not those that the newest snapshot was made of" })
  }
  const state = yield* foldTail(options, from, ledger, look)
  return { state, ledger, differs: different, unread: start.size > journalCheckedAtStart ? start : undefined }
})
