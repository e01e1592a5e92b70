// A call as the kernel would make it.
import type { Call, Executor } from "../../protocol/executor.ts"

export const callOf = (executor: Executor, target: string, payload: unknown, id: string): Call => ({
  warrant: id, key: id, attempt: 1, principal: "tester", grant: null, action: "test", target, payload, digest: "0".repeat(64), risk: executor.risk ?? "irreversible"
})
