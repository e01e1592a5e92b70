// The Merkle tree over the journal, as RFC 6962 has it: sha-256, a leaf begins with 0x00, a node with 0x01. The kernel keeps
// only the roots of the complete subtrees (the compact range); proofs are made from all leaves, when somebody asks for one.
//
// The leaf of an entry is the text `cursor \n hash`, where `hash` is the entry's in the chain: that is already the digest of
// everything the entry says and of the entry before it, so the leaf binds both at a price that does not grow with the entry.
import type { Cursor } from "../../../protocol/names.ts"

/** sha-256 of bytes. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array

export const digestBytes = 32

/** What a snapshot keeps of a tree: the roots of its complete subtrees, largest first, in lower-case hexadecimal. */
export interface FrozenTree {
  readonly size: number
  readonly nodes: ReadonlyArray<string>
}

export const hexOf = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) text += (byte < 16 ? "0" : "") + byte.toString(16)
  return text
}

/** The bytes of lower-case hexadecimal; nothing for any other text. */
export const bytesOfHex = (hex: string): Uint8Array | undefined =>
  /^(?:[0-9a-f]{2})*$/u.test(hex) ? Uint8Array.from({ length: hex.length / 2 }, (_, at) => Number.parseInt(hex.slice(2 * at, 2 * at + 2), 16)) : undefined

export interface Hashing {
  readonly leaf: (data: Uint8Array) => Uint8Array
  readonly node: (left: Uint8Array, right: Uint8Array) => Uint8Array
  readonly empty: () => Uint8Array
  /** Leaf hash of a journal entry. */
  readonly entry: (cursor: Cursor, hash: string) => Uint8Array
}

export const hashing = (sha256: Sha256): Hashing => {
  // Hashed at once and never handed out, so one buffer is enough.
  const pair = new Uint8Array(1 + 2 * digestBytes)
  pair[0] = 1
  const entry = new Uint8Array(256)
  const leaf = (data: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(data.length + 1)
    bytes.set(data, 1)
    return sha256(bytes)
  }
  return {
    leaf,
    node: (left, right) => {
      pair.set(left, 1)
      pair.set(right, 1 + digestBytes)
      return sha256(pair)
    },
    empty: () => sha256(new Uint8Array(0)),
    entry: (cursor, hash) => {
      const text = `${cursor}\n${hash}`
      // Both are ASCII where the journal is sound; where it is not, the leaf is that of another text.
      if (text.length >= entry.length) return leaf(new TextEncoder().encode(text))
      for (let at = 0; at < text.length; at++) entry[at + 1] = text.charCodeAt(at)
      return sha256(entry.subarray(0, text.length + 1))
    }
  }
}

export interface Tree {
  readonly size: () => number
  readonly append: (leaf: Uint8Array) => void
  readonly root: () => Uint8Array
  readonly freeze: () => FrozenTree
}

/** How many complete subtrees a tree of this size has. */
const subtrees = (size: number): number => {
  let count = 0
  for (let rest = size; rest > 0; rest = Math.floor(rest / 2)) count += rest % 2
  return count
}

/** A tree from nothing, or from where a snapshot left it; undefined when that is none. */
export const makeTree = ({ empty, node }: Hashing, from: FrozenTree = { size: 0, nodes: [] }): Tree | undefined => {
  const nodes = from.nodes.map(bytesOfHex).filter((bytes) => bytes?.length === digestBytes) as Array<Uint8Array> // undefined has no length
  if (!Number.isSafeInteger(from.size) || from.size < 0 || nodes.length !== from.nodes.length || nodes.length !== subtrees(from.size)) return undefined
  let { size } = from
  return {
    size: () => size,
    append: (leaf) => {
      let top = leaf
      // As many complete subtrees of equal height as the size has ones at its end become one.
      for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) top = node(nodes.pop()!, top)
      nodes.push(top)
      size++
    },
    root: () => (size === 0 ? empty() : nodes.reduceRight((right, left) => node(left, right))),
    freeze: () => ({ size, nodes: nodes.map(hexOf) })
  }
}

/** The largest power of two below a size of two or more. */
const split = (size: number): number => {
  let power = 1
  while (power * 2 < size) power *= 2
  return power
}

export interface Proofs {
  readonly root: (size: number) => Uint8Array
  /** RFC 6962, 2.1.1: from the leaf's sibling upwards. */
  readonly inclusion: (index: number, size: number) => ReadonlyArray<Uint8Array>
  /** RFC 6962, 2.1.2: that the tree of `from` leaves is the beginning of that of `to`. */
  readonly consistency: (from: number, to: number) => ReadonlyArray<Uint8Array>
}

/** Proofs over these leaf hashes. Complete subtrees are hashed once. */
export const proofsOf = ({ empty, node }: Hashing, leaves: ReadonlyArray<Uint8Array>): Proofs => {
  const levels: Array<ReadonlyArray<Uint8Array>> = [leaves]
  for (let below = leaves; below.length > 1;) {
    const level: Array<Uint8Array> = []
    for (let at = 0; at + 1 < below.length; at += 2) level.push(node(below[at]!, below[at + 1]!))
    levels.push(level)
    below = level
  }
  const rootOf = (begin: number, end: number): Uint8Array => {
    const size = end - begin
    const height = Math.log2(size)
    if (Number.isInteger(height) && begin % size === 0) return levels[height]![begin / size]!
    const middle = begin + split(size)
    return node(rootOf(begin, middle), rootOf(middle, end))
  }
  const path = (index: number, begin: number, end: number): ReadonlyArray<Uint8Array> => {
    if (end - begin <= 1) return []
    const middle = begin + split(end - begin)
    return index < middle ? [...path(index, begin, middle), rootOf(middle, end)] : [...path(index, middle, end), rootOf(begin, middle)]
  }
  const sub = (from: number, begin: number, end: number, isWhole: boolean): ReadonlyArray<Uint8Array> => {
    if (from === end) return isWhole ? [] : [rootOf(begin, end)]
    const middle = begin + split(end - begin)
    return from <= middle
      ? [...sub(from, begin, middle, isWhole), rootOf(middle, end)]
      : [...sub(from, middle, end, false), rootOf(begin, middle)]
  }
  return {
    root: (size) => (size === 0 ? empty() : rootOf(0, size)),
    inclusion: (index, size) => path(index, 0, size),
    consistency: (from, to) => (from === 0 ? [] : sub(from, 0, to, true))
  }
}
