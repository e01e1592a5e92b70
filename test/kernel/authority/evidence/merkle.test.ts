// The Merkle tree of the journal: the roots that the reference implementation of Certificate Transparency gives, and the
// same roots and proofs as a naive reading of RFC 6962.
import { createHash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { bytesOfHex, hashing, hexOf, makeTree, proofsOf } from "../../../../kernel/authority/evidence/merkle.ts"
import { sha256Bytes } from "../../../../kernel/power/digest.ts"
import { makeRandom } from "../../../kit/random.ts"

const tools = hashing(sha256Bytes)

/** RFC 6962, 2.1, word by word. */
const naive = (leaves: ReadonlyArray<Buffer>): Buffer => {
  const hash = (...parts: ReadonlyArray<Uint8Array>): Buffer => createHash("sha256").update(Buffer.concat(parts)).digest()
  if (leaves.length === 0) return hash()
  if (leaves.length === 1) return hash(Buffer.of(0), leaves[0]!)
  let k = 1
  while (k * 2 < leaves.length) k *= 2
  return hash(Buffer.of(1), naive(leaves.slice(0, k)), naive(leaves.slice(k)))
}

/** RFC 9162, 2.1.3.2. */
const rootOfInclusion = (leaf: Uint8Array, index: number, size: number, proof: ReadonlyArray<Uint8Array>): string => {
  let [at, last, top] = [index, size - 1, leaf]
  for (const sibling of proof) {
    if (last === 0) return "too long"
    if (at % 2 === 1 || at === last) {
      top = tools.node(sibling, top)
      while (at % 2 === 0 && at !== 0) [at, last] = [at >> 1, last >> 1]
    } else top = tools.node(top, sibling)
    ;[at, last] = [at >> 1, last >> 1]
  }
  return last === 0 ? hexOf(top) : "too short"
}

/** RFC 9162, 2.1.4.2. */
const rootsOfConsistency = (from: number, to: number, old: Uint8Array, proof: ReadonlyArray<Uint8Array>): readonly [string, string] => {
  if (from === to) return [hexOf(old), hexOf(old)]
  const path = [...((from & (from - 1)) === 0 ? [old] : []), ...proof]
  let [fn, sn] = [from - 1, to - 1]
  while (fn % 2 === 1) [fn, sn] = [fn >> 1, sn >> 1]
  let [fr, sr] = [path[0]!, path[0]!]
  for (const part of path.slice(1)) {
    if (fn % 2 === 1 || fn === sn) {
      fr = tools.node(part, fr)
      sr = tools.node(part, sr)
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn >> 1, sn >> 1]
    } else sr = tools.node(sr, part)
    ;[fn, sn] = [fn >> 1, sn >> 1]
  }
  return [hexOf(fr), hexOf(sr)]
}

const treeOf = (leaves: ReadonlyArray<Uint8Array>) => {
  const tree = makeTree(tools)!
  for (const leaf of leaves) tree.append(tools.leaf(leaf))
  return tree
}

describe("the Merkle tree", () => {
  it("gives the roots of the reference implementation", () => {
    const leaves = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"].map((hex) => bytesOfHex(hex)!)
    const roots = [
      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
      "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
      "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
      "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
      "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
      "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
      "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
      "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    ]
    expect(roots.map((_, size) => hexOf(treeOf(leaves.slice(0, size)).root()))).toEqual(roots)
  })

  it("is that of a naive implementation at every size, also when it is frozen on the way, and proves every leaf and every beginning", () => {
    const random = makeRandom(6962)
    const leaves = Array.from({ length: 40 }, () => Buffer.from(Array.from({ length: random.int(40) }, () => random.int(256))))
    const hashes = leaves.map(tools.leaf)
    const roots = Array.from({ length: leaves.length + 1 }, (_, size) => naive(leaves.slice(0, size)).toString("hex"))
    let tree = makeTree(tools)!
    for (let size = 1; size <= leaves.length; size++) {
      tree.append(hashes[size - 1]!)
      expect(hexOf(tree.root())).toBe(roots[size])
      tree = makeTree(tools, JSON.parse(JSON.stringify(tree.freeze())))!
      const proofs = proofsOf(tools, hashes.slice(0, size))
      expect(hexOf(proofs.root(size))).toBe(roots[size])
      for (let index = 0; index < size; index++) {
        expect(rootOfInclusion(hashes[index]!, index, size, proofs.inclusion(index, size))).toBe(roots[size])
        const old = index + 1
        expect(rootsOfConsistency(old, size, proofs.root(old), proofs.consistency(old, size))).toEqual([roots[old], roots[size]])
      }
    }
  })

  it("takes no frozen tree that is none", () => {
    const node = "a".repeat(64)
    for (const frozen of [{ size: 3, nodes: [node] }, { size: -1, nodes: [] }, { size: 1, nodes: ["A".repeat(64)] }, { size: 1, nodes: ["aa"] }, { size: 1.5, nodes: [node] }]) {
      expect(makeTree(tools, frozen)).toBeUndefined()
    }
  })

  it("hashes a leaf of an entry as `cursor newline hash`", () => {
    const hash = "0f".repeat(32)
    expect(hexOf(tools.entry(12, hash))).toBe(createHash("sha256").update(`\0${12}\n${hash}`).digest("hex"))
    const long = "é".repeat(300)
    expect(hexOf(tools.entry(12, long))).toBe(createHash("sha256").update(`\0${12}\n${long}`).digest("hex"))
  })
})
