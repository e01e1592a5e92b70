// Config files: TypeScript and JavaScript are run, TOML and JSON are data. A policy that names a rule file becomes its table.
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { existsSync, readFileSync } from "node:fs"
import { dirname, extname, resolve } from "node:path"
import { ConfigInvalid } from "../../protocol/errors.ts"
import { nearest } from "../../protocol/names.ts"
import { decodeConfig, type KernelConfig } from "../config.ts"
import { withCedarTexts } from "./policy-file.ts"
import { readSchemas } from "./schema-file.ts"
import { type RunScript, sentence } from "./script.ts"

/** Names of a config, looked for in this order. */
export const configNames = ["aaax.config.ts", "aaax.config.js", "aaax.config.mjs", "aaax.config.json", "aaax.toml"] as const

const scripts = new Set([".ts", ".mts", ".cts", ".js", ".mjs", ".cjs"])

const invalid = (file: string, reason: string): ConfigInvalid => new ConfigInvalid({ issues: [{ file, path: "", reason }] })

/** What a file holds, not yet checked. */
export const parseFile = Effect.fnUntraced(function*(file: string, run: RunScript): Effect.fn.Return<unknown, ConfigInvalid> {
  const extension = extname(file)
  if (!scripts.has(extension) && extension !== ".toml" && extension !== ".json") {
    return yield* invalid(file, `a config is one of ${configNames.join(", ")}; its ending says what it is.`)
  }
  const text = yield* Effect.try({ try: () => readFileSync(file, "utf8"), catch: (error) => invalid(file, `it cannot be read: ${sentence(error)}`) })
  if (extension === ".toml") {
    const Toml = yield* Effect.promise(() => import("effect/encoding/Toml"))
    const parsed = Toml.parse(text)
    return Result.isSuccess(parsed) ? parsed.success : yield* invalid(file, `it is not TOML: ${sentence(parsed.failure)}`)
  }
  if (extension === ".json") {
    return yield* Effect.try({ try: (): unknown => JSON.parse(text), catch: (error) => invalid(file, `it is not JSON: ${sentence(error)}`) })
  }
  return yield* Effect.tryPromise({ try: () => run(file, text), catch: (error) => invalid(file, `it cannot be loaded: ${sentence(error)}`) })
})

/** The config with the table of the rule file that its policy names, if it names one. `from` is the config's own file. */
const withRules = Effect.fnUntraced(function*(
  config: KernelConfig, from: string, run: RunScript
): Effect.fn.Return<KernelConfig, ConfigInvalid> {
  if (typeof config.policy !== "string" || config.policy === "default" || config.policy === "granted") {
    // The files that it names start from its own folder. Only texts were put in.
    return config.policy === undefined ? config : { ...config, policy: (yield* withCedarTexts(config.policy, dirname(from), from)) as NonNullable<KernelConfig["policy"]> }
  }
  const file = resolve(dirname(from), config.policy)
  if (!existsSync(file)) {
    const near = nearest(config.policy, ["default", "granted"])
    return yield* new ConfigInvalid({
      issues: [{
        file: from, path: "policy", reason: `there is no rule file ${file}; expected "default", "granted" or the path of one.`,
        ...(near === undefined ? {} : { nearest: near })
      }]
    })
  }
  const table = yield* parseFile(file, run)
  // Rule files of the ancestor may hold their table under `policy`.
  const inner = typeof table === "object" && table !== null && "policy" in table && Object.keys(table).length === 1 ? table.policy : table
  if (typeof inner !== "object" || inner === null) return yield* invalid(file, "expected a table of rules.")
  return { ...config, policy: (yield* withCedarTexts(inner, dirname(file), file)) as Readonly<Record<string, unknown>> } // an object, as was just seen
})

/** Reads a config file and checks all of it. */
export const readConfigFile = (file: string, run: RunScript): Effect.Effect<KernelConfig, ConfigInvalid> =>
  parseFile(file, run).pipe(
    Effect.flatMap((raw) => decodeConfig(raw, file)),
    Effect.flatMap((config) => withRules(config, file, run)),
    // Their schemas are records or objects with their own check from here on.
    Effect.flatMap((config) => Effect.map(readSchemas(config.schemas, dirname(file), file), (schemas) => ({ ...config, schemas: schemas as KernelConfig["schemas"] })))
  )
