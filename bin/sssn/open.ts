// Which store a verb means: the directory that it names, else the kernel that runs here, else `.sssn`.
import { readFileSync } from "node:fs"
import { isStoreAt } from "../../kernel/store/local/layout.ts"
import { LocalStore, type LocalStoreOptions } from "../../kernel/store/local.ts"
import { SSSNError } from "../../protocol/portable-error.ts"
import type { Called } from "../called.ts"
import { findRun, isAlive } from "../run-file.ts"
import type { PortableApi } from "./api.ts"
import { type Desk, makeDesk } from "./desk.ts"
import { kernelApi } from "./kernel-api.ts"

/** The desk of the kernel that runs here, if one does. */
export const deskOf = ({ directory }: Called): Desk | undefined => {
  const run = findRun(directory)?.run
  return run === undefined || !isAlive(run.pid) ? undefined : makeDesk(run.url, readFileSync(run.tokenFile, "utf8").trim())
}

/** What a verb does with a store: a directory is made by `makes` alone, and `reads` changes nothing in it. */
export type Use = "reads" | "changes" | "makes"

const optionsOf: Readonly<Record<Use, LocalStoreOptions>> = { reads: { readOnly: true }, changes: { create: false }, makes: {} }

export const openApi = (called: Called, store: string | undefined, use: Use): PortableApi => {
  if (store !== undefined) return new LocalStore(store, optionsOf[use])
  const desk = deskOf(called)
  if (desk !== undefined) return kernelApi(desk)
  if (use === "makes" || isStoreAt(".sssn")) return new LocalStore(".sssn", optionsOf[use])
  throw new SSSNError("no kernel runs here, and there is no store in .sssn; name one with --store DIR, or start a kernel: aaax launch")
}
