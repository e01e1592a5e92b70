// The surfaces that a kernel has for everybody who has a credential, beside its own API.
import * as Effect from "effect/Effect"
import { ConfigInvalid } from "../../protocol/errors.ts"
import type { Kernel } from "../kernel.ts"
import type { Endpoint } from "./endpoint.ts"
import { sssn } from "./sssn.ts"
import type { Surface } from "./surface.ts"
import { transport } from "./transport.ts"

export const publishedSurfaces = (kernel: Kernel, endpoints: ReadonlyArray<Endpoint>): Effect.Effect<ReadonlyArray<Surface>, ConfigInvalid> =>
  Effect.suspend(() => {
    try {
      return Effect.succeed([sssn({ kernel, endpoints }), transport({ kernel })])
    } catch (error) {
      // An endpoint that cannot be mounted says so itself.
      return error instanceof ConfigInvalid ? Effect.fail(error) : Effect.die(error)
    }
  })
