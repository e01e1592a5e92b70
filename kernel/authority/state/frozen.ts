// The state as a snapshot keeps it: plain data.
import * as HashMap from "effect/HashMap"
import type { Standing } from "../../../protocol/approval.ts"
import type { ChannelId, Cursor, SystemId } from "../../../protocol/names.ts"
import type { TokenView } from "../../../protocol/token.ts"
import type { Warrant } from "../../../protocol/warrant.ts"
import { freezeEdge, thawEdge, type FrozenEdge } from "./edge.ts"
import type { Account } from "./budgets.ts"
import { bearerOf, indexesOf } from "./grants.ts"
import { startsOf, timesOf } from "./starts.ts"
import type { Activated, AuthorityState, Freeze, HeldGrant, KnownRequest, ModuleRecord, SystemRecord } from "./state.ts"
import { waits } from "./warrants.ts"

/** The plain form that a snapshot keeps. */
export interface FrozenState {
  readonly cursor: Cursor
  readonly chain: string
  readonly time: number
  readonly boot: number
  readonly policy: string
  /** Absent in snapshots from before there were checkpoints. */
  readonly auditKey?: string
  /** Absent in snapshots of the first layout, as what follows. */
  readonly activated?: Activated | null
  readonly frozen?: Freeze | null
  readonly systems: ReadonlyArray<SystemRecord>
  readonly grants: ReadonlyArray<HeldGrant>
  readonly requests: ReadonlyArray<KnownRequest>
  readonly floors: ReadonlyArray<readonly [ChannelId, Cursor]>
  readonly warrants: ReadonlyArray<Warrant>
  readonly modules: ReadonlyArray<ModuleRecord>
  /** Absent in snapshots of the first layout. */
  readonly tokens?: ReadonlyArray<TokenView>
  readonly standing?: ReadonlyArray<Standing>
  /** Absent in snapshots of the first layout. */
  readonly edge?: FrozenEdge
  readonly recent: ReadonlyArray<readonly [SystemId, ReadonlyArray<number>]>
  /** Absent in snapshots of the first layout. */
  readonly artifactLabels?: ReadonlyArray<readonly [string, ReadonlyArray<string>]>
  readonly laterLabels?: ReadonlyArray<string>
  readonly declassified?: ReadonlyArray<readonly [string, ReadonlyArray<string>]>
  readonly accounts?: ReadonlyArray<readonly [string, Account]>
  readonly budgets?: ReadonlyArray<readonly [string, Account]>
}

export const freeze = (state: AuthorityState): FrozenState => ({
  cursor: state.cursor,
  chain: state.chain,
  time: state.time,
  boot: state.boot,
  policy: state.policy,
  auditKey: state.auditKey,
  activated: state.activated,
  frozen: state.frozen,
  systems: HashMap.toValues(state.systems),
  grants: HashMap.toValues(state.grants),
  requests: HashMap.toValues(state.requests),
  floors: [...HashMap.entries(state.floors)],
  warrants: HashMap.toValues(state.warrants),
  modules: HashMap.toValues(state.modules),
  tokens: HashMap.toValues(state.tokens),
  edge: freezeEdge(state.edge),
  standing: HashMap.toValues(state.standing),
  recent: Array.from(HashMap.entries(state.recent), ([system, starts]) => [system, timesOf(starts)] as const),
  artifactLabels: [...HashMap.entries(state.artifactLabels)],
  laterLabels: state.laterLabels,
  declassified: [...HashMap.entries(state.declassified)],
  accounts: [...HashMap.entries(state.accounts)],
  budgets: [...HashMap.entries(state.budgets)]
})

const heldIn = ({ grants, warrants }: FrozenState): AuthorityState["held"] => {
  const held = new Map<SystemId, { grants: number; warrants: number; waiting: number }>()
  const of = (system: SystemId): { grants: number; warrants: number; waiting: number } => {
    const found = held.get(system) ?? { grants: 0, warrants: 0, waiting: 0 }
    held.set(system, found)
    return found
  }
  for (const { grant } of grants) of(bearerOf(grant)).grants++
  for (const warrant of warrants) {
    const its = of(warrant.system)
    its.warrants++
    its.waiting += waits(warrant)
  }
  return HashMap.fromIterable(held)
}

export const thaw = (frozen: FrozenState): AuthorityState => ({
  cursor: frozen.cursor,
  chain: frozen.chain,
  time: frozen.time,
  boot: frozen.boot,
  policy: frozen.policy,
  auditKey: frozen.auditKey ?? "",
  activated: frozen.activated ?? null,
  frozen: frozen.frozen ?? null,
  systems: HashMap.fromIterable(frozen.systems.map((record) => [record.id, record] as const)),
  grants: HashMap.fromIterable(frozen.grants.map((held) => [held.grant.id, held] as const)),
  ...indexesOf(frozen.grants),
  requests: HashMap.fromIterable(frozen.requests.map((request) => [request.request, request] as const)),
  floors: HashMap.fromIterable(frozen.floors),
  warrants: HashMap.fromIterable(frozen.warrants.map((warrant) => [warrant.id, warrant] as const)),
  modules: HashMap.fromIterable(frozen.modules.map((module) => [module.id, module] as const)),
  standing: HashMap.fromIterable((frozen.standing ?? []).map((standing) => [standing.id, standing] as const)),
  tokens: HashMap.fromIterable((frozen.tokens ?? []).map((token) => [token.jti, token] as const)),
  edge: thawEdge(frozen.edge),
  held: heldIn(frozen),
  recent: HashMap.fromIterable(frozen.recent.map(([system, times]) => [system, startsOf(times)] as const)),
  artifactLabels: HashMap.fromIterable(frozen.artifactLabels ?? []),
  laterLabels: frozen.laterLabels ?? [],
  declassified: HashMap.fromIterable(frozen.declassified ?? []),
  accounts: HashMap.fromIterable(frozen.accounts ?? []),
  budgets: HashMap.fromIterable(frozen.budgets ?? [])
})
