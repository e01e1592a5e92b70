// Survey: plans one task per content of every path, has competing workers compute its facts, and folds them into
// `repo.survey`. What a path is now is decided by the order of `repo.files` alone, so that a file that changes from A
// to B and back ends at A, whichever of its tasks were done when.
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import {
  defineModule, IdempotencyConflict, Later, runFold, Schema, type Reading, type Reads, type Received, type System, type Writes
} from "aaax"
import { factsOf, fileBytesMax, without, type Facts } from "./facts.ts"
import { decodeSurvey, encodeSurvey, summarize, surveyFold, type FactEvent, type SurveyState } from "./fold.ts"

export interface SurveyOptions {
  readonly id?: string
  /** Absolute, or relative to the directory that the constellation works on: the root that `watch` watches. */
  readonly root?: string
  /** Systems that compete for the tasks. */
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
  Schema.Struct({ is: Schema.Literal("seen"), path: Schema.String, digest: Schema.String, at: Count }),
  Schema.Struct({ is: Schema.Literal("gone"), path: Schema.String, at: Count }),
  Schema.Struct({ is: Schema.Literal("facts"), path: Schema.String, digest: Schema.String, facts: FactsPayload }),
  Schema.Struct({ is: Schema.Literal("superseded"), path: Schema.String, digest: Schema.String })
])

const subjectMax = 4_096
const keyMax = 1_000
/** Paths in one append: within the kernel's bound on its text also when each is as long as a path can be. */
const pathsMax = 32
/** Deliveries of a task whose content is not there before it is given up: watch will have said by then what came. */
const changedAttempts = 3
const changedMillis = 1_000

/** The survey and its workers, in the order in which they must be docked. */
export const survey = (options: SurveyOptions = {}): ReadonlyArray<System> => {
  const { id = "survey", root = ".", workers = 4 } = options
  return [planner(id), ...Array.from({ length: workers }, (_, n) => worker(`${id}/${n + 1}`, root))]
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

const planner = (id: string): System =>
  defineModule({
    id,
    description: "plans a task for every file and folds their facts into repo.survey",
    // All of it can be had from the files again, so it need not survive a power cut by itself.
    provides: [
      { name: "repo.tasks", form: "queue", schema: Task, durability: "relaxed", leaseMillis: 60_000, attemptsMax: 10, description: "files whose facts are wanted, one task per path@digest" },
      { name: "repo.facts", schema: FactPayload, durability: "relaxed", indexes: ["subject"], description: "what each file is and what is in it; the task is the parent" }
    ],
    snapshots: ["repo.survey", "repo.survey.paths"],
    reads: { files: { channel: "repo.files", schema: FileEvent }, facts: "repo.facts" },
    writes: { tasks: "repo.tasks", facts: "repo.facts" },
    run: async ({ log, reads, signal, writes }) => {
      const readded = new Set<string>()
      const again = async (state: SurveyState): Promise<void> => {
        for (const path of state.lost) {
          const known = Option.getOrUndefined(HashMap.get(state.paths, path))
          if (known === undefined || known.lost === null || readded.has(known.lost)) continue
          readded.add(known.lost)
          // The task's own key is spent; the event that lost it makes a new one.
          await addTask(writes.tasks, { path, digest: known.digest, kind: "file", sizeBytes: 0 }, known.lost, [known.lost])
        }
      }
      const stop = new AbortController()
      const either = AbortSignal.any([signal, stop.signal])
      try {
        await Promise.all([
          plan(reads.files, reads.facts, writes.facts, writes.tasks, either),
          runFold(surveyFold(id), {
            channel: reads.facts, snapshot: "repo.survey.paths", encode: encodeSurvey, decode: decodeSurvey, every: 2_000, signal: either,
            views: { "repo.survey": summarize }, onPage: again
          })
        ])
      } catch (error) {
        // Both end when one does, so that the next start finds nobody at work.
        stop.abort()
        log.error(`the survey stops: ${error instanceof Error ? error.message : String(error)}`)
        throw error
      }
    }
  })

/** Says what every path is now, and has computed what is not known yet. What it did before a crash it does again. */
const plan = async (
  files: Reads<FileEvent>, known: Reads<FactEvent>, facts: Writes<FactEvent>, tasks: Writes<Task>, signal: AbortSignal
): Promise<void> => {
  for await (const batch of files.batches({ from: "plan", gap: "continue", signal })) {
    const isFile = (event: Received<FileEvent>): boolean => event.kind === "file"
    // First where the paths stand: facts that come later are then taken for what they are.
    const paths = batch.map((event): FactEvent =>
      isFile(event)
        ? { is: "seen", path: event.payload.path, digest: event.payload.digest, at: event.cursor }
        : { is: "gone", path: event.payload.path, at: event.cursor })
    for (let at = 0; at < paths.length; at += pathsMax) {
      await facts.append(paths.slice(at, at + pathsMax), { kind: "path", key: crypto.randomUUID(), surely: true })
    }
    await Promise.all(batch.filter(isFile).map(async (event) => {
      const task: Task = event.payload
      const page = await known.read({ filter: { subject: subjectOf(task) }, limit: 1_000 })
      const last = page.events.at(-1)
      if (last?.payload.is === "facts") {
        // Surveyed before: its facts are said again, for the fold keeps only what paths are now.
        await facts.append(last.payload, { kind: "recalled", parents: [event.id, last.id], key: `recalled/${event.id}`, surely: true })
      } else await addTask(tasks, task, last?.payload.is === "superseded" ? last.id : undefined, [event.id])
    }))
  }
}

const addTask = async (tasks: Writes<Task>, { digest, kind, path, sizeBytes }: Task, lost: string | undefined, parents: ReadonlyArray<string>): Promise<void> => {
  const task: Task = { path, digest, kind, sizeBytes }
  const key = await taskKey(task)
  try {
    await tasks.append(task, { kind: "survey", key: lost === undefined ? key : `${key}#${lost}`, parents, surely: true })
  } catch (error) {
    // The same content of the same path was asked for before, by another event: that task stands.
    if (!(error instanceof IdempotencyConflict)) throw error
  }
}

const worker = (id: string, root: string): System =>
  defineModule({
    id,
    description: "computes the facts of files",
    powers: [{ power: "read", root }],
    takes: { tasks: { channel: "repo.tasks", schema: Task } },
    writes: { facts: { channel: "repo.facts", schema: FactPayload } },
    run: async ({ powers, takes, writes }) => {
      const power = powers[0]
      if (power === undefined) throw new TypeError(`${id} was given no reading power`)
      await takes.tasks.work(async (task, on) => {
        const { digest, path } = task.payload
        const facts = await compute(power, task.payload)
        const options = { subject: subjectOf(task.payload), parents: [task.id], surely: true }
        if (facts !== undefined) {
          await on.append(writes.facts, { is: "facts", path, digest, facts }, { ...options, kind: "facts", key: task.id })
        } else if (on.attempt < changedAttempts) {
          throw new Later({ reason: `${path} is not what it was`, delayMillis: changedMillis * on.attempt })
        } else await on.append(writes.facts, { is: "superseded", path, digest }, { ...options, kind: "superseded", key: `superseded/${task.id}` })
      }, { concurrency: 4 })
    }
  })

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
