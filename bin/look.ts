// Looking at a running kernel: status, systems, channels, pages and snapshots.
import * as Effect from "effect/Effect"
import type { ClientError } from "../libos/http.ts"
import type { KernelStatus } from "../protocol/view.ts"
import { type Called, show } from "./called.ts"
import { eventLine } from "./event-line.ts"
import { connect } from "./run-file.ts"
import { ago, onErr, err, plain, table } from "./terminal.ts"

export const bytesOf = (bytes: number): string =>
  bytes < 10_000 ? `${bytes} B` : bytes < 10_000_000 ? `${Math.round(bytes / 1000)} kB` : `${Math.round(bytes / 1_000_000)} MB`

const attention = (status: KernelStatus): ReadonlyArray<string> => [
  ...status.policyNotes,
  ...(status.waiting > 0 ? [`${status.waiting} action(s) wait for you: aaax gate`] : []),
  ...(status.unknown > 0 ? [`${status.unknown} action(s) whose outcome nobody knows: aaax gate ls --state unknown`] : []),
  ...(status.store.stopped === null ? [] : [`Writes are stopped: ${status.store.stopped}`]),
  ...(status.clockJump === null ? [] : [`The clock jumped by ${ago(Math.abs(status.clockJump))}; nothing expires until that is confirmed: aaax clock confirm`])
]

export const status = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const view = yield* client.call("status")
  yield* show(called, view, () => [
    `${plain(view.name)} (${plain(view.id)})  aaax ${view.version}, pid ${view.pid}, up ${ago(view.now - view.startedAt)}, boot ${view.boot}`,
    `folder   ${plain(view.directory)}`,
    `store    ${view.store.path ?? view.store.backend}: ${view.store.durability}; ${view.store.events} events, ${bytesOf(view.store.bytes)}`,
    `systems  ${view.systems} docked, ${view.grants} grants`,
    `gate     ${plain(view.policy)}; ${view.waiting} waiting, ${view.unknown} unknown`,
    `door     ${client.url}`
  ])
  for (const line of attention(view)) err(onErr.yellow(line))
})

export const ps = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const systems = yield* client.call("systems")
  yield* show(called, systems, () =>
    table(["SYSTEM", "STATE", "TIER", "FRAMEWORK", "GRANTS", "RESTARTS", "WHAT"], systems.map((system) => [
      system.id, system.status, system.tier ?? "in-process", system.framework, String(system.grants), String(system.restarts),
      system.lastError === null ? system.description : `${system.status === "quarantined" ? "quarantined" : "last error"}: ${system.lastError}`
    ])))
})

export const channels = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const views = yield* client.call("channels")
  yield* show(called, views, () =>
    table(["CHANNEL", "FORM", "DELIVERY", "DURABILITY", "OWNER", "EVENTS", "HEAD", "WAITING"], views.map((view) => [
      view.name, view.form, view.delivery, view.durability, view.owner, String(view.events), String(view.head),
      view.backlog === null ? "" : String(view.backlog)
    ])))
})

export interface ReadFlags {
  readonly after?: number
  readonly limit?: number
  readonly kind?: string
}

export const read = Effect.fnUntraced(function*(called: Called, channel: string, flags: ReadFlags): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const page = yield* client.call("read", { id: channel, query: flags })
  yield* show(called, page.events, () => page.events.map(eventLine))
  if (!called.json && page.next < page.head) err(onErr.dim(`There is more: --after ${page.next}`))
})

export const snapshot = Effect.fnUntraced(function*(called: Called, name: string): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const found = yield* client.call("snapshot", { id: name })
  if (!called.json) err(onErr.dim(`revision ${found.revision}, by ${plain(found.sender)}`))
  // The value is the data, for a person too: indented, with control characters as JSON writes them.
  yield* show({ ...called, json: true }, found.value, () => [])
})
