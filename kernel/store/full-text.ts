// From the text that is kept of an event to the text of the whole event, without parsing it: for those who hand JSON on.
// What is kept leaves out what follows from its place, and members that have their default (`codec.ts`); the others are in
// the order in which they are listed there.

const quote = 34
const backslash = 92

/* hot */
/** Index behind the string that starts at `at`. */
const behindString = (text: string, at: number): number => {
  let end = text.indexOf('"', at + 1)
  while (end >= 0 && text.charCodeAt(end - 1) === backslash) {
    let slashes = 1
    while (text.charCodeAt(end - 1 - slashes) === backslash) slashes++
    if (slashes % 2 === 0) break
    end = text.indexOf('"', end + 1)
  }
  return end < 0 ? text.length : end + 1
}

/* hot */
/** Index behind the JSON value that starts at `at`. */
const behindValue = (text: string, at: number): number => {
  const first = text.charCodeAt(at)
  if (first === quote) return behindString(text, at)
  let i = at
  if (first === 123 || first === 91) {
    let depth = 0
    while (i < text.length) {
      const code = text.charCodeAt(i)
      if (code === quote) {
        i = behindString(text, i)
        continue
      }
      i++
      if (code === 123 || code === 91) depth++
      else if ((code === 125 || code === 93) && --depth === 0) return i
    }
    return i
  }
  while (i < text.length) {
    const code = text.charCodeAt(i)
    if (code === 44 || code === 125) return i
    i++
  }
  return i
}

const rest: ReadonlyArray<readonly [mark: string, missing: string]> = [
  ["schema", "null"], ["metadata", "{}"], ["correlationId", "null"], ["parentIds", "[]"], ["recipient", "null"], ["subject", "null"],
  ["labels", "[]"], ["traceparent", "null"]
].map(([name, value]) => [`,"${name}":`, `,"${name}":${value}`])

/** All that follow from their default. */
const allMissing = rest.map(([, missing]) => missing).join("")

/* hot */
/** Whether nothing lies behind the payload: true of most, and worth knowing for those whose text is asked for again. */
export const endsWithPayload = (kept: string): boolean => {
  let at = behindString(kept, behindString(kept, 6) + 10)
  if (kept.startsWith(',"kind":', at)) at = behindString(kept, at + 8)
  if (kept.startsWith(',"payload":', at)) at = behindValue(kept, at + 11)
  return at === kept.length - 1
}

let quoted = { channel: "", text: '""' }

/* hot */
/** The text of the whole event, as `JSON.stringify` would give it; `kept`: with braces, `id` and `sender` first. `isShort`: see `endsWithPayload`. */
export const fullText = (kept: string, channel: string, cursor: number, recordedAt: number, isShort: boolean): string => {
  // Pages are of one channel.
  if (quoted.channel !== channel) quoted = { channel, text: JSON.stringify(channel) }
  const idEnd = behindString(kept, 6)
  const senderEnd = behindString(kept, idEnd + 10)
  let at = senderEnd
  const hasKind = kept.startsWith(',"kind":', at)
  if (hasKind) at = behindString(kept, at + 8)
  const kindEnd = at
  const hasPayload = kept.startsWith(',"payload":', at)
  if (isShort) at = kept.length - 1
  else if (hasPayload) at = behindValue(kept, at + 11)
  const sender = kept.slice(idEnd + 10, senderEnd)
  const head = `${kept.slice(0, idEnd)},"channel":${quoted.text},"cursor":${cursor},"recordedAt":${recordedAt},"sender":${sender}${
    hasKind ? kept.slice(senderEnd, kindEnd) : ',"kind":"event"'}${hasPayload ? kept.slice(kindEnd, at) : ',"payload":null'}`
  if (isShort) return `${head},"source":${sender},"timestamp":${recordedAt / 1_000}${allMissing}}`
  let text = head
  if (kept.startsWith(',"source":', at)) {
    const end = behindString(kept, at + 10)
    text += kept.slice(at, end)
    at = end
  } else text += `,"source":${sender}`
  if (kept.startsWith(',"timestamp":', at)) {
    const end = behindValue(kept, at + 13)
    text += kept.slice(at, end)
    at = end
  } else text += `,"timestamp":${recordedAt / 1_000}`
  for (const [mark, missing] of rest) {
    if (kept.startsWith(mark, at)) {
      const end = behindValue(kept, at + mark.length)
      text += kept.slice(at, end)
      at = end
    } else text += missing
  }
  return `${text}}`
}

/** Behind the payload, in the order in which they are kept. */
const marks = [',"source":', ',"timestamp":', ',"schema":', ',"metadata":', ',"correlationId":', ',"parentIds":'] as const

/* hot */
/** As `fullText`: the text of the event as the portable API has it, with its fields in their order. */
export const portableText = (kept: string, channel: string, cursor: number, recordedAt: number, isShort: boolean): string => {
  if (quoted.channel !== channel) quoted = { channel, text: JSON.stringify(channel) }
  const idEnd = behindString(kept, 6)
  const senderEnd = behindString(kept, idEnd + 10)
  let at = senderEnd
  const hasKind = kept.startsWith(',"kind":', at)
  if (hasKind) at = behindString(kept, at + 8)
  const kindEnd = at
  const hasPayload = kept.startsWith(',"payload":', at)
  if (isShort) at = kept.length - 1
  else if (hasPayload) at = behindValue(kept, at + 11)
  const sender = kept.slice(idEnd + 10, senderEnd)
  const head = `${kept.slice(0, idEnd)},"cursor":${cursor},"channel":${quoted.text}`
  const body = `${hasKind ? kept.slice(senderEnd, kindEnd) : ',"kind":"event"'}${hasPayload ? kept.slice(kindEnd, at) : ',"payload":null'}`
  if (isShort) {
    return `${head},"timestamp":${recordedAt / 1_000},"source":${sender}${body},"schema":null,"metadata":{},"correlation_id":null,"parent_ids":[]}`
  }
  const values: Array<string | undefined> = []
  for (const mark of marks) {
    if (!kept.startsWith(mark, at)) {
      values.push(undefined)
      continue
    }
    const end = behindValue(kept, at + mark.length)
    values.push(kept.slice(at + mark.length, end))
    at = end
  }
  const [source = sender, timestamp = String(recordedAt / 1_000), schema = "null", metadata = "{}", correlation = "null", parents = "[]"] = values
  return `${head},"timestamp":${timestamp},"source":${source}${body},"schema":${schema},"metadata":${metadata},"correlation_id":${correlation},"parent_ids":${parents}}`
}
