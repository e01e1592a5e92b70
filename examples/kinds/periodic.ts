// A periodic channel: a source that is pulled at the start and then once in each period, and a conversion of what it gives.
import { BaseSystem, PeriodicChannel, register, type Converted } from "aaax"
import { launch } from "aaax/kernel"

class Thermometer extends PeriodicChannel<{ readonly celsius: number }> {
  readonly failures: Array<string> = []
  #pulls = 0

  /** Fetches from outside, and writes what it finds: as raw as it comes. */
  override async pullFn(): Promise<void> {
    this.#pulls += 1
    if (this.#pulls === 2) throw new Error("no answer")
    await this.write(this.owner, this.#pulls === 3 ? "n/a" : `${20 + this.#pulls} C`)
  }

  /** Makes a message of it, or nothing, which discards it. */
  override convertFn(_sender: string, raw: unknown): Converted {
    const celsius = Number.parseFloat(String(raw))
    return Number.isNaN(celsius) ? null : { content: { celsius } }
  }

  /** A failure costs a pull or an item. The channel goes on. */
  protected override onError(phase: string, error: unknown): void {
    this.failures.push(`${phase}: ${(error as Error).message}`)
  }
}

export const main = async (): Promise<Readonly<Record<string, unknown>>> => {
  const readings = new Thermometer({ id: "readings", period: 0.002, retentionMaxAge: 86_400 })
  const station = new BaseSystem({ id: "station" })
  station.addChannel(readings)
  const dashboard = register("dashboard")
  dashboard.connect("readings", readings)
  const kernel = await launch({ store: ":memory:", modules: [station, dashboard] })
  try {
    const seen: Array<unknown> = []
    await dashboard.subscribe("readings", ({ content }) => seen.push(content), { from: "start" })
    while (seen.length < 3) await new Promise((resolve) => setTimeout(resolve, 1))
    return { seen: seen.slice(0, 3), failures: readings.failures }
  } finally {
    await kernel.close()
  }
}
