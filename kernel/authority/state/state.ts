// The authority state: a pure fold over the journal. It holds live things only: closed warrants and settled requests
// are found by the journal's index on correlation. Persistent maps, so that a decision sees the head plus the batch
// being built while everybody else still sees what was committed.
import * as HashMap from "effect/HashMap"
import * as HashSet from "effect/HashSet"
import type { Standing } from "../../../protocol/approval.ts"
import type { Asks } from "../../../protocol/asks.ts"
import type { Grant } from "../../../protocol/authority.ts"
import type { SystemStatus } from "../../../protocol/lifecycle.ts"
import type { ChannelId, Cursor, SystemId } from "../../../protocol/names.ts"
import type { TokenView } from "../../../protocol/token.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import type { Entry } from "../entry.ts"
import type { Account } from "./budgets.ts"
import { noEdge, type Edge } from "./edge.ts"
import type { Starts } from "./starts.ts"

export interface SystemRecord {
  readonly id: SystemId
  readonly manifest: string
  readonly framework: string
  readonly privileged: boolean
  /** It runs elsewhere, and came with a bearer token. */
  readonly bearer?: true
  readonly configured: boolean
  readonly status: SystemStatus
  readonly reason: string
  /** Resources that its manifest declares. */
  readonly declares: ReadonlyArray<string>
  /** Resources for which an operator took its grant back: policy is not asked about them until it is undocked. */
  readonly withheld?: ReadonlyArray<string>
}

export interface HeldGrant {
  readonly grant: Grant
  /** Actions that were started under it, its descendants' included. */
  readonly uses: number
  /** Its newest starts, as many as its rate counts; absent: it has no rate, or was not used. */
  readonly starts?: ReadonlyArray<number>
}

export interface ModuleRecord {
  readonly id: string
  readonly framework: string
  readonly file: string | null
  readonly digest: string | null
  readonly origin: "config" | "runtime"
  /** What it was approved to ask for; absent: it was loaded before that was written down. */
  readonly asks?: Asks
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
  /** Version of the policy in force. */
  readonly policy: string
  /** Public key that signs checkpoints outside the store; empty as long as there are none. */
  readonly auditKey: string
  /** The policy that somebody put in force at run time, over the config's; null: the config's is in force. */
  readonly activated: Activated | null
  /** Nothing new starts while this is set. */
  readonly frozen: Freeze | null
  readonly systems: HashMap.HashMap<SystemId, SystemRecord>
  readonly grants: HashMap.HashMap<string, HeldGrant>
  /** What hangs directly below a grant. Follows from the grants, as does the next one. */
  readonly children: HashMap.HashMap<string, HashSet.HashSet<string>>
  readonly facets: HashSet.HashSet<string>
  /** Labels of artifacts, by digest; and those of artifacts that came after the bound on them. */
  readonly artifactLabels: HashMap.HashMap<string, ReadonlyArray<string>>
  readonly laterLabels: ReadonlyArray<string>
  /** Labels that a human took from what follows from an event, by its id. */
  readonly declassified: HashMap.HashMap<string, ReadonlyArray<string>>
  /** Accounts of grants that have a budget, by grant; and those of systems, by glob. */
  readonly accounts: HashMap.HashMap<string, Account>
  readonly budgets: HashMap.HashMap<string, Account>
  /** Requests that have their verdict and are not yet settled. */
  readonly requests: HashMap.HashMap<string, KnownRequest>
  /** Settled floor of each request channel: what is below it was forgotten. */
  readonly floors: HashMap.HashMap<ChannelId, Cursor>
  /** Warrants that are escalated, started or unknown. */
  readonly warrants: HashMap.HashMap<string, Warrant>
  /** Standing approvals by id, from being given until they are revoked or the next one is given after they ended. */
  readonly standing: HashMap.HashMap<string, Standing>
  readonly modules: HashMap.HashMap<string, ModuleRecord>
  /** Tokens by id, from minting until they expire or are revoked. */
  readonly tokens: HashMap.HashMap<string, TokenView>
  /** Keys and links of the edge. */
  readonly edge: Edge
  /** How many grants and open warrants each system has: what its bounds are held against. Follows from the maps above. */
  readonly held: HashMap.HashMap<SystemId, Held>
  /** Start times of each system's actions within the last minute before `time`. */
  readonly recent: HashMap.HashMap<SystemId, Starts>
}

export interface Activated {
  readonly version: string
  readonly artifact: string
  readonly at: number
  readonly by: SystemId
  readonly reason: string
}

export interface Freeze {
  readonly at: number
  readonly by: SystemId
  readonly reason: string
}

export interface Held {
  readonly grants: number
  readonly warrants: number
  /** Those of the warrants that wait for a human. */
  readonly waiting: number
}

export const nothingHeld: Held = { grants: 0, warrants: 0, waiting: 0 }
export const heldBy = (state: AuthorityState, system: SystemId): Held => lookup(state.held, system) ?? nothingHeld

export const initial: AuthorityState = {
  cursor: 0,
  chain: "",
  time: 0,
  boot: 0,
  policy: "",
  auditKey: "",
  activated: null,
  frozen: null,
  systems: HashMap.empty(),
  grants: HashMap.empty(),
  children: HashMap.empty(),
  facets: HashSet.empty(),
  artifactLabels: HashMap.empty(),
  laterLabels: [],
  declassified: HashMap.empty(),
  accounts: HashMap.empty(),
  budgets: HashMap.empty(),
  requests: HashMap.empty(),
  floors: HashMap.empty(),
  warrants: HashMap.empty(),
  standing: HashMap.empty(),
  modules: HashMap.empty(),
  tokens: HashMap.empty(),
  edge: noEdge,
  held: HashMap.empty(),
  recent: HashMap.empty()
}

/** A state that is being made, and that nobody else has yet. */
export type Draft = { -readonly [K in keyof AuthorityState]: AuthorityState[K] }

/** A copy to change. Field by field: spreading so many of them costs a microsecond, which is more than most steps take. */
export const draftOf = (state: AuthorityState): Draft => ({
  cursor: state.cursor, chain: state.chain, time: state.time, boot: state.boot, policy: state.policy, auditKey: state.auditKey,
  activated: state.activated, frozen: state.frozen, systems: state.systems, grants: state.grants, children: state.children,
  facets: state.facets, artifactLabels: state.artifactLabels, laterLabels: state.laterLabels, declassified: state.declassified,
  accounts: state.accounts, budgets: state.budgets, requests: state.requests, floors: state.floors, warrants: state.warrants,
  standing: state.standing, modules: state.modules, tokens: state.tokens, edge: state.edge, held: state.held, recent: state.recent
})

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
