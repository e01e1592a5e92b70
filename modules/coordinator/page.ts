// Pages: as much of a list as fits into one answer, and where to go on.
import type { coordination } from "aaax"
import { weightOf } from "./desk.ts"
import { pageItemsMax, pageTextMax } from "./limits.ts"

/** At most `limit` items, and no more than fit; always one, for no item alone is too much. */
export const pageOf = <T>(items: Iterable<T>, nameOf: (item: T) => string, limit = pageItemsMax): coordination.Page<T> => {
  const max = Math.max(1, Math.min(pageItemsMax, limit))
  const page: Array<T> = []
  let room = pageTextMax / 6
  for (const item of items) {
    const weight = weightOf(item)
    if (page.length > 0 && (page.length === max || weight > room)) return { items: page, next: nameOf(page[page.length - 1]!) }
    page.push(item)
    room -= weight
  }
  return { items: page }
}
