// HTTP as a table: method, path, what goes in and what comes out. A door serves it, a client calls it; neither knows a
// path that is not here.
import type * as Schema from "effect/Schema"
import { auditRoutes } from "./route/audit.ts"
import { budgetRoutes } from "./route/budgets.ts"
import { capabilityRoutes } from "./route/capabilities.ts"
import { channelRoutes } from "./route/channels.ts"
import { executorRoutes } from "./route/executors.ts"
import { gateRoutes } from "./route/gate.ts"
import { kernelRoutes } from "./route/kernel.ts"
import { keyRoutes } from "./route/keys.ts"
import { policyRoutes } from "./route/policy.ts"
import { resourceRoutes } from "./route/resources.ts"
import { stateRoutes } from "./route/state.ts"
import { tokenRoutes } from "./route/tokens.ts"

export { waitMillisMax } from "./route/row.ts"
export { ActionProgress, DoctorView } from "./route/kernel.ts"

export const routes = { ...channelRoutes, ...resourceRoutes, ...stateRoutes, ...kernelRoutes, ...executorRoutes, ...capabilityRoutes, ...gateRoutes, ...tokenRoutes, ...keyRoutes, ...budgetRoutes, ...policyRoutes, ...auditRoutes } as const

export type Routes = typeof routes
export type RouteName = keyof Routes
/** Rows that answer server-sent events. */
export type StreamName = { [Name in RouteName]: Routes[Name] extends { readonly stream: true } ? Name : never }[RouteName]

export type QueryOf<Name extends RouteName> = Schema.Schema.Type<Routes[Name]["query"]>
export type PayloadOf<Name extends RouteName> = Schema.Schema.Type<Routes[Name]["payload"]>
export type SuccessOf<Name extends RouteName> = Schema.Schema.Type<Routes[Name]["success"]>

/** A name with `*` for any characters, as an expression; everything else stands for itself. */
export const patternOf = (pattern: string): RegExp =>
  new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/gu, "\\$&").replace(/\*+/gu, ".*")}$`, "u")
