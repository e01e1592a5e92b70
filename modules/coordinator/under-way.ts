// Calls under way: what the kernel is changing files for right now. A scope that such a call of somebody else touches is not
// said to be granted before the call has ended.
import { scope, type coordination, type Event, type SystemId } from "aaax"
import type { State } from "./state.ts"

/** In place of a task: the line of claims that wait for calls to end. No task id has this character. */
export const callsLine = "\u0000calls"

type Place = Pick<coordination.Claim, "worktree" | "paths" | "mutex">

/** The system whose call touches these files, other than `system`. */
export const callerOn = ({ folder, underWay }: State, place: Place, system: SystemId): SystemId | undefined => {
  if (underWay.calls.length === 0 || place.mutex === true) return undefined
  const there = { paths: place.paths, worktree: scope.treeOf(place.worktree, folder) }
  return underWay.calls.find((call) => call.system !== system && call.paths.some((path) => touches(there, path)))?.system
}

const below = (path: string): string => (path === "/" ? path : `${path}/`)

/** Whether a call that changes `path` and what is below it may change something of a scope. */
const touches = ({ paths, worktree }: Pick<Place, "paths" | "worktree">, given: string): boolean => {
  const path = scope.treeOf(given)
  if (worktree.startsWith("/")) {
    const [tree, place] = [below(worktree), below(path)]
    return place.startsWith(tree) ? scope.scopesOverlap(paths, scope.normaliseScope([place.slice(tree.length)])) : tree.startsWith(place)
  }
  // Any other label says nothing of where it is.
  if (worktree !== "") return false
  // Where the constellation works is not known, but somewhere on the way.
  const segments = path.split("/").filter((segment) => segment !== "")
  return paths.length === 0 || segments.some((_, at) => scope.scopesOverlap(paths, [segments.slice(at).join("/")]))
}

/** Where the kernel says that it works; "": it does not. */
export const folderIn = (events: ReadonlyArray<Pick<Event, "subject" | "payload">>): string => {
  const payload = events.findLast(({ subject }) => subject === "folder")?.payload
  return typeof payload === "object" && payload !== null && "directory" in payload && typeof payload["directory"] === "string" ? payload["directory"] : ""
}

/** The newest word of the kernel; nothing: it is not understood. */
export const underWayOf = (payload: unknown): coordination.UnderWay | undefined => {
  if (typeof payload !== "object" || payload === null || !("calls" in payload) || !Array.isArray(payload.calls)) return undefined
  const calls: ReadonlyArray<unknown> = payload.calls
  // Only the kernel writes there, in this form.
  return calls.every((call) => typeof call === "object" && call !== null && "system" in call && "paths" in call && Array.isArray(call.paths))
    ? (payload as coordination.UnderWay)
    : undefined
}
