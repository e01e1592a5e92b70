// A kernel with one system that provides channels of the channel classes, and participants that are connected to all of them.
import { BaseSystem, register, type AnyChannel, type ChannelClient, type ChannelMessage } from "aaax"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import { withKernel, type TestKernel, type TestOptions } from "../../kernel/testing.ts"

export interface ChannelWorld {
  readonly kernel: TestKernel
  /** Provides the channels, under the id `owner`. */
  readonly owner: BaseSystem
  /** A participant, docked when it is asked for the first time. */
  readonly as: (id: string) => Promise<ChannelClient>
  readonly dock: (system: Parameters<TestKernel["dock"]>[0], options?: Parameters<TestKernel["dock"]>[1]) => Promise<void>
  readonly undock: (id: string) => Promise<void>
}

export const run = <A, E>(effect: Effect.Effect<A, E>): Promise<A> => Effect.runPromise(Effect.provide(effect, Logger.layer([])))

/** Runs `body` over these channels, docked and started. */
export const withChannels = (
  channels: ReadonlyArray<AnyChannel>, body: (world: ChannelWorld) => Promise<void>, options: TestOptions = {}
): Promise<void> =>
  withKernel(options, async (kernel) => {
    const owner = new BaseSystem({ id: "owner" })
    for (const channel of channels) owner.addChannel(channel)
    const dock: ChannelWorld["dock"] = async (system, dockOptions) => void await run(kernel.dock(system, dockOptions))
    if (channels.length > 0) await dock(owner)
    const participants = new Map<string, ChannelClient>()
    const as = async (id: string): Promise<ChannelClient> => {
      const known = participants.get(id)
      if (known !== undefined) return known
      const made = register(id)
      for (const channel of channels) made.connect(channel.id, channel)
      participants.set(id, made)
      await dock(made)
      return made
    }
    await Promise.all(channels.map((channel) => until(() => channel.acceptsWrites)))
    await body({ kernel, owner, as, dock, undock: (id) => run(kernel.undock(id)) })
  })

/** Contents in the order of the messages, unwrapped when they are generic. */
export const contents = (messages: ReadonlyArray<ChannelMessage<object>>): ReadonlyArray<unknown> =>
  messages.map(({ content }) => ("data" in content ? content.data : content))

/** A promise and how to keep it. */
export const gate = (): { readonly opened: Promise<void>; readonly open: () => void } => {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}

export const until = async (condition: () => boolean | Promise<boolean>, millis = 10_000): Promise<void> => {
  const end = performance.now() + millis
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`never came true: ${condition}`)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}
