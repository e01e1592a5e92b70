// The keeper of checkpoints: at start it holds the journal against the newest one and refuses what does not agree; later it
// signs what the journal has become, now and then, and before anything weighty is acknowledged.
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { EvidenceMismatch, type StoreUnavailable } from "../../../protocol/errors.ts"
import type { EvidenceView } from "../../../protocol/view.ts"
import { appendRepeatMillisMax } from "../../limits.ts"
import type { Entry } from "../entry.ts"
import type { AuthorityState, Placed } from "../state/state.ts"
import { lookup } from "../state/state.ts"
import { base64Of, open, sign, type Checkpoint, type SignedCheckpoint, type Signer } from "./checkpoint.ts"
import type { Ledger } from "./ledger.ts"
import { hexOf, type Sha256 } from "./merkle.ts"
import type { CheckpointPace, CheckpointPlace } from "./place.ts"

export interface KeeperOptions {
  readonly place: CheckpointPlace
  readonly pace: CheckpointPace
  readonly sha256: Sha256
}

/** What lies outside the store: the key, and the newest checkpoint that it signed. */
export interface Outside {
  readonly signer: Signer
  readonly newest: SignedCheckpoint | undefined
  /** Why the newest one does not count. */
  readonly wrong?: string
}

const how = "Put back the store, or the checkpoints, that belong together. When you know why they differ: aaax audit accept-rollback --reason '…'"

const mismatch = (found: string): EvidenceMismatch => new EvidenceMismatch({ found, how })

/** Public keys are told in base64url, as in a JWK. */
export const keyText = (publicKey: Uint8Array): string => base64Of(publicKey).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/u, "")

const sizeOf = (note: string): number => Number(/^[^\n]*\n(\d{1,16})\n/u.exec(note)?.[1] ?? "NaN")

/** Reads the key and the newest checkpoint. */
export const outside = Effect.fnUntraced(function*({ place, sha256 }: KeeperOptions): Effect.fn.Return<Outside, StoreUnavailable> {
  const signer = yield* place.signer
  const notes = yield* place.notes
  let newest = notes[0]
  if (newest === undefined) return { signer, newest }
  for (const note of notes) {
    if (Number.isNaN(sizeOf(note))) return { signer, newest: undefined, wrong: `a checkpoint in ${place.where} was changed: it is none` }
    if (sizeOf(note) >= sizeOf(newest)) newest = note
  }
  const opened = open(sha256, signer, newest)
  return typeof opened === "string"
    ? { signer, newest: undefined, wrong: `the newest checkpoint in ${place.where}, of ${sizeOf(newest)} entries, does not count: ${opened}` }
    : { signer, newest: opened }
})

/** What speaks against the journal up to here being the one that was signed; nothing when it is. */
export const differs = (checkpoint: Checkpoint, ledger: Checkpoint): string | undefined => {
  const { chain, cursor, root, size } = checkpoint
  if (ledger.size !== size) return undefined
  if (size === 0) return undefined
  if (checkpoint.origin !== ledger.origin) return `the journal is another one: it begins with another entry than the one that ${size} signed entries began with`
  if (hexOf(root) === hexOf(ledger.root) && chain === ledger.chain && cursor === ledger.cursor) return undefined
  return `its first ${size} entries, up to #${ledger.cursor}, are not those that were signed: the root is ${hexOf(ledger.root)}, signed was ${hexOf(root)}`
}

/** What is wrong once the whole journal was folded, and its beginning found to agree. */
const missing = ({ newest, signer }: Outside, ledger: Ledger, journalledKey: string, where: string): string | undefined => {
  if (newest !== undefined && ledger.size() < newest.size) {
    return `the journal ends with entry ${ledger.size()}, but ${newest.size} entries were signed, up to #${newest.cursor}: at least ${newest.size - ledger.size()} are lost`
  }
  if (journalledKey === "") return undefined
  if (journalledKey !== keyText(signer.publicKey)) return `the journal names the audit key ${journalledKey}, and the key in ${where} is ${keyText(signer.publicKey)}`
  if (newest === undefined) return `the journal has ${ledger.size()} entries and says that checkpoints are kept in ${where}, and there is none`
  return undefined
}

export interface Judged {
  readonly found: Outside
  readonly ledger: Ledger
  /** What a look at the journal's beginning found. */
  readonly differs: string | undefined
  /** The key that the journal names. */
  readonly auditKey: string
  /** Why the operator takes it as it is. */
  readonly accept: string | undefined
}

/**
 * Whether the journal may be gone on with; answers what has to be written into it first. One that says of no checkpoints
 * and has none is new, or older than they are: its first one is made now. Without checkpoints it is refused as soon as it
 * says that there are some, so that taking them away is no way back to that.
 */
export const judge = Effect.fnUntraced(function*(
  { place }: KeeperOptions, { accept, auditKey, differs: different, found, ledger }: Judged
): Effect.fn.Return<ReadonlyArray<(at: number) => Entry>, EvidenceMismatch | StoreUnavailable> {
  const key = keyText(found.signer.publicKey)
  const wrong = found.wrong ?? different ?? missing(found, ledger, auditKey, place.where)
  if (wrong === undefined) {
    if (accept !== undefined) return yield* new EvidenceMismatch({ found: "The journal agrees with its checkpoints, so that there is nothing to accept.", how: "" })
    return auditKey === "" ? [(at) => ({ kind: "checkpoints.started", at, key })] : []
  }
  if (accept === undefined) return yield* mismatch(wrong)
  yield* place.setAside
  return [(at) => ({ kind: "rollback.accepted", at, reason: accept, found: wrong, checkpoint: found.newest?.note ?? null, key })]
})

export interface Keeper {
  readonly signer: Signer
  /** Signs and keeps what the ledger is now; nothing happens when that is done already. */
  readonly write: Effect.Effect<void, StoreUnavailable>
  /** As `write`, until it works. */
  readonly written: Effect.Effect<void>
  /** The ledger has grown. */
  readonly grown: () => void
  readonly view: () => EvidenceView
  readonly notes: Effect.Effect<ReadonlyArray<string>, StoreUnavailable>
}

export const makeKeeper = Effect.fnUntraced(function*(
  { pace, place, sha256 }: KeeperOptions, { newest, signer }: Pick<Outside, "newest" | "signer">, ledger: Ledger
): Effect.fn.Return<Keeper, never, Scope.Scope> {
  let covered = newest?.size ?? -1
  let at: number | null = null
  let problem: string | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  const oneAtATime = Semaphore.makeUnsafe(1)

  const write: Keeper["write"] = oneAtATime.withPermit(Effect.suspend(() => {
    const head = ledger.head()
    if (head.size === covered) return Effect.void
    clearTimeout(timer)
    timer = undefined
    return place.append(sign(sha256, signer, head).note).pipe(
      Effect.andThen(Clock.currentTimeMillis),
      Effect.map((now) => {
        covered = head.size
        at = now
        problem = null
        if (ledger.size() !== covered) grown()
      }),
      Effect.tapError(({ reason }) => Effect.suspend(() => {
        const isNew = problem === null
        problem = reason
        return isNew ? Effect.logError(`${reason}; nothing weighty is acknowledged until they can`) : Effect.void
      }))
    )
  }))

  const attempt = (): void => {
    timer = undefined
    Effect.runFork(Effect.catch(write, () => Effect.sync(grown)))
  }

  const grown = (): void => {
    if (ledger.size() - covered >= pace.entries && problem === null) return attempt()
    timer ??= setTimeout(attempt, pace.millis).unref()
  }

  const written: Effect.Effect<void> = Effect.catch(write, () => Effect.andThen(Effect.sleep(appendRepeatMillisMax), Effect.suspend(() => written)))

  yield* Effect.addFinalizer(() => Effect.suspend(() => {
    clearTimeout(timer)
    // What failed until now is tried once more, and told.
    return Effect.ignore(write)
  }))

  return {
    signer,
    write,
    written,
    grown,
    notes: place.notes,
    view: () => ({ where: place.where, key: keyText(signer.publicKey), size: ledger.size(), covered: Math.max(0, covered), at, problem })
  }
})

/** Risks whose calls and receipts are covered before anybody hears of them. */
const isHigh = (risk: string | undefined): boolean => risk === "high" || risk === "irreversible"

/**
 * Whether a batch holds what must be covered by a checkpoint before it is acknowledged: the start and the outcome of what
 * is risky, the end of authority, a policy, and a snapshot, which is of use only when a checkpoint covers it.
 */
export const isWeighty = (entries: ReadonlyArray<Placed>, before: AuthorityState, after: AuthorityState): boolean =>
  entries.some(({ entry }) => {
    switch (entry.kind) {
      case "action.decided":
        return entry.warrant.state === "started" && isHigh(entry.warrant.risk)
      case "warrant.started":
      case "warrant.finished":
        return isHigh((lookup(after.warrants, entry.warrant) ?? lookup(before.warrants, entry.warrant))?.risk)
      case "grants.ended":
        return entry.reason === "revoked"
      case "token.revoked":
      case "policy.activated":
      case "snapshot.taken":
      case "checkpoints.started":
      case "rollback.accepted":
        return true
      default:
        return false
    }
  })

