// Begins a project: a config, a module and its test. Nothing that is there is overwritten.
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { basename, dirname, join, relative, resolve, sep } from "node:path"
import { createInterface } from "node:readline/promises"
import { fileURLToPath } from "node:url"
import { version } from "../../kernel/version.ts"
import { type Called, show } from "../called.ts"
import { type NotLaunched, UsageError, WouldOverwrite } from "../failure.ts"
import { needed } from "../home.ts"
import { onErr, err, plain } from "../terminal.ts"
import { filesOf, type Template } from "./templates.ts"

export interface InitFlags {
  readonly template: Template
  /** Asks nothing. */
  readonly yes: boolean
}

/** A name that a package may have, from that of a folder. */
const packageName = (folder: string): string =>
  basename(folder).toLowerCase().replace(/[^a-z0-9._-]+/gu, "-").replace(/^[._-]+|-+$/gu, "").slice(0, 100) || "constellation"

/**
 * What the package depends on: this version, or this very copy when it is a clone, which no registry has. Two folders up from
 * `dist/bin`, or from where it runs as sources.
 */
const dependency = (): string => {
  for (let folder = dirname(fileURLToPath(import.meta.url)); dirname(folder) !== folder; folder = dirname(folder)) {
    const file = join(folder, "package.json")
    if (!existsSync(file)) continue
    return folder.split(sep).includes("node_modules") ? `^${version}` : `file:${folder}`
  }
  return `^${version}`
}

const confirm = async (question: string): Promise<boolean> => {
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(?:es)?$/iu.test((await asking.question(`${question} [y/N] `)).trim())
  } finally {
    asking.close()
  }
}

/** Files of ours that are there already, with other content. */
const conflictsOf = (root: string, files: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  Object.entries(files).flatMap(([path, text]) => {
    const file = join(root, path)
    const found = statSync(file, { throwIfNoEntry: false })
    return found === undefined || (found.isFile() && readFileSync(file, "utf8") === text) ? [] : [path]
  })

export const init = Effect.fnUntraced(function*(
  called: Called, given: string | undefined, { template, yes }: InitFlags
): Effect.fn.Return<void, NotLaunched | UsageError | WouldOverwrite> {
  const root = resolve(called.directory, given ?? ".")
  if (existsSync(root) && !statSync(root).isDirectory()) return yield* new UsageError({ reason: `${root} is a file, not a folder.` })
  const name = packageName(root)
  const files = filesOf(template, { name, aaax: dependency() })
  const conflicts = yield* needed(root, root, () => conflictsOf(root, files))
  if (conflicts.length > 0) return yield* new WouldOverwrite({ directory: root, files: conflicts })
  const others = existsSync(root) ? readdirSync(root).filter((entry) => entry !== ".git" && files[entry] === undefined) : []
  if (others.length > 0 && !yes && process.stdin.isTTY && process.stderr.isTTY) {
    const go = yield* Effect.promise(() => confirm(`${plain(root)} is not empty. Write ${Object.keys(files).length} files beside what is there?`))
    if (!go) return yield* new UsageError({ reason: "Nothing was written." })
  }
  for (const [path, text] of Object.entries(files)) {
    const file = join(root, path)
    yield* needed(root, file, () => {
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
    })
  }
  const steps = [
    ...(root === process.cwd() ? [] : [`cd ${relative(process.cwd(), root) || "."}`]), "npm install", "npm test", "npx aaax launch",
    ...(template === "hello" ? ["npx aaax append hello.in '{\"name\":\"Ada\"}'   # from a second terminal", "npx aaax tail 'hello.*'"] : [])
  ]
  yield* show(called, { directory: root, name, template, files: Object.keys(files), next: steps }, () =>
    Object.keys(files).map((path) => join(relative(process.cwd(), root), path)))
  if (called.json) return
  err("")
  err("Next:")
  for (const step of steps) err(onErr.dim(`  ${step}`))
})
