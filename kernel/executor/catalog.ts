// What is served, and the secrets that go with it, as an operator sees them.
import type { Executor } from "../../protocol/executor.ts"
import type { ExecutorView, SecretView } from "../../protocol/view.ts"
import type { Circuits } from "../guard/circuit.ts"
import { defaults } from "./executor.ts"
import type { Registry } from "./registry.ts"

export interface Catalog {
  readonly executors: () => ReadonlyArray<ExecutorView>
  readonly secrets: () => ReadonlyArray<SecretView>
}

const viewOf = (executor: Executor, owner: string, leftAlone: ReadonlyArray<string>): ExecutorView => ({
  name: executor.name,
  description: executor.description,
  owner,
  risk: executor.risk ?? defaults.risk,
  recovery: executor.recovery ?? defaults.recovery,
  varies: executor.riskOf !== undefined || executor.recoveryOf !== undefined,
  external: executor.external ?? false,
  labels: [...(executor.labels ?? [])],
  leftAlone
})

export const makeCatalog = (
  registry: Registry, circuits: Circuits, now: () => number, secrets: () => ReadonlyArray<SecretView>
): Catalog => ({
  executors: () => {
    const open = circuits.open(now())
    return registry.all().map(({ executor, owner }) =>
      viewOf(executor, owner, open.filter((circuit) => circuit === executor.name || circuit.startsWith(`${executor.name} `)).map((circuit) => circuit.slice(executor.name.length + 1) || executor.name)))
  },
  secrets
})
