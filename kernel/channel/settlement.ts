// What is settled of an exclusive channel: a fold of its companion channel. A record says
//
//   {"settled":[7,[9,12]],"taken":[13,[14,2]],"dead":[11],"removed":[7]}
//
// settled: runs. [9,12] means that every item from 9 to 12 is settled; runs that share a cursor are one run.
// taken: attempts. 13 was handed out once, 14 twice. dead: which of the settled items went to the dead letters. removed:
// which of them nobody shall see any more.
//
// The state is the join of all records: runs unite, of two counts of attempts the higher one stays. So records may be
// repeated, come late or in another order and mean the same, and a record of the whole state makes all earlier ones
// superfluous. Runs name both ends because cursors may have holes: that nothing lies between two cursors is known only
// to whoever read the log.
import type { Cursor } from "../../protocol/names.ts"

/** First and last cursor, both settled. */
export type Run = readonly [Cursor, Cursor]

export interface SettlementRecord {
  readonly settled?: ReadonlyArray<Cursor | Run>
  readonly taken?: ReadonlyArray<Cursor | readonly [Cursor, number]>
  readonly dead?: ReadonlyArray<Cursor>
  readonly removed?: ReadonlyArray<Cursor>
}

export interface Settled {
  /** In order, apart from one another. The first one starts at 0; its end is the floor. */
  readonly runs: ReadonlyArray<Run>
  /** Of items that are not settled. */
  readonly attempts: ReadonlyMap<Cursor, number>
  /** Settled ones that no reader gets either. */
  readonly removed: ReadonlySet<Cursor>
}

export const nothingSettled: Settled = { runs: [[0, 0]], attempts: new Map(), removed: new Set() }

/** The kind of a companion's events. */
export const settlementKind = "settlement"

/** The run that holds a cursor, or nothing. */
export const runAt = (runs: ReadonlyArray<Run>, cursor: Cursor): Run | undefined => {
  let from = 0
  let to = runs.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if (runs[middle]![1] < cursor) from = middle + 1
    else to = middle
  }
  const run = runs[from]
  return run !== undefined && run[0] <= cursor ? run : undefined
}

/** The state after more records. Pure, and the same for every order of the records. */
export const join = (state: Settled, records: ReadonlyArray<SettlementRecord>): Settled => {
  const all: Array<Run> = [...state.runs]
  const attempts = new Map(state.attempts)
  const removed = new Set(state.removed)
  for (const record of records) {
    for (const run of record.settled ?? []) all.push(typeof run === "number" ? [run, run] : run)
    for (const cursor of record.removed ?? []) removed.add(cursor)
    for (const taken of record.taken ?? []) {
      const [cursor, count] = typeof taken === "number" ? [taken, 1] : taken
      if (count > (attempts.get(cursor) ?? 0)) attempts.set(cursor, count)
    }
  }
  all.sort((a, b) => a[0] - b[0])
  const runs: Array<[Cursor, Cursor]> = []
  for (const [from, to] of all) {
    const last = runs[runs.length - 1]
    if (last === undefined || from > last[1]) runs.push([from, to])
    else if (to > last[1]) last[1] = to
  }
  for (const cursor of attempts.keys()) if (runAt(runs, cursor) !== undefined) attempts.delete(cursor)
  return { runs, attempts, removed }
}

/** Every item up to this cursor is settled. */
export const floorOf = (state: Settled): Cursor => state.runs[0]?.[1] ?? 0

/** The attempts of one more item, behind the text of others. */
export const withAttempts = (text: string, cursor: Cursor, count: number): string =>
  `${text === "" ? "" : `${text},`}${count === 1 ? cursor : `[${cursor},${count}]`}`

const attemptsText = (taken: Iterable<readonly [Cursor, number]>): string => {
  let text = ""
  for (const [cursor, count] of taken) text = withAttempts(text, cursor, count)
  return text
}

/** The JSON text of a record, of attempts or of their text; members that would be empty are left out. */
export const recordText = (
  runs: ReadonlyArray<Run>, taken: string | Iterable<readonly [Cursor, number]>, dead: ReadonlyArray<Cursor>,
  removed: ReadonlyArray<Cursor> = []
): string => {
  let settledText = ""
  for (const [from, to] of runs) {
    settledText += settledText === "" ? "" : ","
    settledText += from === to ? `${from}` : `[${from},${to}]`
  }
  let text = settledText === "" ? "" : `"settled":[${settledText}]`
  const takenText = typeof taken === "string" ? taken : attemptsText(taken)
  if (takenText !== "") text += `${text === "" ? "" : ","}"taken":[${takenText}]`
  if (dead.length > 0) text += `${text === "" ? "" : ","}"dead":[${dead.join(",")}]`
  if (removed.length > 0) text += `${text === "" ? "" : ","}"removed":[${removed.join(",")}]`
  return `{${text}}`
}
