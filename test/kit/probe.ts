// A docked system whose port a test holds in its hand, and the questions that tests put through it.
import * as Effect from "effect/Effect"
import type { Event } from "../../protocol/event.ts"
import { emptyManifest, type Manifest, type System } from "../../protocol/manifest.ts"
import type { Port } from "../../protocol/port.ts"
import { finalReplies } from "../../protocol/warrant.ts"
import * as wellKnown from "../../protocol/well-known.ts"
import type { DockOptions, Kernel } from "../../kernel/kernel.ts"

/** Docks a system that only lives. */
export const probe = (
  kernel: Kernel, id: string, manifest: Partial<Manifest> = {}, options: DockOptions = {}, code: Omit<System, "manifest"> = {}
) =>
  Effect.map(
    kernel.dock({ manifest: { ...emptyManifest(id), ...manifest }, run: () => Effect.never, ...code }, options),
    (docked) => docked.port
  )

/** Replies to one request that are there now. */
export const replies = (port: Port, request: string): Effect.Effect<ReadonlyArray<Event>> =>
  port.read(wellKnown.kernelReplies, { limit: 1000, filter: { correlationId: request } }).pipe(Effect.map((page) => page.events), Effect.orDie)

/** Waits until a request has a reply of this kind, or a final one. */
export const awaitReply = Effect.fnUntraced(function*(port: Port, request: string, kind?: string) {
  let head = 0
  for (;;) {
    const found = (yield* replies(port, request)).find((event) => (kind === undefined ? finalReplies.has(event.kind) : event.kind === kind))
    if (found !== undefined) return found
    head = yield* Effect.orDie(port.awaitBeyond(wellKnown.kernelReplies, head))
  }
})

export const requestCapability = Effect.fnUntraced(function*(port: Port, payload: Readonly<Record<string, unknown>>) {
  const [appended] = yield* port.append(wellKnown.capabilityRequest, [{ kind: "capability_request", payload }])
  return yield* awaitReply(port, appended!.id)
})

export const tokenFor = (port: Port, executor: string): Effect.Effect<string, unknown> =>
  Effect.map(requestCapability(port, { resource: executor, access: "execute" }), (reply) =>
    String((reply.payload as { readonly token?: string }).token))

/** Appends an action request; answers its id. */
export const requestAction = (port: Port, payload: Readonly<Record<string, unknown>>, key?: string): Effect.Effect<string, unknown> =>
  Effect.map(
    port.append(wellKnown.actionGate, [{ kind: "action_request", payload }], key === undefined ? {} : { key }),
    ([appended]) => appended!.id
  )
