// What an operator does to docked systems, and the modules that they came from.
import * as Effect from "effect/Effect"
import { resolve } from "node:path"
import type { ClientError } from "../libos/http.ts"
import { type Called, show } from "./called.ts"
import { connect } from "./run-file.ts"
import { plain, table } from "./terminal.ts"

export const change = Effect.fnUntraced(function*(
  called: Called, verb: "pause" | "resume" | "revoke" | "undock", id: string
): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  yield* client.call(verb, { id })
  const done = { pause: "paused", resume: "resumed", revoke: "revoked", undock: "undocked" }[verb]
  yield* show(called, { system: id, done }, () => [`${done} ${id}`])
})

export const drain = Effect.fnUntraced(function*(
  called: Called, id: string, timeoutSeconds: number | undefined
): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  yield* client.call("drain", { id, payload: timeoutSeconds === undefined ? {} : { timeoutMillis: timeoutSeconds * 1000 } })
  yield* show(called, { system: id, done: "drained" }, () => [`drained ${id}`])
})

export const modules = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const loaded = yield* client.call("modules")
  yield* show(called, loaded, () =>
    [
      ...table(["MODULE", "STATE", "TIER", "TRUST", "FRAMEWORK", "FROM", "DIGEST", "FILE"], loaded.map((module) => [
        module.id, module.needs === undefined ? module.status : "waiting", `${module.tier ?? "in-process"}${module.weak === true ? " (weak)" : ""}`, module.trust ?? "host",
        module.framework, module.origin, module.digest?.slice(0, 12) ?? "", module.file ?? ""
      ])),
      ...loaded.flatMap(({ id, needs = [] }) => (needs.length === 0 ? [] : [`${id} waits: ${needs.map(plain).join("; ")}. To let it: aaax modules approve ${id}`]))
    ])
})

export const approve = Effect.fnUntraced(function*(called: Called, id: string): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const module = yield* client.call("approveModule", { id })
  yield* show(called, module, () => [`approved ${module.id}: ${module.status}`])
})

export const load = Effect.fnUntraced(function*(called: Called, file: string, id: string | undefined): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const module = yield* client.call("loadModule", {
    // The kernel says what it thinks of an address.
    payload: { file: file.startsWith("aaax/") || /^[a-z][a-z\d+.-]*:\/\//iu.test(file) ? file : resolve(file), ...(id === undefined ? {} : { id }) }
  })
  yield* show(called, module, () => [`loaded ${module.id}: ${module.status}`])
})
