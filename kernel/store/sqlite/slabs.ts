// Memory for the bodies of the newest blocks, outside the JavaScript heap. A body that stayed in the heap until its
// tail is evicted would be copied twice by the garbage collector, and fresh buffers would make it run just as often: at
// 100,000 events in a second either costs some milliseconds in every hundred. So bodies are encoded into slabs, one
// after another, and a slab is used again when its last body was given up.

export interface Slab {
  readonly buffer: Buffer
  /** Bodies that lie in it. */
  live: number
}

export interface Slabs {
  /** Encodes a text; the bytes hold until the slab is released as often as it was written to. */
  readonly write: (text: string) => { readonly bytes: Uint8Array; readonly slab: Slab }
  readonly release: (slab: Slab) => void
}

const slabBytes = 2 * 1_048_576
/** Slabs that wait to be used again. */
const freeMax = 8

export const makeSlabs = (): Slabs => {
  const free: Array<Slab> = []
  let slab: Slab = { buffer: Buffer.alloc(0), live: 0 }
  let used = 0

  const next = (bytes: number): void => {
    const before = slab
    slab = (bytes <= slabBytes ? free.pop() : undefined) ?? { buffer: Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes)), live: 0 }
    used = 0
    recycle(before)
  }
  const recycle = (one: Slab): void => {
    if (one.live === 0 && one !== slab && one.buffer.length === slabBytes && free.length < freeMax) free.push(one)
  }
  return {
    write: (text) => {
      if (slab.buffer.length - used < text.length) next(text.length + 3)
      let written = slab.buffer.write(text, used, "utf8")
      if (slab.buffer.length - used - written < 3) {
        // It may have been cut off. No UTF-16 unit needs more than three bytes.
        next(text.length * 3 + 3)
        written = slab.buffer.write(text, used, "utf8")
      }
      const bytes = slab.buffer.subarray(used, used + written)
      used += written
      slab.live++
      return { bytes, slab }
    },
    release: (one) => {
      one.live--
      recycle(one)
    }
  }
}
