// Handling: what a handler is given beside an event, so that handling it again does nothing twice.
import type { Event } from "../protocol/event.ts"

/** Keys that are the same whenever the same event is handled again by the same system. */
export interface Keys {
  readonly event: Pick<Event, "id" | "channel" | "cursor">
  /** The next key under a label: `id/label/1`, `id/label/2`, in the order of the calls. */
  readonly next: (label: string) => string
  /** What is written while it is handled follows from these: the event itself, and labelled answers that came meanwhile. */
  readonly causes: () => ReadonlyArray<string>
  readonly because: (id: string) => void
}

/** Causes of one event beside the one that is handled; of more, the newest count. */
const causesMax = 32

/** The system is part of every key's scope already, so the key says only event, label and ordinal. */
export const keysOf = (event: Keys["event"]): Keys => {
  const ordinals = new Map<string, number>()
  let answers: ReadonlyArray<string> = []
  return {
    event,
    causes: () => [event.id, ...answers],
    because: (id) => {
      if (!answers.includes(id)) answers = [...answers, id].slice(-causesMax)
    },
    next: (label) => {
      const ordinal = (ordinals.get(label) ?? 0) + 1
      ordinals.set(label, ordinal)
      return `on/${event.id}/${label}/${ordinal}`
    }
  }
}
