// Module and config files, for hosts that embed a kernel. The command line has a source of its own, with its own copies.
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Toml from "effect/encoding/Toml"
import { readFileSync } from "node:fs"
import { extname, resolve } from "node:path"
import { ConfigInvalid, ModuleRejected } from "../../protocol/errors.ts"
import { isSystem } from "../config.ts"
import type { ModuleSource } from "../dock/loader.ts"
import { sha256Hex } from "./digest.ts"

const sentence = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** Imports a script, TypeScript included; `aaax` in it is what this package resolves to. */
const importScript = async (file: string): Promise<unknown> => {
  const { createJiti } = await import("jiti")
  const loaded: unknown = await createJiti(import.meta.url, { fsCache: true }).import(file)
  return typeof loaded === "object" && loaded !== null && "default" in loaded ? loaded.default : loaded
}

/** Reads `esm` modules below a directory: a file whose default export is a system, or a function that gives one. */
export const moduleSource = (directory: string): ModuleSource =>
  Effect.fnUntraced(function*(file) {
    const path = file.startsWith("aaax/") ? file : resolve(directory, file)
    const rejected = (reason: string): ModuleRejected => new ModuleRejected({ module: file, reason })
    const loaded = yield* Effect.tryPromise({ try: () => importScript(path), catch: (error) => rejected(`${path} cannot be loaded: ${sentence(error)}`) })
    const system: unknown = typeof loaded === "function" && !isSystem(loaded) ? loaded({}) : loaded
    if (!isSystem(system)) return yield* rejected(`${path}: its default export is no system: expected defineModule({ … }), or a function that gives one`)
    const digest = yield* Effect.try({
      try: () => sha256Hex(file.startsWith("aaax/") ? file : readFileSync(path, "utf8")),
      catch: (error) => rejected(sentence(error))
    })
    return { system, file: path, digest }
  })

/** What a config file holds, not yet checked. */
export const readConfigFile = (file: string): Effect.Effect<unknown, ConfigInvalid> => {
  const invalid = (reason: string): ConfigInvalid => new ConfigInvalid({ issues: [{ file, path: "", reason }] })
  return Effect.tryPromise({
    try: async (): Promise<unknown> => {
      switch (extname(file)) {
        case ".toml":
          return Result.getOrThrow(Toml.parse(readFileSync(file, "utf8")))
        case ".json":
          return JSON.parse(readFileSync(file, "utf8"))
        default:
          return await importScript(resolve(file))
      }
    },
    catch: (error) => invalid(`it cannot be read: ${sentence(error)}`)
  })
}
