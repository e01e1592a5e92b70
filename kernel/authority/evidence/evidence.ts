// Evidence as the kernel hands it out: its checkpoints, receipts of actions, and the audit of its own journal.
import * as Effect from "effect/Effect"
import { Denied, WarrantNotFound, type StoreUnavailable } from "../../../protocol/errors.ts"
import type { AuditReport, CheckpointsView, EvidenceView, Receipts } from "../../../protocol/view.ts"
import type { StoreService } from "../../store/store.ts"
import { verify, type AuditSource } from "../audit.ts"
import type { Entry } from "../entry.ts"
import type { Journal } from "../journal.ts"
import { keyText } from "./keeper.ts"
import { hashing, type Sha256 } from "./merkle.ts"
import { receiptsOf } from "./receipt.ts"

export interface Evidence {
  readonly verify: Effect.Effect<AuditReport>
  /** Writes one that covers the head, and answers all that are kept. None where the store dies with the kernel. */
  readonly checkpoints: Effect.Effect<CheckpointsView, StoreUnavailable>
  readonly receipts: (request: string) => Effect.Effect<Receipts, Denied | WarrantNotFound>
  /** Nothing where no checkpoints are kept. */
  readonly view: () => EvidenceView | undefined
}

export interface EvidenceOptions {
  readonly kernel: string
  readonly journal: Journal
  readonly store: StoreService
  readonly canonical: (value: unknown) => string
  readonly sha256: (text: string) => string
  readonly sha256Bytes: Sha256
}

/** Whether what was decided on can still be shown; the journal holds its digest. */
export const hasBody = (store: StoreService): NonNullable<AuditSource["hasBody"]> => ({ warrant }: Extract<Entry, { readonly kind: "action.decided" }>) =>
  (warrant.compensates !== undefined ? Effect.succeed(true) // it says what it takes back, and the entry says so too
    : warrant.payloadArtifact === null
    ? Effect.map(store.event(warrant.id), (event) => event !== undefined)
    : Effect.as(store.getArtifact(warrant.payloadArtifact), true)
  ).pipe(Effect.orElseSucceed(() => false))

export const make = ({ canonical, journal, kernel, sha256, sha256Bytes, store }: EvidenceOptions): Evidence => {
  const { keeper } = journal
  return {
    verify: Effect.suspend(() => verify({
      read: journal.read,
      hashOf: journal.hashOf,
      sha256: sha256Bytes,
      hasBody: hasBody(store),
      ...(keeper === undefined ? {} : { outside: keeper }),
      expected: journal.state
    })),
    checkpoints: Effect.gen(function*() {
      if (keeper === undefined) return { key: null, where: null, checkpoints: [] }
      yield* keeper.write
      return { key: keyText(keeper.signer.publicKey), where: keeper.view().where, checkpoints: yield* keeper.notes }
    }),
    receipts: Effect.fnUntraced(function*(request) {
      if (keeper === undefined) {
        return yield* new Denied({
          system: "operator", operation: "have", target: `a receipt of ${request}`, reason: "this kernel signs none: its store dies with it, and so would the key",
          how: "Launch it with a store on disk."
        })
      }
      const entries = yield* Effect.orDie(journal.about(request))
      const receipts = receiptsOf({ kernel, signer: keeper.signer, hashing: hashing(sha256Bytes), canonical, sha256 }, entries)
      return receipts ?? (yield* new WarrantNotFound({ warrant: request }))
    }),
    view: () => keeper?.view()
  }
}
