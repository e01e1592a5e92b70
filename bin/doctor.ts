// Checks a running kernel: process, store, journal, systems. Fails when something is wrong.
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { version } from "../kernel/version.ts"
import type { ClientError } from "../libos/http.ts"
import type { DoctorView } from "../protocol/routes.ts"
import type { SystemView } from "../protocol/view.ts"
import { type Called, show } from "./called.ts"
import { Unhealthy } from "./failure.ts"
import { bytesOf } from "./look.ts"
import { connect } from "./run-file.ts"
import { ago, onOut, plain } from "./terminal.ts"

export interface Check {
  readonly name: string
  readonly ok: boolean
  /** What is there. */
  readonly detail: string
  /** What is wrong, each with what can be done about it. */
  readonly findings: ReadonlyArray<string>
}

const check = (name: string, detail: string, findings: ReadonlyArray<string> = []): Check => ({ name, ok: findings.length === 0, detail, findings })

const illness = ({ id, lastError, status }: SystemView): ReadonlyArray<string> => {
  const why = lastError === null ? "" : ` (${lastError})`
  if (status === "quarantined") return [`${id} is quarantined${why}; mend it, then: aaax resume ${id}`]
  return status === "failed" ? [`${id} failed and is about to start again${why}`] : []
}

/** What lies outside the store: a journal that only it vouches for can be rolled back unseen. */
const evidenceCheck = ({ checkpoints, evidence }: DoctorView["audit"]): Check =>
  evidence === undefined
    ? check("evidence", "no checkpoints: the store dies with its kernel")
    : check("evidence", `${checkpoints ?? 0} checkpoints in ${evidence.where}, ${evidence.covered} of ${evidence.size} entries covered, key ${evidence.key}`,
        evidence.problem === null ? [] : [`${evidence.problem}; nothing of high risk goes on until it can`])

const Position = Schema.Struct({ cursor: Schema.Int, unreadable: Schema.Int, lost: Schema.optionalKey(Schema.Int), examples: Schema.Array(Schema.String) })
const positionOf = Schema.decodeUnknownOption(Position)

/** What the coordinator says of its log; nothing: there is none, or it has not said anything yet. */
export const coordinationCheck = (position: unknown): ReadonlyArray<Check> => {
  const read = positionOf(position)
  if (read._tag === "None") return []
  const { cursor, examples, lost = 0, unreadable } = read.value
  if (lost > 0) {
    return [check("coordination", "", [
      `${lost} ${lost === 1 ? "entry" : "entries"} of claims and plan cannot be read, such as ${examples[0] ?? "one"}; neither is changed until you give up what is lost: aaax claims accept-loss`
    ])]
  }
  return [check("coordination", `whole state behind entry ${cursor}`, unreadable === 0 ? [] : [
    `${unreadable} ${unreadable === 1 ? "entry" : "entries"} of its log could not be read and ${unreadable === 1 ? "was" : "were"} passed over, such as ${examples[0] ?? "one"}; look at what is claimed: aaax claims ls`
  ])]
}

export const checks = (view: DoctorView): ReadonlyArray<Check> => {
  const { audit, status, store, storeProblems, systems } = view
  const jump = status.clockJump
  return [
    check("node", process.version),
    check("version", version, status.version === version ? [] : [`the kernel is ${status.version}, this command line ${version}; start the kernel again`]),
    check("kernel", `pid ${status.pid}, up ${ago(status.now - status.startedAt)}, boot ${status.boot}`),
    check("store", `${store.path ?? store.backend}, format ${store.format}, ${store.channels} channels, ${store.events} events, ${bytesOf(store.bytes)}`, storeProblems),
    check("durability", store.durability),
    check("writes", "taken", store.stopped === null ? [] : [`writes are stopped: ${store.stopped}`]),
    check("journal", `${audit.entries} entries, chain head ${audit.chainHead}`, audit.ok ? [] : audit.problems.length === 0 ? ["its chain does not hold"] : audit.problems),
    evidenceCheck(audit),
    check("clock", "steady", jump === null ? [] : [`it jumped by ${ago(Math.abs(jump))} and is not believed, so nothing expires; when it is right: aaax clock confirm`]),
    check("systems", `${systems.length} docked`, systems.flatMap(illness)),
    check("gate", `${status.policy}; ${status.waiting} waiting`, status.unknown === 0 ? [] : [
      `${status.unknown} ${status.unknown === 1 ? "outcome is" : "outcomes are"} unknown: aaax gate ls --state unknown`
    ])
  ]
}

const lines = ({ detail, findings, name }: Check): ReadonlyArray<string> =>
  findings.length === 0
    ? [`${onOut.green("ok")}  ${name.padEnd(10)}  ${plain(detail)}`]
    : findings.map((finding) => `${onOut.red("!!")}  ${name.padEnd(10)}  ${plain(finding)}`)

export const doctor = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, ClientError | Unhealthy> {
  const client = yield* connect(called.directory)
  const view = yield* client.call("doctor")
  const position = yield* Effect.catch(client.call("snapshot", { id: "coordination.position" }), (error): Effect.Effect<undefined, ClientError> =>
    error._tag === "SnapshotNotFound" ? Effect.succeed(undefined) : Effect.fail(error))
  const done = [...checks(view), ...coordinationCheck(position?.value)]
  const wrong = done.filter(({ ok }) => !ok)
  yield* show(called, { ok: wrong.length === 0, checks: done, store: view.store, audit: view.audit }, () => done.flatMap(lines))
  if (wrong.length > 0) {
    return yield* new Unhealthy({ findings: wrong.reduce((sum, { findings }) => sum + findings.length, 0), places: wrong.map(({ name }) => name) })
  }
})
