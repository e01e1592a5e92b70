// The kill switch: while the kernel is frozen nothing new starts, whoever asks and whatever was approved before.
import type { SystemId } from "../../../protocol/names.ts"
import type { Freeze } from "../state/state.ts"
import type { Decision } from "./decision.ts"

export const frozenReason = ({ by, reason }: Freeze): string => `frozen by ${by}${reason === "" ? "" : `: ${reason}`}`

/** Answers whether this changed anything: who is first says why. */
export const decideFreeze = (by: SystemId, reason: string): Decision<boolean> => (state, now) =>
  state.frozen === null
    ? { entries: [{ kind: "kernel.frozen", at: now, by, reason }], answer: true }
    : { entries: [], answer: false }

export const decideThaw = (by: SystemId, reason: string): Decision<boolean> => (state, now) =>
  state.frozen === null
    ? { entries: [], answer: false }
    : { entries: [{ kind: "kernel.thawed", at: now, by, reason }], answer: true }
