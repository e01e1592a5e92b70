// Spans of time as people write them: 250ms, 90s, 30m, 12h, 7d, 4w.
import * as Schema from "effect/Schema"

const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }

/** The milliseconds of a span; nothing when it is none. */
export const millisOf = (span: string): number | undefined => {
  const [, amount, unit] = /^(\d{1,12}(?:\.\d{1,6})?) ?(ms|s|m|min|h|d|w)$/u.exec(span) ?? []
  const millis = Math.ceil(Number(amount) * (units[unit ?? ""] ?? Number.NaN))
  return millis > 0 && Number.isSafeInteger(millis) ? millis : undefined
}

export const Span = Schema.String.check(
  Schema.makeFilter((text: string) => millisOf(text) !== undefined || "must be a span of time such as 90s, 30m, 12h or 7d")
)
