// Outside the given hours of the day, actions are denied or ask a human. Says nothing within them.
import { isRisk, riskAtMost, type Risk, type Rule } from "../../protocol/authority.ts"

export interface Hours {
  /** First hour, 0 to 23, of the local day. */
  readonly from: number
  /** First hour that is outside again, 0 to 24; smaller than `from`: on the next day. The same: always outside. */
  readonly to: number
  /** Local time minus UTC, in minutes. Said outright: the kernel's machine may be anywhere. */
  readonly offsetMinutes: number
  /** Days of the week on which the hours begin, 0 for Sunday; absent: every day. */
  readonly days?: ReadonlyArray<number>
  /** Default: deny. */
  readonly outside?: "deny" | "escalate"
  /** Riskier actions only; absent: all. */
  readonly aboveRisk?: Risk
}

const dayMillis = 24 * 3_600_000

const span = ({ from, to, offsetMinutes }: Hours): string => {
  const minutes = Math.abs(offsetMinutes)
  const two = (number: number): string => String(number).padStart(2, "0")
  return `${two(from)}:00-${two(to)}:00 UTC${offsetMinutes < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`
}

/** Whether `now`, in Unix milliseconds, lies within the hours of one of the days. */
const isWithin = ({ from, to, offsetMinutes, days }: Hours, now: number): boolean => {
  const local = now + offsetMinutes * 60_000
  const day = Math.floor(local / dayMillis)
  const hour = (local - day * dayMillis) / 3_600_000
  // The epoch was a Thursday.
  const isDay = (number: number): boolean => days === undefined || days.includes((((number + 4) % 7) + 7) % 7)
  if (from < to) return hour >= from && hour < to && isDay(day)
  return from > to && ((hour >= from && isDay(day)) || (hour < to && isDay(day - 1)))
}

export const rule = (given: Hours): Rule => {
  const hours: Hours = { ...given, ...(given.days === undefined ? {} : { days: [...given.days] }) }
  const what = hours.aboveRisk === undefined ? "actions" : `actions above ${hours.aboveRisk} risk`
  return {
    name: "hours",
    description: `outside ${span(hours)}${hours.days === undefined ? "" : ` on days ${hours.days.join(", ")}`}, ${what} ` +
      (hours.outside === "escalate" ? "ask a human" : "are denied"),
    config: hours,
    decide: (question) => {
      if (question.kind !== "action") return undefined
      const { now, risk } = question
      if (hours.aboveRisk !== undefined && isRisk(risk) && riskAtMost(risk, hours.aboveRisk)) return undefined
      if (isWithin(hours, now)) return undefined
      const reason = `outside ${span(hours)}`
      return hours.outside === "escalate" ? { outcome: "escalate", reason, to: "human" } : { outcome: "deny", reason }
    }
  }
}
