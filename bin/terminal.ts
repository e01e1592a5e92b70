// What goes to the terminal: data on stdout, everything else on stderr, nothing that a writer of events could steer it with.
import { writeSync } from "node:fs"

/** Colour by the usual rules: FORCE_COLOR, NO_COLOR, TERM=dumb, and whether a person is looking. */
const colourful = (stream: NodeJS.WriteStream): boolean => {
  const { FORCE_COLOR, NO_COLOR, TERM } = process.env
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== "") return FORCE_COLOR !== "0"
  if (NO_COLOR !== undefined && NO_COLOR !== "") return false
  return TERM !== "dumb" && stream.isTTY === true
}

export interface Paint {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly red: (text: string) => string
  readonly green: (text: string) => string
  readonly yellow: (text: string) => string
  readonly cyan: (text: string) => string
}

const paintFor = (stream: NodeJS.WriteStream): Paint => {
  const on = colourful(stream)
  const with_ = (open: number, close: number) => (text: string): string => (on ? `\u001b[${open}m${text}\u001b[${close}m` : text)
  return { bold: with_(1, 22), dim: with_(2, 22), red: with_(31, 39), green: with_(32, 39), yellow: with_(33, 39), cyan: with_(36, 39) }
}

/** Paint for data, and for everything else. */
export const onOut: Paint = paintFor(process.stdout)
export const onErr: Paint = paintFor(process.stderr)

// What a terminal would obey: control characters, and marks that turn the direction of text.
// oxlint-disable-next-line no-control-regex -- control characters are what it is for
const steering = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/gu

/** Text that a terminal shows and does not obey. */
export const plain = (text: string): string => text.replace(steering, "\u00b7")

/** JSON in which the same characters are written as escapes, so that it can be shown, too. */
export const json = (value: unknown, indent?: number): string =>
  (JSON.stringify(value ?? null, null, indent) ?? "null").replace(steering, (character) =>
    character === "\n" ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** One line of JSON, shortened, without anything that a terminal would obey. */
export const brief = (value: unknown, width: number): string => {
  const text = plain(typeof value === "string" ? value : JSON.stringify(value) ?? "")
  return text.length <= width ? text : `${text.slice(0, Math.max(1, width - 1))}\u2026`
}

export const columnsOf = (stream: NodeJS.WriteStream): number => (stream.isTTY ? stream.columns ?? 80 : 160)

let isReaderNeeded = true

/** Whoever read stdout went away: there is nobody to tell and nothing to do. */
export const endQuietlyWithoutReader = (): void => {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (!isReaderNeeded) return
    if (error.code === "EPIPE") process.exit(0)
    // A full disk, or a device that is gone: what was asked for is not there, whole or in part.
    errNow(`aaax: the output could not be written: ${error.code === "ENOSPC" ? "no space is left" : error.message}`)
    process.exit(1)
  })
  process.stderr.on("error", () => {})
}

/** For what goes on whether somebody reads or not: a kernel outlives the terminal that it was launched from. */
export const goOnWithoutReader = (): void => {
  isReaderNeeded = false
}

/** A line of data. Resolves when the reader has taken it, so that a slow reader slows us. */
export const out = (line: string): Promise<void> =>
  new Promise((resolve) => {
    // Who goes on without a reader must not wait for one.
    if (process.stdout.destroyed || process.stdout.write(`${line}\n`)) resolve()
    else process.stdout.once("drain", resolve).once("close", resolve)
  })

/** A line for the person: never data. */
export const err = (line: string): void => {
  process.stderr.write(`${line}\n`)
}

/** As `err`, at once, for the last words of a process. */
export const errNow = (line: string): void => {
  try {
    writeSync(2, `${line}\n`)
  } catch {
    // Nobody listens any more.
  }
}

/** Columns as wide as their longest cell; the last one takes what is left of the line. */
export const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const clean = rows.map((row) => row.map(plain))
  const widths = head.map((title, at) => Math.min(60, Math.max(title.length, ...clean.map((row) => row[at]?.length ?? 0))))
  const room = columnsOf(process.stdout) - widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0)
  const line = (row: ReadonlyArray<string>): string =>
    row.map((cell, at) => (at === row.length - 1 ? brief(cell, Math.max(20, room)) : cell.padEnd(widths[at] ?? 0))).join("  ").trimEnd()
  return [onOut.dim(line(head)), ...clean.map(line)]
}

/** 3 s, 2 min, 5 h, 4 d. */
export const ago = (millis: number): string => {
  const seconds = Math.max(0, Math.round(millis / 1000))
  if (seconds < 120) return `${seconds} s`
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} d`
}
