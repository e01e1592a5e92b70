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

/** What lies between two texts, copied once: as bytes when some of it are. */
export const piecesBetween = (before: string, pieces: TextPage["pieces"], behind: string): string | Uint8Array => {
  if (pieces.length === 0) return before + behind
  if (pieces.every((piece) => typeof piece === "string")) {
    const parts = [...pieces]
    parts[0] = before + parts[0]!
    parts[parts.length - 1] += behind
    return parts.join(",")
  }
  const parts: Array<Uint8Array> = []
  let text = before
  for (let at = 0; at < pieces.length; at++) {
    const piece = pieces[at]!
    if (at > 0) text += ","
    if (typeof piece === "string") text += piece
    else {
      if (text !== "") parts.push(Buffer.from(text))
      parts.push(piece)
      text = ""
    }
  }
  parts.push(Buffer.from(text + behind))
  return Buffer.concat(parts)
}

export const textPage = ({ head, next, pieces }: TextPage): string | Uint8Array => piecesBetween('{"events":[', pieces, `],"next":${next},"head":${head}}`)
