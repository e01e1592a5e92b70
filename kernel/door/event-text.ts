// The JSON text of events. Events are frozen and shared by all readers, so each is made into text once for all of them.
import type { Event, Page, TextPage } from "../../protocol/event.ts"

const texts = new WeakMap<Event, string>()

export const eventText = (event: Event): string => {
  let text = texts.get(event)
  if (text === undefined) {
    text = JSON.stringify(event)
    // What is not frozen is somebody's own, and may be another event tomorrow.
    if (Object.isFrozen(event)) texts.set(event, text)
  }
  return text
}

const listText = (events: ReadonlyArray<Event>): string => {
  let text = "["
  for (let at = 0; at < events.length; at++) text += at === 0 ? eventText(events[at]!) : `,${eventText(events[at]!)}`
  return `${text}]`
}

export const pageText = (page: Page): string =>
  `{"events":${listText(page.events)},"next":${page.next},"head":${page.head}${page.held === undefined ? "" : `,"held":${JSON.stringify(page.held)}`}}`

/** Joined once, head and end included: a text that is put together of joined ones would be copied again. */
export const textPageText = ({ head, next, texts }: TextPage): string => {
  if (texts.length === 0) return `{"events":[],"next":${next},"head":${head}}`
  const parts = [...texts]
  parts[0] = `{"events":[${parts[0]!}`
  parts[parts.length - 1] = `${parts.at(-1)!}],"next":${next},"head":${head}}`
  return parts.join(",")
}
