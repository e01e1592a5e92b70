// The whole board, page by page, with the leases and the seats: what a round of the supervisor is decided by.
import type { coordination } from "aaax"
import type { Board } from "./stalls.ts"

/** Asks the coordinator, over whatever leads to it. */
export type Ask = <V extends coordination.Verb>(ask: Extract<coordination.Ask, { readonly verb: V }>) => Promise<coordination.Results[V]>

/** Leases are looked at after the tasks: one that was taken meanwhile is seen. */
export const lookAround = async (ask: Ask): Promise<Board> => {
  const tasks: Array<coordination.PlanTask> = []
  const notes: Array<coordination.Note> = []
  for (let after: string | undefined, more = true; more;) {
    const page: coordination.Results["board"] = await ask({ verb: "board", ...(after === undefined ? {} : { after }) })
    tasks.push(...page.items)
    notes.push(...page.progress)
    after = page.next
    more = after !== undefined
  }
  const claims: Array<coordination.Claim> = []
  for (let after: string | undefined;;) {
    const page: coordination.Results["state"] = await ask({ verb: "state", ...(after === undefined ? {} : { after }) })
    claims.push(...page.items)
    after = page.next
    if (after === undefined) return { at: page.at, tasks, notes, claims, seats: page.seats }
  }
}
