// What is too long is refused, and says how long it may be.
import type { coordination } from "aaax"
import { checkpointLengthMax, chatTextMax, descriptionLengthMax, keyLengthMax, nameLengthMax, noteLengthMax, pathLengthMax, recordTextMax, tagsMax, taskLengthMax, titleLengthMax } from "./limits.ts"
import { invalid } from "./refusal.ts"

const lengths: Readonly<Record<string, number>> = {
  task: taskLengthMax, to: nameLengthMax, owner: nameLengthMax, suggestedOwner: nameLengthMax, receiver: nameLengthMax, name: nameLengthMax, kind: nameLengthMax,
  status: nameLengthMax, model: nameLengthMax, taskClass: nameLengthMax, title: titleLengthMax, note: noteLengthMax, dataRef: noteLengthMax, target: noteLengthMax,
  description: descriptionLengthMax, text: descriptionLengthMax, checkpoint: checkpointLengthMax, key: keyLengthMax, request: keyLengthMax, worktree: pathLengthMax, path: pathLengthMax
}

/** JSON text of what a seat may write as it likes. */
const recordOf = (ask: coordination.Ask): unknown => ("meta" in ask ? ask.meta : "receipt" in ask ? ask.receipt : undefined)

export const tooLong = (ask: coordination.Ask): coordination.Refusal | undefined => {
  for (const field in ask) {
    const max = lengths[field]
    const value = (ask as Readonly<Record<string, unknown>>)[field] // one of its own members
    if (max !== undefined && typeof value === "string" && value.length > max) {
      return invalid(`${field} is ${value.length} characters long; at most ${max} are allowed.`)
    }
  }
  if ("git" in ask && ask.git !== undefined && ask.git.branch.length + (ask.git.base?.length ?? 0) > titleLengthMax) return invalid(`Branches are longer than ${titleLengthMax} characters.`)
  const record = recordOf(ask)
  if (record !== undefined && textLength(record) > recordTextMax) return invalid(`What goes with the ${ask.verb} is longer than ${recordTextMax} characters of JSON.`)
  if (ask.verb === "advertise") {
    for (const tags of [ask.skills, ask.taskClasses]) {
      if (tags !== undefined && (tags.length > tagsMax || tags.some((tag) => tag.length > nameLengthMax))) {
        return invalid(`A card has at most ${tagsMax} skills and task classes, of at most ${nameLengthMax} characters.`)
      }
    }
  }
  // Every letter may take six.
  if (ask.verb === "send" && ask.payload.length * 6 > chatTextMax && textLength(ask.payload) > chatTextMax) {
    return invalid(`The message is longer than ${chatTextMax} characters of JSON.`)
  }
  return undefined
}

export const textLength = (value: unknown): number => JSON.stringify(value).length
