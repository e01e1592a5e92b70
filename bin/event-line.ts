// One event on one line.
import type { Event } from "../protocol/event.ts"
import { brief, columnsOf, onOut, plain } from "./terminal.ts"

const two = (n: number): string => String(n).padStart(2, "0")

export const clockOf = (millis: number): string => {
  const date = new Date(millis)
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** Day and time, as the person's clock has them. */
export const momentOf = (millis: number): string => {
  const date = new Date(millis)
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clockOf(millis)}`
}

/** Time, channel and cursor, kind, sender, payload; as wide as the terminal. */
export const eventLine = (event: Event): string => {
  const time = clockOf(event.recordedAt)
  const place = `${plain(event.channel)}#${event.cursor}`
  const kind = plain(event.kind)
  const sender = plain(event.sender)
  const used = time.length + Math.max(18, place.length) + Math.max(14, kind.length) + Math.max(10, sender.length) + 8
  const payload = event.payload === null ? "" : brief(event.payload, Math.max(24, columnsOf(process.stdout) - used))
  return `${onOut.dim(time)}  ${onOut.cyan(place.padEnd(18))}  ${kind.padEnd(14)}  ${sender.padEnd(10)}  ${payload}`.trimEnd()
}
