// The default constellation: what is docked, in which order, when a config names no modules.
import type { System } from "aaax"
import { approvals } from "./approvals/index.ts"
import { echo } from "./echo/index.ts"
import { report } from "./report/index.ts"
import { survey } from "./survey/index.ts"
import { watch } from "./watch/index.ts"

export interface DefaultSystemsOptions {
  /** Workers that compete for the tasks of the survey. */
  readonly workers?: number
  /** The folder that is watched; default: the directory that the constellation works on. */
  readonly root?: string
}

/** Who reads a channel comes after who provides it. */
export const defaultSystems = (options: DefaultSystemsOptions = {}): ReadonlyArray<System> => [
  watch({ root: options.root ?? "." }),
  survey({ root: options.root ?? ".", ...(options.workers === undefined ? {} : { workers: options.workers }) }),
  report(),
  approvals(),
  echo()
]
