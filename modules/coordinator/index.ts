// Coordinator: claims on files, the plan, presence and chat of many agents. It folds its own channels, decides what they ask
// for one after the other, and is replaceable: whoever speaks `coordination` can take its place.
import { coordination, emptyManifest, type Durability, type System } from "aaax"
import { positionName } from "./load.ts"
import { chatsMax } from "./limits.ts"
import { drain, run } from "./loop.ts"

export interface CoordinatorOptions {
  readonly id?: string
  /** Of claims and the plan; default strict: what was granted survives a power cut. */
  readonly durability?: Durability
  /** Messages that are kept for those who ask what was said; default 10,000, at least 1. */
  readonly historyMax?: number
}

export const coordinator = (options: CoordinatorOptions = {}): System => {
  const { durability = "strict", historyMax = chatsMax, id = "coordinator" } = options
  if (!Number.isInteger(historyMax) || historyMax < 1 || historyMax > chatsMax) throw new TypeError(`historyMax is ${historyMax}; it may be from 1 to ${chatsMax}`)
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
        { name: coordination.underWay, delivery: "latest", durability: "memory", retention: { count: 1_000 }, description: "what the kernel is changing files for" }
      ],
      snapshots: [positionName]
    },
    run: (port) => run(port, historyMax),
    drain
  }
}

export default coordinator
