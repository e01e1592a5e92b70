// Thousands of simulated histories, each checked: could it have happened one operation after the other?
import { numbers, seconds, type Torment } from "../torment.ts"
import { subjects, type Subject } from "./subjects.ts"

export interface LinearReport {
  readonly subject: Subject
  readonly histories: number
  readonly seed: number
  readonly millis: number
  /** Seeds of histories that no order explains; the first few. */
  readonly unexplained: ReadonlyArray<number>
  readonly ok: boolean
}

export const checkHistories = async (
  subject: Subject, { count, onHistory = () => undefined, seed }: { readonly count: number; readonly seed: number; readonly onHistory?: (done: number) => void }
): Promise<LinearReport> => {
  const began = performance.now()
  const unexplained: Array<number> = []
  for (let at = 0; at < count; at++) {
    if (!(await subjects[subject](seed + at)) && unexplained.length < 10) unexplained.push(seed + at)
    onHistory(at + 1)
  }
  return { subject, histories: count, seed, millis: Math.round(performance.now() - began), unexplained, ok: unexplained.length === 0 }
}

/** `npm run torture -- --linear HISTORIES`. */
export const linearTorment: Torment = {
  option: "linear",
  argument: "HISTORIES",
  says: "simulates so many interleavings each of grants and uses, budgets, and leases, and checks that every history is linearizable",
  run: async ({ count, progress, seed }) => {
    const reports: Array<LinearReport> = []
    for (const subject of Object.keys(subjects) as ReadonlyArray<Subject>) { // the keys of the table
      reports.push(await checkHistories(subject, { count, seed, onHistory: (done) => done % 50 === 0 && progress(`${subject}: ${done}/${count}`) }))
    }
    return {
      report: { ok: reports.every(({ ok }) => ok), linear: reports },
      lines: reports.flatMap((report) => [`${report.subject}: ${report.histories} histories in ${seconds(report.millis)}`, ...numbers(report, "unexplained")])
    }
  }
}
