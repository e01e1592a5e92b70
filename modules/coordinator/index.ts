// Coordinator: claims on files, the plan, presence and chat of many agents. It folds its own channels, decides what they ask
// for one after the other, and is replaceable: whoever speaks `coordination` can take its place.
import { coordination, emptyManifest, type Durability, type System } from "aaax"
import { positionName } from "./load.ts"
import { drain, run } from "./loop.ts"

export interface CoordinatorOptions {
  readonly id?: string
  /** Of claims and the plan; default strict: what was granted survives a power cut. */
  readonly durability?: Durability
}

export const coordinator = (options: CoordinatorOptions = {}): System => {
  const { durability = "strict", id = "coordinator" } = options
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
    run,
    drain
  }
}

export default coordinator
