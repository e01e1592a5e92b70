// A visitor of a kernel in a test: docked as a guest, and allowed what the test says.
import * as Effect from "effect/Effect"
import type { Kernel } from "../../kernel/kernel.ts"
import { isPublic } from "../../kernel/guard/wiring.ts"
import type { Visitor } from "../../kernel/resource/visitor.ts"
import { ChannelNotFound, Denied } from "../../protocol/errors.ts"
import { suffices, type Role } from "../../protocol/security.ts"

export const visitorOf = (kernel: Kernel, system: string, role: Role = "admin"): Effect.Effect<Visitor> =>
  Effect.map(Effect.orDie(kernel.dockGuest(system)), ({ port }): Visitor => {
    const allows: Visitor["allows"] = (name, asked) =>
      suffices(role, asked) ? undefined : new Denied({ system, operation: asked, target: name, reason: `it may only ${role}` })
    return {
      system, port, allows,
      refusal: (channel, asked) => (isPublic(kernel.channels.get(channel)) ? allows(channel, asked) : new ChannelNotFound({ channel }))
    }
  })
