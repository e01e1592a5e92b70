// Whose code a module is decides where it may run; what it asks for beyond its approval, and who signed it.
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { newSigningKey } from "../../kernel/guard/tokens.ts"
import { moduleFilesOf } from "../../kernel/tier/files.ts"
import { listed, publisherOf, signedManifestOf, signManifest } from "../../kernel/tier/signature.ts"
import { asksOf } from "../../protocol/asks.ts"
import { emptyManifest } from "../../protocol/manifest.ts"
import type { Tier } from "../../protocol/tier.ts"
import { launchProject, project, tiersHere, type Project, type RunningProject } from "../kit/tiers.ts"

const source = (id: string, reads: ReadonlyArray<string> = []): string => `
import { defineModule } from "aaax"
export default defineModule({ id: ${JSON.stringify(id)}, reads: ${JSON.stringify(Object.fromEntries(reads.map((name) => [name, name])))}, run: ({ signal }) => signal.aborted || new Promise((done) => signal.addEventListener("abort", done)) })
`
const channels = [{ name: "news" }, { name: "secrets" }]
const entry = (file: string, more: object = {}) => ({ channels, modules: [{ id: "guest", file, framework: "esm", ...more }] })
const rejection = (reason: RegExp) => ({ _tag: "ModuleRejected", reason: expect.stringMatching(reason) })
const loaded = async ({ kernel }: RunningProject) =>
  (await Effect.runPromise(kernel.audit(0, 1_000))).filter(({ kind }) => kind === "module.loaded").map(({ payload }) => payload as Record<string, unknown>)

describe("a module", () => {
  let folder: Project
  let missing: ReadonlyMap<Tier, string>
  let bestTier: Tier
  beforeAll(async () => {
    missing = (await tiersHere()).missing
    bestTier = missing.has("jail") ? "process" : "jail"
    folder = project()
    folder.write("own.js", source("own"))
    folder.write("node_modules/guest/package.json", `{ "name": "guest", "main": "main.js" }`)
    folder.write("node_modules/guest/main.js", `import { name } from "./lib.js"\nimport { defineModule } from "aaax"\nexport default defineModule({ id: name, run: ({ signal }) => signal.aborted || new Promise((done) => signal.addEventListener("abort", done)) })`)
    folder.write("node_modules/guest/lib.js", `export const name = "guest"`)
  })
  afterAll(() => folder.remove())
  const weak = () => (missing.has("jail") ? { isolation: { allowWeakIsolation: true } } : {})
  const within = async (running: Promise<RunningProject>, look: (running: RunningProject) => unknown): Promise<void> => {
    const one = await running
    try {
      await look(one)
    } finally {
      await one.close()
    }
  }

  it("that is an installed package is third party: it runs in the strongest tier, which the journal says", () =>
    within(launchProject(folder.path, { ...entry("guest"), ...weak() }), async (running) => {
      expect(running.kernel.modules()).toMatchObject([{ id: "guest", tier: bestTier, trust: "third", file: join(folder.path, "node_modules/guest/main.js") }])
      expect(await loaded(running)).toMatchObject([{ module: "guest", isolation: { tier: bestTier, trust: "third" }, asks: { reads: [], tier: bestTier } }])
    }))

  it("of the project is first party, unless its path leads out of it", async () => {
    symlinkSync(join(folder.path, "node_modules/guest/main.js"), join(folder.path, "looks-own.js"))
    await within(launchProject(folder.path, { modules: [{ id: "own", file: "own.js" }] }), ({ kernel }) =>
      expect(kernel.modules()).toMatchObject([{ id: "own", tier: "in-process", trust: "first" }]))
    await expect(launchProject(folder.path, entry("looks-own.js", { tier: "in-process" }))).rejects.toMatchObject(rejection(/third-party code/u))
  })

  it("of a third party is refused below its floor, and where there is no jail, with what would help", async () => {
    await expect(launchProject(folder.path, entry("guest", { tier: "process" }), { tools: {} })).rejects.toMatchObject(rejection(/needs tier 'jail'|runs in tier 'jail' or a stronger one/u))
    await expect(launchProject(folder.path, entry("guest"), { tools: { bwrap: undefined } })).rejects.toMatchObject(
      rejection(/needs tier 'jail', and that is not available here: bubblewrap \(bwrap\) is not installed\. To mend it: install bubblewrap .* isolation\.allowWeakIsolation/u))
    await expect(launchProject(folder.path, entry("guest"), { tools: { bwrap: "/bin/false" } })).rejects.toMatchObject(rejection(/a jail that was tried here did not work/u))
    await expect(launchProject(folder.path, entry("guest", { tier: "jail" }), { tools: { bwrap: undefined } })).rejects.toMatchObject(rejection(/tier 'jail' is not available here/u))
  })

  it("may run below its floor when the config takes the risk, which is journalled and shown", () =>
    within(launchProject(folder.path, { ...entry("guest"), isolation: { allowWeakIsolation: true } }, { tools: { bwrap: undefined } }), async (running) => {
      expect(running.kernel.modules()).toMatchObject([{ id: "guest", tier: "process", trust: "third", weak: true }])
      expect(await loaded(running)).toMatchObject([{ isolation: { tier: "process", trust: "third", weak: true } }])
    }))

  it("that a system asks for is third party, though its file lies in the project", () =>
    within(launchProject(folder.path, { channels, modules: [] }, { tools: { bwrap: undefined } }), async ({ kernel }) => {
      const { port } = await Effect.runPromise(kernel.dock({ manifest: { ...emptyManifest("boss"), privileged: true }, run: () => Effect.never }))
      await Effect.runPromise(port.append("aaax.module-loader", [{ payload: { module_id: "own", file: join(folder.path, "own.js") } }]))
      const replies = await Effect.runPromise(Effect.andThen(port.awaitBeyond("aaax.kernel-replies", 0), port.read("aaax.kernel-replies")))
      expect(replies.events[0]).toMatchObject({ kind: "module_rejected" })
      expect(JSON.stringify(replies.events[0]!.payload)).toMatch(/third-party code/u)
    }))

  it("from another machine, pinned to another digest, or with a file that is missing is refused before it runs", async () => {
    await expect(launchProject(folder.path, entry("https://example.org/module.js"))).rejects.toMatchObject(rejection(/is on another machine, and nothing is loaded from there/u))
    await expect(launchProject(folder.path, entry("own.js", { digest: "0".repeat(64) }))).rejects.toMatchObject(rejection(/is pinned to 0{64}/u))
    folder.write("torn.js", `import "./gone.js"\n${source("torn")}`)
    await expect(launchProject(folder.path, entry("torn.js", { tier: "process" }))).rejects.toMatchObject(rejection(/torn\.js imports \.\/gone\.js, which is not among its files/u))
    const digest = createHash("sha256").update(source("own")).digest("hex")
    await within(launchProject(folder.path, { modules: [{ id: "own", file: "own.js", digest }] }), ({ kernel }) => expect(kernel.modules()[0]).toMatchObject({ digest }))
  })

  it("has no file read for it that is not its own, by whatever name it imports it", async () => {
    folder.write("secret.json", `"canary"`)
    folder.write("node_modules/guest/.token", "canary")
    symlinkSync(join(folder.path, "secret.json"), join(folder.path, "node_modules/guest/own.json"))
    for (const name of ["../../secret.json", join(folder.path, "secret.json"), "./own.json", "./.token"]) {
      const file = folder.write("node_modules/guest/reads.js", `import secret from ${JSON.stringify(name)}\n${source("guest")}`)
      expect(moduleFilesOf(file).map(({ path }) => path)).toEqual([file])
      await expect(launchProject(folder.path, { ...entry(file, { tier: "process" }), isolation: { allowWeakIsolation: true } })).rejects.toMatchObject(rejection(/which is not among its files/u))
    }
    const mine = folder.write("reads.js", `import secret from "./secret.json"\nimport "guest"\n${source("own")}`)
    expect(moduleFilesOf(mine, folder.path).map(({ path }) => path.slice(folder.path.length + 1))).toEqual(
      ["reads.js", "secret.json", "node_modules/guest/main.js", "node_modules/guest/lib.js"])
  })

  it("that was signed runs in a weaker tier for who trusts its publisher; not one byte of it may be another", async () => {
    const key = await newSigningKey()
    const file = folder.write("node_modules/signed/main.js", `import "./lib.js"\n${source("guest", ["news"])}`)
    const lib = folder.write("node_modules/signed/lib.js", "export const n = 1")
    const sign = (asks = asksOf([{ ...emptyManifest("guest"), reads: ["news"] }], [], "process")) =>
      writeFileSync(signedManifestOf(file), JSON.stringify(signManifest({ id: "guest", entry: "main.js", files: listed(moduleFilesOf(file)), asks }, key)))
    const trusting = { ...entry(file, { tier: "process" }), isolation: { publishers: [publisherOf(key)] } }
    sign()
    await within(launchProject(folder.path, trusting), ({ kernel }) => expect(kernel.modules()).toMatchObject([{ tier: "process", trust: "signed", weak: false }]))
    await expect(launchProject(folder.path, { ...trusting, isolation: { publishers: [publisherOf(await newSigningKey())] } })).rejects.toMatchObject(rejection(/third-party code/u))
    await expect(launchProject(folder.path, entry(file, { tier: "worker" }))).rejects.toMatchObject(rejection(/third-party code/u))

    writeFileSync(lib, "export const n = 2")
    await expect(launchProject(folder.path, trusting)).rejects.toMatchObject(rejection(/^lib\.js is another file than the one that was signed/u))
    folder.write("node_modules/signed/more.js", "export {}")
    writeFileSync(lib, `import "./more.js"\nexport const n = 1`)
    await expect(launchProject(folder.path, trusting)).rejects.toMatchObject(rejection(/another file than the one that was signed|does not list more\.js/u))
    writeFileSync(lib, "export const n = 1")
    const whole = readFileSync(signedManifestOf(file), "utf8")
    writeFileSync(signedManifestOf(file), whole.replace("\"privileged\":false", "\"privileged\":true"))
    await expect(launchProject(folder.path, trusting)).rejects.toMatchObject(rejection(/^the signature in .* does not hold/u))
    sign(asksOf([emptyManifest("guest")], [], "process"))
    await expect(launchProject(folder.path, trusting)).rejects.toMatchObject(rejection(/it asks for more than its publisher signed: reads: news/u))
  })

  it("that comes back asking for more waits for an approval, and asking for the same or less does not", async () => {
    const file = folder.write("node_modules/grows/main.js", source("guest", ["news"]))
    const store = join(folder.path, "grows/kernel.db")
    mkdirSync(dirname(store))
    const config = { ...entry(file, { tier: "process" }), isolation: { allowWeakIsolation: true } }
    const boot = () => launchProject(folder.path, config, { store })
    await within(boot(), ({ kernel }) => expect(kernel.systems()).toMatchObject([{ id: "guest", reads: expect.arrayContaining(["news"]) }]))
    writeFileSync(file, source("guest", ["news", "secrets"]))
    await within(boot(), async ({ kernel }) => {
      expect(kernel.systems()).toEqual([])
      expect(kernel.modules()).toMatchObject([{ id: "guest", needs: ["reads: secrets"] }])
      expect(await Effect.runPromise(kernel.approveModule("guest", "operator"))).toMatchObject({ id: "guest", status: "running" })
      expect(kernel.systems()).toMatchObject([{ id: "guest", reads: expect.arrayContaining(["news", "secrets"]) }])
      expect((await Effect.runPromise(kernel.audit(0, 1_000))).map(({ kind }) => kind)).toContain("module.approved")
    })
    await within(boot(), ({ kernel }) => expect(kernel.systems()).toMatchObject([{ id: "guest" }]))
    writeFileSync(file, source("guest", []))
    await within(boot(), ({ kernel }) => expect(kernel.systems()).toMatchObject([{ id: "guest" }]))
    // What it let go of it has to be given again.
    writeFileSync(file, source("guest", ["news"]))
    await within(boot(), ({ kernel }) => expect(kernel.modules()).toMatchObject([{ needs: ["reads: news"] }]))
  })
})
