// What every torment is to the command line: an option, what it does with it, and how its report reads.

export interface Given {
  /** The option's value: a count for most, a word for some. */
  readonly value: string
  /** The same as a number of 1 or more; refused before `run` unless `word` names what else it may be. */
  readonly count: number
  readonly seed: number
  /** Of `--cycles`, where it goes with another option. */
  readonly cycles: number | undefined
  /** Of `--every` and `--again`: see the matrix. */
  readonly every: number
  readonly again: number
  /** Bundled programs by name. */
  readonly program: (name: string) => string
  /** On a terminal: how far it has come. */
  readonly progress: (text: string) => void
}

export interface Told {
  /** What `--json` prints. */
  readonly report: { readonly ok: boolean }
  /** What is printed otherwise; the last line, `ok` or `FAILED`, is added. */
  readonly lines: ReadonlyArray<string>
}

export interface Torment {
  readonly option: string
  /** How the value is called in the usage. */
  readonly argument: string
  readonly says: string
  /** Words that the value may be, for a torment that does not count. */
  readonly words?: ReadonlyArray<string>
  readonly run: (given: Given) => Promise<Told>
}

/** Each of these numbers of a report, a line each. */
export const numbers = <R>(report: R, ...names: ReadonlyArray<keyof R & string>): ReadonlyArray<string> => names.map((name) => `${name}: ${String(report[name])}`)

export const seconds = (millis: number): string => `${(millis / 1000).toFixed(1)} s`
