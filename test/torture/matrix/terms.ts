// What the matrix and the process that it kills say to each other, and what each case of the scenario must come to.

/** States that a case may end in. `unknown` never stays: it is reconciled by looking at what happened. */
export type Ending = "succeeded" | "failed" | "denied" | "refused" | "expired" | "compensated"

export interface Case {
  readonly name: string
  readonly executor: string
  readonly endings: ReadonlyArray<Ending>
  /** How often its effect may be there: never, at most once, exactly once, or as often as it was started. */
  readonly effects: "never" | "at most once" | "once" | "as started"
}

/** Every way that a warrant can go. */
export const cases: ReadonlyArray<Case> = [
  { name: "allowed, harmless to repeat", executor: "twin", endings: ["succeeded"], effects: "as started" },
  { name: "allowed, can be asked", executor: "ledger", endings: ["succeeded"], effects: "once" },
  { name: "allowed, neither", executor: "line", endings: ["succeeded", "failed"], effects: "at most once" },
  { name: "without a capability", executor: "line", endings: ["denied"], effects: "never" },
  { name: "approved", executor: "final", endings: ["succeeded", "failed"], effects: "at most once" },
  { name: "refused", executor: "final", endings: ["refused"], effects: "never" },
  { name: "expired", executor: "final", endings: ["expired"], effects: "never" },
  { name: "fails", executor: "fails", endings: ["failed"], effects: "never" },
  { name: "breaks behind its effect", executor: "breaks", endings: ["succeeded", "failed"], effects: "at most once" },
  { name: "edited, then approved", executor: "final", endings: ["succeeded", "failed"], effects: "at most once" },
  { name: "approved for a while", executor: "final", endings: ["succeeded", "failed"], effects: "at most once" },
  { name: "more of the same", executor: "final", endings: ["succeeded", "failed"], effects: "at most once" },
  { name: "the last use", executor: "line", endings: ["succeeded", "failed"], effects: "at most once" },
  { name: "one use too many", executor: "line", endings: ["denied"], effects: "never" },
  { name: "beyond its budget", executor: "dear", endings: ["denied"], effects: "never" },
  { name: "taken back", executor: "undoable", endings: ["compensated", "failed"], effects: "at most once" },
  { name: "revoked under way", executor: "waits", endings: ["succeeded", "failed", "denied"], effects: "at most once" },
  { name: "revoked before", executor: "line", endings: ["denied"], effects: "never" }
]

export interface Instructions {
  readonly store: string
  /** Calls of executors, and their effects: a line each. */
  readonly calls: string
  readonly effects: string
  /** Die at this point, counted from 1; 0: at none. */
  readonly dieAt: number
}

/** What is said at the end of a life that was not cut. */
export interface Outcome {
  /** Points that were passed. */
  readonly points: number
  /** What the points are, for who reads the report. */
  readonly names: ReadonlyArray<string>
  readonly requests: Readonly<Record<string, string>>
  readonly warrants: ReadonlyArray<{ readonly id: string; readonly state: string; readonly starts: number; readonly recovery: string }>
  /** Amounts that are still held in any account. */
  readonly reserved: number
  readonly replies: ReadonlyArray<readonly [request: string, kinds: ReadonlyArray<string>]>
  /** Unknown ones that were reconciled in this life. */
  readonly reconciled: ReadonlyArray<{ readonly id: string; readonly recovery: string }>
  readonly chain: boolean
  readonly problems: ReadonlyArray<string>
}
