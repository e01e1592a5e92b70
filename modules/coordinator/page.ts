// Pages: as much of a list as fits into one answer, and where to go on.
import type { coordination } from "aaax"
import { pageItemsMax, pageTextMax } from "./limits.ts"

/** What is left of an answer that several lists share, in UTF-16 code units of its JSON text. */
export interface Room {
  left: number
}

/** At most `limit` items, and no more than fit; one when there is nothing else, for no item alone is too much. */
export const pageOf = <T>(items: Iterable<T>, nameOf: (item: T) => string, limit = pageItemsMax, room: Room = { left: pageTextMax }): coordination.Page<T> => {
  const max = Math.max(1, Math.min(pageItemsMax, limit))
  const page: Array<T> = []
  const isAlone = room.left === pageTextMax
  for (const item of items) {
    if (page.length === max) return { items: page, next: nameOf(page[page.length - 1]!) }
    const size = JSON.stringify(item).length + 1
    if (size > room.left && !(isAlone && page.length === 0)) return { items: page, next: page.length === 0 ? "" : nameOf(page[page.length - 1]!) }
    page.push(item)
    room.left -= size
  }
  return { items: page }
}
