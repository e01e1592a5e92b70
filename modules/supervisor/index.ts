// Supervisor: looks at the plan now and then, and offers again what truly stalls: never what is under a live lease.
import { defineModule, periodic, type System } from "aaax"
import { lookAround } from "./look.ts"
import { superviseOnce, unlessMoved } from "./round.ts"

export { lookAround, type Ask } from "./look.ts"
export { superviseOnce, unlessMoved, type Overseeing } from "./round.ts"
export { detectStalls, type Board, type Stall } from "./stalls.ts"

export interface SupervisorOptions {
  readonly id?: string
  /** How long nothing may be heard of a task in progress; default 300. */
  readonly idleSeconds?: number
  /** Between two looks, at least 1; default 30. */
  readonly intervalSeconds?: number
}

export const supervisor = ({ id = "supervisor", idleSeconds = 300, intervalSeconds = 30 }: SupervisorOptions = {}): System =>
  defineModule({
    id,
    description: "offers stalled tasks again",
    coordination: true,
    run: async ({ coordination: { ask, plan, progress }, log, signal }) => {
      const round = async (): Promise<void> => {
        const offered = await superviseOnce({
          look: () => lookAround(ask),
          assess: (task, text) => progress(task, text, "assessment"),
          reopen: (task, expectedVersion) => unlessMoved(plan.update(task, { status: "open", expectedVersion }))
        }, idleSeconds * 1_000)
        for (const { reason, task } of offered) log.info(`offered ${task} again: ${reason}`)
      }
      // A round that fails is no reason to end: the next one looks again.
      await periodic({ every: Math.max(1, intervalSeconds) * 1_000, signal }, () =>
        round().catch((error: unknown) => {
          if (!signal.aborted) log.warn("a round came to nothing", { reason: String(error) })
        }))
    }
  })

export default supervisor
