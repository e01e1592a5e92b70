// Calls under way: what the kernel is changing files for right now. A scope that such a call of somebody else touches is not
// said to be granted before the call has ended.
import { scope, type coordination, type SystemId } from "aaax"
import type { State } from "./state.ts"

/** In place of a task: the line of claims that wait for calls to end. No task id has this character. */
export const callsLine = "\u0000calls"

type Place = Pick<coordination.Claim, "worktree" | "paths" | "mutex">

/** The system whose call touches these files, other than `system`. */
export const callerOn = ({ underWay }: State, place: Place, system: SystemId): SystemId | undefined => {
  if (underWay.calls.length === 0 || place.mutex === true) return undefined
  return underWay.calls.find((call) => call.system !== system && call.paths.some((path) => touches(place, path)))?.system
}

/** Whether a call that changes `path` and what is below it may change something of a scope. */
const touches = ({ paths, worktree }: Place, given: string): boolean => {
  // A folder ends with it.
  const path = given.replace(/\/$/u, "")
  if (worktree.startsWith("/")) {
    if (path !== worktree && !path.startsWith(`${worktree}/`)) return `${worktree}/`.startsWith(`${path}/`)
    return scope.scopesOverlap(paths, scope.normaliseScope([path.slice(worktree.length + 1)]))
  }
  // Any other label says nothing of where it is.
  if (worktree !== "") return false
  // Where the constellation works is somewhere on the way.
  const segments = path.split("/").filter((segment) => segment !== "")
  return paths.length === 0 || segments.some((_, at) => scope.scopesOverlap(paths, [segments.slice(at).join("/")]))
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
