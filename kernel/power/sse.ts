// Server-sent events as they come in: the data of each, in order.
import * as Sse from "effect/encoding/Sse"

/** Takes text in parts of any length and calls back for the data of each event. Throws for an event that is too large. */
export const dataParser = (onData: (data: string) => void): ((text: string) => void) => {
  const parser = Sse.makeParser((event) => {
    if (event._tag === "Event") onData(event.data)
  })
  return (text) => {
    const failure = parser.feed(text)
    if (failure !== undefined) throw new Error("an event of the stream is too large")
  }
}
