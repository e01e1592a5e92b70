// Schemas of a config that are in files of their own: JSON, named by a path.
import * as Effect from "effect/Effect"
import { readFileSync, statSync } from "node:fs"
import { resolve } from "node:path"
import { ConfigInvalid, type ConfigIssue } from "../../protocol/errors.ts"
import { schemaTextMax } from "../limits.ts"
import { sentence } from "./script.ts"

/** A schema may be written with as much white space as this, in bytes. */
const fileBytesMax = 8 * schemaTextMax

/** Puts what the files hold in the place of their paths, which start from `directory`. `file` is the config's, for messages. */
export const readSchemas = (schemas: Readonly<Record<string, unknown>>, directory: string, file: string): Effect.Effect<Readonly<Record<string, unknown>>, ConfigInvalid> =>
  Effect.suspend(() => {
    const issues: Array<ConfigIssue> = []
    const read: Record<string, unknown> = {}
    for (const [name, schema] of Object.entries(schemas)) {
      if (typeof schema !== "string") {
        read[name] = schema
        continue
      }
      const path = resolve(directory, schema)
      try {
        if (statSync(path).size > fileBytesMax) throw new Error(`it has more than ${fileBytesMax} bytes`)
        read[name] = JSON.parse(readFileSync(path, "utf8"))
      } catch (error) {
        issues.push({ file, path: `schemas.${name}`, reason: `${path} cannot be read: ${sentence(error)}` })
      }
    }
    return issues.length === 0 ? Effect.succeed(read) : Effect.fail(new ConfigInvalid({ issues }))
  })
