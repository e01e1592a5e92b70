// All rows, in groups: what one group does to a process (its heap, its compiled code) is not done to the next.
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { relaxed, strict } from "./append.ts"
import { capability } from "./capability.ts"
import { claim } from "./claim.ts"
import { command } from "./command.ts"
import { decision } from "./decision.ts"
import { evidence } from "./evidence.ts"
import { fanOut } from "./fan-out.ts"
import { flatCosts } from "./flat.ts"
import { neighbour } from "./flood.ts"
import { http } from "./http.ts"
import { portable } from "./portable.ts"
import { queue } from "./queue.ts"
import { relay } from "./relay.ts"
import { request } from "./request.ts"
import { restart } from "./restart.ts"
import type { Row } from "./row.ts"
import type { Sized } from "./size.ts"
import { socket } from "./socket.ts"
import { synapse } from "./synapse.ts"
import { steady } from "./steady.ts"
import { token } from "./token.ts"
import { warrant } from "./warrant.ts"

export type Group = (sized: Sized) => Effect.Effect<ReadonlyArray<Row>, unknown, Scope.Scope>

export const groups: Readonly<Record<string, Group>> = {
  relaxed, strict, steady, claim, "fan-out": fanOut, queue, flat: flatCosts, request, warrant, decision, evidence, capability, token, restart, command, neighbour, http, portable, socket, synapse, relay
}
