// What a reader of a relay is shown: a line of text for each frame, of all or of the messages that somebody asked for.
import { addressesProject, isRecipient } from "aaax"
import type { Frame } from "./codec.ts"

export interface Wanted {
  /** Messages for this seat alone. */
  readonly seat?: string
  /** Messages for this project alone. */
  readonly project?: string
}

const text = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value ?? ""))

export const isWanted = (frame: Frame, { project, seat }: Wanted): boolean => {
  if (seat === undefined && project === undefined) return true
  if (frame["type"] !== "chat") return false
  const target = text(frame["target"])
  return (seat === undefined || isRecipient(target, seat)) && (project === undefined || addressesProject(target, project))
}

export const shown = (frame: Frame): string => {
  const seconds = typeof frame["timestamp"] === "number" ? frame["timestamp"] : 0
  return `[${seconds.toFixed(3)}] ${text(frame["sender"])} -> ${text(frame["target"])} (${text(frame["type"])}): ${text(frame["payload"])}`
}
