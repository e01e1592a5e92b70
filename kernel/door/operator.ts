// Who holds the token that the kernel made at its start, as a docked system and as a guest.
import * as Effect from "effect/Effect"
import { createHash, timingSafeEqual } from "node:crypto"
import { channelOf } from "../../protocol/channel.ts"
import { Unauthenticated } from "../../protocol/errors.ts"
import { emptyManifest } from "../../protocol/manifest.ts"
import type { SystemId } from "../../protocol/names.ts"
import type { DockError, Docked, Kernel } from "../kernel.ts"
import type { Guest, Reception } from "./guest.ts"

export const operator: SystemId = "operator"

/** Docks `operator`: who holds the token that the kernel made at its start. */
export const dockOperator = (kernel: Kernel): Effect.Effect<Docked, DockError> =>
  kernel.dock(
    { manifest: { ...emptyManifest(operator, "door"), description: "The person at the command line." }, run: () => Effect.never },
    { configured: true }
  )

const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

/** A reception that knows the operator's token and no other. */
export const operatorReception = (kernel: Kernel, { port }: Docked, token: string): Reception => {
  const guest: Guest = {
    system: operator,
    isOperator: true,
    principal: { id: operator, role: "admin" },
    ended: () => undefined,
    port,
    refusal: () => undefined,
    allows: () => undefined,
    docking: () => undefined,
    channels: () => kernel.channels.all(),
    create: (spec) => Effect.map(kernel.channels.open(channelOf({ ...spec, visibility: "public" }, operator)), () => channelOf({ ...spec, visibility: "public" }, operator))
  }
  const expected = digest(token)
  const known = Effect.succeed(guest)
  const unknown = Effect.fail(new Unauthenticated({ reason: "A valid bearer token is needed; the run file names the file that holds it." }))
  // Digests have one length, so that comparing takes the same time whatever was sent.
  const byToken: Reception["byToken"] = (given) => (timingSafeEqual(digest(given), expected) ? known : unknown)
  return {
    byToken,
    authenticate: (authorization = "") => byToken(/^bearer (.+)$/iu.exec(authorization)?.[1] ?? "")
  }
}
