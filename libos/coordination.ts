// Coordination for modules: every verb of the coordinator as a promise, and claims that are renewed while they are held.
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Ask, Notice, Results, Verb } from "../protocol/coordination.ts"
import { seatOfSystem } from "../protocol/coordination.ts"
import { makeAsking, noticeOf, type Answered, type AskFailure, type Asking } from "./coordination/asking.ts"
import { holding, type HeldClaim, type Holding } from "./coordination/held.ts"
import type { Coordination } from "./coordination/verbs.ts"
import { within } from "./kind/rest.ts"
import type { Session } from "./surface.ts"

export type { Coordination } from "./coordination/verbs.ts"

/** Cards and offers end after 300 seconds. */
const sayAgainSeconds = 100
/** One long poll, in milliseconds. */
const pollMillis = 20_000

/** The verbs as Effects, for a port whose manifest is wired to `coordination.seatReads` and `seatWrites`. */
export interface CoordinationEffect {
  readonly seat: string
  readonly ask: <V extends Verb>(ask: Extract<Ask, { readonly verb: V }>, timeoutMillis?: number) => Effect.Effect<Results[V], AskFailure>
  readonly notices: Asking["notices"]
}

export const makeCoordination = (port: Session["port"]): Effect.Effect<CoordinationEffect, never, Scope> =>
  Effect.map(makeAsking(port), (asking): CoordinationEffect => ({
    seat: seatOfSystem(port.system),
    ask: (ask, timeoutMillis) => Effect.map(asking.ask(ask, timeoutMillis), ({ result }) => result),
    notices: asking.notices
  }))

/** Opened by the first use of a system's coordination; ends with the system. */
export const coordinate = (session: Session): Coordination => {
  const { bridge, port } = session
  let opened: Promise<Asking> | undefined
  const opening = (): Promise<Asking> => opened ??= session.opened(makeAsking(port))
  const holdings = new Map<string, Set<Holding>>()
  let listening: Promise<void> | undefined

  const answered = async <V extends Verb>(ask: Extract<Ask, { readonly verb: V }>, signal?: AbortSignal): Promise<Answered<V>> =>
    bridge.run((await opening()).ask(ask), ...(signal === undefined ? [] : [signal]))
  const asked = async <V extends Verb>(ask: Extract<Ask, { readonly verb: V }>, signal?: AbortSignal): Promise<Results[V]> => (await answered(ask, signal)).result

  const until = (signal: AbortSignal | undefined): AbortSignal => (signal === undefined ? session.signal : AbortSignal.any([session.signal, signal]))

  /** Hears from the moment on when it is resolved, not from when it is first read. */
  const heard = async (signal: AbortSignal): Promise<AsyncGenerator<Notice, void, undefined>> => {
    const follower = await bridge.run((await opening()).notices)
    return (async function*() {
      try {
        while (!signal.aborted) for (const event of await bridge.run(follower.pull, signal)) yield noticeOf(event)
      } catch (error) {
        if (!signal.aborted) throw error
      }
    })()
  }
  /** Leases that are over are told to whoever holds them. */
  const listen = (): Promise<void> => listening ??= heard(session.signal).then((all) => {
    void (async () => {
      for await (const notice of all) {
        if (notice.notice === "expired") for (const one of holdings.get(notice.task) ?? []) one.expired(notice.epoch)
      }
    })().catch((error: unknown) => {
      // Their time ends by itself, too.
      listening = undefined
      bridge.start(Effect.logWarning(`coordination: notices are not heard: ${String(error)}`))
    })
  })

  const sayAgain = (say: () => Promise<unknown>, signal: AbortSignal): void => {
    void (async () => {
      for (;;) {
        await within(undefined, sayAgainSeconds, signal)
        if (signal.aborted) return
        await say().catch((error: unknown) => bridge.start(Effect.logWarning(`coordination: not said again: ${String(error)}`)))
      }
    })()
  }

  const hold = (wish: Extract<Ask, { readonly verb: "claim" }>, granted: Answered<"claim">): HeldClaim => {
    const { task } = granted.result.claim
    const own = holding(answered, wish, granted, () => {
      const all = holdings.get(task)
      all?.delete(own)
      if (all?.size === 0) holdings.delete(task)
    })
    holdings.set(task, (holdings.get(task) ?? new Set()).add(own))
    session.signal.addEventListener("abort", own.end, { once: true })
    return own.held
  }

  const claim: Coordination["claim"] = async (task, { signal, ...options } = {}) => {
    signal?.throwIfAborted()
    await listen()
    if (signal === undefined) {
      const wish = { verb: "claim" as const, task, ...options }
      return hold(wish, await answered(wish))
    }
    const key = options.key ?? crypto.randomUUID()
    const wish = { verb: "claim" as const, task, ...options, key }
    const granting = answered(wish)
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        // It leaves the line; what is granted all the same is nobody's, and given back.
        asked({ verb: "withdraw", request: key }).catch(() => undefined)
        reject(signal.reason)
      }
      signal.addEventListener("abort", stop, { once: true })
      granting.then(
        (granted) => {
          signal.removeEventListener("abort", stop)
          if (!signal.aborted) resolve(hold(wish, granted))
        },
        (error: unknown) => {
          signal.removeEventListener("abort", stop)
          reject(error)
        }
      )
    })
  }

  const inbox: Coordination["inbox"] = ({ signal, ...options } = {}) => asked({ verb: "inbox", ...options }, until(signal))

  return {
    seat: seatOfSystem(port.system),
    ask: (ask) => asked(ask),
    claim,
    release: async (task, options = {}) => void await asked({ verb: "release", task, ...options }),
    handoff: async (task, to, options = {}) => (await asked({ verb: "handoff", task, to, ...options })).claim,
    checkpoint: async (task, text, options = {}) => void await asked({ verb: "checkpoint", task, checkpoint: text, ...options }),
    wait: (task) => asked({ verb: "wait", task }),
    free: async (task, { signal } = {}) => {
      const ends = until(signal)
      const all = await heard(ends)
      try {
        await asked({ verb: "wait", task })
      } catch (error) {
        await all.return()
        // Nobody holds it.
        if (error instanceof Error && "code" in error && error.code === "NOT_CLAIMED") return
        throw error
      }
      for await (const notice of all) if (notice.notice === "free" && notice.task === task) return
      throw ends.reason
    },
    plan: {
      declare: async (task, title, options = {}) => (await asked({ verb: "declare", task, title, ...options })).task,
      update: async (task, changes) => (await asked({ verb: "plan", task, ...changes })).task,
      ready: async () => (await asked({ verb: "board" })).ready,
      board: (page = {}) => asked({ verb: "board", ...page })
    },
    progress: async (task, text, kind = "note") => void await asked({ verb: "progress", task, text, kind }),
    presence: async () => (await asked({ verb: "who" })).seats,
    advertise: async ({ signal, ...card }) => {
      const say = (): Promise<Results["advertise"]> => asked({ verb: "advertise", ...card })
      const { card: told } = await say()
      sayAgain(say, until(signal))
      return told
    },
    offer: async (kind, name, { signal, ...options } = {}) => {
      const { key: _, ...again } = options
      await asked({ verb: "offer", kind, name, ...options })
      sayAgain(() => asked({ verb: "offer", kind, name, ...again }), until(signal))
    },
    send: (payload, { to, ...options } = {}) => asked({ verb: "send", payload, ...(to === undefined ? {} : { target: to }), ...options }),
    inbox,
    messages: async function*({ signal } = {}) {
      const ends = until(signal)
      try {
        while (!ends.aborted) {
          const { messages } = await inbox({ waitMillis: pollMillis, ...(signal === undefined ? {} : { signal }) })
          for (const chat of messages) {
            yield chat
            await asked({ verb: "acknowledge", message: chat.message, state: "handled" })
            if (ends.aborted) return
          }
        }
      } catch (error) {
        if (!ends.aborted) throw error
      }
    },
    acknowledge: async (message, state = "handled") => (await asked({ verb: "acknowledge", message, state })).state,
    state: (filter = {}) => asked({ verb: "state", ...filter }),
    claims: async function*(filter = {}) {
      let after: string | undefined
      do {
        const page = await asked({ verb: "state", ...filter, ...(after === undefined ? {} : { after }) })
        yield* page.items
        after = page.next
      } while (after !== undefined)
    },
    manifest: async (taskClass) => (await asked({ verb: "manifest", ...(taskClass === undefined ? {} : { taskClass }) })).cards,
    history: (limit) => asked({ verb: "history", ...(limit === undefined ? {} : { limit }) }),
    resume: (since, limit) => asked({ verb: "resume", since, ...(limit === undefined ? {} : { limit }) }),
    receipts: async (of = {}) => (await asked({ verb: "receipts", ...of })).receipts,
    check: (worktree, paths, options = {}) => asked({ verb: "check", worktree, paths, ...options }),
    why: async (worktree, path) => (await asked({ verb: "why", worktree, path })).claims,
    notices: ({ signal } = {}) => heard(until(signal)),
    leave: async () => void await asked({ verb: "leave" })
  }
}
