// A policy as data: what a config says of it with every file that it names put in, so that it can be kept, put in force at
// run time, and made again from what was kept. Rules that are code have no such form.
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Policy, Rule } from "../../protocol/authority.ts"
import { ConfigInvalid } from "../../protocol/errors.ts"
import { issuePath, validateNow } from "../../protocol/standard-schema.ts"
import { cedarEntitiesMax, cedarTextMax } from "../limits.ts"
import * as Granted from "../policy/granted.ts"
import * as Risk from "../policy/risk.ts"
import { makePolicy } from "./policy.ts"
import { rulesFromTable } from "./policy-table.ts"

const CedarText = Schema.Struct({ name: Schema.NonEmptyString, text: Schema.String })

/** Cedar files with their texts. */
const CedarSource = Schema.Struct({
  policies: Schema.Array(CedarText).check(Schema.isMinLength(1)),
  schema: CedarText,
  entities: Schema.optionalKey(Schema.Array(Schema.Record(Schema.String, Schema.Json)).check(Schema.isMaxLength(cedarEntitiesMax)))
})
export interface CedarSource extends Omit<Schema.Schema.Type<typeof CedarSource>, "entities"> {
  readonly entities: ReadonlyArray<Readonly<Record<string, unknown>>>
}

/** "granted": ours, deny by default. "default": the ancestor's table. Else a table, with the texts of its Cedar files. */
export type PolicyDocument = "granted" | "default" | Readonly<Record<string, unknown>>

/** Makes the rule of Cedar files. Refuses what does not parse or does not validate, with where. */
export type MakeCedar = (source: CedarSource) => Effect.Effect<Rule, ConfigInvalid>

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const invalid = (file: string, path: string, reason: string): ConfigInvalid => new ConfigInvalid({ issues: [{ file, path, reason }] })

/** The document in what was kept or sent. */
export const decodeDocument = (value: unknown, file: string): Result.Result<PolicyDocument, ConfigInvalid> =>
  value === "granted" || value === "default" || isTable(value)
    ? Result.succeed(value)
    : Result.fail(invalid(file, "", "expected \"granted\", \"default\" or a table of rules."))

const standard = Schema.toStandardSchemaV1(CedarSource, { parseOptions: { errors: "all", onExcessProperty: "error" } })

const cedarSource = (value: unknown, file: string, at: string): Result.Result<CedarSource, ConfigInvalid> => {
  const decoded = validateNow(standard, value)
  if (decoded.issues !== undefined) {
    return Result.fail(new ConfigInvalid({
      issues: decoded.issues.map((issue) => ({ file, path: [at, issuePath(issue)].filter((part) => part !== "").join("."), reason: `${issue.message}.` }))
    }))
  }
  const { entities = [], policies, schema } = decoded.value
  const size = policies.reduce((sum, { text }) => sum + text.length, schema.text.length)
  return size > cedarTextMax
    ? Result.fail(invalid(file, at, `its files have ${size} characters, at most ${cedarTextMax} are read.`))
    : Result.succeed({ policies, schema, entities })
}

/** The rules of a document. Cedar says all that there is to say by itself; other sections of its table narrow it. */
export const rulesOfDocument = (
  document: PolicyDocument, file: string, at: string, makeCedar: MakeCedar
): Effect.Effect<ReadonlyArray<Rule>, ConfigInvalid> =>
  Effect.suspend((): Effect.Effect<ReadonlyArray<Rule>, ConfigInvalid> => {
    if (document === "granted") return Effect.succeed([Granted.rule])
    if (document === "default") return Effect.succeed([Risk.rule()])
    const { cedar, ...table } = document
    if (cedar === undefined) return Effect.fromResult(rulesFromTable(table, file, at))
    const source = cedarSource(cedar, file, at === "" ? "cedar" : `${at}.cedar`)
    const others = Object.keys(table).length === 0 ? Result.succeed([]) : rulesFromTable(table, file, at)
    if (Result.isFailure(source)) return Effect.fail(source.failure)
    if (Result.isFailure(others)) return Effect.fail(others.failure)
    // A table of our own sections alone narrows `granted`; here it narrows Cedar.
    return Effect.map(makeCedar(source.success), (rule) => [rule, ...others.success.filter((other) => other !== Granted.rule)])
  })

/** The policy of a document. */
export const policyOfDocument = (
  document: PolicyDocument, file: string, at: string, makeCedar: MakeCedar
): Effect.Effect<Policy, ConfigInvalid> => Effect.map(rulesOfDocument(document, file, at, makeCedar), makePolicy)
