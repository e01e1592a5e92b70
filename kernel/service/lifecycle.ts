// Carries out lifecycle commands of privileged systems on `aaax.lifecycle`.
import * as Effect from "effect/Effect"
import { drainSecondsDefault, LifecycleRequest } from "../../protocol/lifecycle.ts"
import type { SystemNotFound } from "../../protocol/errors.ts"
import { replyKinds } from "../../protocol/warrant.ts"
import { lifecycle } from "../../protocol/well-known.ts"
import { decideReply } from "../authority/decide/request.ts"
import type { RequestReference } from "../authority/entry.ts"
import type { Constellation } from "../dock/constellation.ts"
import { make, type Service, type ServiceRoom } from "./service.ts"

const commands: Readonly<Record<string, (constellation: Constellation, request: LifecycleRequest) => Effect.Effect<void, SystemNotFound>>> = {
  revoke: (constellation, { system_id }) => constellation.revoke(system_id),
  pause: (constellation, { system_id }) => constellation.pause(system_id),
  resume: (constellation, { system_id }) => constellation.resume(system_id),
  drain: (constellation, { system_id, timeout }) => constellation.drain(system_id, (timeout ?? drainSecondsDefault) * 1000)
}

export const service = (room: ServiceRoom, constellation: Constellation): Service => {
  const reply = (reference: RequestReference, request: LifecycleRequest, reason: string | undefined) =>
    Effect.map(
      room.journal.submit(decideReply(reference, (at) => ({
        kind: "lifecycle.decided", at, ...reference, command: request.command, target: request.system_id,
        outcome: reason === undefined ? "ok" : "error", reason: reason ?? ""
      }))),
      ({ cursor }) => cursor
    )
  return make({
    room,
    channel: lifecycle,
    schema: LifecycleRequest,
    refusal: replyKinds.lifecycleError,
    targets: true,
    decide: Effect.fnUntraced(function*(reference, request) {
      const command = Object.hasOwn(commands, request.command) ? commands[request.command] : undefined
      if (command === undefined) return yield* reply(reference, request, `Unknown command: ${request.command}`)
      if (constellation.get(request.system_id) === undefined) return yield* reply(reference, request, `Unknown system: ${request.system_id}`)
      const reason = yield* command(constellation, request).pipe(
        Effect.as(undefined),
        Effect.catchTag("SystemNotFound", (error) => Effect.succeed(`Unknown system: ${error.system}`))
      )
      return yield* reply(reference, request, reason)
    })
  })
}
