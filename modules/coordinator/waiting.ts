// Requests that stay: a claim in line, an inbox that is empty, a seat that is to be told. They are known to a channel that lives
// as long as the kernel, so that a coordinator that begins again goes on with them.
import type { coordination, SystemId } from "aaax"

/** A request that has not come to its end, as it is kept. */
export interface Waiting {
  readonly request: string
  readonly system: SystemId
  /** Grows: who came first is served first. */
  readonly order: number
  readonly ask: coordination.Ask
  readonly digest?: string
  /** Kernel time in milliseconds at which it is answered in any case. */
  readonly until?: number
}

/** Of one who is answered, and told later: the answer is not the end of it. */
export const toldBy = (request: string): string => `told ${request}`

export interface Change {
  readonly waiting: Waiting
  readonly ended: boolean
}

export class Waits {
  readonly live = new Map<string, Waiting>()
  /** Not kept yet. */
  changes: Array<Change> = []
  #order = 0

  /** Of a coordinator that was here before. */
  know(waiting: Waiting): void {
    this.live.set(waiting.request, waiting)
    this.#order = Math.max(this.#order, waiting.order)
  }

  hold(given: Omit<Waiting, "order">): void {
    if (this.live.has(given.request)) return
    const waiting = { ...given, order: ++this.#order }
    this.live.set(given.request, waiting)
    this.changes.push({ waiting, ended: false })
  }

  end(request: string): void {
    const waiting = this.live.get(request)
    if (waiting === undefined) return
    this.live.delete(request)
    this.changes.push({ waiting, ended: true })
  }

  /** What could not be kept is not so: who was answered waits still. */
  undo(): void {
    for (const { ended, waiting } of this.changes) {
      if (ended) this.live.set(waiting.request, waiting)
    }
    this.changes = []
  }

  /** In the order in which they came. */
  inOrder(): ReadonlyArray<Waiting> {
    return [...this.live.values()].sort((a, b) => a.order - b.order)
  }
}
