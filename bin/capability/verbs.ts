// Capabilities: who may use what, within which limits; and minting, passing on and ending them.
import * as Effect from "effect/Effect"
import type { Client, ClientError } from "../../libos/http.ts"
import type { GrantStory, GrantView } from "../../protocol/view.ts"
import { type Called, idOf, show, spanOf } from "../called.ts"
import { accessOf, caveatsOf, inWords, type CaveatFlags } from "./caveats.ts"
import { momentOf } from "../event-line.ts"
import type { NotFound, UsageError } from "../failure.ts"
import { connect } from "../run-file.ts"
import { ago, err, onErr, onOut, plain, table } from "../terminal.ts"

const endsIn = (at: number | null | undefined, now: number): string => (at === null || at === undefined ? "never" : ago(Math.max(0, at - now)))

/** Who gave it: another system, an operator, or the kernel by what policy allowed. */
const giverOf = ({ giver, scope }: GrantView): string => giver ?? (scope["issued_by"] === "operator" ? "operator" : "kernel")

const limits = ({ caveats, facet, uses }: GrantView, now: number): string =>
  [...(facet === true ? ["facet"] : []), ...inWords(caveats, uses, now)].join("; ")

export const list = Effect.fnUntraced(function*(
  called: Called, query: { readonly holder?: string; readonly resource?: string; readonly limit?: number }
): Effect.fn.Return<void, ClientError> {
  const client = yield* connect(called.directory)
  const [grants, { now }] = yield* Effect.all([client.call("grants", { query }), client.call("status")])
  yield* show(called, grants, () =>
    grants.length === 0
      ? [onOut.dim("Nobody holds anything.")]
      : table(["CAPABILITY", "HOLDER", "RESOURCE", "ACCESS", "ENDS IN", "USES", "FROM", "LIMITS"], grants.map((grant) => [
          grant.id, grant.holder, grant.resource, grant.access, grant.parent !== null && grant.caveats.expiresAt === undefined ? "with its parent" : endsIn(grant.caveats.expiresAt, now), String(grant.uses), giverOf(grant), limits(grant, now)
        ])))
})

/** All of an id, or the beginning of one. */
const find = Effect.fnUntraced(function*(client: Client, given: string): Effect.fn.Return<GrantStory, ClientError | NotFound | UsageError> {
  return yield* Effect.catchTag(client.call("grant", { id: given }), "GrantNotFound", Effect.fnUntraced(function*() {
    const grants = yield* client.call("grants", { query: { limit: 1_000 } })
    return yield* client.call("grant", { id: yield* idOf(given, grants.map(({ id }) => id), "capability") })
  }))
})

const details = (grant: GrantStory, now: number): ReadonlyArray<string> => [
  `capability ${grant.id}${grant.facet === true ? "   a facet: ends with this run of the kernel" : ""}`,
  `holder     ${plain(grant.holder)}`,
  `allows     ${grant.access} on ${plain(grant.resource)}`,
  `from       ${plain(giverOf(grant))}, ${momentOf(grant.issuedAt)}`,
  `ends in    ${endsIn(grant.endsAt, now)}`,
  `uses       ${grant.uses}${grant.usesLeft === null ? "" : `, ${grant.usesLeft} left`}`,
  ...inWords(grant.caveats, grant.uses, now).map((words, at) => `${at === 0 ? "limits     " : "           "}${words}`),
  ...grant.chain.flatMap((link) => [
    `under      ${link.id}, of ${plain(link.holder)}, ends in ${endsIn(link.caveats.expiresAt, now)}`,
    ...inWords(link.caveats, link.uses, now).map((words) => `             ${words}`)
  ]),
  ...(grant.below === 0 ? [] : [`below      ${grant.below} delegated from it, which end with it`])
]

export const showOne = Effect.fnUntraced(function*(called: Called, id: string): Effect.fn.Return<void, ClientError | NotFound | UsageError> {
  const client = yield* connect(called.directory)
  const [grant, { now }] = yield* Effect.all([find(client, id), client.call("status")])
  yield* show(called, grant, () => details(grant, now))
})

export interface GiveFlags extends CaveatFlags {
  readonly access?: string
  readonly ttl?: string
}

const secondsOf = Effect.fnUntraced(function*(ttl: string | undefined): Effect.fn.Return<{ readonly ttl?: number }, UsageError> {
  return ttl === undefined ? {} : { ttl: (yield* spanOf("--ttl", ttl)) / 1_000 }
})

/** The id alone goes to stdout, so that a script can go on with it. */
const given = Effect.fnUntraced(function*(called: Called, grant: GrantView, now: number): Effect.fn.Return<void> {
  const { caveats: { expiresAt }, parent } = grant
  const within = limits(grant, now)
  const long = expiresAt !== undefined ? `for ${endsIn(expiresAt, now)}` : parent === null ? "until it is revoked" : "as long as what it was made of"
  yield* show(called, grant, () => [grant.id])
  if (!called.json) err(onErr.dim(`${plain(grant.holder)} may ${grant.access} ${plain(grant.resource)}, ${long}${within === "" ? "" : `: ${within}`}`))
})

export const issue = Effect.fnUntraced(function*(
  called: Called, to: string, resource: string, flags: GiveFlags
): Effect.fn.Return<void, ClientError | UsageError> {
  const access = (yield* accessOf(flags.access)) ?? "execute"
  const seconds = yield* secondsOf(flags.ttl)
  const client = yield* connect(called.directory)
  const { now } = yield* client.call("status")
  const grant = yield* client.call("issueGrant", { payload: { to, resource, access, caveats: yield* caveatsOf(flags, now), ...seconds } })
  yield* given(called, grant, now)
})

export const delegate = Effect.fnUntraced(function*(
  called: Called, id: string, to: string, { facet, ...flags }: GiveFlags & { readonly facet: boolean }
): Effect.fn.Return<void, ClientError | NotFound | UsageError> {
  const access = yield* accessOf(flags.access)
  const seconds = yield* secondsOf(flags.ttl)
  const client = yield* connect(called.directory)
  const { now } = yield* client.call("status")
  const { id: token } = yield* find(client, id)
  const grant = yield* client.call("delegateGrant", {
    payload: { token, to, caveats: yield* caveatsOf(flags, now), ...seconds, ...(access === undefined ? {} : { access }), ...(facet ? { facet } : {}) }
  })
  yield* given(called, grant, now)
})

export const revoke = Effect.fnUntraced(function*(called: Called, id: string): Effect.fn.Return<void, ClientError | NotFound | UsageError> {
  const client = yield* connect(called.directory)
  const { id: exact } = yield* find(client, id)
  const revoked = yield* client.call("revokeGrant", { id: exact })
  yield* show(called, revoked, () => [`revoked ${exact}${revoked.ended === 1 ? "" : `, and ${revoked.ended - 1} that were delegated from it`}`])
})
