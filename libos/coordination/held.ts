// A claim in the hand of its holder: renewed while it is held, and told when it is lost.
import type { Ask, Claim, Results, Verb } from "../../protocol/coordination.ts"
import { CoordinationRefused } from "./refused.ts"

/** How a claim asks; times are those of the answers. */
export type AskFor = <V extends Verb>(ask: Extract<Ask, { readonly verb: V }>) => Promise<{ readonly result: Results[V]; readonly at: number }>

export interface Changes {
  readonly status?: Claim["status"]
  readonly note?: string
  readonly dataRef?: string
  /** Refused unless this is the claim's version. */
  readonly expectedVersion?: number
}

/** A lease that this seat holds. Everything that is done with it is done under its epoch. */
export interface HeldClaim extends AsyncDisposable {
  /** As it was when it was last heard of. */
  readonly claim: Claim
  readonly task: string
  /** Grows with each renewal: what is done under an older one is refused. */
  readonly epoch: number
  /** What was saved by whoever held it before, or by this seat. */
  readonly checkpointed: string
  /** Aborted when the lease is lost or given up; the reason is a `CoordinationRefused` when it was lost. */
  readonly signal: AbortSignal
  /** Extends it now. While it is held that happens by itself. */
  readonly renew: () => Promise<Claim>
  readonly update: (changes: Changes) => Promise<Claim>
  readonly checkpoint: (text: string) => Promise<void>
  /** Moves it to another seat without a moment in which nobody holds it. */
  readonly handoff: (to: string, note?: string) => Promise<Claim>
  readonly release: (receipt?: Readonly<Record<string, unknown>>) => Promise<void>
  /** Renews it no longer: it ends when its time is over. */
  readonly let: () => void
}

/** The holder asks for it again when this part of its time is over. */
const renewPart = 1 / 3
const timerMillisMax = 2_147_483_647
/** Refusals that say that it is somebody else's or nobody's. */
const lossCodes: ReadonlySet<string> = new Set(["EPOCH_STALE", "NOT_OWNER", "NOT_CLAIMED", "TASK_NOT_FOUND", "LEASE_LIVE", "SCOPE_CONFLICT"])

export interface Holding {
  readonly held: HeldClaim
  /** The coordinator said that the lease of this epoch is over. */
  readonly expired: (epoch: number) => void
  /** The one who held it has ended: nothing is renewed any more. */
  readonly end: () => void
}

const unref = (timer: unknown): void => (timer as { readonly unref?: () => void } | undefined)?.unref?.() // only where timers hold a process

export const holding = (
  ask: AskFor, wish: Extract<Ask, { readonly verb: "claim" }>, granted: { readonly result: Results["claim"]; readonly at: number }, onEnd: () => void
): Holding => {
  let { claim } = granted.result
  const stop = new AbortController()
  let last: Promise<unknown> = Promise.resolve()
  let renewTimer: ReturnType<typeof setTimeout> | undefined
  let deadline: ReturnType<typeof setTimeout> | undefined

  const finish = (reason: unknown): void => {
    clearTimeout(renewTimer)
    clearTimeout(deadline)
    if (stop.signal.aborted) return
    stop.abort(reason)
    onEnd()
  }
  const lost = (message: string): CoordinationRefused => {
    const loss = new CoordinationRefused({ code: "EPOCH_STALE", reason: message })
    finish(loss)
    return loss
  }
  /** One after the other: a renewal changes the epoch that the next is asked under. */
  const serial = <A>(work: () => Promise<A>): Promise<A> => {
    const done = last.then(() => {
      if (stop.signal.aborted) throw stop.signal.reason
      return work()
    }).catch((error: unknown) => {
      if (error instanceof CoordinationRefused && lossCodes.has(error.code)) finish(error)
      throw error
    })
    last = done.catch(() => undefined)
    return done
  }
  const renew = (): Promise<Claim> => serial(async () => {
    const { key: _, wait: __, ...again } = wish
    const { at, result } = await ask({ ...again, note: claim.note })
    if (!result.renewed) {
      // It had ended, and nobody can say what happened in between: this is another lease, which nobody wants.
      const gone = lost(`Task '${claim.task}' had ended before it was renewed.`)
      await ask({ verb: "release", task: claim.task, epoch: result.claim.epoch }).catch(() => undefined)
      throw gone
    }
    taken(result.claim, at)
    return claim
  })
  const taken = (next: Claim, at: number): void => {
    claim = next
    const millis = Math.min(timerMillisMax, Math.max(0, next.expiresAt - at))
    clearTimeout(deadline)
    // Also when the coordinator cannot be heard: who is not sure to hold it does not.
    deadline = setTimeout(() => void lost(`The lease of task '${next.task}' is over: it was not renewed in time.`), millis)
    unref(deadline)
    later(millis * renewPart)
  }
  const later = (millis: number): void => {
    clearTimeout(renewTimer)
    renewTimer = setTimeout(() => {
      // Not renewed this time is renewed the next, until its time is over.
      renew().catch(() => {
        if (!stop.signal.aborted) later(Math.max(renewMillisMin, millis / 2))
      })
    }, millis)
    unref(renewTimer)
  }
  taken(claim, granted.at)

  const release = (receipt?: Readonly<Record<string, unknown>>): Promise<void> => serial(async () => {
    await ask({ verb: "release", task: claim.task, epoch: claim.epoch, ...(receipt === undefined ? {} : { receipt: receipt as {} }) }) // what is no JSON is refused by the kernel
    finish(new DOMException(`Task '${claim.task}' was released.`, "AbortError"))
  })
  const held: HeldClaim = {
    get claim() {
      return claim
    },
    get task() {
      return claim.task
    },
    get epoch() {
      return claim.epoch
    },
    get checkpointed() {
      return claim.checkpoint
    },
    signal: stop.signal,
    renew,
    update: (changes) => serial(async () => {
      const { result } = await ask({ verb: "update", task: claim.task, epoch: claim.epoch, ...changes })
      claim = result.claim
      return claim
    }),
    checkpoint: (text) => serial(async () => {
      const { result } = await ask({ verb: "checkpoint", task: claim.task, checkpoint: text, epoch: claim.epoch })
      claim = { ...claim, checkpoint: text, version: result.version }
    }),
    handoff: (to, note) => serial(async () => {
      const { result } = await ask({ verb: "handoff", task: claim.task, to, epoch: claim.epoch, ...(note === undefined ? {} : { note }) })
      finish(new DOMException(`Task '${claim.task}' was handed to ${to}.`, "AbortError"))
      return result.claim
    }),
    release,
    let: () => clearTimeout(renewTimer),
    [Symbol.asyncDispose]: async () => {
      if (!stop.signal.aborted) await release()
    }
  }
  return {
    held,
    expired: (epoch) => {
      if (epoch >= claim.epoch) lost(`The lease of task '${claim.task}' is over.`)
    },
    end: () => {
      clearTimeout(renewTimer)
      clearTimeout(deadline)
    }
  }
}

const renewMillisMin = 250
