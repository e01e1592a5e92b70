// Whether a history of operations that overlapped could have happened one after the other, in an order that no operation's
// beginning and end contradict. The search of Wing and Gong with Lowe's memory of what was tried.

export interface Operation<Input, Output> {
  readonly client: string
  readonly input: Input
  readonly output: Output
  /** Steps of the scheduler at which it began and ended. */
  readonly invoked: number
  readonly returned: number
}

/** The same thing without any concurrency. */
export interface Model<State, Input, Output> {
  readonly initial: State
  /** What it is after the operation; nothing when the operation could not have had this output then. */
  readonly apply: (state: State, input: Input, output: Output) => State | undefined
  /** Two states with one key are the same. */
  readonly key: (state: State) => string
}

export const isLinearizable = <State, Input, Output>(history: ReadonlyArray<Operation<Input, Output>>, model: Model<State, Input, Output>): boolean => {
  const operations = [...history].sort((a, b) => a.invoked - b.invoked)
  const tried = new Set<string>()
  const all = (1n << BigInt(operations.length)) - 1n
  const search = (done: bigint, state: State): boolean => {
    if (done === all) return true
    const mark = `${done} ${model.key(state)}`
    if (tried.has(mark)) return false
    tried.add(mark)
    // Whatever began behind the end of one that is not yet placed has to come behind it.
    let firstEnd = Infinity
    operations.forEach(({ returned }, at) => {
      if ((done & (1n << BigInt(at))) === 0n) firstEnd = Math.min(firstEnd, returned)
    })
    return operations.some(({ input, invoked, output }, at) => {
      const bit = 1n << BigInt(at)
      if ((done & bit) !== 0n || invoked > firstEnd) return false
      const next = model.apply(state, input, output)
      return next !== undefined && search(done | bit, next)
    })
  }
  return search(0n, model.initial)
}
