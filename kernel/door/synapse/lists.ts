// Lists in frames: each item is made into text once, and what finds no room is left out, because the ancestor's clients close at more
// than a MiB.
import { synapseListBytesMax } from "../../limits.ts"

/** Stands for a list until the frame around it is text. No client can say it: a frame of the hub holds it nowhere else as a whole value. */
const markOf = (at: number): string => `\u0000list ${at}\u0000`

/** Lists of one frame. */
export interface Lists {
  /** The first or the last of them, as what stands for them in the frame. */
  readonly add: <T>(items: ReadonlyArray<T>, from: "first" | "last") => ReadonlyArray<T>
  /** Something was left out. */
  readonly truncated: () => boolean
  /** Puts them in their places. */
  readonly into: (text: string) => string
}

/** Only what is not ASCII takes more bytes than characters. */
const bytesOf = (text: string): number => (/[^\u0000-\u007f]/u.test(text) ? Buffer.byteLength(text) : text.length)

export const makeLists = (): Lists => {
  const lists: Array<string> = []
  let room = synapseListBytesMax
  let truncated = false
  return {
    add: <T>(items: ReadonlyArray<T>, from: "first" | "last"): ReadonlyArray<T> => {
      const texts: Array<string> = []
      for (let count = 0; count < items.length; count++) {
        const text = JSON.stringify(items[from === "first" ? count : items.length - 1 - count])
        room -= bytesOf(text) + 1
        if (room < 0) {
          truncated = true
          break
        }
        texts.push(text)
      }
      if (from === "last") texts.reverse()
      lists.push(`[${texts.join(",")}]`)
      return markOf(lists.length - 1) as unknown as ReadonlyArray<T> // `into` puts the list there
    },
    truncated: () => truncated,
    into: (text) => {
      let result = ""
      let rest = text
      for (let at = 0; at < lists.length; at++) {
        const mark = JSON.stringify(markOf(at))
        const place = rest.indexOf(mark)
        result += rest.slice(0, place) + lists[at]!
        rest = rest.slice(place + mark.length)
      }
      return result + rest
    }
  }
}
