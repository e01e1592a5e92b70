// Supervises the plan of a hub from outside: the same rounds as the module, over a connection.
import * as Effect from "effect/Effect"
import { lookAround, superviseOnce, unlessMoved, type Board } from "aaax/modules/supervisor"
import type { SynapseAgent } from "../../libos/synapse/agent.ts"
import type { WireClaim, WireTask } from "../../protocol/synapse.ts"
import type { ClaimStatus, NoteKind, TaskStatus } from "../../protocol/coordination.ts"
import type { Called } from "../called.ts"
import type { Ended } from "../failure.ts"
import { err, json, onErr, out, plain } from "../terminal.ts"
import { ancestral } from "./ancestral.ts"
import type { SeatFailure, SeatFlags } from "./connect.ts"
import { pause } from "../../libos/pause.ts"
import { untilTold } from "./until-told.ts"

export interface SupervisorFlags extends SeatFlags {
  readonly idleSeconds: number
  readonly interval: number
}

const millis = (seconds: number): number => Math.round(seconds * 1_000)

const taskOf = (task: WireTask): Board["tasks"][number] => ({
  task: task.task_id, title: task.title, description: task.description, dependsOn: task.depends_on, status: task.status as TaskStatus, // of the five that a hub knows
  suggestedOwner: task.suggested_owner, createdBy: task.created_by, createdAt: millis(task.created_at), updatedAt: millis(task.updated_at), version: task.version ?? 0
})
const claimOf = (claim: WireClaim): Board["claims"][number] =>
  ({ task: claim.task_id, owner: claim.owner, expiresAt: millis(claim.lease_expires_at), status: claim.status as ClaimStatus }) // of those that a hub knows

/** As a hub of the first generation tells it: in single frames, without pages, and without who reads. */
const lookByFrames = async (agent: SynapseAgent): Promise<Board> => {
  const { board } = await agent.requestBoard()
  const [{ snapshot }, { online_agents: online }] = await Promise.all([agent.requestState(), agent.requestWho()])
  return {
    at: millis(snapshot.generated_at),
    tasks: board.tasks.map(taskOf),
    notes: board.progress.map((note) => ({ task: note.task_id, author: note.author, kind: note.kind as NoteKind, text: note.text, at: millis(note.posted_at) })), // as above
    claims: snapshot.active_claims.map(claimOf),
    seats: snapshot.agents.map(({ agent: seat, last_seen: seen }) => ({ seat, online: online.includes(seat), lastSeen: millis(seen) }))
  }
}

export const supervise = (called: Called, { idleSeconds, interval, ...flags }: SupervisorFlags): Effect.Effect<void, SeatFailure | Ended> =>
  Effect.scoped(Effect.gen(function*() {
    const signal = yield* untilTold
    yield* ancestral(called, { ...flags, name: flags.name ?? "SUPERVISOR" }, async ({ agent, hub, seat }) => {
      err(onErr.dim(`${seat} supervises ${hub.uri}: looks every ${interval} s, idle from ${idleSeconds} s on. Ctrl-C ends it.`))
      const gone = agent.closed.then((failure) => {
        if (failure !== undefined) throw failure
      })
      const round = async (): Promise<void> => {
        const offered = await superviseOnce({
          look: () => (agent.isOurs ? lookAround((ask) => agent.ask(ask)) : lookByFrames(agent)),
          assess: (task, text) => agent.postProgress(task, text, { kind: "assessment" }),
          reopen: (task, version) => unlessMoved(agent.updateLedgerTask(task, { status: "open", ...(agent.isOurs ? { expected_version: version } : {}) }))
        }, idleSeconds * 1_000)
        for (const stall of offered) await out(called.json ? json(stall) : plain(`re-offered ${stall.task}: ${stall.reason}`))
      }
      while (!signal.aborted) {
        // While the hub is away nothing is done, and what was left undone is found again.
        await Promise.race([round().catch((error: unknown) => signal.aborted || err(onErr.yellow(plain(`a round came to nothing: ${String(error)}`)))), gone])
        await Promise.race([pause(Math.max(1, interval) * 1_000, signal), gone])
      }
    }, { reconnect: true, beside: false })
  }))
