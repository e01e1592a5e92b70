// Policies as files: the texts of Cedar files put into the table that names them, and the bundled ones found.
import * as Effect from "effect/Effect"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { basename, dirname, isAbsolute, join, relative, resolve } from "node:path"
import { fileURLToPath } from "node:url"
import type { Rule } from "../../protocol/authority.ts"
import { ConfigInvalid } from "../../protocol/errors.ts"
import { compileGlob } from "../../protocol/glob.ts"
import { nearest } from "../../protocol/names.ts"
import type { MadePolicy } from "../authority/policies.ts"
import { makePolicy, policyFromConfig } from "../guard/policy.ts"
import { type MakeCedar, type PolicyDocument, policyOfDocument, rulesOfDocument } from "../guard/policy-document.ts"
import { cedarTextMax } from "../limits.ts"
import { sentence } from "./script.ts"

/** Whatever a config may say of policy, made: its rules, and what they are as data when all of them are. */
export const loadPolicy = Effect.fnUntraced(function*(
  given: unknown, { directory, file, makeCedar }: { readonly directory: string; readonly file: string; readonly makeCedar: MakeCedar }
): Effect.fn.Return<MadePolicy, ConfigInvalid> {
  const value = yield* withCedarTexts(given, directory, file)
  if (value === undefined || value === null) return { policy: yield* policyOfDocument("granted", file, "policy", makeCedar), document: "granted" }
  if (isTable(value) && typeof value["decide"] !== "function") return yield* ofDocument(value, file, makeCedar)
  if (value === "granted" || value === "default") return yield* ofDocument(value, file, makeCedar)
  if (!Array.isArray(value) || !value.some((item) => isTable(item) && typeof item["decide"] !== "function")) {
    return { policy: yield* Effect.fromResult(policyFromConfig(value, file)), document: null }
  }
  const rules: Array<Rule> = []
  for (const [at, item] of value.entries()) {
    if (isTable(item) && typeof item["decide"] !== "function") rules.push(...(yield* rulesOfDocument(item, file, `policy[${at}]`, makeCedar)))
    else yield* Effect.fromResult(policyFromConfig([item], file))
    if (isTable(item) && typeof item["decide"] === "function") rules.push(item as unknown as Rule) // as was just seen
  }
  return { policy: makePolicy(rules), document: null }
})

const ofDocument = (document: PolicyDocument, file: string, makeCedar: MakeCedar): Effect.Effect<MadePolicy, ConfigInvalid> =>
  Effect.map(policyOfDocument(document, file, "policy", makeCedar), (policy) => ({ policy, document }))

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The folder of this package, wherever this file was bundled to: the nearest one above with the bundled policies. */
const packageFolder = (): string => {
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    if (existsSync(join(at, "policy/default.cedarschema")) || dirname(at) === at) return at
  }
}

/** `aaax/policy/...` is bundled; everything else starts from the folder. */
const pathOf = (name: string, directory: string): string =>
  name.startsWith("aaax/policy/") ? join(packageFolder(), name.slice("aaax/".length)) : resolve(directory, name)

const refuse = (file: string, path: string, reason: string, near?: string): ConfigInvalid =>
  new ConfigInvalid({ issues: [{ file, path, reason, ...(near === undefined ? {} : { nearest: near }) }] })

const textOf = (path: string, file: string, key: string): string => {
  try {
    if (statSync(path).size > cedarTextMax) throw refuse(file, key, `${path} is larger than ${cedarTextMax} bytes.`)
    return readFileSync(path, "utf8")
  } catch (error) {
    throw error instanceof ConfigInvalid ? error : refuse(file, key, `${path} cannot be read: ${sentence(error)}`)
  }
}

/** The files that a pattern means; `*` only in the last part of a path. */
const matching = (pattern: string, directory: string, file: string, key: string): ReadonlyArray<string> => {
  const path = pathOf(pattern, directory)
  if (!basename(path).includes("*")) return [path]
  const test = compileGlob(basename(path))
  const folder = dirname(path)
  const found = existsSync(folder) ? readdirSync(folder).filter(test).sort() : []
  if (found.length === 0) throw refuse(file, key, `no file matches ${pattern} in ${folder}.`)
  return found.map((name) => join(folder, name))
}

const known = ["policies", "schema", "entities"]

const inlined = (cedar: Readonly<Record<string, unknown>>, directory: string, file: string): Readonly<Record<string, unknown>> => {
  const nameOf = (path: string): string => {
    const bundled = join(packageFolder(), "policy")
    if (dirname(path) === bundled) return `aaax/policy/${basename(path)}`
    const from = relative(directory, path)
    return from.startsWith("..") || isAbsolute(from) ? basename(path) : from
  }
  const read = (path: string, key: string): { readonly name: string; readonly text: string } => ({ name: nameOf(path), text: textOf(path, file, key) })
  const strange = Object.keys(cedar).find((key) => !known.includes(key))
  if (strange !== undefined) throw refuse(file, `policy.cedar.${strange}`, "is not a key that is known here.", nearest(strange, known))
  const { entities, policies, schema } = cedar
  if (schema === undefined) throw refuse(file, "policy.cedar.schema", "is missing: policies without a schema are not checked, and a misspelt name would never be found.")
  if (policies === undefined) throw refuse(file, "policy.cedar.policies", "is missing.")
  const names = typeof policies === "string" ? [policies] : policies
  const texts = Array.isArray(names) && names.every((name): name is string => typeof name === "string")
    ? names.flatMap((name) => matching(name, directory, file, "policy.cedar.policies")).map((path) => read(path, "policy.cedar.policies"))
    : policies
  const entityText = typeof entities === "string" ? textOf(pathOf(entities, directory), file, "policy.cedar.entities") : undefined
  let entityList = entities
  try {
    if (entityText !== undefined) entityList = JSON.parse(entityText) as unknown
  } catch (error) {
    throw refuse(file, "policy.cedar.entities", `${String(entities)} is not JSON: ${sentence(error)}`)
  }
  return {
    policies: texts,
    schema: typeof schema === "string" ? read(pathOf(schema, directory), "policy.cedar.schema") : schema,
    ...(entityList === undefined ? {} : { entities: entityList })
  }
}

/** What a config says of policy, with the Cedar files that it names put in. What is there already stays. */
export const withCedarTexts = (policy: unknown, directory: string, file: string): Effect.Effect<unknown, ConfigInvalid> =>
  Effect.try({
    try: () => {
      const one = (value: unknown): unknown => {
        if (!isTable(value) || typeof value["decide"] === "function" || value["cedar"] === undefined) return value
        const { cedar } = value
        if (!isTable(cedar)) throw refuse(file, "policy.cedar", "expected { policies, schema, entities }.")
        return { ...value, cedar: inlined(cedar, directory, file) }
      }
      return Array.isArray(policy) ? policy.map(one) : one(policy)
    },
    catch: (error) => (error instanceof ConfigInvalid ? error : refuse(file, "policy", sentence(error)))
  })
