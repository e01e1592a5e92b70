// A system and all that it owns, docked from another process as in the kernel's own: owners first, each with a port of its own,
// and all of them or none.
import * as Effect from "effect/Effect"
import type { System } from "../../protocol/manifest.ts"
import { heartbeat } from "../../protocol/well-known.ts"
import type { DockedRemotely, DockOptions, RemoteSystems } from "./remote-system.ts"

/** What it owns goes before it, the youngest first, so that its channels take what they have to say at their end. */
const undockAll = async (docked: ReadonlyArray<DockedRemotely>): Promise<void> => {
  for (const one of [...docked].reverse()) await one.undock()
}

/** Completes when the owner's port is nobody's any more: the kernel or an operator took it away. No heartbeat is ever so far. */
const takenBack = ({ port }: DockedRemotely): Effect.Effect<unknown> => Effect.exit(port.awaitBeyond(heartbeat, Number.MAX_SAFE_INTEGER))

/** Docks it, and behind it what it owns, at any depth. What cannot be docked leaves nothing behind. */
export const dockWhole = async (dock: RemoteSystems["dock"], system: System, options?: DockOptions): Promise<DockedRemotely> => {
  if (system.prepare !== undefined) await Effect.runPromise(system.prepare)
  const whole = await dock(system, options)
  const parts: Array<DockedRemotely> = []
  try {
    for (const part of system.subsystems ?? []) parts.push(await dockWhole(dock, part, options))
  } catch (error) {
    await undockAll([whole, ...parts])
    throw error
  }
  if (parts.length === 0) return whole
  void Effect.runPromise(takenBack(whole)).then(() => undockAll(parts))
  return { ...whole, undock: () => undockAll([whole, ...parts]) }
}
