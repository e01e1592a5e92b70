// The executors that are served now, each by its owner: the host, or a docked system.
import type { Executor } from "../../protocol/executor.ts"
import type { SystemId } from "../../protocol/names.ts"

export interface Registry {
  readonly get: (name: string) => Executor | undefined
  readonly names: () => ReadonlyArray<string>
  /** All of them by name, each with who serves it. */
  readonly all: () => ReadonlyArray<{ readonly owner: SystemId; readonly executor: Executor }>
  /** Registers all or none; answers a name that is served already. */
  readonly register: (owner: SystemId, executors: ReadonlyArray<Executor>) => string | undefined
  readonly unregister: (owner: SystemId) => void
}

export const makeRegistry = (): Registry => {
  const table = new Map<string, { readonly owner: SystemId; readonly executor: Executor }>()
  return {
    get: (name) => table.get(name)?.executor,
    names: () => [...table.keys()].sort(),
    all: () => [...table].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, served]) => served),
    register: (owner, executors) => {
      const taken = executors.find((executor, at) =>
        table.has(executor.name) || executors.findIndex((other) => other.name === executor.name) !== at)
      if (taken !== undefined) return taken.name
      for (const executor of executors) table.set(executor.name, { owner, executor })
      return undefined
    },
    unregister: (owner) => {
      for (const [name, served] of table) if (served.owner === owner) table.delete(name)
    }
  }
}
