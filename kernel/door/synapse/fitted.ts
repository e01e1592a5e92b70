// What of a list finds room in one frame: the ancestor's clients close at more than a MiB.
import { synapseListBytesMax } from "../../limits.ts"

const bytesOf = (item: unknown): number => {
  const text = JSON.stringify(item)
  // Only what is not ASCII takes more bytes than characters.
  return text.length + (/[^\u0000-\u007f]/u.test(text) ? Buffer.byteLength(text) - text.length : 0) + 1
}

/** The first or the last of them; `beside` is in the same frame. */
export const fitted = <T>(items: ReadonlyArray<T>, from: "first" | "last", beside: ReadonlyArray<unknown> = []): { readonly items: ReadonlyArray<T>; readonly truncated: boolean } => {
  let room = synapseListBytesMax
  for (const item of beside) room -= bytesOf(item)
  for (let count = 0; count < items.length; count++) {
    room -= bytesOf(items[from === "first" ? count : items.length - 1 - count])
    if (room < 0) return { items: from === "first" ? items.slice(0, count) : items.slice(items.length - count), truncated: true }
  }
  return { items, truncated: false }
}
