// Keeps the survey: follows `repo.files` and `repo.facts` side by side and folds both into one state, with a snapshot now
// and then that remembers both positions.
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import { Gap, type Cursor, type Log, type Reads, type Received, type Snapshots } from "aaax"
import { decodeSurvey, emptySurvey, encodeSurvey, step, summarize, type FactEvent, type PathEvent, type SurveyState } from "./fold.ts"

/** What the survey needs to know of an event in `repo.files`. */
export interface FilePayload {
  readonly path: string
  readonly digest: string
}

export interface FollowOptions {
  /** The system whose facts count; `repo.facts` may be written by others that are wired to it. */
  readonly id: string
  readonly files: Reads<FilePayload>
  readonly facts: Reads<FactEvent>
  readonly snapshots: Snapshots<"repo.survey" | "repo.survey.paths">
  readonly signal: AbortSignal
  readonly log: Log
  /** The subject under which the facts of a content are found. */
  readonly subjectOf: (of: FilePayload) => string
  /** Called when both channels were read to their ends. */
  readonly onPage: (state: SurveyState) => Promise<void>
}

interface Position {
  readonly state: SurveyState
  readonly files: Cursor
  readonly facts: Cursor
  readonly revision: number
}

const version = 2
const pageEvents = 500
/** Events between snapshots, and the rest in which one is put, in milliseconds. */
const every = 2_000
const idleMillis = 200

const resume = async (snapshots: FollowOptions["snapshots"]): Promise<Position> => {
  const snapshot = await snapshots.get("repo.survey.paths")
  // Only this system puts it; another version is folded anew.
  const kept = snapshot?.value as { readonly version?: unknown; readonly files?: unknown; readonly state?: unknown } | undefined
  const state = kept?.version === version && typeof kept.files === "number" ? decodeSurvey(kept.state) : undefined
  return state === undefined
    ? { state: emptySurvey, files: 0, facts: 0, revision: snapshot?.revision ?? 0 }
    : { state, files: Number(kept?.files), facts: snapshot?.cursor ?? 0, revision: snapshot?.revision ?? 0 }
}

export const follow = async (options: FollowOptions): Promise<void> => {
  const { facts, files, id, signal, snapshots, subjectOf } = options
  let { facts: factsCursor, files: filesCursor, revision, state } = await resume(snapshots)
  let unsaved = factsCursor === 0 ? 0 : every

  const page = async <T>(reads: Reads<T>, after: Cursor): Promise<{ readonly events: ReadonlyArray<Received<T>>; readonly next: Cursor }> => {
    try {
      return await reads.read({ after, limit: pageEvents })
    } catch (error) {
      if (!(error instanceof Gap)) throw error
      options.log.warn(error.message)
      return page(reads, error.floor)
    }
  }

  /** Facts of a content that were told before: the path had it before, or another round of the survey found them. */
  const known = async (payload: FilePayload): Promise<Received<FactEvent> | undefined> =>
    (await facts.read({ filter: { subject: subjectOf(payload), sender: id }, limit: 100 })).events.findLast(
      (event) => event.cursor <= factsCursor && event.payload.is === "facts"
    )

  const takeFiles = async (): Promise<void> => {
    for (;;) {
      const { events, next } = await page(files, filesCursor)
      if (events.length === 0) return
      for (const { cursor, id: event, kind, payload } of events) {
        const told: PathEvent = kind === "file"
          ? { is: "seen", path: payload.path, digest: payload.digest, at: cursor }
          : { is: "gone", path: payload.path, at: cursor }
        state = step(state, told, event)
      }
      const open = events.filter(({ kind, payload }) => {
        const path = kind === "file" ? Option.getOrUndefined(HashMap.get(state.paths, payload.path)) : undefined
        return path !== undefined && path.facts === null && path.digest === payload.digest
      })
      if (factsCursor > 0) {
        for (const found of await Promise.all(open.map(({ payload }) => known(payload)))) {
          if (found !== undefined) state = step(state, found.payload, found.id)
        }
      }
      filesCursor = next
      unsaved += events.length
    }
  }

  const save = async (): Promise<void> => {
    unsaved = 0
    const paths = { version, files: filesCursor, state: encodeSurvey(state) }
    const kept = await snapshots.put("repo.survey.paths", paths, { expectedRevision: revision, cursor: factsCursor, channel: facts.name })
    revision = kept.revision
    await snapshots.put("repo.survey", summarize(state), { cursor: factsCursor, channel: facts.name })
  }

  while (!signal.aborted) {
    // Facts first: the file that a fact is about was told before it, so it is among the files that are read now.
    const { events, next } = await page(facts, factsCursor)
    await takeFiles()
    for (const event of events) if (event.sender === id) state = step(state, event.payload, event.id)
    factsCursor = Math.max(factsCursor, next)
    unsaved += events.length
    if (unsaved >= every) await save()
    if (events.length === pageEvents) continue
    await options.onPage(state)
    // Whichever channel moves first ends the waiting for the other.
    const moved = new AbortController()
    const either = AbortSignal.any([signal, moved.signal])
    const waiting = [files.awaitBeyond(filesCursor, either), facts.awaitBeyond(factsCursor, either)]
    const rest = unsaved > 0 ? [new Promise((resolve) => setTimeout(resolve, idleMillis)).then(() => "rest" as const)] : []
    const woken = await Promise.race([...waiting, ...rest]).catch((error: unknown) => {
      if (!signal.aborted) throw error
    })
    moved.abort()
    await Promise.allSettled(waiting)
    if (woken === "rest") await save()
  }
}
