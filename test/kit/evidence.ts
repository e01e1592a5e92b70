// A constellation on disk with a history that has something of everything, and the bundles that come out of it: for tests of
// evidence, and for the torture that goes through all bytes.
import * as Effect from "effect/Effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { verifyBundle } from "../../bin/aaax-verify.ts"
import { withEvidence } from "../../bin/evidence/source.ts"
import { type BundleOptions, type BundleSummary, writeBundle } from "../../kernel/authority/evidence/bundle.ts"
import { launch, type HostKernel, type HostOptions } from "../../kernel/host.ts"
import { sha256Bytes } from "../../kernel/power/digest.ts"
import type { Executor } from "../../protocol/executor.ts"
import { awaitReply, probe, requestAction, tokenFor } from "./probe.ts"

/** Says what it was given; nothing can take it back. */
const blow: Executor = { name: "blow", description: "", risk: "irreversible", recovery: "none", perform: ({ payload }) => Effect.succeed({ blew: payload }) }

export interface Site {
  readonly directory: string
  readonly db: string
  readonly remove: () => void
}

export const makeSite = (): Site => {
  const directory = mkdtempSync(join(tmpdir(), "aaax-evidence-"))
  writeFileSync(join(directory, "aaax.config.json"), JSON.stringify({ id: "site", modules: [], policy: "default" }))
  return { directory, db: join(directory, ".aaax/kernel.db"), remove: () => rmSync(directory, { recursive: true, force: true }) }
}

export const siteOptions = ({ directory }: Pick<Site, "directory">): HostOptions => ({ directory, id: "site", policy: "default", executors: [blow] })

/** Asks for an irreversible action, has it approved, and answers its id when it is done. */
export const blowUp = (kernel: HostKernel, payload: unknown, system = "worker"): Promise<string> =>
  Effect.runPromise(Effect.gen(function*() {
    const port = yield* probe(kernel.effect, system, { executors: ["blow"] })
    const id = yield* requestAction(port, { action: "x", executor: "blow", target: "t", payload, capability: yield* tokenFor(port, "blow"), risk_level: "low" })
    yield* awaitReply(port, id, "action_escalated")
    yield* kernel.effect.gate.approve(id, "operator", { reason: "é — it is “fine”" })
    yield* awaitReply(port, id)
    return id
  }).pipe(Effect.orDie))

/** Runs a kernel there, with some history, and ends it. */
export const live = async (site: Site, use: (kernel: HostKernel) => Promise<void> = async () => {}): Promise<string> => {
  const kernel = await launch(siteOptions(site))
  try {
    await kernel.tokens.mint({ name: "ada", role: "read" })
    const id = await blowUp(kernel, { n: 1.5, text: "ü\n" }, `worker-${kernel.status().boot}`)
    await kernel.tokens.revoke("ada")
    await use(kernel)
    return id
  } finally {
    await kernel.close()
  }
}

export const bundleOf = ({ directory }: Pick<Site, "directory">, options: BundleOptions): Promise<{ readonly text: string; readonly summary: BundleSummary }> =>
  withEvidence({ directory, json: true }, async (source) => {
    const lines: Array<string> = []
    const summary = await writeBundle(source, sha256Bytes, options, (line) => void lines.push(line))
    return { text: `${lines.join("\n")}\n`, summary }
  })

export interface Flips {
  readonly flips: number
  readonly accepted: number
  /** Flips within an entry's line after which another entry was named, or none. */
  readonly misnamed: number
}

/** Flips bytes of a bundle one by one; `bits`: what a byte at this place is changed by. */
export const flipBundle = (text: string, places: Iterable<number>, bits: (place: number) => number): Flips => {
  const bytes = Buffer.from(text)
  const cursors = text.split("\n").map((line) => /^\{"entry":\{"cursor":(\d+),/u.exec(line)?.[1]).map((cursor) => (cursor === undefined ? undefined : Number(cursor)))
  const lineAt = new Uint32Array(bytes.length)
  for (let at = 0, line = 0; at < bytes.length; at++) {
    lineAt[at] = line
    if (bytes[at] === 10) line++
  }
  let flips = 0
  let accepted = 0
  let misnamed = 0
  for (const place of places) {
    const before = bytes[place]!
    bytes[place] = before ^ bits(place)
    const { firstBad, ok } = verifyBundle(bytes.toString("utf8"))
    bytes[place] = before
    flips++
    if (ok) accepted++
    const cursor = cursors[lineAt[place]!]
    if (cursor !== undefined && firstBad !== cursor) misnamed++
  }
  return { flips, accepted, misnamed }
}
