// `aaax`: what modules are written with. Promises and async iterables; loads no store, no server, no native code.
export * as Schema from "effect/Schema"
export * from "../protocol/index.ts"
export { type Acted, type ActOptions, type Capability, type CapabilityOptions } from "./authority.ts"
export { type FollowOptions, type Page as ReadPage, type Received, type WriteOptions } from "./channel.ts"
export {
  answer, periodic, runFold, work, type Act, type AskOptions, type Handler, type Handling, type Log, type Reading, type Reads, type Snapshots,
  type SubscribeOptions, type Takes, type Writes
} from "./context.ts"
export { defineExecutor, NotDone, type ExecutorSpec, type TypedCall } from "./executor.ts"
export { type FoldOptions } from "./fold.ts"
export { defineModule, type ModuleContext, type ModuleSpec, type ProvideSpec, type ReadSpec, type WriteSpec } from "./module.ts"
export { type Input, type Output, type PayloadSchema } from "./payload.ts"
export { BaseSystem, DefaultLibOS, TacticSystem, type ActionOptions, type BaseSystemOptions, type LibOSConfig, type Tactic } from "./system.ts"
export { Later, Poison, type WorkOptions } from "./worker.ts"
