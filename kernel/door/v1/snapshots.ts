// Rows of snapshots. The revision is the etag: strong, a number in quotes.
import * as Effect from "effect/Effect"
import { InvalidPayload } from "../../../protocol/errors.ts"
import type { Kernel } from "../../kernel.ts"
import { channelsPageMax } from "../../limits.ts"
import type { Hands } from "./hands.ts"
import { headerOf } from "../header.ts"
import { type Handlers, type Input, json, Reply } from "./handlers.ts"

type Rows = Pick<Handlers, "snapshots" | "snapshot" | "putSnapshot">

const etagOf = (revision: number): string => `"${revision}"`

/** The revisions that a header names; `*` stands for any. */
const revisionsIn = (header: string): ReadonlyArray<number> | "*" | undefined => {
  if (header.trim() === "*") return "*"
  const tags = header.split(",").map((tag) => /^\s*(?:W\/)?"(\d{1,15})"\s*$/u.exec(tag)?.[1])
  return tags.every((tag) => tag !== undefined) ? tags.map(Number) : undefined
}

/** The revision that a put asks for: nothing when it asks for none, 0 when there must be none. */
const expectedBy = ({ headers }: Input<"putSnapshot">): number | undefined | InvalidPayload => {
  const refuse = (path: string, reason: string): InvalidPayload => new InvalidPayload({ what: "header", path, reason })
  const match = headerOf(headers, "if-match")
  const noneMatch = headerOf(headers, "if-none-match")
  if (noneMatch !== undefined) return noneMatch.trim() === "*" && match === undefined ? 0 : refuse("if-none-match", "only * is offered, and without if-match")
  if (match === undefined) return undefined
  const revisions = revisionsIn(match)
  return Array.isArray(revisions) && revisions.length === 1 ? revisions[0] : refuse("if-match", 'one revision in quotes is offered, such as "3"')
}

export const snapshotRows = ({ channels: { store }, resources: { snapshots } }: Kernel, { visitorOf }: Hands): Rows => {
  return {
    snapshots: ({ guest, query }) =>
      Effect.map(guest.isOperator ? store.snapshots() : snapshots.list(guest), (all) => {
        const { after, limit } = query
        return all.filter(({ name }) => after === undefined || name > after).slice(0, Math.min(limit ?? channelsPageMax, channelsPageMax))
      }),
    snapshot: ({ guest, headers, id }) =>
      Effect.map(snapshots.get(visitorOf(guest), id), (snapshot) => {
        const etag = etagOf(snapshot.revision)
        const known = headerOf(headers, "if-none-match")
        const revisions = known === undefined ? undefined : revisionsIn(known)
        return revisions === "*" || revisions?.includes(snapshot.revision) === true
          ? new Reply({ status: 304, headers: { etag } })
          : json(JSON.stringify(snapshot), { etag })
      }),
    putSnapshot: (input) => {
      const { guest, id, payload } = input
      const expectedRevision = expectedBy(input)
      if (typeof expectedRevision === "object") return Effect.fail(expectedRevision)
      const { visibility, ...rest } = payload
      // What a guest puts would be seen by nobody otherwise, itself included.
      const shown = guest.isOperator ? visibility : "public"
      return Effect.map(
        snapshots.put(visitorOf(guest), { ...rest, name: id, ...(shown === undefined ? {} : { visibility: shown }) }, expectedRevision === undefined ? {} : { expectedRevision }),
        (snapshot) => json(JSON.stringify(snapshot), { etag: etagOf(snapshot.revision) })
      )
    }
  }
}
