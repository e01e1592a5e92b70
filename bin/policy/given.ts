// A policy that is named on the command line: a rule table, rules, a config that has one, or Cedar files.
import * as Effect from "effect/Effect"
import { existsSync, readdirSync } from "node:fs"
import { basename, dirname, extname, join, resolve } from "node:path"
import type { MadePolicy } from "../../kernel/authority/policies.ts"
import type { MakeCedar } from "../../kernel/guard/policy-document.ts"
import { parseFile } from "../../kernel/power/config-file.ts"
import { loadPolicy } from "../../kernel/power/policy-file.ts"
import { scriptRunner } from "../../kernel/power/script.ts"
import type { ConfigInvalid } from "../../protocol/errors.ts"
import { NotFound, UsageError } from "../failure.ts"

export interface CedarFlags {
  /** For a `.cedar` file; default: the only `.cedarschema` beside it. */
  readonly schema?: string
  readonly entities?: string
}

const run = scriptRunner(async () => (await import("../ourselves.ts")).ourselves)

const isBundled = (name: string): boolean => name.startsWith("aaax/policy/")
const fileOf = (name: string): string => (isBundled(name) ? name : resolve(name))

/** The schema beside a Cedar file, when there is one and only one. */
const schemaBeside = (file: string): string | undefined => {
  const found = readdirSync(dirname(file)).filter((name) => name.endsWith(".cedarschema"))
  return found.length === 1 ? join(dirname(file), found[0]!) : undefined
}

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** What a config says of policy, when the file is one. */
const policyIn = (value: unknown): unknown => {
  const inner = isTable(value) && isTable(value["aaax"]) ? value["aaax"] : value
  if (!isTable(inner) || typeof inner["decide"] === "function") return inner
  if ("policy" in inner) return inner["policy"]
  // A config without a policy has ours; a table of rules knows none of these keys.
  return ["modules", "store", "executors", "network", "id"].some((key) => key in inner) ? "granted" : inner
}

/** Reads it and makes it, with every mistake told as `ConfigInvalid`. */
export const givenPolicy = Effect.fnUntraced(function*(
  name: string, { entities, schema }: CedarFlags, makeCedar: MakeCedar
): Effect.fn.Return<MadePolicy, ConfigInvalid | NotFound | UsageError> {
  if (name === "default" || name === "granted") return yield* loadPolicy(name, { directory: ".", file: name, makeCedar })
  const bundled = isBundled(name)
  const file = fileOf(name)
  if (!bundled && !existsSync(file)) return yield* new NotFound({ what: name })
  if (extname(file) === ".cedar") {
    const found = schema !== undefined ? fileOf(schema) : bundled ? name.replace(/\.cedar$/u, ".cedarschema") : schemaBeside(file)
    if (found === undefined) {
      return yield* new UsageError({ reason: `${name} needs a schema: --schema FILE, or one .cedarschema beside it. Without it a misspelt name would never be found.` })
    }
    const cedar = { policies: bundled ? name : basename(file), schema: found, ...(entities === undefined ? {} : { entities: resolve(entities) }) }
    return yield* loadPolicy({ cedar }, { directory: bundled ? "." : dirname(file), file: name, makeCedar })
  }
  const policy = policyIn(yield* parseFile(file, run))
  // A config may name a rule file.
  if (typeof policy === "string" && policy !== "default" && policy !== "granted") {
    return yield* givenPolicy(resolve(dirname(file), policy), { ...(schema === undefined ? {} : { schema }), ...(entities === undefined ? {} : { entities }) }, makeCedar)
  }
  return yield* loadPolicy(policy, { directory: dirname(file), file: name, makeCedar })
})
