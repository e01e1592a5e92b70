// The authority state: a pure fold over the journal. It holds live things only: closed warrants and settled requests
// are found by the journal's index on correlation. Persistent maps, so that a decision sees the head plus the batch
// being built while everybody else still sees what was committed.
import * as HashMap from "effect/HashMap"
import type { Grant } from "../../protocol/authority.ts"
import type { Fold } from "../../protocol/fold.ts"
import type { SystemStatus } from "../../protocol/lifecycle.ts"
import type { ChannelId, Cursor, SystemId } from "../../protocol/names.ts"
import type { TokenView } from "../../protocol/token.ts"
import type { Warrant } from "../../protocol/warrant.ts"
import type { Entry, RequestReference } from "./entry.ts"

export interface SystemRecord {
  readonly id: SystemId
  readonly manifest: string
  readonly framework: string
  readonly privileged: boolean
  readonly configured: boolean
  readonly status: SystemStatus
  readonly reason: string
  /** Resources that its manifest declares. */
  readonly declares: ReadonlyArray<string>
}

export interface HeldGrant {
  readonly grant: Grant
  /** Actions that were started under it, its descendants' included. */
  readonly uses: number
}

export interface ModuleRecord {
  readonly id: string
  readonly framework: string
  readonly file: string | null
  readonly digest: string | null
  readonly origin: "config" | "runtime"
}

export interface KnownRequest {
  readonly request: string
  readonly cursor: Cursor
  readonly channel: ChannelId
  /** Position of its verdict in the journal. */
  readonly verdict: Cursor
}

export interface AuthorityState {
  readonly cursor: Cursor
  readonly chain: string
  /** Newest `at`. */
  readonly time: number
  readonly boot: number
  readonly policy: string
  readonly systems: HashMap.HashMap<SystemId, SystemRecord>
  readonly grants: HashMap.HashMap<string, HeldGrant>
  /** Requests that have their verdict and are not yet settled. */
  readonly requests: HashMap.HashMap<string, KnownRequest>
  /** Settled floor of each request channel: what is below it was forgotten. */
  readonly floors: HashMap.HashMap<ChannelId, Cursor>
  /** Warrants that are escalated, started or unknown. */
  readonly warrants: HashMap.HashMap<string, Warrant>
  readonly modules: HashMap.HashMap<string, ModuleRecord>
  /** Tokens by id, from minting until they expire or are revoked. */
  readonly tokens: HashMap.HashMap<string, TokenView>
  /** How many grants and open warrants each system has: what its bounds are held against. Follows from the maps above. */
  readonly held: HashMap.HashMap<SystemId, Held>
  /** Start times of each system's actions within the last minute before `time`. */
  readonly recent: HashMap.HashMap<SystemId, ReadonlyArray<number>>
}

export interface Held {
  readonly grants: number
  readonly warrants: number
}

const nothingHeld: Held = { grants: 0, warrants: 0 }
export const heldBy = (state: AuthorityState, system: SystemId): Held => lookup(state.held, system) ?? nothingHeld

export const foldVersion = 1
const recentMax = 1_000

export const initial: AuthorityState = {
  cursor: 0,
  chain: "",
  time: 0,
  boot: 0,
  policy: "",
  systems: HashMap.empty(),
  grants: HashMap.empty(),
  requests: HashMap.empty(),
  floors: HashMap.empty(),
  warrants: HashMap.empty(),
  modules: HashMap.empty(),
  tokens: HashMap.empty(),
  held: HashMap.empty(),
  recent: HashMap.empty()
}

export const lookup = <K, V>(map: HashMap.HashMap<K, V>, key: K): V | undefined => {
  const found = HashMap.get(map, key)
  return found._tag === "Some" ? found.value : undefined
}

/** An entry with its place: what the fold steps over. */
export interface Placed {
  readonly cursor: Cursor
  readonly hash: string
  readonly entry: Entry
}

/** Remembers that a request has its verdict, and forgets those that its channel has settled meanwhile. */
const known = (state: AuthorityState, reference: RequestReference, verdict: Cursor): AuthorityState => {
  let { floors, requests } = state
  if (reference.floor > (lookup(floors, reference.channel) ?? 0)) {
    floors = HashMap.set(floors, reference.channel, reference.floor)
    for (const request of HashMap.values(state.requests)) {
      if (request.channel === reference.channel && request.cursor <= reference.floor) {
        requests = HashMap.remove(requests, request.request)
      }
    }
  }
  requests = HashMap.set(requests, reference.request, {
    request: reference.request,
    cursor: reference.requestCursor,
    channel: reference.channel,
    verdict
  })
  return { ...state, floors, requests }
}

const changeSystem = (state: AuthorityState, id: SystemId, change: Partial<SystemRecord>): AuthorityState => {
  const record = lookup(state.systems, id)
  return record === undefined ? state : { ...state, systems: HashMap.set(state.systems, id, { ...record, ...change }) }
}

const changeWarrant = (state: AuthorityState, id: string, change: Partial<Warrant>): AuthorityState => {
  const warrant = lookup(state.warrants, id)
  return warrant === undefined ? state : { ...state, warrants: HashMap.set(state.warrants, id, { ...warrant, ...change }) }
}

const isOpen = (warrant: Warrant): boolean =>
  warrant.state === "escalated" || warrant.state === "started" || warrant.state === "unknown"

const count = (state: AuthorityState, system: SystemId, grants: number, warrants: number): AuthorityState["held"] => {
  const before = heldBy(state, system)
  const after = { grants: before.grants + grants, warrants: before.warrants + warrants }
  return after.grants === 0 && after.warrants === 0 ? HashMap.remove(state.held, system) : HashMap.set(state.held, system, after)
}

const addGrant = (state: AuthorityState, grant: Grant): AuthorityState => {
  const before = lookup(state.grants, grant.id)?.grant
  const dropped = before === undefined ? state : dropGrant(state, grant.id)
  return { ...dropped, grants: HashMap.set(dropped.grants, grant.id, { grant, uses: 0 }), held: count(dropped, grant.holder, 1, 0) }
}

const dropGrant = (state: AuthorityState, id: string): AuthorityState => {
  const before = lookup(state.grants, id)
  return before === undefined
    ? state
    : { ...state, grants: HashMap.remove(state.grants, id), held: count(state, before.grant.holder, -1, 0) }
}

const openWarrant = (state: AuthorityState, warrant: Warrant): AuthorityState => ({
  ...state,
  warrants: HashMap.set(state.warrants, warrant.id, warrant),
  held: HashMap.has(state.warrants, warrant.id) ? state.held : count(state, warrant.system, 0, 1)
})

const closeWarrant = (state: AuthorityState, id: string): AuthorityState => {
  const warrant = lookup(state.warrants, id)
  return warrant === undefined
    ? state
    : { ...state, warrants: HashMap.remove(state.warrants, id), held: count(state, warrant.system, 0, -1) }
}

/** Charges one use on every link of a grant's chain. */
const charge = (grants: AuthorityState["grants"], id: string | null): AuthorityState["grants"] => {
  let charged = grants
  for (let link = id; link !== null; ) {
    const held: HeldGrant | undefined = lookup(charged, link)
    if (held === undefined) break
    charged = HashMap.set(charged, link, { ...held, uses: held.uses + 1 })
    link = held.grant.parent
  }
  return charged
}

const started = (state: AuthorityState, warrant: Warrant, at: number): AuthorityState => {
  const times = (lookup(state.recent, warrant.system) ?? []).filter((time) => time > at - 60_000)
  return {
    ...state,
    grants: charge(state.grants, warrant.grant),
    recent: HashMap.set(state.recent, warrant.system, [...times.slice(1 - recentMax), at])
  }
}

/** Expired ones go when the next is minted. */
const liveTokens = (tokens: AuthorityState["tokens"], now: number): AuthorityState["tokens"] =>
  HashMap.filter(tokens, ({ expiresAt }) => expiresAt > now)

const apply = (state: AuthorityState, entry: Entry, cursor: Cursor): AuthorityState => {
  switch (entry.kind) {
    case "kernel.booted":
      return { ...state, boot: entry.boot }
    case "policy.activated":
      return { ...state, policy: entry.version }
    case "system.docked": {
      // What an operator or supervision decided of a system outlives its docking.
      const before = lookup(state.systems, entry.system)
      const keeps = before !== undefined && ["paused", "quarantined", "revoked"].includes(before.status)
      return {
        ...state,
        systems: HashMap.set(state.systems, entry.system, {
          id: entry.system,
          manifest: entry.manifest,
          framework: entry.framework,
          privileged: entry.privileged,
          configured: entry.configured,
          status: keeps ? before.status : "docked",
          reason: keeps ? before.reason : "",
          declares: [...entry.executors, ...entry.remoteChannels]
        })
      }
    }
    case "system.undocked":
      return { ...state, systems: HashMap.remove(state.systems, entry.system), recent: HashMap.remove(state.recent, entry.system) }
    case "system.changed":
      return changeSystem(state, entry.system, { status: entry.status, reason: entry.reason })
    case "module.loaded":
      return { ...state, modules: HashMap.set(state.modules, entry.module, {
        id: entry.module, framework: entry.framework, file: entry.file, digest: entry.digest, origin: entry.origin
      }) }
    case "module.unloaded":
      return { ...state, modules: HashMap.remove(state.modules, entry.module) }
    case "grant.issued":
      return addGrant(state, entry.grant)
    case "grants.ended":
      return entry.grants.reduce(dropGrant, state)
    case "capability.decided": {
      const next = known(state, entry, cursor)
      return entry.grant !== null && !HashMap.has(state.grants, entry.grant.id) ? addGrant(next, entry.grant) : next
    }
    case "request.refused":
    case "module.decided":
    case "lifecycle.decided":
      return known(state, entry, cursor)
    case "action.decided": {
      const next = known(state, entry, cursor)
      if (!isOpen(entry.warrant)) return next
      const opened = openWarrant(next, entry.warrant)
      return entry.warrant.state === "started" ? started(opened, entry.warrant, entry.at) : opened
    }
    case "warrant.answered":
      return entry.outcome === "approved"
        ? changeWarrant(state, entry.warrant, { approvedBy: entry.by })
        : closeWarrant(state, entry.warrant)
    case "warrant.expired":
      return closeWarrant(state, entry.warrant)
    case "warrant.started": {
      const warrant = lookup(state.warrants, entry.warrant)
      if (warrant === undefined) return state
      const next = changeWarrant(state, entry.warrant, { state: "started", attempt: entry.attempt, kernelEpoch: entry.kernelEpoch })
      return entry.attempt === 1 ? started(next, warrant, entry.at) : next
    }
    case "warrant.finished":
      return entry.outcome === "unknown"
        ? changeWarrant(state, entry.warrant, { state: "unknown", reason: entry.reason })
        : closeWarrant(state, entry.warrant)
    case "token.minted":
      return { ...state, tokens: HashMap.set(liveTokens(state.tokens, entry.at), entry.token.jti, entry.token) }
    case "token.revoked":
      return { ...state, tokens: HashMap.remove(state.tokens, entry.jti) }
    case "power.granted":
    case "clock.jumped":
    case "clock.confirmed":
    case "snapshot.taken":
      return state
  }
}

export const step = (state: AuthorityState, { cursor, hash, entry }: Placed): AuthorityState => {
  const next: { -readonly [K in keyof AuthorityState]: AuthorityState[K] } = apply(state, entry, cursor)
  const time = Math.max(state.time, entry.at)
  if (next === state) return { ...state, cursor, chain: hash, time }
  // It was made just now, and nobody else has it.
  next.cursor = cursor
  next.chain = hash
  next.time = time
  return next
}

export const fold: Fold<AuthorityState, Placed> = { version: foldVersion, initial, step }

/** The plain form that a snapshot keeps. */
export interface FrozenState {
  readonly cursor: Cursor
  readonly chain: string
  readonly time: number
  readonly boot: number
  readonly policy: string
  readonly systems: ReadonlyArray<SystemRecord>
  readonly grants: ReadonlyArray<HeldGrant>
  readonly requests: ReadonlyArray<KnownRequest>
  readonly floors: ReadonlyArray<readonly [ChannelId, Cursor]>
  readonly warrants: ReadonlyArray<Warrant>
  readonly modules: ReadonlyArray<ModuleRecord>
  /** Absent in snapshots of the first layout. */
  readonly tokens?: ReadonlyArray<TokenView>
  readonly recent: ReadonlyArray<readonly [SystemId, ReadonlyArray<number>]>
}

export const freeze = (state: AuthorityState): FrozenState => ({
  cursor: state.cursor,
  chain: state.chain,
  time: state.time,
  boot: state.boot,
  policy: state.policy,
  systems: HashMap.toValues(state.systems),
  grants: HashMap.toValues(state.grants),
  requests: HashMap.toValues(state.requests),
  floors: [...HashMap.entries(state.floors)],
  warrants: HashMap.toValues(state.warrants),
  modules: HashMap.toValues(state.modules),
  tokens: HashMap.toValues(state.tokens),
  recent: [...HashMap.entries(state.recent)]
})

const heldIn = ({ grants, warrants }: FrozenState): AuthorityState["held"] => {
  const held = new Map<SystemId, { grants: number; warrants: number }>()
  const of = (system: SystemId): { grants: number; warrants: number } => {
    const found = held.get(system) ?? { grants: 0, warrants: 0 }
    held.set(system, found)
    return found
  }
  for (const { grant } of grants) of(grant.holder).grants++
  for (const warrant of warrants) of(warrant.system).warrants++
  return HashMap.fromIterable(held)
}

export const thaw = (frozen: FrozenState): AuthorityState => ({
  cursor: frozen.cursor,
  chain: frozen.chain,
  time: frozen.time,
  boot: frozen.boot,
  policy: frozen.policy,
  systems: HashMap.fromIterable(frozen.systems.map((record) => [record.id, record] as const)),
  grants: HashMap.fromIterable(frozen.grants.map((held) => [held.grant.id, held] as const)),
  requests: HashMap.fromIterable(frozen.requests.map((request) => [request.request, request] as const)),
  floors: HashMap.fromIterable(frozen.floors),
  warrants: HashMap.fromIterable(frozen.warrants.map((warrant) => [warrant.id, warrant] as const)),
  modules: HashMap.fromIterable(frozen.modules.map((module) => [module.id, module] as const)),
  tokens: HashMap.fromIterable((frozen.tokens ?? []).map((token) => [token.jti, token] as const)),
  held: heldIn(frozen),
  recent: HashMap.fromIterable(frozen.recent)
})

/** All grants below these, themselves included: what falls when they fall. */
export const subtree = (state: AuthorityState, roots: Iterable<string>): ReadonlyArray<string> => {
  const fallen = new Set(roots)
  for (let size = -1; size !== fallen.size; ) {
    size = fallen.size
    for (const { grant } of HashMap.values(state.grants)) {
      if (grant.parent !== null && fallen.has(grant.parent)) fallen.add(grant.id)
    }
  }
  return [...fallen].filter((id) => HashMap.has(state.grants, id))
}

export const grantsOf = (state: AuthorityState, holder: SystemId): ReadonlyArray<Grant> =>
  [...HashMap.values(state.grants)].filter(({ grant }) => grant.holder === holder).map(({ grant }) => grant)

/** Where the oldest open warrant was asked for; infinite when none is open. */
export const oldestOpenRequest = (state: AuthorityState): Cursor => {
  let oldest = Infinity
  for (const warrant of HashMap.values(state.warrants)) oldest = Math.min(oldest, warrant.requestCursor)
  return oldest
}
