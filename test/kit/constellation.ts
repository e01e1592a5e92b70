// The systems of the default constellation as objects, in the order in which its config names them.
import type { System } from "aaax"
import { defaultConfig } from "../../bin/default-config.ts"
import { approvals } from "../../modules/approvals/index.ts"
import { coordinator } from "../../modules/coordinator/index.ts"
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

/** Each with the options that tests give it: reports go where the module puts them by itself. */
const made: Readonly<Record<string, (options: Required<DefaultSystemsOptions>) => System>> = {
  "aaax/modules/watch": ({ root }) => watch({ root }),
  "aaax/modules/survey": ({ root, workers }) => survey({ root, workers }),
  "aaax/modules/report": () => report(),
  "aaax/modules/approvals": () => approvals(),
  "aaax/modules/echo": () => echo(),
  "aaax/modules/coordinator": () => coordinator()
}

/** Who reads a channel comes after who provides it. */
export const defaultSystems = ({ root = ".", workers = 2 }: DefaultSystemsOptions = {}): ReadonlyArray<System> =>
  (defaultConfig(workers).modules ?? []).map((entry) => {
    const file = "file" in entry ? entry.file : undefined
    const make = file === undefined ? undefined : made[file]
    if (make === undefined) throw new Error(`the default config has ${file ?? "a module without a file"}, which the tests do not know`)
    return make({ root, workers })
  })
