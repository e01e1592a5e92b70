// The intake of a channel with a source: raw items wait in a bounded buffer, are converted side by side, and come out in the
// order in which they came in.
import { Overloaded } from "../../protocol/errors.ts"
import type { ChannelId } from "../../protocol/names.ts"

export interface Intake<Item> {
  /** Takes an item in and answers its id; throws `Overloaded` at once when there is no room. */
  readonly put: (item: Item) => string
  /**
   * Takes out everything that waits, converts it, and hands on what came out, in order; `undefined` was discarded. What
   * `convert` throws goes to `onFailure` and costs that item only.
   */
  readonly process: (
    convert: (item: Item) => Promise<unknown>, handOn: (items: ReadonlyArray<readonly [Item, unknown]>) => Promise<void>,
    onFailure: (error: unknown) => Promise<void>
  ) => Promise<void>
  /** Items that wait or are under way. */
  readonly size: () => number
  /** Forgets all of them, those under way included, and answers how many there were. */
  readonly abandon: () => number
}

export const makeIntake = <Item>(options: { readonly channel: ChannelId; readonly max: number; readonly workers: number }): Intake<Item> => {
  let waiting: Array<Item> = []
  let underWay = 0
  /** Grows when everything is abandoned: what comes out of an earlier one is thrown away. */
  let generation = 0
  let made = 0

  return {
    put: (item) => {
      if (waiting.length >= options.max) {
        throw new Overloaded({ what: `The raw buffer of ${options.channel}`, limit: options.max, unit: "items", retryAfterMillis: 1_000 })
      }
      waiting.push(item)
      return `raw-${++made}-${globalThis.crypto.randomUUID().slice(0, 8)}`
    },
    process: async (convert, handOn, onFailure) => {
      const items = waiting
      const own = generation
      waiting = []
      underWay += items.length
      const converted: Array<unknown> = Array.from({ length: items.length })
      const failures: Array<unknown> = []
      let next = 0
      const worker = async (): Promise<void> => {
        while (next < items.length && own === generation) {
          const at = next++
          try {
            converted[at] = await convert(items[at]!)
          } catch (error) {
            failures.push(error)
          }
        }
      }
      await Promise.all(Array.from({ length: Math.min(options.workers, items.length) }, worker))
      if (own !== generation) return
      const out = items.flatMap((item, at) => (converted[at] === undefined || converted[at] === null ? [] : [[item, converted[at]] as const]))
      try {
        for (const error of failures) await onFailure(error)
        await handOn(out)
      } finally {
        if (own === generation) underWay -= items.length
      }
    },
    size: () => waiting.length + underWay,
    abandon: () => {
      const count = waiting.length + underWay
      waiting = []
      underWay = 0
      generation += 1
      return count
    }
  }
}
