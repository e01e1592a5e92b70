// The survey: a fold by path. `repo.files` says what every path is now, `repo.facts` what is in it; nothing of the past is
// held, and the order in which the two are told does not matter.
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import type { Facts, Mark } from "./facts.ts"

/** What `repo.files` says of a path; `at` is the cursor of its event. */
export type PathEvent =
  | { readonly is: "seen"; readonly path: string; readonly digest: string; readonly at: number }
  | { readonly is: "gone"; readonly path: string; readonly at: number }

/** What is appended to `repo.facts`: one for each task. */
export type FactEvent =
  | { readonly is: "facts"; readonly path: string; readonly digest: string; readonly facts: Facts }
  /** The content was gone before it could be read. */
  | { readonly is: "superseded"; readonly path: string; readonly digest: string }

export interface Surveyed {
  readonly digest: string
  readonly facts: Facts | null
  /** The task for this content ended without facts: the event that says so. */
  readonly lost: string | null
}

export interface SurveyState {
  /** Newest file event that was taken in: one that comes again changes nothing. */
  readonly at: number
  readonly paths: HashMap.HashMap<string, Surveyed>
  /** Paths of which the content's task was lost. */
  readonly lost: ReadonlyArray<string>
}

export const emptySurvey: SurveyState = { at: 0, paths: HashMap.empty(), lost: [] }

const found = (state: SurveyState, path: string): Surveyed | undefined => Option.getOrUndefined(HashMap.get(state.paths, path))

const dropped = (lost: ReadonlyArray<string>, path: string): ReadonlyArray<string> => (lost.includes(path) ? lost.filter((one) => one !== path) : lost)

/** `id` is the event that told it. */
export const step = (state: SurveyState, event: PathEvent | FactEvent, id: string): SurveyState => {
  const { path } = event
  switch (event.is) {
    case "seen": {
      if (event.at <= state.at) return state
      const before = found(state, path)
      if (before?.digest === event.digest) return { ...state, at: event.at }
      return {
        at: event.at, paths: HashMap.set(state.paths, path, { digest: event.digest, facts: null, lost: null }), lost: dropped(state.lost, path)
      }
    }
    case "gone":
      return event.at <= state.at ? state : { at: event.at, paths: HashMap.remove(state.paths, path), lost: dropped(state.lost, path) }
    case "facts": {
      const before = found(state, path)
      // Facts of what the path was before, or of a path that went, are of no interest any more.
      if (before?.digest !== event.digest) return state
      return {
        ...state, paths: HashMap.set(state.paths, path, { digest: event.digest, facts: event.facts, lost: null }), lost: dropped(state.lost, path)
      }
    }
    case "superseded": {
      const before = found(state, path)
      if (before?.digest !== event.digest || before.facts !== null) return state
      return { ...state, paths: HashMap.set(state.paths, path, { ...before, lost: id }), lost: [...dropped(state.lost, path), path] }
    }
  }
}

/** One text: a snapshot has a bound on how many parts its value has. */
export const encodeSurvey = (state: SurveyState): string =>
  JSON.stringify({ at: state.at, lost: state.lost, paths: HashMap.toEntries(state.paths).map(([path, { digest, facts, lost }]) => [path, digest, facts, lost]) })

export const decodeSurvey = (value: unknown): SurveyState | undefined => {
  if (typeof value !== "string") return undefined
  // Written by `encodeSurvey` under the same version of the fold, in a snapshot that only this system can put.
  const kept = JSON.parse(value) as {
    readonly at: number
    readonly lost: ReadonlyArray<string>
    readonly paths: ReadonlyArray<readonly [string, string, Facts | null, string | null]>
  }
  return {
    at: kept.at, lost: kept.lost, paths: HashMap.fromIterable(kept.paths.map(([path, digest, facts, lost]) => [path, { digest, facts, lost }] as const))
  }
}

export interface Summary {
  /** Paths that were surveyed, of every kind. */
  readonly files: number
  /** Paths whose facts are not known yet. */
  readonly pending: number
  readonly sizeBytes: number
  readonly lines: number
  readonly kinds: Readonly<Record<string, number>>
  readonly languages: ReadonlyArray<{ readonly language: string; readonly files: number; readonly lines: number; readonly sizeBytes: number }>
  /** The longest texts. */
  readonly top: ReadonlyArray<{ readonly path: string; readonly lines: number; readonly language: string | null }>
  readonly marks: {
    readonly todo: number
    readonly fixme: number
    /** The first ones, by path. */
    readonly list: ReadonlyArray<Mark & { readonly path: string }>
  }
  readonly imports: ReadonlyArray<{ readonly name: string; readonly files: number }>
}

const topMax = 20
const marksMax = 200
const importsMax = 30

/** The same state gives the same summary, in the same order, whatever the order of its events was. */
export const summarize = (state: SurveyState): Summary => {
  const paths = HashMap.toEntries(state.paths).sort(([a], [b]) => (a < b ? -1 : 1))
  const kinds: Record<string, number> = {}
  const languages = new Map<string, { files: number; lines: number; sizeBytes: number }>()
  const imports = new Map<string, number>()
  const texts: Array<{ readonly path: string; readonly lines: number; readonly language: string | null }> = []
  const marks: Array<Mark & { readonly path: string }> = []
  const total = { files: 0, sizeBytes: 0, lines: 0, todo: 0, fixme: 0 }
  for (const [path, { facts }] of paths) {
    if (facts === null) continue
    total.files += 1
    total.sizeBytes += facts.sizeBytes
    total.lines += facts.lines
    kinds[facts.kind] = (kinds[facts.kind] ?? 0) + 1
    if (facts.kind === "text") {
      const language = facts.language ?? "Other"
      const sum = languages.get(language) ?? { files: 0, lines: 0, sizeBytes: 0 }
      languages.set(language, { files: sum.files + 1, lines: sum.lines + facts.lines, sizeBytes: sum.sizeBytes + facts.sizeBytes })
      texts.push({ path, lines: facts.lines, language: facts.language })
    }
    const listedTodo = facts.marks.filter(({ mark }) => mark === "TODO").length
    // Marks beyond a file's bound are counted with its first kind: they are too many to tell apart.
    total.fixme += facts.marks.length - listedTodo
    total.todo += listedTodo + (facts.marksTotal - facts.marks.length)
    for (const mark of facts.marks) if (marks.length < marksMax) marks.push({ path, ...mark })
    for (const name of facts.imports) imports.set(name, (imports.get(name) ?? 0) + 1)
  }
  return {
    files: total.files,
    pending: paths.length - total.files,
    sizeBytes: total.sizeBytes,
    lines: total.lines,
    kinds: Object.fromEntries(Object.entries(kinds).sort(([a], [b]) => (a < b ? -1 : 1))),
    languages: [...languages].map(([language, sum]) => ({ language, ...sum })).sort((a, b) => b.lines - a.lines || (a.language < b.language ? -1 : 1)),
    top: texts.sort((a, b) => b.lines - a.lines || (a.path < b.path ? -1 : 1)).slice(0, topMax),
    marks: { todo: total.todo, fixme: total.fixme, list: marks },
    imports: [...imports].map(([name, files]) => ({ name, files })).sort((a, b) => b.files - a.files || (a.name < b.name ? -1 : 1)).slice(0, importsMax)
  }
}
