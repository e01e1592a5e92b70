// Routes of executors: what is served, and the secrets that they may be handed.
import * as Schema from "effect/Schema"
import { ExecutorView, SecretView } from "../view.ts"
import { None, row } from "./row.ts"

export const executorRoutes = {
  executors: row({ method: "GET", path: "/v1/executors", group: "executors", says: "What is served, how risky it is, and what it cannot reach now.", query: None, payload: None, success: Schema.Array(ExecutorView) }),
  secrets: row({ method: "GET", path: "/v1/secrets", group: "executors", says: "Secrets of the config: where from and what for, never their values.", query: None, payload: None, success: Schema.Array(SecretView) })
} as const
