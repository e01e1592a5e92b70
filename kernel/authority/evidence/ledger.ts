// The ledger: the Merkle tree that grows with the journal, and what a checkpoint says beside its root. It is what is kept,
// also while nobody has been told of it yet.
import type { Cursor } from "../../../protocol/names.ts"
import type { Placed } from "../state/state.ts"
import { originOf, type Checkpoint } from "./checkpoint.ts"
import { makeTree, type FrozenTree, type Hashing } from "./merkle.ts"

export interface FrozenLedger extends FrozenTree {
  /** Hash of the first entry of the journal; empty for an empty one. */
  readonly first: string
}

export interface Ledger {
  readonly append: (placed: Pick<Placed, "cursor" | "hash" | "entry">) => void
  readonly size: () => number
  readonly head: () => Checkpoint
  readonly freeze: () => FrozenLedger
}

/** From nothing, or from what a snapshot kept of it behind this entry; undefined when that is no ledger. */
export const makeLedger = (hashing: Hashing, from?: { readonly frozen: FrozenLedger; readonly cursor: Cursor; readonly chain: string }): Ledger | undefined => {
  if (from !== undefined && (from.frozen === null || typeof from.frozen !== "object" || !Array.isArray(from.frozen.nodes) || typeof from.frozen.first !== "string")) return undefined
  const tree = makeTree(hashing, from?.frozen)
  if (tree === undefined) return undefined
  let first = from?.frozen.first ?? ""
  let cursor = from?.cursor ?? 0
  let chain = from?.chain ?? ""
  let snapshot: Checkpoint["snapshot"]
  return {
    append: (placed) => {
      tree.append(hashing.entry(placed.cursor, placed.hash))
      if (first === "") first = placed.hash
      ;({ cursor, hash: chain } = placed)
      if (placed.entry.kind === "snapshot.taken") snapshot = { cursor: placed.entry.cursor, sha256: placed.entry.sha256 }
    },
    size: tree.size,
    head: () => ({ origin: originOf(first), size: tree.size(), root: tree.root(), chain, cursor, ...(snapshot === undefined ? {} : { snapshot }) }),
    freeze: () => ({ ...tree.freeze(), first })
  }
}
