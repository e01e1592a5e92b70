// Canonical JSON (RFC 8785): one text per value, so that equal values have equal digests.

/*
 * JSON.stringify writes strings and String numbers exactly as the RFC asks; what JSON.stringify does not promise is the order of keys:
 * by UTF-16 code units. A lone surrogate, which the RFC leaves to an error, is written as its escape: two different
 * payloads keep different texts, and no payload can stop the caller.
 */

/* hot */
/** Throws a `TypeError` for what is not JSON: a function, a symbol, a bigint, NaN, an infinity, undefined in a list. */
export const canonical = (value: unknown): string =>
  // What the kernel itself makes has its keys in order, and the platform writes it in a fraction of the time.
  typeof value === "object" && value !== null && isOrdered(value) ? JSON.stringify(value) : written(value)

/** Plain data with all keys in order and nothing that `JSON.stringify` would write otherwise, or leave out. */
const isOrdered = (value: unknown): boolean => {
  switch (typeof value) {
    case "string":
    case "boolean":
    case "undefined":
      return true
    case "number":
      return Number.isFinite(value)
    case "object":
      break
    default:
      return false
  }
  if (value === null) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  if ("toJSON" in value) return false
  if (Array.isArray(value)) {
    if (prototype !== Array.prototype) return false
    for (let i = 0; i < value.length; i++) if (value[i] === undefined || !isOrdered(value[i])) return false
    return true
  }
  if (prototype !== Object.prototype && prototype !== null) return false
  let before = ""
  for (const key in value) {
    if (key < before || !isOrdered((value as Readonly<Record<string, unknown>>)[key])) return false // its own: it is a plain record
    before = key
  }
  return true
}

const written = (value: unknown): string => {
  switch (typeof value) {
    case "string":
      return JSON.stringify(value)
    case "boolean":
      return value ? "true" : "false"
    case "number":
      if (Number.isFinite(value)) return String(value)
      break
    case "object":
      if (value === null) return "null"
      return Array.isArray(value) ? list(value) : record(value)
  }
  throw new TypeError(`${typeof value === "number" ? String(value) : typeof value} is not JSON`)
}

const list = (items: ReadonlyArray<unknown>): string => {
  let text = "["
  for (let i = 0; i < items.length; i++) text += (i === 0 ? "" : ",") + written(items[i])
  return text + "]"
}

const inOrder = (keys: ReadonlyArray<string>): boolean => {
  for (let i = 1; i < keys.length; i++) if (keys[i - 1]! > keys[i]!) return false
  return true
}

/** Texts of keys that were met before: the same few dozen come again and again. */
const quotedKeys = new Map<string, string>()
const quotedKeysMax = 1_000

const quoted = (key: string): string => {
  const known = quotedKeys.get(key)
  if (known !== undefined) return known
  const text = `${JSON.stringify(key)}:`
  if (quotedKeys.size < quotedKeysMax && key.length <= 32) quotedKeys.set(key, text)
  return text
}

/** The keys of the last record of each length, as they came and in order: records of one kind follow each other. */
const orders: Array<{ readonly came: ReadonlyArray<string>; readonly sorted: ReadonlyArray<string> } | undefined> = []
const orderedMax = 64

const isSame = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean => {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

const inItsOrder = (came: ReadonlyArray<string>): ReadonlyArray<string> => {
  // Most come in order; looking costs less than sorting.
  if (inOrder(came)) return came
  if (came.length > orderedMax) return [...came].sort()
  const last = orders[came.length]
  if (last !== undefined && isSame(last.came, came)) return last.sorted
  const sorted = [...came].sort()
  orders[came.length] = { came, sorted }
  return sorted
}

/** A member that is undefined is absent, as in JSON. */
const record = (value: object): string => {
  const keys = inItsOrder(Object.keys(value))
  let text = "{"
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i]!
    // The key is the value's own: Object.keys has just named it.
    const member = (value as Readonly<Record<string, unknown>>)[key]
    if (member !== undefined) text += (text.length === 1 ? "" : ",") + quoted(key) + written(member)
  }
  return text + "}"
}
