// `aaax module sign` and `verify`: who published a module, what every file of it is, and what it asks for.
import * as Effect from "effect/Effect"
import { renameSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { basename, join, resolve } from "node:path"
import { membersOf, readWhole } from "../kernel/dock/composite.ts"
import { keyFile } from "../kernel/power/token-key.ts"
import { digestOf, javaScriptOf, moduleFilesOf, type ModuleFile } from "../kernel/tier/files.ts"
import { listed, publisherOf, readSigned, signedManifestOf, signManifest, type SignedManifest } from "../kernel/tier/signature.ts"
import { makeTiers } from "../kernel/tier/tiers.ts"
import { asksOf, type Asks } from "../protocol/asks.ts"
import { ModuleRejected, type DockRefused, type StoreUnavailable } from "../protocol/errors.ts"
import type { Tier } from "../protocol/tier.ts"
import { type Called, show } from "./called.ts"

const rejected = (module: string) => (error: unknown): ModuleRejected =>
  new ModuleRejected({ module, reason: error instanceof Error ? error.message : String(error) })

const filesOf = (file: string): Effect.Effect<ReadonlyArray<ModuleFile>, ModuleRejected> =>
  Effect.try({ try: () => moduleFilesOf(file), catch: rejected(file) })

/** What it says of itself, once it was started in a process of its own. */
const asked = (file: string, files: ReadonlyArray<ModuleFile>, tier: Tier): Effect.Effect<{ readonly id: string; readonly asks: Asks }, ModuleRejected | DockRefused> =>
  Effect.scoped(Effect.gen(function*() {
    const tiers = yield* Effect.acquireRelease(Effect.sync(() => makeTiers()), ({ close }) => Effect.sync(close))
    const missing = yield* Effect.promise(() => tiers.unavailable("process"))
    if (missing !== undefined) return yield* new ModuleRejected({ module: file, reason: `it cannot be read in a process of its own: ${missing}` })
    const { system } = yield* Effect.tryPromise({
      try: async () => tiers.open("process", undefined, { is: "module", load: { frame: "load", file, files: await javaScriptOf(files), settings: {} } }, {}),
      catch: rejected(file)
    })
    const members = membersOf(yield* readWhole(system))
    return {
      id: system.manifest.id,
      asks: asksOf(members.map(({ manifest }) => manifest), members.flatMap(({ executors = [] }) => executors.map(({ name }) => name)), tier)
    }
  }))

/** The publisher's key of this user, made at its first use. */
export const publisherKey = join(homedir(), ".config", "aaax", "publisher-key.jwk")

const lines = ({ asks, files, id, publisher }: SignedManifest): ReadonlyArray<string> => [
  `module     ${id}`,
  `publisher  ${publisher}`,
  `files      ${Object.keys(files).length}`,
  ...Object.entries(asks).flatMap(([what, of]) =>
    Array.isArray(of) ? (of.length === 0 ? [] : [`${what.padEnd(10)} ${of.join(", ")}`]) : of === false ? [] : [`${what.padEnd(10)} ${String(of)}`])
]

export const sign = Effect.fnUntraced(function*(
  called: Called, name: string, flags: { readonly key?: string; readonly tier?: Tier }
): Effect.fn.Return<void, ModuleRejected | DockRefused | StoreUnavailable> {
  const file = resolve(name)
  const files = yield* filesOf(file)
  const { asks, id } = yield* asked(file, files, flags.tier ?? "jail")
  const key = yield* keyFile(resolve(flags.key ?? publisherKey), "publisher key")
  const signed = signManifest({ id, entry: basename(file), files: listed(files), asks }, key)
  const path = signedManifestOf(file)
  yield* Effect.try({
    try: () => {
      writeFileSync(`${path}.part`, `${JSON.stringify(signed, undefined, 2)}\n`)
      renameSync(`${path}.part`, path)
    },
    catch: rejected(file)
  })
  yield* show(called, { file: path, digest: digestOf(files), manifest: signed }, () => [
    ...lines(signed), `digest     ${digestOf(files)}`, `written    ${path}`,
    `A config that trusts it: isolation: { publishers: ["${publisherOf(key)}"] }`
  ])
})

export const verify = Effect.fnUntraced(function*(called: Called, name: string, publisher: string | undefined): Effect.fn.Return<void, ModuleRejected> {
  const file = resolve(name)
  const files = yield* filesOf(file)
  const signed = yield* Effect.try({ try: () => readSigned(files), catch: rejected(file) })
  if (signed === undefined) return yield* new ModuleRejected({ module: file, reason: `it is not signed: there is no ${signedManifestOf(file)}` })
  if (typeof signed === "string") return yield* new ModuleRejected({ module: file, reason: signed })
  if (publisher !== undefined && publisher !== signed.publisher) return yield* new ModuleRejected({ module: file, reason: `it was signed by ${signed.publisher}` })
  yield* show(called, { ok: true, digest: digestOf(files), manifest: signed }, () => ["its signature holds, and every file is the one that was signed", ...lines(signed), `digest     ${digestOf(files)}`])
})
