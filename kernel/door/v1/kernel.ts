// Rows of the kernel: what its operator may see and decide. It asks for effects as the docked system `terminal` does.
import * as Effect from "effect/Effect"
import { Denied, SystemNotFound, Unauthenticated } from "../../../protocol/errors.ts"
import { isActToken } from "../../../protocol/act.ts"
import { nearest, type SystemId } from "../../../protocol/names.ts"
import type { SystemView } from "../../../protocol/view.ts"
import type { DockError, Kernel } from "../../kernel.ts"
import { pageEventsDefault, pageEventsMax } from "../../limits.ts"
import type { Guest } from "../guest.ts"
import { operator } from "../operator.ts"
import { dockTerminal, terminalOf, type Terminal } from "../terminal.ts"
import type { Handlers } from "./handlers.ts"

type Rows = Pick<
  Handlers,
  | "status" | "doctor" | "down" | "confirmClock" | "systems" | "system" | "pause" | "resume" | "drain" | "revoke" | "undock"
  | "act" | "action" | "modules" | "loadModule" | "approveModule" | "audit" | "verify"
>

const done = {}

/** Docks `terminal`, and answers what the operator can do with it and with the kernel. */
export const kernelRows = Effect.fnUntraced(function*(
  kernel: Kernel, executors: () => ReadonlyArray<string>
): Effect.fn.Return<Rows, DockError> {
  const { store } = kernel.channels
  const terminal = yield* dockTerminal(kernel, executors())

  const here = (id: SystemId): Effect.Effect<SystemView, SystemNotFound> => {
    const systems = kernel.systems()
    const found = systems.find((system) => system.id === id)
    if (found !== undefined) return Effect.succeed(found)
    const near = nearest(id, systems.map((system) => system.id))
    return Effect.fail(new SystemNotFound({ system: id, ...(near === undefined ? {} : { nearest: near }) }))
  }

  /** What was decided of a system may leave nothing to do: then the verb did not do what its name says. */
  const open = (verb: "pause" | "resume" | "drain", id: SystemId): Effect.Effect<void, SystemNotFound | Denied> =>
    Effect.flatMap(here(id), ({ status }) => {
      const reason = status === "revoked"
        ? "it was revoked, which is for good"
        : status === "quarantined" && verb !== "resume" ? "it is quarantined and does not run" : undefined
      if (reason === undefined) return Effect.void
      const how = status === "revoked" ? `Only aaax undock ${id} and docking it anew ends that.` : `To let it go on: aaax resume ${id}`
      return Effect.fail(new Denied({ system: operator, operation: verb, target: id, reason, how }))
    })

  /** Whoever asks asks as itself: the operator by its terminal, a system with a key through its own port. */
  const terminals = new WeakMap<Guest, Terminal>()
  const terminalFor = (guest: Guest): Terminal => {
    if (guest.isOperator) return terminal
    const own = terminals.get(guest) ?? terminalOf(guest.port, kernel.grants)
    terminals.set(guest, own)
    return own
  }

  const act: Handlers["act"] = Effect.fnUntraced(function*({ asked, guest, payload, query }) {
    const token = payload.capability !== undefined && isActToken(payload.capability) ? kernel.edge.hashOfText(payload.capability) : undefined
    if (!guest.isOperator && asked.proven !== token) {
      return yield* new Unauthenticated({ reason: "The proof goes with another capability token than the request.", how: "Its `ath` is the sha-256 of the token; without one, leave it out." })
    }
    const served = executors()
    if (!served.includes(payload.executor)) {
      const near = nearest(payload.executor, served)
      return yield* new Denied({
        system: guest.isOperator ? "terminal" : guest.system, operation: "use", target: payload.executor,
        reason: `Unknown executor: ${payload.executor}${near === undefined ? "" : `; did you mean ${near}?`}`,
        ...(served.length === 0 ? {} : { allowed: served.join(", ") }),
        how: "Config names executors under `executors`; a module may serve its own."
      })
    }
    return yield* terminalFor(guest).act(payload, query.wait ?? 0)
  })

  const handlers: Rows = {
    status: () => Effect.sync(() => kernel.status()),
    doctor: () =>
      Effect.gen(function*() {
        const status = kernel.status()
        const storeProblems = yield* store.verify
        const audit = yield* kernel.verifyAudit
        return { status, store: status.store, storeProblems, audit, systems: kernel.systems() }
      }),
    // The answer must be out before the listener closes, so nobody waits for it.
    down: () => Effect.as(Effect.forkDetach(kernel.down), done),
    systems: () => Effect.sync(() => kernel.systems()),
    pause: ({ id }) => Effect.as(Effect.andThen(open("pause", id), kernel.pause(id)), done),
    resume: ({ id }) => Effect.as(Effect.andThen(open("resume", id), kernel.resume(id)), done),
    drain: ({ id, payload }) => Effect.as(Effect.andThen(open("drain", id), kernel.drain(id, payload.timeoutMillis)), done),
    revoke: ({ id }) => Effect.as(Effect.andThen(here(id), kernel.revoke(id)), done),
    undock: ({ id }) => Effect.as(Effect.andThen(here(id), kernel.undock(id)), done),
    system: ({ id }) => here(id),
    act,
    action: ({ guest, id, query }) => terminalFor(guest).progress(id, query.after ?? 0, query.wait ?? 0),
    modules: () => Effect.sync(() => kernel.modules()),
    loadModule: ({ payload }) => kernel.loadModule(payload),
    approveModule: ({ id }) => kernel.approveModule(id, operator),
    audit: ({ query }) => kernel.audit(query.after ?? 0, Math.min(query.limit ?? pageEventsDefault, pageEventsMax)),
    verify: () => kernel.verifyAudit,
    confirmClock: () => Effect.map(kernel.confirmClock, (millis) => ({ millis: millis ?? null }))
  }
  return handlers
})
