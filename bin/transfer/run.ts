// `aaax import sssn` and `aaax export`: moves things, and tells what was moved.
import * as Effect from "effect/Effect"
import { closeSync, openSync, writeSync } from "node:fs"
import { resolve } from "node:path"
import { LocalStore } from "../../kernel/store/local.ts"
import { patternOf } from "../../protocol/routes.ts"
import { type Called, show } from "../called.ts"
import { out, err, onErr, table } from "../terminal.ts"
import { directorySink, type Exported, exportTo, lineSink } from "./export.ts"
import { importDirectory } from "./import.ts"
import { withResident } from "./resident.ts"
import { compare, type Compared } from "./verify.ts"

const promised = <A>(work: () => Promise<A>): Effect.Effect<A, Error> =>
  Effect.tryPromise({ try: work, catch: (failure) => (failure instanceof Error ? failure : new Error(String(failure))) })

/** What was compared is not the same on both sides. */
export class ImportDiffers extends Error {
  override readonly name = "ImportDiffers"
}

const comparedLines = (compared: ReadonlyArray<Compared>): ReadonlyArray<string> =>
  table(["VERIFIED", "DIRECTORY", "KERNEL", "DIGEST", ""], compared.map(({ digestInDirectory, digestInKernel, inDirectory, inKernel, isSame, what }) => [
    what, String(inDirectory), String(inKernel), digestInDirectory.slice(0, 16), isSame ? "same" : `differs: ${digestInKernel.slice(0, 16)}`
  ]))

const showProgress = (done: number): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r${onErr.dim(`${done} events`)} `)
}

export const importSssn = Effect.fnUntraced(function*(called: Called, directory: string, verify: boolean): Effect.fn.Return<void, Error> {
  const { compared, imported, where } = yield* promised(async () => {
    const store = new LocalStore(directory, { readOnly: true })
    try {
      return await withResident(called, async ({ desk, where: place }) => ({
        where: place, imported: await importDirectory(desk, store, showProgress), compared: verify ? await compare(desk, store) : undefined
      }))
    } finally {
      store.close()
    }
  })
  if (process.stderr.isTTY) err("")
  const { newer, ...tallies } = imported
  yield* show(called, { directory: resolve(directory), into: where, ...imported, ...(compared === undefined ? {} : { verified: compared }) }, () => [
    ...table(["", "IMPORTED", "THERE"], Object.entries(tallies).map(([what, { made, there }]) => [what, String(made), String(there)])),
    ...(newer.length === 0 ? [] : [`Newer in the kernel, and left as they are: ${newer.join(", ")}`]),
    ...(compared === undefined ? [] : ["", ...comparedLines(compared)])
  ])
  if (!called.json) err(onErr.dim(`into ${where}`))
  const different = (compared ?? []).filter(({ isSame }) => !isSame)
  // A snapshot or subscription that went on in the kernel is no mistake of the import; it is told, and the exit code says it.
  if (different.length > 0) yield* Effect.fail(new ImportDiffers(`Not the same on both sides: ${different.map(({ what }) => what).join(", ")}.`))
})

export interface ExportFlags {
  readonly out?: string
  readonly channel?: string
  readonly ndjson: boolean
}

/** A file is written as it comes; stdout at the pace of its reader. */
const exportLines = async (called: Called, file: string | undefined, wanted: (name: string) => boolean): Promise<Exported> => {
  if (file === undefined) {
    const lines: Array<string> = []
    const exported = await withResident(called, ({ desk }) => exportTo(desk, lineSink((line) => void lines.push(line)), wanted))
    for (const line of lines) await out(line)
    return exported
  }
  const descriptor = openSync(file, "w", 0o600)
  try {
    return await withResident(called, ({ desk }) => exportTo(desk, lineSink((line) => void writeSync(descriptor, `${line}\n`)), wanted))
  } finally {
    closeSync(descriptor)
  }
}

const exportDirectory = async (called: Called, directory: string, wanted: (name: string) => boolean): Promise<Exported> =>
  withResident(called, async ({ desk }) => {
    const store = new LocalStore(directory, { artifactBytesMax: 2 ** 31 - 1 })
    try {
      return await exportTo(desk, directorySink(store), wanted)
    } finally {
      store.close()
    }
  })

export const exportSssn = Effect.fnUntraced(function*(called: Called, { channel, ndjson, out: target }: ExportFlags): Effect.fn.Return<void, Error> {
  const pattern = channel === undefined ? undefined : patternOf(channel)
  const wanted = (name: string): boolean => pattern?.test(name) ?? true
  const exported = yield* promised(() => (ndjson ? exportLines(called, target, wanted) : exportDirectory(called, target ?? ".sssn", wanted)))
  // The lines are the data; what was counted is for the person.
  if (ndjson && target === undefined) return
  yield* show(called, { ...exported, out: resolve(target ?? ".sssn") }, () => [
    ...table(["", "EXPORTED"], Object.entries(exported).map(([what, count]) => [what, String(count)])), `to ${resolve(target ?? ".sssn")}`
  ])
})
