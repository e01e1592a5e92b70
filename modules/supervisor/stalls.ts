// Which tasks truly stall: nobody holds a lease on them, whoever was to do them shows no life, and nothing was said of them for long.
import type { coordination } from "aaax"

/** What there is to judge by, as it was at one moment. */
export interface Board {
  /** When that was, in milliseconds. */
  readonly at: number
  readonly tasks: ReadonlyArray<coordination.PlanTask>
  readonly notes: ReadonlyArray<coordination.Note>
  readonly claims: ReadonlyArray<Pick<coordination.Claim, "task" | "owner" | "expiresAt" | "status">>
  readonly seats: ReadonlyArray<Pick<coordination.Presence, "seat" | "online" | "lastSeen" | "silentSince">>
}

export interface Stall {
  readonly task: string
  /** The version that was judged: a task that moved on is left alone. */
  readonly version: number
  readonly reason: string
}

/** A finished claim keeps its scope until it ends, but nobody works under it. */
const isWorkedUnder = (status: string): boolean => status !== "done" && status !== "failed"

/** Stalled tasks by id. */
export const detectStalls = ({ at: now, claims, notes, seats, tasks }: Board, idleMillis: number): ReadonlyArray<Stall> => {
  const finished = new Set(tasks.filter(({ status }) => status === "done" || status === "cancelled").map(({ task }) => task))
  const leased = new Set(claims.filter(({ expiresAt, status }) => expiresAt > now && isWorkedUnder(status)).map(({ task }) => task))
  const notedAt = new Map<string, number>()
  const spokeAt = new Map<string, number>()
  for (const { at, author, task } of notes) {
    notedAt.set(task, Math.max(notedAt.get(task) ?? 0, at))
    spokeAt.set(author, Math.max(spokeAt.get(author) ?? 0, at))
  }
  const presence = new Map(seats.map((seat) => [seat.seat, seat]))
  /** It reads what it is sent and was heard of lately, or it has reported lately. A connection alone is no life. */
  const isAlive = (seat: string): boolean => {
    const { lastSeen = 0, online = false, silentSince } = presence.get(seat) ?? {}
    return (online && silentSince === undefined && now - lastSeen < idleMillis) || now - (spokeAt.get(seat) ?? -Infinity) < idleMillis
  }
  const reasonOf = ({ dependsOn, status, suggestedOwner, task, updatedAt }: coordination.PlanTask): string | undefined => {
    if (leased.has(task)) return undefined
    if (status === "blocked") return dependsOn.every((on) => finished.has(on)) ? "dependencies satisfied" : undefined
    if (status !== "in_progress" || isAlive(suggestedOwner)) return undefined
    const idle = now - Math.max(updatedAt, notedAt.get(task) ?? 0)
    return idle >= idleMillis ? `no progress in ${Math.floor(idle / 1_000)}s` : undefined
  }
  return tasks
    .flatMap((task) => {
      const reason = reasonOf(task)
      return reason === undefined ? [] : [{ task: task.task, version: task.version, reason }]
    })
    .sort((a, b) => (a.task < b.task ? -1 : a.task > b.task ? 1 : 0))
}
