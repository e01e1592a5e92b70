// Finds the config of a folder, and reads it and the modules that it names with the copies of `aaax` that are running.
import * as Effect from "effect/Effect"
import { existsSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { decodeConfig, type KernelConfig } from "../kernel/config.ts"
import { configNames, readConfigFile } from "../kernel/power/config-file.ts"
import { moduleFiles, type ModuleFiles } from "../kernel/power/module-file.ts"
import { scriptRunner } from "../kernel/power/script.ts"
import { makeTiers } from "../kernel/tier/tiers.ts"
import type { ConfigInvalid } from "../protocol/errors.ts"
import { bundled } from "./bundled.ts"
import { defaultConfig } from "./default-config.ts"
import { NotFound } from "./failure.ts"

export interface LoadedConfig {
  /** Absolute; null for the default constellation. */
  readonly file: string | null
  readonly config: KernelConfig
  /** Its module files, found from its folder. */
  readonly files: ModuleFiles
}

const run = scriptRunner(async () => (await import("./ourselves.ts")).ourselves)

/** The config of a folder, or the given file. Nothing there: the default constellation. */
export const loadConfig = Effect.fnUntraced(function*(options: {
  readonly directory: string
  /** As the user said it, from the folder that the command was called in. */
  readonly file?: string | undefined
}): Effect.fn.Return<LoadedConfig, ConfigInvalid | NotFound> {
  const { directory } = options
  const given = options.file === undefined ? undefined : resolve(options.file)
  if (given !== undefined && !existsSync(given)) return yield* new NotFound({ what: given })
  const file = given ?? configNames.map((name) => join(directory, name)).find((path) => existsSync(path))
  const files = moduleFiles(file === undefined ? directory : dirname(file), { run, bundled, tiers: makeTiers() })
  const config = file === undefined ? decodeConfig(defaultConfig(), "the default constellation") : readConfigFile(file, run)
  return { file: file ?? null, config: yield* config, files }
})
