// One round of a supervisor: look at the board, and offer again what stalls. The same over a wire and inside a constellation.
import { detectStalls, type Board, type Stall } from "./stalls.ts"

/** What a supervisor asks of coordination. */
export interface Overseeing {
  /** The board as it is now; undefined when nobody says. */
  readonly look: () => Promise<Board | undefined>
  readonly assess: (task: string, text: string) => Promise<unknown>
  /** Sets it open if it has still that version; false when it moved on. */
  readonly reopen: (task: string, version: number) => Promise<boolean>
}

/** What it offered again. Without a board nothing happens. */
export const superviseOnce = async (on: Overseeing, idleMillis: number): Promise<ReadonlyArray<Stall>> => {
  const board = await on.look()
  if (board === undefined) return []
  const offered: Array<Stall> = []
  for (const stall of detectStalls(board, idleMillis)) {
    await on.assess(stall.task, `supervisor: ${stall.reason}; re-offering`)
    if (await on.reopen(stall.task, stall.version)) offered.push(stall)
  }
  return offered
}

/** Whether a change of a task that has to have a version was made: false when the task has another one by now. */
export const unlessMoved = async (change: Promise<unknown>): Promise<boolean> => {
  try {
    await change
    return true
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "VERSION_CONFLICT") return false
    throw error
  }
}
