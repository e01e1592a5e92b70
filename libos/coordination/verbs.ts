// The verbs of coordination as a module has them: promises and async iterables.
import type { Ask, Card, Chat, Claim, Delivery, NoteKind, Notice, Results, TaskStatus, Verb } from "../../protocol/coordination.ts"
import type { HeldClaim } from "./held.ts"

type Of<V extends Verb, Named extends string = never> = Omit<Extract<Ask, { readonly verb: V }>, "verb" | Named>
interface Waits {
  readonly signal?: AbortSignal
}

export interface Coordination {
  /** What others call this system. */
  readonly seat: string
  /** Any request as it is, for what has no verb here. Throws `CoordinationRefused`. */
  readonly ask: <V extends Verb>(ask: Extract<Ask, { readonly verb: V }>) => Promise<Results[V]>
  /**
   * Takes a lease and holds it: it is renewed until it is released, handed on, lost, or the system ends. With `wait` it stays in
   * line until the task is free; aborting `signal` gives the place up.
   */
  readonly claim: (task: string, options?: Of<"claim", "task"> & Waits) => Promise<HeldClaim>
  /** Ends a lease that this seat holds, also one that nobody has in hand. */
  readonly release: (task: string, options?: Of<"release", "task">) => Promise<void>
  readonly handoff: (task: string, to: string, options?: Of<"handoff", "task" | "to">) => Promise<Claim>
  readonly checkpoint: (task: string, text: string, options?: Of<"checkpoint", "task" | "checkpoint">) => Promise<void>
  /** Asks to be told when a task that another seat holds is free: by a notice, or by `free`. */
  readonly wait: (task: string) => Promise<Results["wait"]>
  /** Resolves when a task that another seat holds is free, at once when it is. */
  readonly free: (task: string, options?: Waits) => Promise<void>
  readonly plan: {
    readonly declare: (task: string, title: string, options?: Of<"declare", "task" | "title">) => Promise<Results["declare"]["task"]>
    readonly update: (task: string, changes: Of<"plan", "task" | "status"> & { readonly status?: TaskStatus }) => Promise<Results["plan"]["task"]>
    /** Ids of tasks that can be begun. */
    readonly ready: () => Promise<ReadonlyArray<string>>
    /** All of it, or a page behind `after`. */
    readonly board: (page?: Of<"board">) => Promise<Results["board"]>
  }
  readonly progress: (task: string, text: string, kind?: NoteKind) => Promise<void>
  readonly presence: () => Promise<Results["who"]["seats"]>
  /** Says what this seat can do, again before it ends, until the system ends or `signal` is aborted. */
  readonly advertise: (card: Of<"advertise"> & Waits) => Promise<Card>
  /** Offers a resource, again before the offer ends. */
  readonly offer: (kind: string, name: string, options?: Of<"offer", "kind" | "name"> & Waits) => Promise<void>
  /** To everybody, to one seat, to several with commas, or to globs. */
  readonly send: (text: string, options?: Of<"send", "payload" | "target"> & { readonly to?: string }) => Promise<Results["send"]>
  /** Messages for this seat; with `waitMillis` it stays until there is one. */
  readonly inbox: (options?: Of<"inbox"> & Waits) => Promise<Results["inbox"]>
  /** Messages for this seat as they come; each is acknowledged as handled when the next one is asked for. */
  readonly messages: (options?: Waits) => AsyncGenerator<Chat, void, undefined>
  readonly acknowledge: (message: number, state?: "delivered" | "read" | "handled") => Promise<Delivery>
  /** Live claims, offers and seats: a page. */
  readonly state: (filter?: Of<"state">) => Promise<Results["state"]>
  /** All live claims, page by page. */
  readonly claims: (filter?: Of<"state", "after" | "limit">) => AsyncGenerator<Claim, void, undefined>
  readonly manifest: (taskClass?: string) => Promise<ReadonlyArray<Card>>
  readonly history: (limit?: number) => Promise<Results["history"]>
  readonly resume: (since: number, limit?: number) => Promise<Results["resume"]>
  readonly receipts: (of?: Of<"receipts">) => Promise<Results["receipts"]["receipts"]>
  /** Whether these paths may be changed by this seat, or by another one. */
  readonly check: (worktree: string, paths: ReadonlyArray<string>, options?: Of<"check", "worktree" | "paths">) => Promise<Results["check"]>
  /** Who holds a path. */
  readonly why: (worktree: string, path: string) => Promise<ReadonlyArray<Claim>>
  /** What this seat is told without having asked, from the moment on when it resolves. */
  readonly notices: (options?: Waits) => Promise<AsyncGenerator<Notice, void, undefined>>
  /** Says that it is here no more; any further request says that it is. */
  readonly leave: () => Promise<void>
}
