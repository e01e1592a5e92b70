// One row of the table: what was measured, against what, and whether that is enough.
import { medianOf, medianOther, ratioOf, type Measure, type Rounds } from "./measure.ts"

/** Above a floor (for times: below it) is a must; an aim is what an excellent implementation reaches. */
export interface Bar {
  /** The baseline that it is a ratio to; null: the figure itself is compared. */
  readonly of: string | null
  readonly bar: number
  readonly ratio: number
  readonly reached: boolean
}

export interface Row {
  /** Group and name; stable, so that runs can be compared. */
  readonly id: string
  readonly what: string
  readonly figure: number
  readonly unit: string
  readonly lowerIsBetter: boolean
  readonly p50Micros: number | null
  readonly p99Micros: number | null
  readonly baselines: Readonly<Record<string, number>>
  /** Figure to each baseline: the median of the ratios of all rounds. */
  readonly ratios: Readonly<Record<string, number>>
  /** The same of what each does in a second of processor time: says more where others use the machine too. */
  readonly cpuRatios: Readonly<Record<string, number>>
  readonly floor: Bar | null
  readonly aim: Bar | null
  /** Processor time of the process for each operation. */
  readonly cpuMicros: number | null
  /** Further figures of the same rounds, with their units in their names. */
  readonly others: Readonly<Record<string, number>>
  /** Why there is no figure, or what to know of it. */
  readonly note: string | null
}

export interface Wanted {
  readonly of: string | null
  readonly bar: number
}

const barOf = (wanted: Wanted | undefined, figure: number, ratios: Row["ratios"], lowerIsBetter: boolean): Bar | null => {
  if (wanted === undefined) return null
  const ratio = wanted.of === null ? figure : (ratios[wanted.of] ?? Number.NaN)
  return { ...wanted, ratio, reached: lowerIsBetter ? ratio <= wanted.bar : ratio >= wanted.bar }
}

export interface RowOptions {
  readonly id: string
  readonly what: string
  readonly unit: string
  readonly figure: number
  readonly lowerIsBetter?: boolean
  readonly p50Micros?: number
  readonly p99Micros?: number
  readonly baselines?: Row["baselines"]
  readonly ratios?: Row["ratios"]
  readonly cpuRatios?: Row["cpuRatios"]
  readonly floor?: Wanted
  readonly aim?: Wanted
  readonly cpuMicros?: number
  readonly others?: Row["others"]
  readonly note?: string
}

export const row = ({ aim, floor, lowerIsBetter = false, ratios = {}, ...rest }: RowOptions): Row => ({
  id: rest.id, what: rest.what, figure: rest.figure, unit: rest.unit, lowerIsBetter,
  p50Micros: rest.p50Micros ?? null, p99Micros: rest.p99Micros ?? null, baselines: rest.baselines ?? {}, ratios, cpuRatios: rest.cpuRatios ?? {},
  floor: barOf(floor, rest.figure, ratios, lowerIsBetter), aim: barOf(aim, rest.figure, ratios, lowerIsBetter),
  cpuMicros: rest.cpuMicros ?? null, others: rest.others ?? {}, note: rest.note ?? null
})

/** A row of rounds in which `ours` took turns with baselines. */
export const rowOf = <K extends string>(
  rounds: Rounds<K | "ours">, measure: Measure, options: Omit<RowOptions, "figure" | "baselines" | "ratios" | "cpuRatios" | "unit"> & { readonly unit?: string }
): Row => {
  const { ours } = rounds
  const isTime = measure !== "rate"
  const sides = Object.keys(rounds).filter((name) => name !== "ours") as Array<K> // the keys of the rounds
  const p50Micros = medianOf(ours, "p50Micros")
  const others = Object.keys(ours[0]?.others ?? {}).map((name) => [name, medianOther(ours, name)] as const)
  return row({
    ...options,
    unit: options.unit ?? (isTime ? "us" : "per second"),
    lowerIsBetter: isTime,
    figure: medianOf(ours, measure),
    ...(Number.isNaN(p50Micros) ? {} : { p50Micros, p99Micros: medianOf(ours, "p99Micros") }),
    baselines: Object.fromEntries(sides.map((side) => [side, medianOf(rounds[side], measure)])),
    ratios: Object.fromEntries(sides.map((side) => [side, ratioOf(ours, rounds[side], measure)])),
    // Of what does its work in another process there is none.
    cpuRatios: Object.fromEntries(sides.map((side) => [side, 1 / ratioOf(ours, rounds[side], "cpuMicros")] as const).filter(([, ratio]) => !Number.isNaN(ratio))),
    cpuMicros: medianOf(ours, "cpuMicros"),
    others: { ...Object.fromEntries(others), ...options.others }
  })
}

/** A row that could not be measured here. */
export const absent = (id: string, what: string, note: string): Row => row({ id, what, unit: "", figure: Number.NaN, note })

export const passed = ({ figure, floor, note }: Row): boolean => (floor === null ? !Number.isNaN(figure) || note !== null : floor.reached)
