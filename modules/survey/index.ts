// Survey: plans one task per content of every path, has competing workers compute its facts, and folds them into
// `repo.survey`. What a path is now is decided by the order of `repo.files` alone, so that a file that changes from A
// to B and back ends at A, whichever of its tasks were done when. The workers are loops of one system: a key is scoped to
// its sender, so that a task that is handed to another worker after a crash is not answered twice.
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import { defineModule, IdempotencyConflict, Later, Schema, type Reading, type Reads, type System, type Takes, type Writes } from "aaax"
import { factsOf, fileBytesMax, without, type Facts } from "./facts.ts"
import { follow } from "./follow.ts"
import type { FactEvent, SurveyState } from "./fold.ts"

export interface SurveyOptions {
  readonly id?: string
  /** Absolute, or relative to the directory that the constellation works on: the root that `watch` watches. */
  readonly root?: string
  /** Workers that compete for the tasks. */
  readonly workers?: number
}

const kinds = ["file", "link", "directory", "submodule", "missing", "special", "unreadable"] as const
const FileEvent = Schema.Struct({ path: Schema.String, kind: Schema.Literals(kinds), digest: Schema.String, sizeBytes: Schema.Int })
const Task = FileEvent
type FileEvent = typeof FileEvent.Type
type Task = typeof Task.Type

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const FactsPayload = Schema.Struct({
  kind: Schema.Literals(["text", "binary", "too-large", "not-utf8", "unreadable", "link", "submodule", "missing", "directory", "special"]),
  sizeBytes: Count,
  language: Schema.NullOr(Schema.String),
  lines: Count,
  marks: Schema.Array(Schema.Struct({ line: Count, mark: Schema.Literals(["TODO", "FIXME"]), text: Schema.String })),
  marksTotal: Count,
  imports: Schema.Array(Schema.String)
})
const FactPayload = Schema.Union([
  Schema.Struct({ is: Schema.Literal("facts"), path: Schema.String, digest: Schema.String, facts: FactsPayload }),
  Schema.Struct({ is: Schema.Literal("superseded"), path: Schema.String, digest: Schema.String })
])

const subjectMax = 4_096
const keyMax = 1_000
/** Tasks that one worker has under way. */
const tasksMax = 4
/** Deliveries of a task whose content is not there before it is given up: watch will have said by then what came. */
const changedAttempts = 3
const changedMillis = 1_000

export const survey = (options: SurveyOptions = {}): System => {
  const { id = "survey", root = ".", workers = 2 } = options
  return defineModule({
    id,
    description: `has ${workers} workers compute the facts of every file and folds them into repo.survey`,
    powers: [{ power: "read", root }],
    // All of it can be had from the files again, so it need not survive a power cut by itself.
    provides: [
      { name: "repo.tasks", form: "queue", schema: Task, durability: "relaxed", leaseMillis: 60_000, attemptsMax: 10, description: "files whose facts are wanted, one task per path@digest" },
      { name: "repo.facts", schema: FactPayload, durability: "relaxed", indexes: ["subject"], description: "what is in each file; one event per task, which is its parent and its key" }
    ],
    snapshots: ["repo.survey", "repo.survey.paths"],
    reads: { files: { channel: "repo.files", schema: FileEvent }, facts: "repo.facts" },
    takes: { tasks: { channel: "repo.tasks", schema: Task } },
    writes: { tasks: "repo.tasks", facts: "repo.facts" },
    run: async ({ log, powers, reads, signal, snapshots, takes, writes }) => {
      const power = powers[0]
      if (power === undefined) throw new TypeError(`${id} was given no reading power`)
      const stop = new AbortController()
      const either = AbortSignal.any([signal, stop.signal])
      try {
        await Promise.all([
          plan(reads.files, reads.facts, writes.tasks, either),
          follow({
            id, files: reads.files, facts: reads.facts, snapshots, signal: either, log, subjectOf, onPage: (state) => addLost(writes.tasks, state)
          }),
          ...Array.from({ length: workers }, () => compete(power, takes.tasks, writes.facts, either))
        ])
      } catch (error) {
        // All end when one does, so that the next start finds nobody at work.
        stop.abort()
        if (!signal.aborted) throw error
      }
    }
  })
}

export default survey

const contentOf = ({ digest, path }: Pick<Task, "path" | "digest">): string => `${path}@${digest}`
/** The end of a long one tells it apart: it is the digest. */
const subjectOf = (of: Pick<Task, "path" | "digest">): string => contentOf(of).slice(-subjectMax)

/** `path@digest`; for a path that is too long for a key, the digest of both. */
const taskKey = async (task: Task): Promise<string> => {
  const content = contentOf(task)
  return content.length <= keyMax - 200 ? content : hex(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(content)))
}

const hex = (bytes: ArrayBuffer): string => Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("")

/** Adds a task for every content of a path that has no facts yet. What it did before a crash it does again, to no effect. */
const plan = async (files: Reads<FileEvent>, facts: Reads<FactEvent>, tasks: Writes<Task>, signal: AbortSignal): Promise<void> => {
  for await (const batch of files.batches({ from: "plan", gap: "continue", signal })) {
    await Promise.all(batch.filter(({ kind }) => kind === "file").map(async (event) => {
      const last = (await facts.read({ filter: { subject: subjectOf(event.payload) }, limit: 1_000 })).events.at(-1)
      if (last?.payload.is === "facts") return
      await addTask(tasks, event.payload, last?.id, [event.id])
    }))
  }
}

/** A content that is wanted although its task ended without facts: the task's own key is spent, the event that lost it makes a new one. */
const addLost = async (tasks: Writes<Task>, state: SurveyState): Promise<void> => {
  for (const path of state.lost) {
    const wanted = Option.getOrUndefined(HashMap.get(state.paths, path))
    if (wanted === undefined || wanted.lost === null) continue
    await addTask(tasks, { path, digest: wanted.digest, kind: "file", sizeBytes: 0 }, wanted.lost, [wanted.lost])
  }
}

const addTask = async (
  tasks: Writes<Task>, { digest, kind, path, sizeBytes }: Task, lost: string | undefined, parents: ReadonlyArray<string>
): Promise<void> => {
  const task: Task = { path, digest, kind, sizeBytes }
  const key = await taskKey(task)
  try {
    await tasks.append(task, { kind: "survey", key: lost === undefined ? key : `${key}#${lost}`, parents, surely: true })
  } catch (error) {
    // The same content of the same path was asked for before, by another event: that task stands.
    if (!(error instanceof IdempotencyConflict)) throw error
  }
}

/** One worker: takes tasks until the system stops. */
const compete = (power: Reading, tasks: Takes<Task>, facts: Writes<FactEvent>, signal: AbortSignal): Promise<void> =>
  tasks.work(async (task, on) => {
    const { digest, path } = task.payload
    const found = await compute(power, task.payload)
    const options = { subject: subjectOf(task.payload), parents: [task.id], key: task.id, surely: true }
    if (found !== undefined) await on.append(facts, { is: "facts", path, digest, facts: found }, { ...options, kind: "facts" })
    else if (on.attempt < changedAttempts) throw new Later({ reason: `${path} is not what it was`, delayMillis: changedMillis * on.attempt })
    else {
      try {
        await on.append(facts, { is: "superseded", path, digest }, { ...options, kind: "superseded" })
      } catch (error) {
        // Its facts were told before a crash, and the content is gone since: they stand.
        if (!(error instanceof IdempotencyConflict)) throw error
      }
    }
  }, { concurrency: tasksMax, signal })

/** `undefined`: the path has another content now, or none. */
const compute = async (power: Reading, task: Task): Promise<Facts | undefined> => {
  if (task.kind !== "file") return without(task.kind, task.path, task.sizeBytes)
  try {
    const { bytes, truncated } = await power.read(task.path, fileBytesMax)
    if (truncated) return without("too-large", task.path, task.sizeBytes)
    // A copy of its own: what digests take may be a view of a larger buffer.
    const digest = hex(await crypto.subtle.digest("SHA-256", bytes.slice()))
    return digest === task.digest ? factsOf(task.path, bytes) : undefined
  } catch (error) {
    if (typeof error === "object" && error !== null && "reason" in error && "path" in error) return undefined
    throw error
  }
}
