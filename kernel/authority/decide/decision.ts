// What a decision is: a pure function of state, command and time. It says which entries to append and what to answer; the
// journal keeps the entries in one batch and only then is anything published, answered or started.
import type { Policy, Risk } from "../../../protocol/authority.ts"
import type { Executor } from "../../../protocol/executor.ts"
import type { Chain, KernelKey, Unread } from "../../guard/act/chain.ts"
import type { Entry } from "../entry.ts"
import type { AuthorityState } from "../state/state.ts"

/** A decision over the folded head. `now` is kernel time. */
export type Decision<A> = (state: AuthorityState, now: number) => { readonly entries: ReadonlyArray<Entry>; readonly answer: A }

/** Everything outside the state that decisions depend on; fixed while a kernel runs. */
export interface Rules {
  /** The only policy, when there is no `policyOf`. */
  readonly policy: Policy
  /** The policy of a version, as far as it is here: the state says which one is in force. */
  readonly policyOf?: (version: string) => Policy | undefined
  /** sha-256 of the canonical JSON of a value, in hexadecimal. */
  readonly digestOf: (value: unknown) => string
  readonly executor: (name: string) => Executor | undefined
  /** Why an executor does not reach what a call depends on, as was found out a moment ago; absent: it does. */
  readonly leftAlone?: (circuit: string, now: number) => string | undefined
  /** Reads a capability token with these keys of the kernel; a pure function of both. Absent: there are none. */
  readonly readToken?: (token: string, keys: ReadonlyArray<KernelKey>) => Chain | Unread
  readonly approvalMillis?: number
  /** How many different approvers an action of this risk needs; absent: one. */
  readonly quorum?: Readonly<Partial<Record<Risk, number>>>
}

/** What does nothing and says nothing. */
export const nothing = { entries: [], answer: undefined } as const
