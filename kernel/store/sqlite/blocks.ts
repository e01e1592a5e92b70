// The blocks that are held in memory: the newest ones as they were committed (the tail, which live readers read
// without touching SQLite), and some that were read from disk.
import { coldTextMax, parsedTextMax, tailTextMax } from "../../limits.ts"
import { forgetParsed, giveUp, type Block } from "./block.ts"

export interface Blocks {
  /** The block that was committed just now. Rows must come in order. */
  readonly push: (block: Block) => void
  readonly get: (off: number) => Block | undefined
  /** A block that was read from disk. */
  readonly keep: (block: Block) => void
  /** Its row was deleted. The tail stays whole: what is evicted is hidden by the floor of its channel. */
  readonly drop: (off: number) => void
  /** Its events were parsed: it weighs so much more than before. */
  readonly grew: (block: Block, by: number) => void
  /** Newest blocks in order, without holes. */
  readonly tail: () => { readonly blocks: ReadonlyArray<Block | undefined>; readonly start: number }
}

export const makeBlocks = (): Blocks => {
  let tail: Array<Block | undefined> = []
  let start = 0
  let base = 0
  let tailWeight = 0
  const cold = new Map<number, Block>()
  let coldWeight = 0

  /** Blocks of the tail with parsed events, the first parsed first. */
  const parsed = new Set<Block>()
  let parsedWeight = 0
  let newestParsed: Block | undefined

  /* hot */
  const noteParsed = (block: Block, by: number): void => {
    if (block !== newestParsed) {
      parsed.add(block)
      newestParsed = block
    }
    parsedWeight += by
    if (parsedWeight <= parsedTextMax) return
    for (const oldest of parsed) {
      if (parsedWeight <= parsedTextMax || oldest === block) return
      tailWeight -= oldest.parsed
      leaveParsed(oldest)
      forgetParsed(oldest)
    }
  }
  const leaveParsed = (block: Block): void => {
    if (parsed.delete(block)) parsedWeight -= block.parsed
    if (block === newestParsed) newestParsed = undefined
  }
  const shrinkTail = (): void => {
    while (tailWeight > tailTextMax && start < tail.length) {
      const oldest = tail[start]
      tail[start++] = undefined
      if (oldest === undefined) continue
      tailWeight -= oldest.weight
      leaveParsed(oldest)
      giveUp(oldest)
    }
    if (start > 1_024 && start > tail.length / 2) {
      tail = tail.slice(start)
      base += start
      start = 0
    }
  }
  const forget = (block: Block): void => {
    if (cold.delete(block.off)) coldWeight -= block.weight
  }
  const shrinkCold = (): void => {
    for (const block of cold.values()) {
      if (coldWeight <= coldTextMax || cold.size === 1) return
      forget(block)
    }
  }
  return {
    push: (block) => {
      if (base + tail.length !== block.off) {
        tail = []
        start = 0
        base = block.off
        tailWeight = 0
        parsed.clear()
        parsedWeight = 0
        newestParsed = undefined
      }
      tail.push(block)
      tailWeight += block.weight
      if (block.parsed > 0) noteParsed(block, block.parsed)
      if (tailWeight > tailTextMax) shrinkTail()
    },
    get: (off) => {
      const hot = tail[off - base]
      if (hot !== undefined) return hot
      const block = cold.get(off)
      if (block === undefined) return undefined
      cold.delete(off) // the least recently used one goes first
      cold.set(off, block)
      return block
    },
    keep: (block) => {
      const before = cold.get(block.off)
      if (before !== undefined) forget(before)
      cold.set(block.off, block)
      coldWeight += block.weight
      shrinkCold()
    },
    drop: (off) => {
      const block = cold.get(off)
      if (block !== undefined) forget(block)
    },
    grew: (block, by) => {
      if (tail[block.off - base] === block) {
        tailWeight += by
        noteParsed(block, by)
        shrinkTail()
      } else if (cold.get(block.off) === block) {
        coldWeight += by
        shrinkCold()
      }
    },
    tail: () => ({ blocks: tail, start })
  }
}
