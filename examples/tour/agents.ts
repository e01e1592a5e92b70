// Two agents that tidy up: `janitor`, whom config lets run programs, and `helper`, who may do only what it was given.
import { defineModule, Refused, Schema } from "aaax"

const agent = (id: "janitor" | "helper", executors: ReadonlyArray<"process.run">) =>
  defineModule({
    id,
    executors,
    provides: [{ name: `${id}.tasks`, form: "queue" }, { name: `${id}.said` }],
    takes: { tasks: { channel: `${id}.tasks`, schema: Schema.Struct({ remove: Schema.String, with: Schema.optionalKey(Schema.String) }) } },
    writes: { said: `${id}.said` },
    run: ({ takes, writes }) =>
      takes.tasks.work(async ({ payload }, { act, append }) => {
        const capability = payload.with === undefined ? {} : { capability: payload.with }
        try {
          await act("process.run", { target: "rm", payload: { args: ["-r", payload.remove] }, ...capability })
          await append(writes.said, `removed ${payload.remove}`)
        } catch (error) {
          if (!(error instanceof Refused)) throw error
          await append(writes.said, `${payload.remove} stays. ${error.message}`)
        }
      }, { concurrency: 4 })
  })

export const janitor = agent("janitor", ["process.run"])
export const helper = agent("helper", [])
