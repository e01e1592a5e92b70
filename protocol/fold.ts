// Folds and decisions: the shape of all state. Both are pure; the time is in the events or given.

/** State from events. `version` changes when an old snapshot can no longer be continued. */
export interface Fold<State, Event> {
  readonly version: number
  readonly initial: State
  readonly step: (state: State, event: Event) => State
}

/** What a command becomes: entries to keep together with the answer, or a refusal. `now` is kernel time. */
export type Decide<State, Command, Entry, Answer> = (
  state: State,
  command: Command,
  now: number
) => { readonly entries: ReadonlyArray<Entry>; readonly answer: Answer }
