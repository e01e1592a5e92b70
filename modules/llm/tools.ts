// Tools of a model: each is an executor behind the gate, or a channel that the system is wired to. The gate decides, not the prompt.
import type { Handling, Port, Tooling } from "aaax"
import * as Effect from "effect/Effect"
import type { LlmSettings, Tool } from "./settings.ts"

const nameOf = (executor: string): string => executor.replace(/[^A-Za-z0-9_-]/gu, "_").slice(0, 64)

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : {} // an object that is no array is a record of unknowns

const executorTool = ({ description, executor, name, parameters }: Tool, on: Handling): Tooling => ({
  name: name ?? nameOf(executor),
  description: description ?? `asks the gate for ${executor}; a refusal says what would be allowed`,
  parameters: parameters ?? {
    type: "object",
    properties: { target: { type: "string", description: "what it is done on, such as a path" }, payload: { description: "what the executor takes" } },
    required: ["target"]
  },
  run: (args) => {
    const { payload, target, ...rest } = record(args)
    return on.act(executor, { target: typeof target === "string" ? target : "", payload: parameters === undefined ? payload ?? null : rest })
  }
})

const channelSchema = (channels: ReadonlyArray<string>, more: Readonly<Record<string, unknown>>, required: ReadonlyArray<string>) =>
  ({ type: "object", properties: { channel: { type: "string", enum: channels }, ...more }, required: ["channel", ...required] }) as NonNullable<Tooling["parameters"]> // plain JSON, as it stands here

/** Events that one look at a channel shows at most. */
const eventsMax = 50

export const toolsOf = (settings: LlmSettings, port: Port, on: Handling, parent: string): ReadonlyArray<Tooling> => {
  const { reads = [], tools = [], writes = [] } = settings
  const made: Array<Tooling> = tools.map((tool) => executorTool(tool, on))
  if (reads.length > 0) {
    made.push({
      name: "read_channel",
      description: `the newest events of a channel, oldest first, at most ${eventsMax}`,
      parameters: channelSchema(reads, { limit: { type: "integer", minimum: 1, maximum: eventsMax } }, []),
      run: async (args) => {
        const { channel, limit } = record(args)
        const name = String(channel)
        const count = Math.min(eventsMax, Math.max(1, Number.isInteger(limit) ? Number(limit) : 10))
        const { head } = await Effect.runPromise(port.read(name, { limit: 1 }))
        const { events } = await Effect.runPromise(port.read(name, { after: Math.max(0, head - count), limit: count }))
        return events.map(({ cursor, kind, payload, sender }) => ({ cursor, kind, sender, payload }))
      }
    })
  }
  if (writes.length > 0) {
    let ordinal = 0
    made.push({
      name: "append_channel",
      description: "appends an event to a channel",
      parameters: channelSchema(writes, { payload: { description: "any JSON" }, kind: { type: "string" } }, ["payload"]),
      run: async (args) => {
        const { channel, kind, payload } = record(args)
        const [appended] = await Effect.runPromise(port.append(
          String(channel), [{ payload: payload ?? null, parentIds: [parent], ...(typeof kind === "string" ? { kind } : {}) }], { key: on.key(`append/${ordinal++}`) }
        ))
        return { cursor: appended?.cursor }
      }
    })
  }
  return made
}
