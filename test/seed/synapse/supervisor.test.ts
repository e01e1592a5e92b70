// The supervisor: what it takes for stalled, and what it does then. The number is that of the specification.
import { describe, expect, it } from "vitest"
import type { coordination } from "../../../protocol/index.ts"
import { superviseOnce, unlessMoved } from "../../../modules/supervisor/round.ts"
import { detectStalls, type Board } from "../../../modules/supervisor/stalls.ts"

const now = 1_750_000_000_000
const idle = 300_000

const task = (id: string, given: Partial<coordination.PlanTask> = {}): coordination.PlanTask => ({
  task: id, title: id, description: "", dependsOn: [], status: "in_progress", suggestedOwner: "", createdBy: "A", createdAt: 0, updatedAt: now - idle, version: 3, ...given
})
const board = (given: Partial<Board>): Board => ({ at: now, tasks: [], notes: [], claims: [], seats: [], ...given })
const stalls = (given: Partial<Board>): ReadonlyArray<string> => detectStalls(board(given), idle).map(({ reason, task: id }) => `${id}: ${reason}`)
const claim = (id: string, given: Partial<Board["claims"][number]> = {}): Board["claims"][number] => ({ task: id, owner: "B", expiresAt: now + 1, status: "working", ...given })
const note = (id: string, at: number, author = "B"): coordination.Note => ({ task: id, author, kind: "note", text: "x", at })

describe("a stalled task", () => {
  it("[142] is one in progress of which nothing was heard for the idle time, by id", () => {
    expect(stalls({ tasks: [task("b"), task("a", { updatedAt: now - idle - 1_500 }), task("c", { updatedAt: now - idle + 1 })] }))
      .toEqual(["a: no progress in 301s", "b: no progress in 300s"])
    expect(stalls({ tasks: [task("a")], notes: [note("a", now - idle + 1), note("a", 0)] })).toEqual([])
    expect(stalls({ tasks: [task("a")], notes: [note("b", now)] })).toEqual(["a: no progress in 300s"])
  })

  it("[142] is a blocked one whose dependencies are done or cancelled, or that has none; one that is not declared blocks", () => {
    const blocked = (id: string, dependsOn: ReadonlyArray<string>) => task(id, { status: "blocked", dependsOn, updatedAt: now })
    expect(stalls({
      tasks: [blocked("a", ["x", "y"]), blocked("b", ["x", "z"]), blocked("c", ["x", "nowhere"]), blocked("d", []), task("x", { status: "done" }), task("y", { status: "cancelled" }), task("z", { status: "open" })]
    })).toEqual(["a: dependencies satisfied", "d: dependencies satisfied"])
  })

  it("[142] is none that is open, done or cancelled, and none of an empty board", () => {
    expect(stalls({ tasks: [task("a", { status: "open" }), task("b", { status: "done" }), task("c", { status: "cancelled" })] })).toEqual([])
    expect(stalls({})).toEqual([])
  })

  it("[143] is none that somebody works on under a live lease", () => {
    const tasks = [task("a"), task("b", { status: "blocked" })]
    expect(stalls({ tasks, claims: [claim("a"), claim("b")] })).toEqual([])
    expect(stalls({ tasks, claims: [claim("a", { expiresAt: now }), claim("b", { status: "failed" }), claim("c")] })).toEqual(["a: no progress in 300s", "b: dependencies satisfied"])
  })

  it("[143] is none whose suggested owner shows life: it reads and was heard of, or has reported; a connection alone is no life", () => {
    const tasks = [task("a", { suggestedOwner: "B" })]
    const seat = { seat: "B", online: true, lastSeen: now - 1 }
    expect(stalls({ tasks, seats: [seat] })).toEqual([])
    expect(stalls({ tasks, notes: [note("other", now - 1)] })).toEqual([])
    for (const dead of [{ ...seat, online: false }, { ...seat, lastSeen: now - idle }, { ...seat, silentSince: now - 5 }, { ...seat, seat: "C" }]) {
      expect(stalls({ tasks, seats: [dead] })).toEqual(["a: no progress in 300s"])
    }
  })
})

describe("a round of the supervisor", () => {
  const round = async (given: Board | undefined, moved: ReadonlyArray<string> = []): Promise<{ readonly said: ReadonlyArray<unknown>; readonly offered: ReadonlyArray<unknown> }> => {
    const said: Array<unknown> = []
    const offered = await superviseOnce({
      look: async () => given,
      assess: async (id, text) => said.push([id, text]),
      reopen: async (id, version) => {
        said.push([id, "open", version])
        return !moved.includes(id)
      }
    }, idle)
    return { said, offered }
  }

  it("[143] says what it found, then offers the task again, if it has not moved on meanwhile", async () => {
    const given = board({ tasks: [task("a"), task("b", { status: "blocked", version: 7 })] })
    expect(await round(given, ["a"])).toEqual({
      said: [
        ["a", "supervisor: no progress in 300s; re-offering"], ["a", "open", 3],
        ["b", "supervisor: dependencies satisfied; re-offering"], ["b", "open", 7]
      ],
      offered: [{ task: "b", version: 7, reason: "dependencies satisfied" }]
    })
  })

  it("[143] takes a task that has another version by now for one that moved on, and any other failure for one", async () => {
    const failing = (code: string): Promise<unknown> => Promise.reject(Object.assign(new Error("no"), { code }))
    expect([await unlessMoved(Promise.resolve()), await unlessMoved(failing("VERSION_CONFLICT"))]).toEqual([true, false])
    await expect(unlessMoved(failing("TASK_NOT_FOUND"))).rejects.toThrow("no")
    await expect(unlessMoved(Promise.reject(new Error("VERSION_CONFLICT")))).rejects.toThrow()
  })

  it("[143] does nothing before there is a board", async () => {
    expect(await round(undefined)).toEqual({ said: [], offered: [] })
  })
})
