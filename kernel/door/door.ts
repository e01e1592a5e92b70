// A door: code that lets somebody outside reach a kernel. Every connection acts as a docked system of its own.
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConfigInvalid, Overloaded, StoreUnavailable } from "../../protocol/errors.ts"
import type { DockError, Kernel } from "../kernel.ts"

/** Where a door can be reached. */
export interface OpenDoor {
  readonly url: string
}

/** It could not be opened. */
export type DoorError = DockError | Overloaded | StoreUnavailable | ConfigInvalid

export interface Door {
  readonly name: string
  /** Opens it until the scope closes. */
  readonly open: (kernel: Kernel) => Effect.Effect<OpenDoor, DoorError, Scope.Scope>
}
