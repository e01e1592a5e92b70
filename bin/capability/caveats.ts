// Caveats as flags, and as words for a person.
import * as Effect from "effect/Effect"
import { Access, ArgumentOperation, isRisk, Risk, type ArgumentCaveat, type Caveats } from "../../protocol/authority.ts"
import { budgetUnits, type BudgetUnit } from "../../protocol/budget.ts"
import { spanOf } from "../called.ts"
import { UsageError } from "../failure.ts"
import { ago, plain } from "../terminal.ts"

export interface CaveatFlags {
  readonly target: ReadonlyArray<string>
  readonly action: ReadonlyArray<string>
  readonly arg: ReadonlyArray<string>
  readonly budget: ReadonlyArray<string>
  readonly risk?: string
  readonly uses?: number
  readonly rate?: string
  readonly delegations?: number
  readonly from?: string
}

const wrong = (reason: string): Effect.Effect<never, UsageError> => Effect.fail(new UsageError({ reason }))

const isOperation = (word: string): word is ArgumentCaveat["op"] => ArgumentOperation.literals.some((op) => op === word)

/** JSON, or else the text itself. */
const valueOf = (text: string): NonNullable<ArgumentCaveat["value"]> | null => {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** `/path=glob:src/**`, `/depth=le:3`, `/mode=in:["a","b"]`, `/force=absent`. */
const argumentOf = (text: string): Effect.Effect<ArgumentCaveat, UsageError> => {
  const help = `--arg ${text} is not POINTER=OP:VALUE, such as /path=glob:src/**, /depth=le:3, /mode=in:["a","b"] or /force=absent; OP is one of ${ArgumentOperation.literals.join(", ")}.`
  const [, pointer, op = "", , value] = /^([^=]*)=([A-Za-z]+)(:(.*))?$/su.exec(text) ?? []
  if (pointer === undefined || !isOperation(op) || (op === "absent") !== (value === undefined)) return wrong(help)
  if (op === "absent" || value === undefined) return Effect.succeed({ pointer, op })
  if (op === "glob") return Effect.succeed({ pointer, op, value })
  const read = valueOf(value)
  if ((op === "in" && !Array.isArray(read)) || (op !== "in" && op !== "eq" && typeof read !== "number")) return wrong(help)
  return Effect.succeed({ pointer, op, value: read })
}

const isUnit = (word: string): word is BudgetUnit => budgetUnits.some((unit) => unit === word)

const budgetOf = (amounts: ReadonlyArray<string>): Effect.Effect<NonNullable<Caveats["budget"]>, UsageError> => {
  const budget: { -readonly [Unit in BudgetUnit]?: number } = {}
  for (const text of amounts) {
    const [unit = "", amount = ""] = text.split("=")
    if (!isUnit(unit) || !/^\d+$/u.test(amount)) return wrong(`--budget ${text} is not UNIT=AMOUNT with one of ${budgetUnits.join(", ")}.`)
    budget[unit] = Number(amount)
  }
  return Effect.succeed(budget)
}

const rateOf = (text: string): Effect.Effect<NonNullable<Caveats["rate"]>, UsageError> => {
  const [, count, span] = /^(\d+)\/(.+)$/u.exec(text) ?? []
  return count === undefined || span === undefined
    ? wrong(`--rate ${text} is not COUNT/SPAN, such as 10/1m.`)
    : Effect.map(spanOf("--rate", span), (perMillis) => ({ count: Number(count), perMillis: Math.floor(perMillis) }))
}

/** What the flags say; `now` is kernel time. */
export const caveatsOf = Effect.fnUntraced(function*(flags: CaveatFlags, now: number): Effect.fn.Return<Caveats, UsageError> {
  const { action, arg, budget, delegations, from, rate, risk, target, uses } = flags
  if (risk !== undefined && !isRisk(risk)) return yield* wrong(`--risk ${risk} is none of ${Risk.literals.join(", ")}.`)
  const predicates = yield* Effect.forEach(arg, argumentOf)
  return {
    ...(target.length === 0 ? {} : { targets: target }),
    ...(action.length === 0 ? {} : { actions: action }),
    ...(predicates.length === 0 ? {} : { arguments: predicates }),
    ...(budget.length === 0 ? {} : { budget: yield* budgetOf(budget) }),
    ...(risk === undefined ? {} : { riskMax: risk }),
    ...(uses === undefined ? {} : { usesMax: uses }),
    ...(rate === undefined ? {} : { rate: yield* rateOf(rate) }),
    ...(delegations === undefined ? {} : { delegationsMax: delegations }),
    ...(from === undefined ? {} : { notBefore: now + Math.floor(yield* spanOf("--from", from)) })
  }
})

export const accessOf = (word: string | undefined): Effect.Effect<Access | undefined, UsageError> => {
  const access = Access.literals.find((one) => one === word)
  return word !== undefined && access === undefined ? wrong(`--access ${word} is none of ${Access.literals.join(", ")}.`) : Effect.succeed(access)
}

/** What is limited beside time, each in a few words. */
export const inWords = ({ actions, arguments: predicates = [], budget = {}, delegationsMax, notBefore, rate, riskMax, targets, usesMax }: Caveats, uses: number, now: number): ReadonlyArray<string> => [
  ...(targets === undefined ? [] : [`target ${targets.map(plain).join(" | ")}`]),
  ...(actions === undefined ? [] : [`action ${actions.map(plain).join(" | ")}`]),
  ...predicates.map(({ op, pointer, value }) => plain(`${pointer === "" ? "payload" : pointer} ${op}${value === undefined ? "" : ` ${JSON.stringify(value)}`}`)),
  ...(riskMax === undefined ? [] : [`risk ${riskMax} at most`]),
  ...(usesMax === undefined ? [] : [`${Math.max(0, usesMax - uses)} of ${usesMax} uses left`]),
  ...(rate === undefined ? [] : [`${rate.count} per ${ago(rate.perMillis)}`]),
  ...budgetUnits.flatMap((unit) => (budget[unit] === undefined ? [] : [`${budget[unit]} ${unit}`])),
  ...(delegationsMax === undefined ? [] : [delegationsMax === 0 ? "not to be delegated" : `${delegationsMax} delegations deep`]),
  ...(notBefore === undefined || notBefore <= now ? [] : [`from ${ago(notBefore - now)} on`])
]
