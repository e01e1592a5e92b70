// The file that a relay writes: one JSON object per line, bounded, with a head that keeps cursors good when its oldest lines go.
//
//   ["relay",1,"<generation>",<base>]\n     head; not there in a file that was begun by another program and never trimmed
//   {"v":2, ...}\n                          lines; whoever knows no heads skips the first one, which is no object
//
// A cursor counts the bytes of all lines that were ever written before it, those that are gone too: `base` is what is gone. The
// generation is another one when the file was begun anew. Layout 1: first.

export interface RelayHead {
  /** Empty: the file has no head. */
  readonly generation: string
  readonly base: number
  /** Bytes of the head itself. */
  readonly length: number
}

export interface RelayCursor {
  readonly offset: number
  /** Empty: of whatever generation the file is. */
  readonly generation: string
}

/** Where the lines of a relay go. */
export interface RelaySink {
  /** Resolves when they are handed to the system that keeps them, in order. */
  readonly append: (lines: ReadonlyArray<string>) => Promise<void>
  /** What is appended later opens it again. */
  readonly close: () => Promise<void>
}

/** Bytes in which a head ends. */
export const relayHeadMax = 128

const bare: RelayHead = { generation: "", base: 0, length: 0 }
const headPattern = /^\["relay",1,"([0-9A-Za-z-]{1,64})",(\d{1,15})\]\n/u
const newline = 10

export const relayHead = (generation: string, base: number): string => `["relay",1,"${generation}",${base}]\n`

/** `start` is how the file begins. */
export const relayHeadOf = (start: Uint8Array): RelayHead => {
  const text = new TextDecoder("latin1").decode(start.subarray(0, relayHeadMax))
  const [head = "", generation = "", base = ""] = headPattern.exec(text) ?? []
  return head === "" ? bare : { generation, base: Number(base), length: head.length }
}

/** As a cursor file has it: the number, and the generation where there is one. */
export const relayCursorText = ({ generation, offset }: RelayCursor): string => (generation === "" ? `${offset}\n` : `${offset} ${generation}\n`)

/** Anything that is no cursor is the beginning; below it there is nothing. */
export const relayCursorOf = (text: string): RelayCursor => {
  const [, number = "0", generation = ""] = /^\s*(-?\d{1,15})(?:\s+([0-9A-Za-z-]{1,64}))?\s*$/u.exec(text) ?? []
  return { offset: Math.max(0, Number(number)), generation }
}

/**
 * Where to go on in a file of `size` bytes. A cursor of another generation, or behind the end, is one of a file that is no more:
 * it starts again. `gap`: lines behind the cursor are gone.
 */
export const relayPlace = (head: RelayHead, size: number, cursor: RelayCursor): { readonly position: number; readonly gap: boolean } => {
  const isForeign = cursor.generation !== "" && head.generation !== "" && cursor.generation !== head.generation
  const end = head.base + size - head.length
  if (isForeign || cursor.offset > end) return { position: head.length, gap: cursor.offset > 0 }
  return { position: head.length + Math.max(0, cursor.offset - head.base), gap: cursor.offset < head.base && cursor.offset > 0 }
}

/** Whether a line is what a relay writes. */
const objectOf = (line: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : undefined // an object that is no array is a record of unknowns
  } catch {
    return undefined
  }
}

/**
 * The objects in a piece of a file, and how many bytes of it are done with. Lines that are no object are passed over. An end
 * without a line break is left for the next time unless it is a whole object already.
 */
export const relayLines = (piece: Uint8Array): { readonly objects: ReadonlyArray<Readonly<Record<string, unknown>>>; readonly consumed: number } => {
  const end = piece.lastIndexOf(newline) + 1
  const decoder = new TextDecoder()
  const objects: Array<Readonly<Record<string, unknown>>> = []
  for (const line of decoder.decode(piece.subarray(0, end)).split("\n")) {
    const object = line.trim() === "" ? undefined : objectOf(line)
    if (object !== undefined) objects.push(object)
  }
  const tail = end === piece.length ? undefined : objectOf(decoder.decode(piece.subarray(end)))
  if (tail === undefined) return { objects, consumed: end }
  return { objects: [...objects, tail], consumed: piece.length }
}

/** Where the last `lines` lines of a file's body begin, of them those in its last `bytes`; 0 for less than one line. */
export const relayTrim = (body: Uint8Array, lines: number, bytes: number = Infinity): number => {
  if (lines <= 0) return 0
  const least = body.length - bytes
  let start = body.length
  for (let kept = 0; kept < lines && start > 0; kept++) {
    const before = start < 2 ? 0 : body.lastIndexOf(newline, start - 2) + 1
    if (before < least) return start
    start = before
  }
  return start
}
