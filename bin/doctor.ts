// Checks a running kernel: process, store, journal, systems. Fails when something is wrong.
import * as Effect from "effect/Effect"
import type { ClientError } from "../libos/http.ts"
import { StoreCorrupt } from "../protocol/errors.ts"
import type { DoctorView } from "../protocol/routes.ts"
import { type Called, show } from "./called.ts"
import { bytesOf } from "./look.ts"
import { connect } from "./run-file.ts"
import { ago, onOut, plain } from "./terminal.ts"
import { version } from "../kernel/version.ts"

interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

const checks = (view: DoctorView): ReadonlyArray<Check> => {
  const { status, store, audit, systems } = view
  const ill = systems.filter((system) => system.status === "failed" || system.status === "quarantined")
  return [
    { name: "node", ok: true, detail: process.version },
    { name: "version", ok: status.version === version, detail: status.version === version ? version : `kernel ${status.version}, command line ${version}` },
    { name: "kernel", ok: true, detail: `pid ${status.pid}, up ${ago(status.now - status.startedAt)}, boot ${status.boot}` },
    { name: "store", ok: view.storeProblems.length === 0, detail: view.storeProblems[0] ?? `${store.path ?? store.backend}, format ${store.format}, ${store.channels} channels, ${store.events} events, ${bytesOf(store.bytes)}` },
    { name: "durability", ok: true, detail: store.durability },
    { name: "writes", ok: store.stopped === null, detail: store.stopped ?? "taken" },
    { name: "journal", ok: audit.ok, detail: audit.problems[0] ?? `${audit.entries} entries, chain head ${audit.chainHead}` },
    { name: "clock", ok: status.clockJump === null, detail: status.clockJump === null ? "steady" : `jumped by ${ago(Math.abs(status.clockJump))}` },
    { name: "systems", ok: ill.length === 0, detail: ill.length === 0 ? `${systems.length} docked` : ill.map((system) => `${system.id} ${system.status}`).join(", ") },
    { name: "gate", ok: status.unknown === 0, detail: `${status.policy}; ${status.waiting} waiting, ${status.unknown} unknown` }
  ]
}

export const doctor = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const view = yield* client.call("doctor")
  const found = checks(view)
  const wrong = found.filter((check) => !check.ok)
  yield* show(called, { ok: wrong.length === 0, checks: found, store: view.store, audit: view.audit }, () =>
    found.map(({ name, ok, detail }) => `${ok ? onOut.green("ok ") : onOut.red("bad")}  ${name.padEnd(10)}  ${plain(detail)}`))
  const [first] = wrong
  if (first !== undefined) return yield* new StoreCorrupt({ where: first.name, reason: plain(first.detail) })
})
