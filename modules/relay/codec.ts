// Frames as lines of a relay: a short form that keeps what people read, and one that keeps everything. One decoder reads both.
//
//   v  1: short, the other fields are gone     2: nothing is gone, and a field that has no key of its own is in `x`
//   i  msg_id         ty type        s  sender     to target       p  payload
//   t  milliseconds   h  hub_id      c  channel (2 alone)          x  every other field, and those that no short key can hold exactly (2 alone)

/** One frame of the wire, times in Unix seconds. */
export type Frame = Readonly<Record<string, unknown>>

export interface LiteLine {
  readonly v: 1
  readonly i: number
  readonly ty: string
  readonly s: string
  readonly to: string
  readonly p: string
  readonly t: number
  readonly h: string
}
export type LosslessLine = { readonly v: 2; readonly x?: Frame } & Readonly<Record<string, unknown>>

const text = (value: unknown, otherwise: string): string => (typeof value === "string" ? value : otherwise)
const textOf = (value: unknown): string => (typeof value === "string" ? value : value === undefined || value === null ? "" : JSON.stringify(value))
const isTime = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value)

/** What people read of a frame. A time that is none is `now`, in milliseconds; a message without a number has 0. */
export const encodeLite = (frame: Frame, now: number): LiteLine => ({
  v: 1,
  i: Number.isSafeInteger(frame["msg_id"]) ? Number(frame["msg_id"]) : 0,
  ty: text(frame["type"], "chat"),
  s: text(frame["sender"], "?"),
  to: text(frame["target"], "all"),
  p: textOf(frame["payload"]),
  t: isTime(frame["timestamp"]) ? Math.round(frame["timestamp"] * 1_000) : now,
  h: text(frame["hub_id"], "")
})

/** Short key of each field that has one, and whether a value comes back from it as it was. */
const short: ReadonlyMap<string, { readonly key: string; readonly holds: (value: unknown) => boolean }> = new Map([
  ["msg_id", { key: "i", holds: Number.isSafeInteger }],
  ["type", { key: "ty", holds: (value) => typeof value === "string" }],
  ["sender", { key: "s", holds: (value) => typeof value === "string" }],
  ["target", { key: "to", holds: (value) => typeof value === "string" }],
  ["payload", { key: "p", holds: () => true }],
  ["timestamp", { key: "t", holds: (value) => isTime(value) && Math.round(value * 1_000) / 1_000 === value }],
  ["hub_id", { key: "h", holds: (value) => typeof value === "string" }],
  ["channel", { key: "c", holds: (value) => typeof value === "string" }]
])

/** Everything in a frame. */
export const encodeLossless = (frame: Frame): LosslessLine => {
  const line: { v: 2; x?: Frame } & Record<string, unknown> = { v: 2 }
  let rest: Array<[string, unknown]> | undefined
  for (const [name, value] of Object.entries(frame)) {
    const known = short.get(name)
    if (known?.holds(value) !== true) (rest ??= []).push([name, value])
    else line[known.key] = name === "timestamp" ? Math.round(Number(value) * 1_000) : value
  }
  // Made of pairs: no name of a field is anything but a name.
  if (rest !== undefined) line.x = Object.fromEntries(rest)
  return line
}

const isRecord = (value: unknown): value is Frame => typeof value === "object" && value !== null && !Array.isArray(value)

const decodeLite = (line: Frame): Frame => ({
  sender: text(line["s"], "?"),
  target: text(line["to"], "all"),
  type: text(line["ty"], "chat"),
  payload: textOf(line["p"]),
  timestamp: isTime(line["t"]) ? line["t"] / 1_000 : 0,
  hub_id: text(line["h"], ""),
  msg_id: Number.isSafeInteger(line["i"]) ? line["i"] : 0
})

const decodeLossless = (line: Frame): Frame => {
  const fields = Object.entries(isRecord(line["x"]) ? line["x"] : {})
  // A field's own key wins over one in the rest: no line says two things.
  for (const [name, { key }] of short) {
    if (Object.hasOwn(line, key)) fields.push([name, name === "timestamp" ? (isTime(line[key]) ? line[key] / 1_000 : 0) : line[key]])
  }
  return Object.fromEntries(fields)
}

/** The frame of a line; undefined for a line of another generation. One without a version is of the first. */
export const decode = (line: Frame): Frame | undefined => {
  switch (line["v"] ?? 1) {
    case 1:
      return decodeLite(line)
    case 2:
      return decodeLossless(line)
    default:
      return undefined
  }
}
