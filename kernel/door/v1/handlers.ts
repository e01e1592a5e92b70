// What a row of `/v1` is given and what it answers: one function for each route of the table.
import type * as Effect from "effect/Effect"
import type { Failure } from "../../../protocol/problem.ts"
import type { PayloadOf, QueryOf, RouteName, StreamName, SuccessOf } from "../../../protocol/routes.ts"
import type { Guest } from "../guest.ts"
import type { Answer, Asked } from "../surface.ts"

export interface Input<Name extends RouteName> {
  /** The name in the path, or empty. */
  readonly id: string
  readonly query: QueryOf<Name>
  readonly payload: PayloadOf<Name>
  readonly guest: Guest
  readonly headers: Asked["headers"]
  /** Its body as it comes, for rows that stream. */
  readonly asked: Asked
}

/** An answer that is more than data: with headers, a text that is JSON already, or a stream. */
export class Reply {
  readonly answer: Answer
  constructor(answer: Answer) {
    this.answer = answer
  }
}

/** JSON that is a text already. */
export const json = (text: string | Uint8Array, headers: Readonly<Record<string, string>> = {}, status = 200): Reply =>
  new Reply({ status, headers: { "content-type": "application/json", ...headers }, body: text })

/** What it can fail with, a client can decode. */
export type Handler<Name extends RouteName> = (
  input: Input<Name>
) => Effect.Effect<Name extends StreamName ? Reply : SuccessOf<Name> | Reply, Failure>

export type Handlers = { readonly [Name in RouteName]: Handler<Name> }
