// What a config says of the synapse door, with its tokens read from where they are kept.
import * as Effect from "effect/Effect"
import { resolve } from "node:path"
import { ConfigInvalid } from "../../../protocol/errors.ts"
import type { KernelConfig, SynapseConfig } from "../../config.ts"
import { NotDone } from "../../executor/executor.ts"
import { handleOf, readFrom } from "../../executor/secrets.ts"
import type { SynapseOptions } from "../synapse.ts"

/** Relative files start from `directory`. */
export const synapseOptions = (
  { token = [], ...rest }: SynapseConfig, secrets: KernelConfig["secrets"], directory: string
): Effect.Effect<SynapseOptions, ConfigInvalid> =>
  Effect.suspend(() => {
    try {
      const tokens = (typeof token === "string" ? [token] : token).map((given) => {
        const handle = handleOf(given)
        const secret = handle === undefined ? undefined : secrets[handle]
        if (handle !== undefined && secret === undefined) throw new NotDone(`there is no secret ${handle}`)
        const [, kind, place = ""] = /^(env|file):(.+)$/su.exec((typeof secret === "string" ? secret : secret?.from) ?? given) ?? []
        return kind === "env" ? readFrom("env", place) : kind === "file" ? readFrom("file", resolve(directory, place)) : given.trim()
      })
      const { perHost, port, ...others } = rest
      return Effect.succeed({ ...others, tokens, ...(perHost === undefined ? {} : { perHost }), ...(port === undefined ? {} : { port }) })
    } catch (error) {
      if (!(error instanceof NotDone)) return Effect.die(error)
      return Effect.fail(new ConfigInvalid({ issues: [{ file: "network", path: "synapse.token", reason: `cannot be read: ${error.message}.` }] }))
    }
  })
