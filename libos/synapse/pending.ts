// Requests that wait for the frame that answers them: by their id with a hub that echoes it, else by type, task and order, as the
// ancestor's clients do.
import { TimedOut } from "../../protocol/errors.ts"
import { answersOf, type AgentType, type HubFrame } from "../../protocol/synapse.ts"
import { refusalOf } from "./refused.ts"

type Asking = Exclude<AgentType, "heartbeat">
type Fields = Readonly<Record<string, unknown>>

export interface Request {
  readonly id: string
  readonly type: Asking
  readonly fields: Fields
}

export interface Waiting {
  /** Resolves with the frame that grants it; rejects with `SynapseRefused` or `TimedOut`. `timeoutMillis`: Infinity waits. */
  readonly add: (request: Request, timeoutMillis: number, signal?: AbortSignal) => Promise<HubFrame>
  /** A frame that came: whether it answered a request of ours. */
  readonly hear: (frame: HubFrame, name: string, correlates: boolean) => boolean
  /** In the order in which they were asked. */
  readonly open: () => ReadonlyArray<Request>
  /** Rejects what waits and what is added later. */
  readonly end: (failure: unknown) => void
}

interface Entry {
  readonly request: Request
  readonly resolve: (frame: HubFrame) => void
  readonly reject: (failure: unknown) => void
}

const textIn = (from: unknown, field: string): string | undefined => {
  const value = typeof from === "object" && from !== null ? (from as Fields)[field] : undefined // any object may be asked for a key
  return typeof value === "string" ? value : undefined
}

const taskOf = (frame: HubFrame): string | undefined => {
  switch (frame.type) {
    case "ledger_task_posted":
    case "ledger_task_updated":
      return textIn(frame.task, "task_id")
    case "ledger_progress_posted":
      return textIn(frame.note, "task_id")
    default:
      return textIn(frame, "task_id")
  }
}

/** Whether a broadcast that grants something was caused by this seat, as far as it tells. */
const isOwn = (frame: HubFrame, { fields, type }: Request, name: string): boolean => {
  switch (frame.type) {
    case "chat":
      return frame.sender === name && frame.payload === fields["payload"] && frame.target === fields["target"]
    case "handoff_granted":
      return frame.previous_owner === name
    case "claim_granted":
    case "release_granted":
    case "task_updated":
      return frame.owner === name
    case "ledger_task_posted":
      return frame.payload.endsWith(`declared by ${name}.`)
    case "ledger_progress_posted":
      return frame.note.author === name && frame.note.text === fields["text"]
    case "resource_offered":
      return frame.agent === name && frame.kind === fields["kind"] && frame.name === fields["name"]
    case "capability_advertised":
      return frame.agent === name
    default:
      return type !== "ask"
  }
}

const isGrant = (frame: HubFrame, { type }: Request): boolean => answersOf[type].granted === frame.type
const isRefusal = (frame: HubFrame, { type }: Request): boolean => frame.type === "error" || answersOf[type].denied === frame.type

export const makeWaiting = (): Waiting => {
  const entries = new Map<string, Entry>()
  let ended: { readonly failure: unknown } | undefined

  const byOrder = (frame: HubFrame, name: string): Entry | undefined => {
    for (const entry of entries.values()) {
      const { fields, type } = entry.request
      // What a hub refuses without saying of what, it refuses in the order in which it was asked.
      if (frame.type === "error") return frame.payload.startsWith("Malformed JSON") ? undefined : entry
      const isTask = fields["task_id"] === undefined || taskOf(frame) === fields["task_id"]
      if (isTask && isGrant(frame, entry.request) && isOwn(frame, entry.request, name)) return entry
      if (isTask && answersOf[type].denied === frame.type) return entry
    }
    return undefined
  }

  return {
    add: (request, timeoutMillis, signal) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended.failure)
        if (signal?.aborted === true) return reject(signal.reason)
        const stop = (): void => finish(() => reject(signal?.reason))
        const finish = (then: () => void): void => {
          clearTimeout(timer)
          signal?.removeEventListener("abort", stop)
          entries.delete(request.id)
          then()
        }
        const timer = timeoutMillis === Infinity
          ? undefined
          : setTimeout(() => finish(() => reject(new TimedOut({ what: request.type, millis: timeoutMillis }))), timeoutMillis)
        signal?.addEventListener("abort", stop, { once: true })
        entries.set(request.id, {
          request, resolve: (frame) => finish(() => resolve(frame)), reject: (failure) => finish(() => reject(failure))
        })
      }),
    hear: (frame, name, correlates) => {
      const id = frame.request_id
      const entry = id !== undefined ? entries.get(id) : correlates ? undefined : byOrder(frame, name)
      if (entry === undefined) return false
      if (isGrant(frame, entry.request)) entry.resolve(frame)
      else if (isRefusal(frame, entry.request)) entry.reject(refusalOf(frame as unknown as Fields)) // a frame is an object with text for keys
      else return false
      return true
    },
    open: () => [...entries.values()].map(({ request }) => request),
    end: (failure) => {
      ended ??= { failure }
      for (const entry of entries.values()) entry.reject(failure)
    }
  }
}
