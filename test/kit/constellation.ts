// The systems of the default constellation as objects, in the order in which they are docked.
import type { System } from "aaax"
import { approvals } from "../../modules/approvals/index.ts"
import { echo } from "../../modules/echo/index.ts"
import { report } from "../../modules/report/index.ts"
import { survey } from "../../modules/survey/index.ts"
import { watch } from "../../modules/watch/index.ts"

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
