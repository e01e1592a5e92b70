// Keys over HTTP: for the operator, and of them what a system with a key may know.
import * as Effect from "effect/Effect"
import type { Kernel } from "../../kernel.ts"
import type { Handlers } from "./handlers.ts"

type Rows = Pick<Handlers, "keys" | "enrollKey" | "key" | "revokeKey" | "signingKeys" | "rotateKey" | "grantToken">

export const keyRows = ({ edge }: Pick<Kernel, "edge">): Rows => ({
  keys: () => Effect.sync(edge.list),
  enrollKey: ({ payload }) => edge.enrol(payload),
  key: ({ id }) => edge.show(id),
  revokeKey: ({ id }) => edge.revoke(id),
  signingKeys: () => Effect.sync(() => ({ keys: edge.keys() })),
  rotateKey: () => Effect.map(edge.rotate, (keys) => ({ keys })),
  grantToken: ({ guest, payload }) => edge.mint(payload.grant, payload.ttlSeconds, guest.isOperator ? undefined : guest.system)
})
