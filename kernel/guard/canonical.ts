// Canonical JSON (RFC 8785): one text per value, so that equal values have equal digests.

/*
 * JSON.stringify writes numbers and strings exactly as the RFC asks; what it does not promise is the order of keys:
 * by UTF-16 code units. A lone surrogate, which the RFC leaves to an error, is written as its escape: two different
 * payloads keep different texts, and no payload can stop the caller.
 */

/* hot */
/** Throws a `TypeError` for what is not JSON: a function, a symbol, a bigint, NaN, an infinity, undefined in a list. */
export const canonical = (value: unknown): string => {
  switch (typeof value) {
    case "string":
    case "boolean":
      return JSON.stringify(value)
    case "number":
      if (Number.isFinite(value)) return JSON.stringify(value)
      break
    case "object":
      if (value === null) return "null"
      return Array.isArray(value) ? list(value) : record(value)
  }
  throw new TypeError(`${typeof value === "number" ? String(value) : typeof value} is not JSON`)
}

const list = (items: ReadonlyArray<unknown>): string => {
  let text = "["
  for (let i = 0; i < items.length; i++) text += (i === 0 ? "" : ",") + canonical(items[i])
  return text + "]"
}

/** A member that is undefined is absent, as in JSON. */
const record = (value: object): string => {
  let text = "{"
  for (const key of Object.keys(value).sort()) {
    // The key is the value's own: Object.keys has just named it.
    const member = (value as Readonly<Record<string, unknown>>)[key]
    if (member !== undefined) text += `${text.length === 1 ? "" : ","}${JSON.stringify(key)}:${canonical(member)}`
  }
  return text + "}"
}
