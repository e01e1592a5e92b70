// What `aaax audit` does with evidence: checks it, proves one entry, writes a bundle for another machine, and takes a store
// back that was rolled back on purpose.
import * as Effect from "effect/Effect"
import { closeSync, openSync, writeSync } from "node:fs"
import { resolve } from "node:path"
import { type BundleOptions, type BundleSummary, writeBundle } from "../../kernel/authority/evidence/bundle.ts"
import { acceptRollback } from "../../kernel/launch.ts"
import { sha256Bytes } from "../../kernel/power/digest.ts"
import { StoreCorrupt } from "../../protocol/errors.ts"
import { bytesOfBase64 } from "../../kernel/authority/evidence/checkpoint.ts"
import { hexOf } from "../../kernel/authority/evidence/merkle.ts"
import type { AuditReport } from "../../protocol/view.ts"
import { verifyBundle } from "../aaax-verify.ts"
import { type Called, show, sinceOf } from "../called.ts"
import { NotFound, UsageError } from "../failure.ts"
import { loadConfig } from "../load-config.ts"
import { refuseSecond } from "../run-file.ts"
import { ago, err, onErr, out, plain } from "../terminal.ts"
import { type EvidenceSource, withEvidence } from "./source.ts"

const promised = <A>(work: () => Promise<A>): Effect.Effect<A, Error> =>
  Effect.tryPromise({ try: work, catch: (failure) => (failure instanceof Error ? failure : new Error(String(failure))) })

const told = (report: AuditReport): ReadonlyArray<string> => {
  const { bodies, chainHead, checkpoints, entries, evidence, problems, root } = report
  return [
    report.ok ? `ok  ${entries} entries, chain head ${chainHead}` : `not ok  ${entries} entries`,
    ...problems.map((problem) => `  ${plain(problem)}`),
    ...(root === undefined ? [] : [`root         ${hexOf(bytesOfBase64(root) ?? new Uint8Array(0))}`]),
    ...(evidence === undefined ? ["checkpoints  none: the store dies with its kernel"] : [
      `checkpoints  ${checkpoints ?? 0} in ${evidence.where}${evidence.at === null ? "" : `, the newest ${ago(Date.now() - evidence.at)} ago`}`,
      `key          ${evidence.key}`,
      ...(evidence.problem === null ? [] : [`  ${plain(evidence.problem)}`])
    ]),
    ...(bodies === undefined ? [] : [`bodies       ${bodies.kept} kept, ${bodies.erased} erased`])
  ]
}

export const verify = Effect.fnUntraced(function*(called: Called): Effect.fn.Return<void, Error> {
  const report = yield* promised(() => withEvidence(called, (source) => source.verify()))
  yield* show(called, report, () => told(report))
  if (!report.ok) return yield* Effect.fail(new StoreCorrupt({ where: "the journal", reason: report.problems[0] ?? "its chain does not hold" }))
})

export interface ExportFlags {
  readonly since?: string
  readonly warrant?: string
  readonly all?: boolean
  readonly bodies?: boolean
  readonly out?: string
}

const wantedOf = Effect.fnUntraced(function*({ all, since, warrant }: ExportFlags): Effect.fn.Return<BundleOptions["wanted"], UsageError> {
  if (all === true && (since !== undefined || warrant !== undefined)) return yield* new UsageError({ reason: "--all cannot be combined with --since or --warrant." })
  if (since === undefined && warrant === undefined) return undefined
  const from = since === undefined ? 0 : yield* sinceOf(since, Date.now())
  return ({ correlationId, payload }) =>
    (payload as { readonly at: number }).at >= from && (warrant === undefined || correlationId?.startsWith(warrant) === true)
})

/** Into a file that nobody else reads, or to standard output. */
const written = async (source: EvidenceSource, options: BundleOptions, file: string | undefined): Promise<{ readonly summary: BundleSummary; readonly text: string }> => {
  const lines: Array<string> = []
  const summary = await writeBundle(source, sha256Bytes, options, (line) => void lines.push(line))
  const text = `${lines.join("\n")}\n`
  if (file !== undefined) {
    const descriptor = openSync(file, "w", 0o600)
    try {
      writeSync(descriptor, text)
    } finally {
      closeSync(descriptor)
    }
  }
  return { summary, text }
}

export const exportBundle = Effect.fnUntraced(function*(called: Called, flags: ExportFlags): Effect.fn.Return<void, Error> {
  const wanted = yield* wantedOf(flags)
  const options: BundleOptions = { bodies: flags.bodies ?? false, ...(wanted === undefined ? {} : { wanted }) }
  const file = flags.out === undefined ? undefined : resolve(flags.out)
  const { summary, text } = yield* promised(() => withEvidence(called, (source) => written(source, options, file)))
  if (summary.entries === 0) return yield* Effect.fail(new NotFound({ what: "an entry like that" }))
  if (file === undefined) return yield* Effect.promise(() => out(text.slice(0, -1)))
  yield* show(called, { ...summary, out: file }, () => [
    `${summary.entries} entries of ${summary.size}, ${summary.checkpoints} checkpoints, ${summary.bodies} bodies${summary.erased === 0 ? "" : ` (${summary.erased} erased)`}`,
    `to   ${file}`,
    `key  ${summary.key}`,
    ...(summary.uncovered === 0 ? [] : [`${summary.uncovered} newer entries are behind the newest checkpoint; launch the kernel to have them covered`])
  ])
  if (!called.json) err(onErr.dim(`elsewhere: aaax-verify ${flags.out} --key ${summary.key}`))
})

export const prove = Effect.fnUntraced(function*(called: Called, cursor: number, file: string | undefined): Effect.fn.Return<void, Error> {
  const { summary, text } = yield* promised(() =>
    withEvidence(called, (source) => written(source, { wanted: (event) => event.cursor === cursor, bodies: false }, file === undefined ? undefined : resolve(file))))
  if (summary.entries === 0) return yield* Effect.fail(new NotFound({ what: `entry #${cursor} among the ${summary.size} that are signed` }))
  const verdict = verifyBundle(text)
  const { entry } = JSON.parse(text.split("\n")[1] ?? "{}") as { readonly entry: { readonly kind: string; readonly hash: string; readonly index: number; readonly path: ReadonlyArray<string> } }
  const proof = { ok: verdict.ok, cursor, index: entry.index, kind: entry.kind, hash: entry.hash, path: entry.path, size: verdict.size, root: verdict.root, key: verdict.key }
  yield* show(called, proof, () => [
    `${verdict.ok ? "ok" : "not ok"}  #${cursor} ${entry.kind} is entry ${entry.index + 1} of the ${verdict.size} that were signed`,
    `hash  ${entry.hash}`, ...entry.path.map((part) => `path  ${part}`), `root  ${verdict.root}`, `key   ${verdict.key}`
  ])
  if (!verdict.ok) return yield* Effect.fail(new StoreCorrupt({ where: "the journal", reason: verdict.problems[0] ?? "it cannot be proved" }))
})

export const accept = Effect.fnUntraced(function*(called: Called, reason: string): Effect.fn.Return<void, Error> {
  if (reason.trim() === "") return yield* Effect.fail(new UsageError({ reason: "--reason must say why; it is kept in the journal for good." }))
  const { directory } = called
  yield* refuseSecond(directory)
  const { config } = yield* loadConfig({ directory })
  yield* acceptRollback({ config, directory }, reason)
  yield* show(called, { accepted: true, reason }, () => ["The journal is taken as it is. The reason, and what was found, are its newest entry; the earlier checkpoints were put aside."])
})

/** Signed receipts of an action, one per line: of the verdict, and of the outcome when there is one. */
export const receipt = Effect.fnUntraced(function*(called: Called, id: string): Effect.fn.Return<void, Error> {
  const { connect } = yield* Effect.promise(() => import("../run-file.ts"))
  const client = yield* connect(called.directory)
  const receipts = yield* client.call("receipts", { id })
  yield* show(called, receipts, () => [receipts.decision, ...(receipts.execution === null ? [] : [receipts.execution])])
})
