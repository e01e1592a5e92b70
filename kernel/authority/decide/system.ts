// Systems: docking with their first grants, undocking, and what an operator or supervision says of them.
import * as HashMap from "effect/HashMap"
import type { Asks } from "../../../protocol/asks.ts"
import { grantSecondsMax, type Access, type Grant } from "../../../protocol/authority.ts"
import type { SystemStatus } from "../../../protocol/lifecycle.ts"
import type { SystemId } from "../../../protocol/names.ts"
import type { Isolation } from "../../../protocol/tier.ts"
import type { Entry } from "../entry.ts"
import { facetsOf, grantsOf } from "../state/grants.ts"
import { lookup, type AuthorityState } from "../state/state.ts"
import { firstGrantId } from "./capability.ts"
import { askPolicy } from "./ask.ts"
import { nothing, type Decision, type Rules } from "./decision.ts"
import { endingOf } from "./ending.ts"

const firstGrantOrigin = "manifest:"

/** A first grant lives for the longest time and is renewed at docking when a day or less of it is left. */
const firstGrantRenewMillis = 24 * 3600 * 1000

/** What a system that was loaded as a module was loaded from. */
export interface DockedModule {
  readonly id: string
  readonly file: string | null
  readonly digest: string | null
  readonly origin: "config" | "runtime"
  readonly isolation?: Isolation
  readonly asks?: Asks
}

export interface Docking {
  readonly system: SystemId
  readonly manifest: string
  readonly framework: string
  readonly privileged: boolean
  /** It runs elsewhere, and came with a bearer token. */
  readonly bearer?: true
  readonly configured: boolean
  readonly reads: ReadonlyArray<string>
  readonly writes: ReadonlyArray<string>
  readonly takes: ReadonlyArray<string>
  readonly provides: ReadonlyArray<string>
  readonly executors: ReadonlyArray<string>
  readonly remoteChannels: ReadonlyArray<string>
  readonly powers: ReadonlyArray<string>
  readonly module: DockedModule | undefined
}

export interface DockAnswer {
  readonly status: SystemStatus
  readonly grants: ReadonlyArray<Grant>
}

/** Docks: the record, its powers, and its first grants as far as policy allows them. */
export const decideDock = (rules: Rules, docking: Docking): Decision<DockAnswer> => (state, now) => {
  const { powers, module, ...record } = docking
  const entries: Array<Entry> = [{ kind: "system.docked", at: now, ...record }]
  if (module !== undefined) {
    const { asks, digest, file, id, isolation, origin } = module
    entries.push({
      kind: "module.loaded", at: now, module: id, framework: docking.framework, file, digest, origin,
      ...(isolation === undefined ? {} : { isolation }), ...(asks === undefined ? {} : { asks })
    })
  }
  for (const root of powers) entries.push({ kind: "power.granted", at: now, system: docking.system, power: "read", root })
  const before = lookup(state.systems, docking.system)
  const status = before !== undefined && ["paused", "quarantined", "revoked"].includes(before.status) ? before.status : "docked"
  const grants: Array<Grant> = []
  const issued: Array<Entry> = []
  const wanted: ReadonlyArray<readonly [string, Access]> = [
    ...docking.executors.map((name) => [name, "execute"] as const),
    ...docking.remoteChannels.map((name) => [name, "read"] as const)
  ]
  for (const [resource, access] of status === "revoked" ? [] : wanted) {
    if (before?.withheld?.includes(resource) === true) continue
    const id = firstGrantId(docking.system, docking.manifest, access, resource)
    const { verdict } = askPolicy(rules, state, {
      kind: "capability", system: docking.system, resource, access, context: {}, declared: docking.configured
    })
    if (verdict.outcome !== "allow") continue
    const held = lookup(state.grants, id)?.grant
    if (held !== undefined && (held.caveats.expiresAt ?? Infinity) - now > firstGrantRenewMillis) {
      grants.push(held)
      continue
    }
    const grant: Grant = {
      access, caveats: { expiresAt: now + grantSecondsMax * 1000 }, holder: docking.system, id, issuedAt: now,
      origin: `${firstGrantOrigin}${docking.manifest}`, parent: null, resource, scope: { issued_by: "module_loader" }
    }
    issued.push({ kind: "grant.issued", at: now, grant })
    grants.push(grant)
  }
  // What an earlier manifest declared and this one does not, or policy allows no longer, is not kept for old times' sake.
  const kept = new Set(grants.map(({ id }) => id))
  const stale = grantsOf(state, docking.system).filter(({ id, origin }) => origin.startsWith(firstGrantOrigin) && !kept.has(id))
  const ending = endingOf(state, stale.map(({ id }) => id), docking.system, "revoked", now)
  if (ending !== undefined) entries.push(ending.entry)
  entries.push(...issued)
  return { entries, answer: { status, grants } }
}

const endingThese = (
  state: AuthorityState, now: number, holder: SystemId, reason: "revoked" | "undocked", grants: ReadonlyArray<Grant>
): ReadonlyArray<Entry> => {
  const ending = endingOf(state, grants.map(({ id }) => id), holder, reason, now)
  return ending === undefined ? [] : [ending.entry]
}

/** Everything that a system holds, and what others got of it. */
const endingAll = (state: AuthorityState, now: number, holder: SystemId, reason: "revoked" | "undocked"): ReadonlyArray<Entry> =>
  endingThese(state, now, holder, reason, grantsOf(state, holder))

/** Undocks for good: its record and its grants are gone. */
export const decideUndock = (system: SystemId, module: string | undefined, reason: string): Decision<void> => (state, now) => {
  if (lookup(state.systems, system) === undefined) return nothing
  // What belongs to a key outlives a connection: it ends with the key. Facets are not held on to.
  const kept = HashMap.has(state.edge.enrolled, system)
  const entries: Array<Entry> = [...(kept ? endingThese(state, now, system, "undocked", facetsOf(state, system)) : endingAll(state, now, system, "undocked")), { kind: "system.undocked", at: now, system, reason }]
  if (module !== undefined && lookup(state.modules, module) !== undefined) entries.push({ kind: "module.unloaded", at: now, module })
  return { entries, answer: undefined }
}

/**
 * Changes a system's status; revoking also ends its grants, and is final: only undocking and docking anew ends it.
 * Answers whether there is such a system.
 */
export const decideStatus = (system: SystemId, status: SystemStatus, reason: string): Decision<boolean> => (state, now) => {
  const record = lookup(state.systems, system)
  if (record === undefined) return { entries: [], answer: false }
  if (record.status === status || record.status === "revoked") return { entries: [], answer: true }
  const change: Entry = { kind: "system.changed", at: now, system, status, reason }
  return { entries: status === "revoked" ? [...endingAll(state, now, system, "revoked"), change] : [change], answer: true }
}
