// Coordinator: claims on files, the plan, presence and chat of many agents. It folds its own channels, decides what they ask
// for one after the other, and is replaceable: whoever speaks `coordination` can take its place.
import { coordination, emptyManifest, type Durability, type System } from "aaax"
import { positionName } from "./load.ts"
import { chatsMax, pastDefault } from "./limits.ts"
import { drain, run } from "./loop.ts"

export interface CoordinatorOptions {
  readonly id?: string
  /** Of claims and the plan; default strict: what was granted survives a power cut. */
  readonly durability?: Durability
  /** Messages that are kept for those who ask what was said; default 10,000, at least 1. */
  readonly historyMax?: number
  /**
   * Entries of the ledger, and of the talk, that stay for those who look back, where a start does not need them; default 100,000.
   * More stay until the next whole state is written.
   */
  readonly keep?: number
  /** It is a hub's, which works in no folder: a claim that names no worktree is of none that has a path. */
  readonly anywhere?: boolean
}

export const coordinator = (options: CoordinatorOptions = {}): System => {
  const { anywhere = false, durability = "strict", historyMax = chatsMax, id = "coordinator", keep = pastDefault } = options
  if (!Number.isInteger(historyMax) || historyMax < 1 || historyMax > chatsMax) throw new TypeError(`historyMax is ${historyMax}; it may be from 1 to ${chatsMax}`)
  if (!Number.isSafeInteger(keep) || keep < 0) throw new TypeError(`keep is ${keep}; it is a number of entries, 0 at least`)
  const spoken = durability === "strict" ? "relaxed" : durability
  return {
    manifest: {
      ...emptyManifest(id),
      description: "grants claims on files, keeps the plan and the chat, and says who is here",
      provides: [
        { name: coordination.requests, form: "queue", durability: "memory", attemptsMax: 1_000_000, retention: { count: 10_000 }, description: "what seats ask" },
        { name: coordination.replies, delivery: "addressed", durability: "memory", retention: { count: 50_000 }, description: "answers and notices, each to its seat" },
        { name: coordination.ledger, durability, exclusiveReads: false, description: "claims, hand-offs and the plan" },
        { name: coordination.talk, durability: spoken, exclusiveReads: false, description: "chat, receipts, progress and offers" },
        { name: coordination.presence, durability: "memory", exclusiveReads: false, retention: { count: 10_000 }, description: "who came, left or advertised" },
        { name: coordination.epochs, delivery: "latest", durability, description: "the live scope of each claimed task" },
        { name: coordination.underWay, delivery: "latest", durability: "memory", retention: { count: 1_000 }, description: "what the kernel is changing files for" },
        { name: coordination.waiting, delivery: "latest", durability: "memory", description: "requests that stay, for a coordinator that begins again" }
      ],
      snapshots: [positionName]
    },
    run: (port) => run(port, { chats: historyMax, past: keep, anywhere }),
    drain
  }
}

export default coordinator
