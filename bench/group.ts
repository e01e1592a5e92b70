// Runs one group in a process of its own and prints its rows as JSON.
//
//   group.mjs NAME SIZE DIRECTORY CHILD [AAAX]
import * as Effect from "effect/Effect"
import "effect/schema/SchemaJITCompiler/enable"
import { groups } from "./rows.ts"
import { sized, type Size } from "./size.ts"

const [name = "", size = "full", directory = "", child = "", aaax] = process.argv.slice(2)
const rows = await Effect.runPromise(Effect.scoped(groups[name]!(sized(size as Size, directory, { child, aaax: aaax ?? null })))) // cli.ts gives a Size
process.stdout.write(JSON.stringify(rows))
