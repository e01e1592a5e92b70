// Tiers for tests: the child that runs modules is built once, and a folder is a project of its own.
import { execFile } from "node:child_process"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { makeTiers, type Tiers } from "../../kernel/tier/tiers.ts"
import type { Tier } from "../../protocol/tier.ts"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Builds it when it is older than what it is made of. */
export const buildChild = (): Promise<void> =>
  new Promise((resolve, reject) => {
    execFile(process.execPath, [join(root, "scripts/build.mjs"), "--tier-only"], (error, _, stderr) => (error === null ? resolve() : reject(new Error(stderr))))
  })

/** The tiers that this machine has; those that it has not, with the reason that is given. */
export const tiersHere = async (): Promise<{ readonly tiers: Tiers; readonly missing: ReadonlyMap<Tier, string> }> => {
  await buildChild()
  const tiers = makeTiers()
  const missing = new Map<Tier, string>()
  for (const tier of ["worker", "process", "jail"] as const) {
    const why = await tiers.unavailable(tier)
    if (why !== undefined) missing.set(tier, why)
  }
  return { tiers, missing }
}

export interface Project {
  readonly path: string
  /** Writes a file and answers its path. */
  readonly write: (name: string, text: string) => string
  readonly remove: () => void
}

export const project = (): Project => {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "aaax-tier-test-")))
  return {
    path,
    write: (name, text) => {
      const file = join(path, name)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text)
      return file
    },
    remove: () => rmSync(path, { recursive: true, force: true })
  }
}
