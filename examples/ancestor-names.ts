// The names of the Python ancestor: AAAXConfig.fromFile, bootstrapKernel, kernel.dock, kernel.step, kernel.launch.
import { BaseSystem } from "aaax"
import { AAAXConfig, bootstrapKernel, type AAAXKernel } from "aaax/kernel"
import { fileURLToPath } from "node:url"

/** A system with one channel of its own and a step that is repeated. */
class Clock extends BaseSystem {
  readonly ticks: Array<number> = []

  constructor() {
    super({ id: "clock", name: "Clock", stepMillis: 1 })
  }

  override setup(): void {
    this.addChannel({ name: "clock.ticks", durability: "relaxed" })
  }

  override async step(): Promise<void> {
    const { cursor } = await this.writeChannel("clock.ticks", { tick: this.ticks.length })
    this.ticks.push(cursor)
  }
}

/** A kernel of the ancestor's config file, in a store of its own. */
export const boot = async (): Promise<AAAXKernel> => {
  const { config, directory } = await AAAXConfig.fromFile(fileURLToPath(new URL("ancestor.toml", import.meta.url)))
  return bootstrapKernel(new AAAXConfig({ ...config, store: { backend: "memory" } }, directory), { startChannels: true })
}

export const main = async (): Promise<{ readonly systems: ReadonlyArray<string>; readonly ticks: number }> => {
  const kernel = await boot()
  const clock = new Clock()
  await kernel.dock(clock, { channels: ["clock.ticks"], privileged: true })
  await kernel.step()
  const running = kernel.launch()
  while (clock.ticks.length < 3) await new Promise((resolve) => setTimeout(resolve, 5))
  const opened = await kernel.setup()
  const systems = opened.systems().map(({ id }) => id)
  await kernel.stop()
  await running
  return { systems, ticks: clock.ticks.length }
}
