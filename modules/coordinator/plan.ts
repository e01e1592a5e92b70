// The plan: declared tasks, what they depend on, and what was said of their progress.
import type { coordination } from "aaax"
import type { Asker, Desk } from "./desk.ts"
import { notesOf } from "./fold.ts"
import { besidePageTextMax, dependenciesMax, pageTextMax, taskLengthMax, tasksMax } from "./limits.ts"
import { pageOf } from "./page.ts"
import * as refusal from "./refusal.ts"
import type { State } from "./state.ts"

type Ask<V extends coordination.Verb> = Extract<coordination.Ask, { readonly verb: V }>
type Applied = coordination.Applied | undefined
type PlanTask = coordination.PlanTask

const statuses: ReadonlySet<string> = new Set(["open", "in_progress", "blocked", "done", "cancelled"])
const noteKinds: ReadonlySet<string> = new Set(["note", "blocked", "assessment"])

const withKey = (applied: Applied): { readonly applied?: coordination.Applied } => (applied === undefined ? {} : { applied })

export const declare = (desk: Desk, by: Asker, ask: Ask<"declare">, applied: Applied): coordination.Answer<"declare"> => {
  const { plan } = desk.state
  const task = ask.task.trim()
  const title = ask.title.trim()
  if (task === "") return refusal.taskIdRequired
  if (title === "") return refusal.titleRequired
  const dependsOn = [...new Set((ask.dependsOn ?? []).map((one) => one.trim()).filter((one) => one !== "" && one !== task))]
  if (dependsOn.length > dependenciesMax) return refusal.full(`Dependencies of '${task}'`, dependenciesMax)
  if (dependsOn.some((one) => one.length > taskLengthMax)) return refusal.invalid(`A dependency is longer than ${taskLengthMax} characters.`)
  const before = plan.get(task)
  if (ask.expectedVersion !== undefined && ask.expectedVersion !== (before?.version ?? 0)) return refusal.versionConflict(task, before?.version ?? 0)
  if (before === undefined && plan.size >= tasksMax) return refusal.full("Declared tasks", tasksMax)
  if (leadsTo(plan, dependsOn, task)) return refusal.dependencyCycle(task)
  const declared: PlanTask = {
    task, title, description: ask.description?.trim() ?? "", dependsOn, status: before?.status ?? "open", suggestedOwner: ask.suggestedOwner?.trim() ?? "",
    createdBy: before?.createdBy ?? by.seat, createdAt: before?.createdAt ?? desk.now, updatedAt: desk.now, version: (before?.version ?? 0) + 1
  }
  const again = before !== undefined
  desk.enter({ kind: "declared", payload: { task: declared, again, by: by.seat, ...withKey(applied) } }, by.id)
  return { ok: true, task: declared, again }
}

/** Whether one of these tasks depends on `goal`, through however many others. */
const leadsTo = (plan: State["plan"], from: ReadonlyArray<string>, goal: string): boolean => {
  const seen = new Set<string>()
  const open = [...from]
  for (let task = open.pop(); task !== undefined; task = open.pop()) {
    if (task === goal) return true
    if (seen.has(task)) continue
    seen.add(task)
    open.push(...(plan.get(task)?.dependsOn ?? []))
  }
  return false
}

export const change = (desk: Desk, by: Asker, ask: Ask<"plan">, applied: Applied): coordination.Answer<"plan"> => {
  const task = ask.task.trim()
  const before = desk.state.plan.get(task)
  if (before === undefined) return task === "" ? refusal.taskIdRequired : refusal.notOnBoard(task)
  const status = ask.status?.trim() ?? ""
  if (status !== "" && !statuses.has(status)) return refusal.statusUnknown(status)
  if (ask.expectedVersion !== undefined && ask.expectedVersion !== before.version) return refusal.versionConflict(task, before.version)
  // What somebody works on is not given to another.
  const claim = status === "open" && before.status !== "open" ? desk.state.claims.get(task) : undefined
  if (claim !== undefined && claim.holder !== by.system) return refusal.underClaim(claim)
  const changed: PlanTask = {
    ...before,
    ...(status === "" ? {} : { status: status as coordination.TaskStatus }), // it was looked at
    ...(ask.suggestedOwner === undefined ? {} : { suggestedOwner: ask.suggestedOwner.trim() }),
    updatedAt: desk.now,
    version: before.version + 1
  }
  desk.enter({ kind: "planned", payload: { task: changed, by: by.seat, ...withKey(applied) } }, by.id)
  return { ok: true, task: changed }
}

export const progress = (desk: Desk, by: Asker, ask: Ask<"progress">, applied: Applied): coordination.Answer<"progress"> => {
  const kind = ask.kind?.trim() ?? "note"
  if (!noteKinds.has(kind)) return refusal.kindUnknown(kind)
  const note: coordination.Note = { task: ask.task.trim(), author: by.seat, kind: kind as coordination.NoteKind, text: ask.text, at: desk.now } // it was looked at
  desk.say({ kind: "progress", payload: { note, ...withKey(applied) } }, by.id)
  return { ok: true, note }
}

const isOver = (task: PlanTask | undefined): boolean => task?.status === "done" || task?.status === "cancelled"

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** The tasks by id, a page at a time. What is ready and what was said come with the first page, the newest of it if there is much. */
export const board = (state: State, ask: Ask<"board">): coordination.Answer<"board"> => {
  const { plan } = state
  const tasks = [...plan.keys()].sort(byName)
  const after = ask.after
  const from = after === undefined ? 0 : tasks.findIndex((task) => task > after)
  const rest = from === -1 ? [] : tasks.slice(from).map((task) => plan.get(task)!)
  const room = { left: pageTextMax }
  const page = pageOf(rest, (task) => task.task, ask.limit, room)
  if (after !== undefined) return { ok: true, ...page, ready: [], progress: [] }
  room.left += besidePageTextMax
  const ready = pageOf(tasks.filter((task) => isReady(plan, task)), () => "", undefined, room)
  const progress = pageOf([...notesOf(state)].reverse(), () => "", undefined, room)
  const truncated = ready.next === undefined && progress.next === undefined ? {} : { truncated: true as const }
  return { ok: true, ...page, ready: ready.items, progress: [...progress.items].reverse(), ...truncated }
}

const isReady = (plan: State["plan"], task: string): boolean => {
  const one = plan.get(task)
  return one?.status === "open" && one.dependsOn.every((dependency) => isOver(plan.get(dependency)))
}
