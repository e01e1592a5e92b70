// How much is measured: in full, quickly while working on something, or so little that only the code is tried.

export type Size = "full" | "quick" | "smoke"

export interface Sized {
  readonly size: Size
  readonly rounds: number
  /** A count of operations, given for a full run. */
  readonly count: (full: number, least?: number) => number
  /** A directory of this run alone, on the disk that is measured. */
  readonly directory: string
  /** Programs that a row starts as processes of their own: `child.ts`, and the command line, null where it is not built. */
  readonly programs: { readonly child: string; readonly aaax: string | null }
}

const shares: Readonly<Record<Size, number>> = { full: 1, quick: 0.1, smoke: 0.001 }

export const sized = (size: Size, directory: string, programs: Sized["programs"]): Sized => ({
  size,
  rounds: size === "full" ? 5 : size === "quick" ? 3 : 1,
  count: (full, least = 2) => Math.max(least, Math.round(full * shares[size])),
  directory,
  programs
})
