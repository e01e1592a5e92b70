// Tactics: a function that is given tasks and answers, as a system of its own.
import type { ChannelId } from "../protocol/names.ts"
import type { Handling } from "./surface.ts"
import { BaseSystem, type BaseSystemOptions } from "./system.ts"

/** What a tactic is: it is given a task and answers. Doing anything goes through `on.act`. */
export type Tactic = (task: unknown, on: Handling) => Promise<unknown> | unknown

/** A system around one tactic: takes tasks from `<id>.tasks`, appends what the tactic answers to `<id>.results`. */
export class TacticSystem extends BaseSystem {
  readonly tasks: ChannelId
  readonly results: ChannelId
  readonly #tactic: Tactic

  constructor(options: BaseSystemOptions & { readonly tactic: Tactic; readonly executors?: ReadonlyArray<string> }) {
    super(options)
    const stem = options.id.replaceAll("/", ".")
    this.tasks = `${stem}.tasks`
    this.results = `${stem}.results`
    this.#tactic = options.tactic
    if (options.executors !== undefined) this.connect({ executors: options.executors })
  }

  override setup(): void {
    this.addChannel({ name: this.tasks, form: "queue" })
    this.addChannel({ name: this.results, form: "log" })
  }

  protected override async life(): Promise<void> {
    await this.queue(this.tasks).work(async (task, on) => {
      const result = await this.#tactic(task.payload, on)
      await this.writeChannel(this.results, result ?? null, {
        key: on.key(this.results), parents: [task.id], correlationId: task.id, recipient: task.sender,
        ...(task.traceparent === null ? {} : { traceparent: task.traceparent })
      })
    })
  }
}

export interface LibOSConfig {
  readonly name?: string
  readonly strictBoot?: boolean
  readonly discoverSharedPackages?: boolean
}

/** Builds the systems of tactics. Nothing is discovered: a tactic is handed over as a function. */
export class DefaultLibOS {
  readonly config: Required<LibOSConfig>

  constructor(config: LibOSConfig = {}) {
    this.config = { name: "lllm", strictBoot: true, discoverSharedPackages: false, ...config }
  }

  tacticSystem(options: BaseSystemOptions & { readonly tactic: Tactic; readonly executors?: ReadonlyArray<string> }): TacticSystem {
    return new TacticSystem(options)
  }
}
