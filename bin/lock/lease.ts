// A lease at a hub that is held for as long as something runs: taken in line, renewed, and watched for its loss.
import { setTimeout as sleep } from "node:timers/promises"
import { SynapseAgent } from "../../libos/synapse/agent.ts"
import { SynapseRefused } from "../../libos/synapse/refused.ts"
import { TimedOut } from "../../protocol/errors.ts"
import type { HubFrame } from "../../protocol/synapse.ts"
import type { Hub } from "../coordination/connect.ts"

/** Each renewal gives the lease so long; a holder that was killed keeps it no longer. */
const ttlSeconds = 60
/** Between two attempts where nobody can stand in line. */
const retryMillis = 1_000

export interface LeaseScope {
  readonly worktree?: string
  readonly paths: ReadonlyArray<string>
}

export interface Lease {
  /** Resolves with why, when it is somebody else's or may be. */
  readonly lost: Promise<string>
  /** False, and lost, when it could not be renewed for too long, whether or not there was time to look. */
  readonly isHeld: () => boolean
  /** Leaves, and gives it back unless it was lost. */
  readonly release: () => Promise<void>
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** The first frame that says that the lease is another's, or nobody's. */
const lossIn = (frame: HubFrame, task: string, seat: string): string | undefined => {
  switch (frame.type) {
    case "claim_granted":
    case "handoff_granted":
      return frame.task_id === task && frame.owner !== seat ? `it is held by ${frame.owner}` : undefined
    case "release_granted":
      return frame.task_id === task ? "it was released" : undefined
    case "notice":
      return "task" in frame.notice && frame.notice.task === task && frame.notice.notice === "expired" ? "its time ran out" : undefined
    default:
      return undefined
  }
}

/** Whose turn it is not yet, and for how long that may go on. Rejects with the last refusal when the time is up, or when it is told to end. */
export const acquire = async (task: string, scope: LeaseScope, hub: Hub, seat: string, waitMillis: number, signal: AbortSignal): Promise<Lease> => {
  const deadline = performance.now() + waitMillis
  const left = (): number => (signal.aborted ? 0 : Math.max(0, deadline - performance.now()))
  const agent = await seated(hub, seat, left)
  // A hub that knows no named locks would give a whole working tree: then it is one of its own.
  const fields = scope.paths.length > 0
    ? { paths: scope.paths, ...(scope.worktree === undefined ? {} : { worktree: scope.worktree }) }
    : agent.isOurs ? { mutex: true } : { worktree: `lock:${task}`, paths: [] }
  const ask = { ...fields, ttl_seconds: ttlSeconds, note: "lock" }
  const claim: Claiming = async (epoch, more = {}) => {
    const asked = performance.now()
    // Another command of this very seat is the same holder: what it has is not for us, nor is what we had and it has now.
    const granted = await agent.claim(task, { ...ask, ...(agent.isOurs ? { expected_epoch: epoch } : {}), ...more })
    return { epoch: granted.epoch, asked }
  }
  try {
    return held(agent, task, seat, claim, await inLine(agent, claim, left, signal))
  } catch (error) {
    // It may have been granted just now; a hub of ours was told that nobody wants it any more.
    await (agent.isOurs ? agent.ask({ verb: "beat" }, { timeoutMillis: retryMillis }) : agent.release(task, { timeoutMillis: retryMillis })).catch(() => undefined)
    agent.close()
    throw error
  }
}

/** A grant, and when it was asked for. */
interface Grant {
  readonly epoch: number
  readonly asked: number
}
/** `epoch`: of the lease that it renews; 0: nobody is to have it. */
type Claiming = (epoch: number, more?: { readonly key?: string; readonly wait?: boolean; readonly timeoutMillis?: number; readonly signal?: AbortSignal }) => Promise<Grant>

const isAnothers = ({ code }: SynapseRefused): boolean => code === "LEASE_LIVE" || code === "SCOPE_CONFLICT"

/** Beside whoever has the seat. Who has it for itself alone goes first. */
const seated = async (hub: Hub, seat: string, left: () => number): Promise<SynapseAgent> => {
  for (;;) {
    try {
      return await SynapseAgent.connect({ name: seat, reconnect: true, beside: true, notices: true, ...hub })
    } catch (error) {
      if (!(error instanceof SynapseRefused) || error.code !== "NAME_CONFLICT" || left() === 0) throw error
      await sleep(Math.min(retryMillis, left()))
    }
  }
}

const inLine = async (agent: SynapseAgent, claim: Claiming, left: () => number, signal: AbortSignal): Promise<Grant> => {
  for (;;) {
    let refused: SynapseRefused
    try {
      return await claim(0)
    } catch (error) {
      if (!(error instanceof SynapseRefused) || !isAnothers(error) || left() === 0) throw error
      refused = error
    }
    if (!agent.isOurs) {
      await sleep(Math.min(retryMillis, left()))
      continue
    }
    try {
      const { epoch } = await claim(0, { wait: true, timeoutMillis: left(), signal })
      // When it was granted nobody can say, but of one that is asked for now.
      return await claim(epoch)
    } catch (error) {
      // Who is in the way says more than that the time is up.
      throw error instanceof TimedOut ? refused : error
    }
  }
}

const held = (agent: SynapseAgent, task: string, seat: string, claim: Claiming, granted: Grant): Lease => {
  let { asked, epoch } = granted
  /** Of a renewal that had no answer: it may have been granted, and is asked for again as it was. */
  let open: { readonly key: string; readonly asked: number } | undefined
  let underWay: Promise<void> = Promise.resolve()
  let isReleased = false
  let isLost = false
  let told: (why: string) => void
  const lost = new Promise<string>((resolve) => (told = resolve))
  const lose = (why: string): void => {
    isLost = true
    told(why)
  }
  const stop = agent.listen((frame) => {
    const why = isReleased ? undefined : lossIn(frame, task, seat)
    if (why !== undefined) lose(why)
  })
  void agent.closed.then((failure) => failure !== undefined && !isReleased && lose(reasonOf(failure)))
  const renew = (): void => {
    const renewal = open ?? { key: crypto.randomUUID(), asked: performance.now() }
    if (epoch > 0) open = renewal
    underWay = claim(epoch, { key: renewal.key }).then((grant) => {
      open = undefined
      epoch = grant.epoch
      asked = renewal.asked
    }, (error: unknown) => {
      if (!(error instanceof SynapseRefused) || isReleased) return
      open = undefined
      // A hub that knows nothing of it has begun anew: it is had again, unless somebody was faster.
      if (error.code === "NOT_CLAIMED" && epoch > 0) {
        epoch = 0
        renew()
      // Anything else may be another word the next time.
      } else if (isAnothers(error) || error.code === "EPOCH_STALE") lose(error.reason)
    })
  }
  const renewing = setInterval(renew, (ttlSeconds * 1_000) / 3)
  // By our own clock, a little early: what was not renewed in time may be anybody's.
  const isHeld = (): boolean => {
    if (performance.now() > asked + ttlSeconds * 1_000 - retryMillis) lose("it could not be renewed until its time ran out")
    return !isLost
  }
  const watching = setInterval(isHeld, retryMillis)
  return {
    lost, isHeld,
    release: async () => {
      isReleased = true
      clearInterval(renewing)
      clearInterval(watching)
      stop()
      // What cannot be given back ends by itself. Another command of this seat may have it by then.
      if (open !== undefined) await Promise.race([underWay, sleep(2 * retryMillis)])
      if (!isLost) await agent.release(task, { timeoutMillis: 2 * retryMillis, ...(agent.isOurs ? { epoch } : {}) }).catch(() => undefined)
      agent.close()
    }
  }
}
