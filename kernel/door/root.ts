// What lies beside the surfaces: whether the kernel is alive.
import * as Effect from "effect/Effect"
import { refusal } from "./problems.ts"
import type { Surface } from "./surface.ts"

export const root = (): Surface => ({
  prefix: "",
  published: false,
  refusal,
  open: ({ segments }) => segments.length === 1 && segments[0] === "healthz",
  answer: ({ method, segments }) =>
    Effect.succeed(
      method === "GET" && segments.length === 1 && segments[0] === "healthz"
        ? { status: 200, headers: { "content-type": "text/plain" }, body: "ok\n", route: "healthz" }
        : refusal(404, "NotFound", "There is nothing at this path.")
    )
})
