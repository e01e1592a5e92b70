// Routes of tokens: what lets guests in.
import * as Schema from "effect/Schema"
import { MintedToken, TokenRequest, TokenView } from "../token.ts"
import { None, proof, row } from "./row.ts"

export const tokenRoutes = {
  tokens: row({ method: "GET", path: "/v1/tokens", group: "tokens", says: "Tokens that are good now, without their secrets.", query: None, payload: None, success: Schema.Array(TokenView) }),
  mintToken: row({
    method: "POST", path: "/v1/tokens", group: "tokens", says: "A new token. Its secret is told once and kept nowhere.", query: None,
    /** One that lets its holder approve is proved as an approval is. */
    payload: Schema.Struct({ ...TokenRequest.fields, ...proof }),
    success: MintedToken, status: 201
  }),
  revokeToken: row({
    method: "DELETE", path: "/v1/tokens/:id", group: "tokens", says: "Ends a token at once, also for those who are connected with it.", query: None, payload: None,
    success: Schema.Array(TokenView)
  })
} as const
