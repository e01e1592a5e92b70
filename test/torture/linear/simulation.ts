// A simulation: clients whose operations overlap as a seed chooses. Nothing happens by itself: at each step the scheduler lets
// one client begin its next operation, lets one append that is under way land, or lets time pass. The same seed, the same history.
import * as Effect from "effect/Effect"
import type { StoreService } from "../../../kernel/store/store.ts"
import type { Random } from "../../kit/random.ts"
import type { Operation } from "./checker.ts"

export interface Simulated {
  /** The store whose appends land when the scheduler says so. */
  readonly store: StoreService
  /** From now on. Before, they land at once. */
  readonly begin: () => void
  readonly run: <Input, Output>(options: RunOptions<Input, Output>) => Promise<ReadonlyArray<Operation<Input, Output>>>
}

export interface RunOptions<Input, Output> {
  readonly random: Random
  /** What each client does, in order. */
  readonly clients: Readonly<Record<string, ReadonlyArray<Input>>>
  readonly perform: (client: string, input: Input) => Promise<Output>
  /** What may happen beside them, at once: time. Answers the operation that it is; nothing when it may not be now. */
  readonly event?: (underWay: ReadonlyArray<Input>) => { readonly input: Input; readonly output: Output } | undefined
  readonly eventChance?: number
}

/** Everything that goes on by itself has gone on. */
const settled = async (): Promise<void> => {
  for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve))
}

export const simulate = (opened: StoreService): Simulated => {
  const waiting: Array<() => void> = []
  let isScheduled = false
  const store: StoreService = {
    ...opened,
    append: (...args) =>
      isScheduled
        ? Effect.andThen(Effect.callback<void>((resume) => void waiting.push(() => resume(Effect.void))), Effect.suspend(() => opened.append(...args)))
        : opened.append(...args)
  }
  const run: Simulated["run"] = async <Input, Output>({ clients, event, eventChance = 0, perform, random }: RunOptions<Input, Output>) => {
    const history: Array<Operation<Input, Output>> = []
    const left = new Map(Object.entries(clients).map(([client, inputs]) => [client, [...inputs]]))
    const busy = new Map<string, Input>()
    const failures: Array<unknown> = []
    let step = 0
    const start = (client: string, input: Input): void => {
      busy.set(client, input)
      const invoked = step
      perform(client, input).then((output) => {
        history.push({ client, input, output, invoked, returned: step })
        busy.delete(client)
      }, (thrown: unknown) => failures.push(thrown))
    }
    for (;;) {
      await settled()
      if (failures.length > 0) throw failures[0]
      step++
      const ready = [...left].filter(([client, inputs]) => !busy.has(client) && inputs.length > 0)
      if (ready.length === 0 && busy.size === 0) return history
      const happened = event !== undefined && random.chance(eventChance) ? event([...busy.values()]) : undefined
      if (happened !== undefined) {
        history.push({ client: "time", ...happened, invoked: step, returned: step })
        continue
      }
      const choices = ready.length + waiting.length
      if (choices === 0) throw new Error(`${[...busy.keys()].join(", ")} wait for what never comes`)
      const chosen = random.int(choices)
      if (chosen < ready.length) {
        const [client, inputs] = ready[chosen]!
        start(client, inputs.shift()!)
      } else waiting.splice(chosen - ready.length, 1)[0]!()
    }
  }
  return { store, begin: () => void (isScheduled = true), run }
}
