// Routes of tokens: the operator lets guests in and shows them out.
import * as Schema from "effect/Schema"
import { MintedToken, TokenRequest, TokenView } from "../token.ts"
import { None, row } from "./row.ts"

export const tokenRoutes = {
  tokens: row({
    method: "GET", path: "/v1/tokens", group: "tokens", says: "Tokens that are good, oldest first, without their secrets.", query: None, payload: None,
    success: Schema.Array(TokenView)
  }),
  mintToken: row({
    method: "POST", path: "/v1/tokens", group: "tokens", says: "Mints a token. Its secret is told here and never again.", query: None, payload: TokenRequest,
    success: MintedToken, status: 201
  }),
  revokeToken: row({
    method: "DELETE", path: "/v1/tokens/:id", group: "tokens", says: "Revokes a token by its id, or all of a name, at once. Answers those that were.", query: None,
    payload: None, success: Schema.Array(TokenView)
  })
} as const
