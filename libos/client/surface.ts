// The surface of `aaax/client` as types: a kernel, as another process sees it.
import type { EnrolledKey, Enrolled, EnrolmentRequest, EnrolmentView, RootToken } from "../../protocol/act.ts"
import type { ArtifactRecord } from "../../protocol/artifact.ts"
import type { BatchAnswer, GateStory, Standing, StandingPreview, StandingTerms, Why } from "../../protocol/approval.ts"
import type { Channel, ChannelSpec } from "../../protocol/channel.ts"
import type { Appended, Draft, Event, Filter, Page } from "../../protocol/event.ts"
import type { ChannelId, Cursor } from "../../protocol/names.ts"
import type { AppendOptions, EvictOptions, ReadOptions, TakeOptions } from "../../protocol/port.ts"
import type { PayloadOf, QueryOf, SuccessOf } from "../../protocol/routes.ts"
import type { Snapshot } from "../../protocol/snapshot.ts"
import type { Lag, Settlement, SharedSubscription, Taken } from "../../protocol/subscription.ts"
import type { MintedToken, TokenRequest, TokenView } from "../../protocol/token.ts"
import type { AuditReport, ChannelView, GateView, GrantStory, GrantView, KernelStatus, ModuleView, SystemView } from "../../protocol/view.ts"
import type { CallName, InputOf } from "../http.ts"
import type { RemoteKernel } from "../remote.ts"
import type { ArtifactBytes, PutArtifactOptions } from "./artifact.ts"

export interface ClientOptions {
  /** Where the kernel listens: `http://127.0.0.1:8100`. */
  readonly url: string
  /** The operator's token, or one of `aaax token mint`. */
  readonly token?: string
  /** In place of a token: an enrolled key, of `aaax enroll`. Every request is proven to come from it. */
  readonly key?: EnrolledKey
  /** How long one request may take; default 30 seconds. */
  readonly timeoutMillis?: number
  /** How often what may be repeated is sent again when nobody answers or there is no room; default 4. */
  readonly retries?: number
  /** In place of the platform's own. */
  readonly fetch?: typeof fetch
}

/** What one call may be given beside its own options. */
export interface CallOptions {
  readonly signal?: AbortSignal
}

export interface SubscribeOptions extends Filter, CallOptions {
  /** Events behind this cursor, or what comes from now on; default: from the oldest that is kept. */
  readonly after?: Cursor | "now"
}

export interface PutSnapshotOptions {
  /** Put only on this revision; 0: only when there is none. */
  readonly expectedRevision?: number
  readonly channel?: ChannelId | null
  readonly sourceEventId?: string | null
  readonly schema?: string | null
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** A kernel, as a client sees it. Every promise rejects with the tagged error itself. */
export interface Client {
  readonly url: string
  /** Any route of `/v1`, by its name: what the verbs below are made of. */
  readonly call: <Name extends CallName>(name: Name, input?: InputOf<Name>, options?: CallOptions) => Promise<SuccessOf<Name>>
  readonly channels: {
    readonly list: () => Promise<ReadonlyArray<ChannelView>>
    readonly get: (name: ChannelId) => Promise<ChannelView>
    readonly create: (name: ChannelId, spec?: Omit<ChannelSpec, "name">) => Promise<Channel>
    /** One draft or several, all or nothing. Without a key of yours each call makes one, so that sending it again is safe. */
    readonly append: (name: ChannelId, drafts: Draft | ReadonlyArray<Draft>, options?: AppendOptions & CallOptions) => Promise<ReadonlyArray<Appended>>
    /** `waitMillis`: waits so long for an event when there is none. */
    readonly read: (name: ChannelId, options?: Omit<ReadOptions, "fullLog"> & CallOptions & { readonly waitMillis?: number }) => Promise<Page>
    /** Events as they come, without end; after a broken connection from where they were. */
    readonly subscribe: (name: ChannelId, options?: SubscribeOptions) => AsyncGenerator<Event, void, undefined>
    readonly take: (name: ChannelId, options?: Pick<TakeOptions, "limit"> & CallOptions & { readonly waitMillis?: number }) => Promise<ReadonlyArray<Taken>>
    readonly settle: (name: ChannelId, settlements: ReadonlyArray<Settlement>) => Promise<void>
    /** Answers when the lease now ends. */
    readonly renew: (name: ChannelId, cursor: Cursor, epoch: number) => Promise<number>
    readonly backlog: (name: ChannelId) => Promise<number>
    readonly evict: (name: ChannelId, options: EvictOptions) => Promise<Cursor>
    readonly clear: (name: ChannelId, filter?: Filter) => Promise<void>
    readonly remove: (name: ChannelId, ids: ReadonlyArray<string>) => Promise<number>
  }
  readonly events: {
    readonly get: (id: string) => Promise<Event>
    /** For the operator: events of all channels whose names match, as they come. */
    readonly tail: (query: QueryOf<"tail">, options?: CallOptions) => AsyncGenerator<Event, void, undefined>
  }
  readonly snapshots: {
    readonly list: () => Promise<SuccessOf<"snapshots">>
    readonly get: (name: string) => Promise<Snapshot>
    readonly put: (name: string, value: unknown, options?: PutSnapshotOptions) => Promise<Snapshot>
  }
  readonly artifacts: {
    readonly list: (query?: QueryOf<"artifacts">) => Promise<SuccessOf<"artifacts">>
    readonly get: (id: string) => Promise<ArtifactRecord>
    readonly put: (data: ArtifactBytes, options?: PutArtifactOptions) => Promise<ArtifactRecord>
    /** The bytes as they come, or a range of them. */
    readonly bytes: (id: string, options?: CallOptions & { readonly from?: number; readonly to?: number }) => Promise<ReadableStream<Uint8Array>>
    /** All of them at once. */
    readonly read: (id: string, options?: CallOptions) => Promise<Uint8Array>
  }
  readonly subscriptions: {
    readonly list: (query?: QueryOf<"subscriptions">) => Promise<SuccessOf<"subscriptions">>
    readonly get: (id: string) => Promise<SharedSubscription>
    /** The subscription with this id, made when it is not there. */
    readonly open: (options: NonNullable<InputOf<"subscribe">["payload"]>) => Promise<SharedSubscription>
    readonly pull: (id: string, options?: NonNullable<InputOf<"pull">["payload"]> & CallOptions) => Promise<SuccessOf<"pull">>
    readonly ack: (id: string, cursor: Cursor) => Promise<SharedSubscription>
    readonly lag: (id: string) => Promise<Lag>
    /** Events without end, at least once: one counts as handled when the next is asked for. */
    readonly follow: (id: string, options?: CallOptions) => AsyncGenerator<Event, void, undefined>
  }
  readonly systems: {
    readonly list: () => Promise<ReadonlyArray<SystemView>>
    readonly get: (id: string) => Promise<SystemView>
    readonly pause: (id: string) => Promise<void>
    readonly resume: (id: string) => Promise<void>
    readonly drain: (id: string, options?: { readonly timeoutMillis?: number }) => Promise<void>
    readonly revoke: (id: string) => Promise<void>
    readonly undock: (id: string) => Promise<void>
  }
  readonly capabilities: {
    readonly list: (query?: QueryOf<"grants">) => Promise<ReadonlyArray<GrantView>>
    readonly get: (id: string) => Promise<GrantStory>
    /** Mints a grant for a docked system. */
    readonly issue: (grant: PayloadOf<"issueGrant">) => Promise<GrantView>
    /** Makes a narrower one of a grant, in its holder's place. */
    readonly delegate: (delegation: PayloadOf<"delegateGrant">) => Promise<GrantView>
    /** Ends a grant and what was derived from it; answers how many ended. */
    readonly revoke: (id: string) => Promise<number>
  }
  readonly gate: {
    readonly list: (query?: QueryOf<"gate">) => Promise<ReadonlyArray<GateView>>
    readonly show: (id: string) => Promise<GateStory>
    /**
     * `digest`: of what was shown; another one is refused. From risk high up it rejects with `ProofNeeded` without the code
     * that the kernel's terminal then shows, or the passphrase.
     */
    readonly approve: (id: string, answer?: PayloadOf<"approve">) => Promise<GateView>
    readonly deny: (id: string, reason: string) => Promise<GateView>
    /** Puts other arguments in its place; they wait under a digest of their own. */
    readonly edit: (id: string, edited: PayloadOf<"edit">) => Promise<GateView>
    /** Several at once, each bound to its own digest. */
    readonly answerAll: (answers: PayloadOf<"answerAll">) => Promise<ReadonlyArray<BatchAnswer>>
    /** What a standing approval on these terms would have matched. */
    readonly preview: (id: string, terms: StandingTerms) => Promise<StandingPreview>
    readonly standing: () => Promise<ReadonlyArray<Standing>>
    readonly revokeStanding: (id: string) => Promise<Standing>
    readonly reconcile: (id: string, outcome: "succeeded" | "failed", reason: string) => Promise<GateView>
  }
  /** Who changed a path last, or why an event or a request is there. */
  readonly why: (of: string) => Promise<Why>
  /** Asks the gate for an effect, as the operator. Waits for its end, at most so long; `final` says whether it came. */
  readonly act: (action: NonNullable<InputOf<"act">["payload"]>, options?: CallOptions & { readonly waitMillis?: number }) => Promise<SuccessOf<"act">>
  readonly modules: {
    readonly list: () => Promise<ReadonlyArray<ModuleView>>
    readonly load: (options: { readonly file: string; readonly id?: string }) => Promise<ModuleView>
  }
  readonly tokens: {
    readonly mint: (request: TokenRequest) => Promise<MintedToken>
    readonly list: () => Promise<ReadonlyArray<TokenView>>
    /** By id, or all of a name. */
    readonly revoke: (target: string) => Promise<ReadonlyArray<TokenView>>
  }
  /** Keys of systems outside. */
  readonly keys: {
    readonly enroll: (request: EnrolmentRequest) => Promise<Enrolled>
    readonly list: () => Promise<ReadonlyArray<EnrolmentView>>
    /** Who a token can be narrowed for. */
    readonly get: (system: string) => Promise<Enrolled>
    readonly revoke: (system: string) => Promise<EnrolmentView>
    /** A token for a grant, which its holder may narrow with `attenuate`. */
    readonly tokenFor: (grant: string, options?: { readonly ttlSeconds?: number }) => Promise<RootToken>
  }
  readonly audit: {
    readonly list: (query?: QueryOf<"audit">) => Promise<ReadonlyArray<Event>>
    readonly verify: () => Promise<AuditReport>
  }
  readonly status: () => Promise<KernelStatus>
  /** A WebSocket to the same kernel: subscriptions of many channels, and systems that run here. */
  readonly connect: () => Promise<RemoteKernel>
}
