// How a figure comes to be: the sides of a comparison take turns on the same disk, and what counts is the median of rounds.
import * as Effect from "effect/Effect"

/** What one side did in one round. */
export interface Sample {
  readonly operations: number
  readonly seconds: number
  /** Processor time of the whole process, its threads included. */
  readonly cpuSeconds: number
  /** Of each operation, where it is looked at alone. */
  readonly micros?: Float64Array
  /** Other figures of the same round; the median of each is printed. */
  readonly others?: Readonly<Record<string, number>>
}

export type Side<R = never> = Effect.Effect<Sample, unknown, R>

export interface Figure {
  /** Operations per second. */
  readonly rate: number
  readonly p50Micros: number | null
  readonly p99Micros: number | null
  readonly p999Micros: number | null
  readonly maxMicros: number | null
  readonly cpuMicros: number
  readonly others: Readonly<Record<string, number>>
}

/** For each side one figure a round, in the order of the rounds. */
export type Rounds<K extends string> = Readonly<Record<K, ReadonlyArray<Figure>>>

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The value that this share of all values does not exceed. */
export const percentile = (sorted: Float64Array, share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!

const figureOf = ({ cpuSeconds, micros, operations, others = {}, seconds }: Sample): Figure => {
  const sorted = micros === undefined || micros.length === 0 ? undefined : Float64Array.from(micros).sort()
  const at = (share: number): number | null => (sorted === undefined ? null : percentile(sorted, share))
  return {
    rate: operations / seconds, p50Micros: at(0.5), p99Micros: at(0.99), p999Micros: at(0.999), maxMicros: at(1), cpuMicros: (cpuSeconds / operations) * 1e6, others
  }
}

/** Garbage of one side is not collected at the cost of the next; needs `--expose-gc`. */
const collect = (): void => {
  const { gc } = globalThis as { readonly gc?: () => void } // present with --expose-gc
  gc?.()
}

/** What a checkpoint has begun goes on for a moment. */
const settleMillis = 30

/** Runs the sides in turns: one turn to warm up, then `rounds` that count. */
export const inTurns = Effect.fnUntraced(function*<K extends string, R>(
  rounds: number, sides: Readonly<Record<K, Side<R>>>
): Effect.fn.Return<Rounds<K>, unknown, R> {
  const names = Object.keys(sides) as Array<K> // its own keys
  const figures = Object.fromEntries(names.map((name): [K, Array<Figure>] => [name, []])) as Record<K, Array<Figure>> // one for each name
  for (let round = 0; round <= rounds; round++) {
    for (const name of names) {
      collect()
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, settleMillis)))
      const sample = yield* sides[name]
      if (round > 0) figures[name].push(figureOf(sample))
    }
  }
  return figures
})

export type Measure = "rate" | "p50Micros" | "p99Micros" | "p999Micros" | "maxMicros" | "cpuMicros"

export const medianOf = (figures: ReadonlyArray<Figure>, measure: Measure): number => median(figures.map((figure) => figure[measure] ?? Number.NaN))

export const medianOther = (figures: ReadonlyArray<Figure>, name: string): number => median(figures.map(({ others }) => others[name] ?? Number.NaN))

/** Of each round its own ratio, so that a load that comes and goes falls on both sides. */
export const ratioOf = (ours: ReadonlyArray<Figure>, theirs: ReadonlyArray<Figure>, measure: Measure, theirMeasure: Measure = measure): number =>
  median(ours.map((figure, round) => (figure[measure] ?? Number.NaN) / (theirs[round]?.[theirMeasure] ?? Number.NaN)))

const cpuSecondsSince = (before: NodeJS.CpuUsage): number => {
  const { system, user } = process.cpuUsage(before)
  return (user + system) / 1e6
}

/** Times a whole effect that does so many operations. */
export const timed = <E, R>(operations: number, effect: Effect.Effect<unknown, E, R>): Effect.Effect<Sample, E, R> =>
  Effect.suspend(() => {
    const cpu = process.cpuUsage()
    const began = performance.now()
    return Effect.map(effect, () => ({ operations, seconds: (performance.now() - began) / 1e3, cpuSeconds: cpuSecondsSince(cpu) }))
  })

/** Times each call of `one`, which an operation is, one after another. */
export const timedEach = <E, R>(operations: number, one: (at: number) => Effect.Effect<unknown, E, R>): Effect.Effect<Sample, E, R> =>
  Effect.suspend(() => {
    const micros = new Float64Array(operations)
    const loop = Effect.fnUntraced(function*() {
      for (let at = 0; at < operations; at++) {
        const began = performance.now()
        yield* one(at)
        micros[at] = (performance.now() - began) * 1e3
      }
    })
    return Effect.map(timed(operations, loop()), (sample) => ({ ...sample, micros }))
  })

/** The same for plain code. */
export const timedEachSync = (operations: number, one: (at: number) => void): Effect.Effect<Sample> =>
  Effect.sync(() => {
    const micros = new Float64Array(operations)
    const cpu = process.cpuUsage()
    const start = performance.now()
    for (let at = 0; at < operations; at++) {
      const began = performance.now()
      one(at)
      micros[at] = (performance.now() - began) * 1e3
    }
    return { operations, seconds: (performance.now() - start) / 1e3, cpuSeconds: cpuSecondsSince(cpu), micros }
  })
