// Loading a module file at an operator's word, in the place of what was loaded from it before. The new one is read and
// looked at while the old one still runs; when it cannot be docked either, the old one is put back.
import * as Effect from "effect/Effect"
import { ModuleRejected } from "../../protocol/errors.ts"
import type { Manifest } from "../../protocol/manifest.ts"
import type { ModuleView } from "../../protocol/view.ts"
import type { Constellation, Docked } from "./constellation.ts"
import type { Loader, ModuleSource } from "./loader.ts"

export interface ReplaceOptions {
  readonly constellation: Constellation
  readonly loader: Loader
  readonly source: ModuleSource
}

export type Replace = (file: string, given: Partial<Manifest>) => Effect.Effect<ModuleView, ModuleRejected>

export const make = ({ constellation, loader, source }: ReplaceOptions): Replace => {
  /** As it was: with its module, its wiring, and what was decided of it. */
  const putBack = Effect.fnUntraced(function*({ id, lastError, request, status, system }: Docked) {
    yield* constellation.dock(system, request)
    if (status === "paused") yield* constellation.pause(id)
    if (status === "quarantined") yield* constellation.quarantine(id, lastError ?? "it was quarantined before")
  }, Effect.catch((error) => Effect.logError(`what was docked before did not come back: ${error.message}`)))

  return Effect.fnUntraced(function*(file, given) {
    const there = (path: string): ModuleView | undefined => loader.views().find((view) => view.file === path || view.id === given.id)
    const stays = (error: ModuleRejected): ModuleRejected => {
      const old = there(file)
      if (old === undefined) return error
      const reason = `${error.reason.replace(/\.$/u, "")}. What was loaded before stays: ${old.id}, ${old.status}`
      return new ModuleRejected({ module: error.module, reason })
    }
    const read = yield* Effect.mapError(source(file, undefined, { id: given.id, by: "operator" }), stays)
    const manifest: Manifest = { ...read.system.manifest, ...given }
    const module = {
      manifest, system: read.system, file: read.file, digest: read.digest, channels: [], privileged: manifest.privileged,
      ...(read.isolation === undefined ? {} : { isolation: read.isolation }), ...(read.release === undefined ? {} : { release: read.release })
    }
    const swap = Effect.gen(function*() {
      const old = there(read.file)
      const before = old === undefined ? undefined : constellation.get(old.id)
      if (before !== undefined) yield* constellation.undock(before.id, "replaced")
      // An operator who loads a changed file again approves the change.
      return yield* Effect.tapError(loader.load(module, "runtime", true), () => (before === undefined ? Effect.void : putBack(before)))
    })
    // Who asked may go away meanwhile; that must not leave neither of the two.
    const { docked } = yield* Effect.mapError(Effect.uninterruptible(swap), stays)
    return loader.views().find((view) => view.id === docked.id)!
  })
}
