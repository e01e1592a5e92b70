// Loads modules at run time for privileged systems on `aaax.module-loader`.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { SystemId } from "../../protocol/names.ts"
import { replyKinds } from "../../protocol/warrant.ts"
import { moduleLoader } from "../../protocol/well-known.ts"
import { decideReply } from "../authority/decide/request.ts"
import { ModuleRejected } from "../../protocol/errors.ts"
import { commandOf, decodeConfig, moduleOf, type ModuleConfig } from "../config.ts"
import type { Loader } from "../dock/loader.ts"
import { make, type Service, type ServiceRoom } from "./service.ts"

/** Payload on `aaax.module-loader`; the manifest is spelled as in a config. */
const ModuleRequest = Schema.Struct({
  module_id: SystemId,
  manifest: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)),
  /** A module file, for framework `esm`. */
  file: Schema.optionalKey(Schema.NonEmptyString)
})

/** A module entry as a config would have it. */
const configured = (id: string, manifest: object): Effect.Effect<ModuleConfig, ModuleRejected> =>
  decodeConfig({ modules: [{ id, manifest }] }, moduleLoader).pipe(
    Effect.map((config) => config.modules[0]!),
    Effect.mapError((error) => new ModuleRejected({ module: id, reason: error.message }))
  )

export const service = (room: ServiceRoom, loader: Loader): Service =>
  make({
    room,
    channel: moduleLoader,
    schema: ModuleRequest,
    refusal: replyKinds.moduleRejected,
    decide: Effect.fnUntraced(function*(reference, request) {
      const loaded = yield* Effect.result(
        request.file === undefined
          ? Effect.flatMap(configured(request.module_id, request.manifest ?? {}), (entry) =>
              commandOf(entry) === undefined ? loader.load(moduleOf(entry), "runtime", false) : loader.loadProgram(entry))
          : loader.loadFile(request.file, { id: request.module_id }, false)
      )
      const { cursor } = yield* room.journal.submit(decideReply(reference, (at) => ({
        kind: "module.decided",
        at,
        ...reference,
        module: request.module_id,
        outcome: loaded._tag === "Success" ? "accepted" : "rejected",
        reason: loaded._tag === "Success" ? "" : loaded.failure.reason,
        wiring: loaded._tag === "Success" ? loaded.success.wiring : [],
        capabilities: loaded._tag === "Success" ? loaded.success.capabilities : []
      })))
      return cursor
    })
  })
