// Bundles: evidence that goes to another machine, and the verifier that has nothing but the file. Whatever is changed in it
// is found, and the entry is named.
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { verifyBundle, verifyReceipt } from "../../bin/aaax-verify.ts"
import { withEvidence } from "../../bin/evidence/source.ts"
import { canonical } from "../../kernel/guard/canonical.ts"
import { sha256Hex } from "../../kernel/power/digest.ts"
import { launch, promised } from "../../kernel/host.ts"
import { bundleOf, flipBundle, live, makeSite, siteOptions, type Site } from "../kit/evidence.ts"
import { makeRandom } from "../kit/random.ts"

describe("a bundle of evidence", () => {
  let site: Site
  let warrant: string
  let receipts: { readonly decision: string; readonly execution: string | null }
  beforeAll(async () => {
    site = makeSite()
    await live(site)
    warrant = await live(site, async (kernel) => {
      const id = (await kernel.gate.list({ state: "succeeded" })).at(-1)!.id
      receipts = await promised(kernel.effect.evidence.receipts(id))
    })
  })
  afterAll(() => site.remove())

  it("holds the whole journal, and its root follows from the entries", async () => {
    const { summary, text } = await bundleOf(site, { bodies: true })
    const verdict = verifyBundle(text, { key: summary.key })
    expect(verdict.problems).toEqual([])
    expect(verdict).toMatchObject({ ok: true, entries: summary.entries, size: summary.entries })
    expect(summary).toMatchObject({ uncovered: 0, bodies: 2, erased: 0 })
    const report = await withEvidence({ directory: site.directory, json: true }, (source) => source.verify())
    expect(Buffer.from(report.root!, "base64").toString("hex")).toBe(verdict.root)
    expect(report).toMatchObject({ ok: true, bodies: { kept: 2, erased: 0 } })
    expect(report.checkpoints).toBeGreaterThan(3)
  })

  it("holds the entries of one action, each with its path to the signed root", async () => {
    const { summary, text } = await bundleOf(site, { wanted: ({ correlationId }) => correlationId === warrant, bodies: true })
    expect(summary.entries).toBeGreaterThanOrEqual(4)
    expect(summary.size).toBeGreaterThan(summary.entries)
    expect(verifyBundle(text, { key: summary.key })).toMatchObject({ ok: true, problems: [], entries: summary.entries, size: summary.size })
  })

  it("is refused when any byte of it is changed, and the entry is named", async () => {
    const random = makeRandom(40_111)
    for (const wanted of [undefined, ({ correlationId }: { readonly correlationId: string | null }) => correlationId === warrant]) {
      const { text } = await bundleOf(site, { bodies: true, ...(wanted === undefined ? {} : { wanted }) })
      const size = Buffer.byteLength(text)
      const flipped = flipBundle(text, Array.from({ length: 120 }, () => random.int(size)), () => 1 + random.int(255))
      expect(flipped).toEqual({ flips: 120, accepted: 0, misnamed: 0 })
    }
  })

  it("is refused when lines of it are removed, doubled, swapped, or cut off, or when another journal signed it", async () => {
    const { text } = await bundleOf(site, { bodies: true })
    const lines = text.slice(0, -1).split("\n")
    const joined = (changed: ReadonlyArray<string>): string => `${changed.join("\n")}\n`
    for (let at = 0; at < lines.length; at++) {
      expect(verifyBundle(joined(lines.toSpliced(at, 1))).ok, `without line ${at + 1}`).toBe(false)
      expect(verifyBundle(joined(lines.toSpliced(at, 0, lines[at]!))).ok, `with line ${at + 1} twice`).toBe(false)
      if (at > 0) expect(verifyBundle(joined(lines.with(at, lines[at - 1]!).with(at - 1, lines[at]!))).ok, `with line ${at + 1} before the one before it`).toBe(false)
    }
    const other = makeSite()
    await live(other)
    const { summary } = await bundleOf(other, { bodies: false })
    expect(verifyBundle(text, { key: summary.key }).problems[0]).toContain("it is signed with the key")
    other.remove()
  })

  it("is refused in another spelling that says the same", async () => {
    const { text } = await bundleOf(site, { bodies: true })
    const spellings: ReadonlyArray<(line: string) => string> = [
      (line) => line.replace("{", "{ "), (line) => line.replace('"kind"', '"\\u006bind"'), (line) => line.replace(/"index":(\d+)/u, '"index":$1.0'),
      (line) => JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(line) as Readonly<Record<string, object>>).map(([key, value]) => [key, Object.fromEntries(Object.entries(value).reverse())])))
    ]
    for (const spell of spellings) {
      const lines = text.split("\n")
      expect(spell(lines[4]!)).not.toBe(lines[4])
      expect(verifyBundle(lines.with(4, spell(lines[4]!)).join("\n"))).toMatchObject({ ok: false, firstBad: 4 })
    }
  })

  it("is refused when an entry was edited and everything behind it hashed anew", async () => {
    const { text } = await bundleOf(site, { bodies: false })
    let prev = ""
    const lines = text.split("\n").map((line) => {
      if (!line.startsWith('{"entry"')) return line
      const { entry } = JSON.parse(line) as { readonly entry: { readonly cursor: number; readonly kind: string; readonly payload: object } }
      const payload = entry.cursor === 6 ? { ...entry.payload, at: 1 } : entry.payload
      const hash = sha256Hex(`${prev}\n${entry.kind}\n${canonical(payload)}`)
      const changed = canonical({ entry: { ...entry, payload, prev, hash } })
      prev = hash
      return changed
    })
    const { firstBad, ok, problems } = verifyBundle(lines.join("\n"))
    expect({ ok, problems }).toMatchObject({ ok: false, problems: [expect.stringContaining("are not those that were signed")] })
    expect(firstBad).toBeLessThanOrEqual(6)
  })

  it("is held against checkpoints that were kept elsewhere", async () => {
    const kept = readFileSync(join(site.directory, ".aaax/checkpoints/kernel.db/journal.checkpoints"), "utf8")
    const { text } = await bundleOf(site, { bodies: false })
    expect(verifyBundle(text, { checkpoints: kept }).problems).toEqual([])
    await live(site)
    const later = readFileSync(join(site.directory, ".aaax/checkpoints/kernel.db/journal.checkpoints"), "utf8")
    expect(verifyBundle(text, { checkpoints: later }).problems[0]).toContain("later ones are missing")
  })

  it("goes with receipts that are signed for themselves and are found in it", async () => {
    const { summary, text } = await bundleOf(site, { bodies: false })
    const { decision, execution } = receipts
    expect(verifyReceipt(decision, summary.key, text)).toMatchObject({ ok: true, claims: { receipt: "decision", request: warrant, decision: "approved", kernel: "site" } })
    expect(verifyReceipt(execution!, summary.key, text)).toMatchObject({ ok: true, claims: { receipt: "execution", request: warrant, outcome: "succeeded" } })
    for (let at = 0; at < decision.length; at += 5) {
      const changed = `${decision.slice(0, at)}${decision[at] === "A" ? "B" : "A"}${decision.slice(at + 1)}`
      expect(verifyReceipt(changed, summary.key).ok, `changed at ${at}`).toBe(false)
    }
    const other = await bundleOf(site, { wanted: ({ kind }) => kind === "kernel.booted", bodies: false })
    expect(verifyReceipt(decision, summary.key, other.text).problems[0]).toContain("is not in the bundle")
  })

  it("stays sound when bodies are erased, and says that they are", async () => {
    const kernel = await launch(siteOptions(site))
    try {
      const head = kernel.effect.channels.store.statisticsOf("aaax.action-gate")!.head
      await promised(kernel.effect.channels.store.evict("aaax.action-gate", head - 1))
      const report = await promised(kernel.effect.verifyAudit)
      expect(report).toMatchObject({ ok: true, problems: [], bodies: { kept: 1, erased: 2 } })
    } finally {
      await kernel.close()
    }
    const { summary, text } = await bundleOf(site, { bodies: true })
    expect(summary).toMatchObject({ bodies: 1, erased: 2 })
    expect(verifyBundle(text).problems).toEqual([])
    rmSync(site.db, { force: true })
  })
})
