// What falls due, soonest first. What has changed since is recognised when it comes up, and passed over.

/** What is to be looked at then, and of what. */
export type Due = "warn" | "lapse" | "turn" | "offer" | "card" | "dead" | "silent"

export interface Timed {
  readonly at: number
  readonly due: Due
  readonly key: string
}

export class Timers {
  private heap: Array<Timed> = []
  private sizeMax = 10_000

  get size(): number {
    return this.heap.length
  }

  /** When the next one is due. */
  next(): number {
    return this.heap[0]?.at ?? Infinity
  }

  add(at: number, due: Due, key: string): void {
    const { heap } = this
    const timed: Timed = { at, due, key }
    let place = heap.length
    heap.push(timed)
    while (place > 0) {
      const parent = (place - 1) >> 1
      if (heap[parent]!.at <= at) break
      heap[place] = heap[parent]!
      place = parent
    }
    heap[place] = timed
  }

  /** Lets go of what is of no interest any more, once there is much. */
  prune(isLive: (timed: Timed) => boolean): void {
    if (this.heap.length <= this.sizeMax) return
    // What is sorted is a heap.
    this.heap = this.heap.filter(isLive).sort((a, b) => a.at - b.at)
    this.sizeMax = 10_000 + 2 * this.heap.length
  }

  /** Takes the first one off when it is due. */
  take(now: number): Timed | undefined {
    const { heap } = this
    const first = heap[0]
    if (first === undefined || first.at > now) return undefined
    const last = heap.pop()!
    if (heap.length === 0) return first
    let place = 0
    for (;;) {
      let child = 2 * place + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && heap[child + 1]!.at < heap[child]!.at) child++
      if (heap[child]!.at >= last.at) break
      heap[place] = heap[child]!
      place = child
    }
    heap[place] = last
    return first
  }
}
