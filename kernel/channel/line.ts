// The line of those who take, first come first served. A queue with many quick workers fills and empties it with every
// turn, so it is a list that keeps its room and not a set that grows and shrinks each time.
export interface Waiting {
  /** Kept by the line. */
  isInLine: boolean
}

export interface Line<T extends Waiting> {
  readonly size: () => number
  readonly add: (taker: T) => void
  /** Answers false when it was not there. */
  readonly leave: (taker: T) => boolean
  /** Goes along the line until `visit` says false; who leaves meanwhile is passed over. */
  readonly along: (visit: (taker: T) => boolean) => void
}

/** Room that is kept for the next turn, in places. */
const roomMax = 4_096

export const makeLine = <T extends Waiting>(): Line<T> => {
  let places: Array<T | undefined> = []
  let start = 0
  let end = 0
  let size = 0

  /** Closes up when more have left than wait. */
  const close = (): void => {
    if (size === 0) {
      if (end > roomMax) places = []
      else places.fill(undefined, start, end)
      start = 0
      end = 0
      return
    }
    while (places[start]?.isInLine !== true) start++
    if (end - start < 2 * size + 64 && start < roomMax) return
    let to = 0
    for (let at = start; at < end; at++) {
      const taker = places[at]
      if (taker?.isInLine === true) places[to++] = taker
    }
    places.length = to
    start = 0
    end = to
  }

  return {
    size: () => size,
    add: (taker) => {
      taker.isInLine = true
      places[end++] = taker
      size++
    },
    leave: (taker) => {
      if (!taker.isInLine) return false
      taker.isInLine = false
      size--
      return true
    },
    along: (visit) => {
      for (let at = start; at < end; at++) {
        const taker = places[at]
        if (taker?.isInLine === true && !visit(taker)) break
      }
      close()
    }
  }
}
