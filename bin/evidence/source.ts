// Where evidence is read: from the kernel of a folder, or, when none runs, from its store and its checkpoints as they lie
// there, without starting anything over them.
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { existsSync } from "node:fs"
import { isAbsolute, join } from "node:path"
import type { AuditReport } from "../../protocol/view.ts"
import { journal } from "../../protocol/well-known.ts"
import { StoreCorrupt } from "../../protocol/errors.ts"
import { verify } from "../../kernel/authority/audit.ts"
import { hasBody } from "../../kernel/authority/evidence/evidence.ts"
import type { BundleSource } from "../../kernel/authority/evidence/bundle.ts"
import { keyText } from "../../kernel/authority/evidence/keeper.ts"
import { canonical } from "../../kernel/guard/canonical.ts"
import { openEvidence } from "../../kernel/launch.ts"
import { pageEventsMax } from "../../kernel/limits.ts"
import { sha256Bytes, sha256Hex } from "../../kernel/power/digest.ts"
import type { Event } from "../../protocol/event.ts"
import type { Called } from "../called.ts"
import { NotFound } from "../failure.ts"
import { loadConfig } from "../load-config.ts"
import { connect } from "../run-file.ts"

export interface EvidenceSource extends BundleSource {
  /** In words. */
  readonly where: string
  readonly verify: () => Promise<AuditReport>
}

/** Runs an Effect as a promise that rejects with the failure itself. */
const promised = async <A, E>(effect: Effect.Effect<A, E>): Promise<A> => {
  const exit = await Effect.runPromiseExit(effect)
  if (Exit.isFailure(exit)) throw Cause.squash(exit.cause)
  return exit.value
}

const noCheckpoints = (): Error => new Error("No checkpoints are kept for this store: it dies with its kernel.")

const running = (client: Effect.Success<ReturnType<typeof connect>>): EvidenceSource => ({
  where: `the kernel with pid ${client.pid}`,
  entries: (after) => promised(client.call("audit", { query: { after, limit: pageEventsMax } })),
  checkpoints: async () => {
    const { checkpoints, key } = await promised(client.call("checkpoints"))
    if (key === null) throw noCheckpoints()
    return { key, notes: checkpoints }
  },
  // What was erased is told as null, as a payload of null is: the digest tells them apart.
  payloadOf: async (id) => (await promised(client.call("warrant", { id }))).payload,
  verify: () => promised(client.call("verify"))
})

const stopped = Effect.fnUntraced(function*({ directory }: Called) {
  const { config } = yield* loadConfig({ directory })
  const { store: place } = config
  const path = place.backend === "sqlite" ? (isAbsolute(place.path) ? place.path : join(directory, place.path)) : undefined
  if (path !== undefined && !existsSync(path)) return yield* new NotFound({ what: `a store at ${path}` })
  const { checkpoints, store } = yield* openEvidence({ config, directory })
  const read = (after: number, limit: number): Effect.Effect<ReadonlyArray<Event>, StoreCorrupt> =>
    store.read(journal, { after, limit }).pipe(
      Effect.map(({ events }) => events),
      Effect.catchTags({
        Gap: (gap) => Effect.fail(new StoreCorrupt({ where: `${journal}#${gap.after}`, reason: "entries are missing" })),
        ChannelNotFound: () => Effect.succeed([])
      })
    )
  const outside = checkpoints === undefined
    ? undefined
    : { signer: yield* checkpoints.place.signer, notes: checkpoints.place.notes, where: checkpoints.place.where }
  const source: EvidenceSource = {
    where: path ?? "the store",
    entries: (after) => promised(read(after, pageEventsMax)),
    checkpoints: async () => {
      if (outside === undefined) throw noCheckpoints()
      return { key: keyText(outside.signer.publicKey), notes: await promised(outside.notes) }
    },
    payloadOf: async (id) => {
      const event = await promised(store.event(id))
      const payload = event?.payload
      return typeof payload === "object" && payload !== null && !Array.isArray(payload) ? (payload as Readonly<Record<string, unknown>>)["payload"] ?? null : undefined
    },
    verify: () => promised(verify({
      read, sha256: sha256Bytes, hasBody: hasBody(store),
      hashOf: (previous, entry) => sha256Hex(`${previous}\n${entry.kind}\n${canonical(entry.payload)}`),
      ...(outside === undefined ? {} : {
        outside: { ...outside, view: () => ({ where: outside.where, key: keyText(outside.signer.publicKey), size: 0, covered: 0, at: null, problem: null }) }
      })
    }))
  }
  return source
})

/** Uses the evidence of this folder. Rejects with the failure itself. */
export const withEvidence = async <A>(called: Called, use: (source: EvidenceSource) => Promise<A>): Promise<A> => {
  // One that was killed has left its run file. Whether it is gone, the lock of the store says.
  const client = await Effect.runPromise(Effect.result(Effect.tap(connect(called.directory), (found) => found.call("status"))))
  if (client._tag === "Success") return use(running(client.success))
  if (client.failure._tag !== "KernelUnreachable") throw client.failure
  const scope = Scope.makeUnsafe()
  try {
    return await use(await promised(Scope.provide(stopped(called), scope)))
  } finally {
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}
