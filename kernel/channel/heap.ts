// A binary heap: gives what comes first, in logarithmic time.

export interface Heap<A> {
  readonly size: () => number
  readonly push: (value: A) => void
  readonly peek: () => A | undefined
  readonly pop: () => A | undefined
}

export const makeHeap = <A>(isBefore: (a: A, b: A) => boolean): Heap<A> => {
  const values: Array<A> = []

  const push = (value: A): void => {
    let at = values.length
    values.push(value)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(value, values[parent]!)) break
      values[at] = values[parent]!
      at = parent
    }
    values[at] = value
  }

  const pop = (): A | undefined => {
    const first = values[0]
    const last = values.pop()
    if (last === undefined || values.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= values.length) break
      if (child + 1 < values.length && isBefore(values[child + 1]!, values[child]!)) child++
      if (!isBefore(values[child]!, last)) break
      values[at] = values[child]!
      at = child
    }
    values[at] = last
    return first
  }

  return { size: () => values.length, push, peek: () => values[0], pop }
}
