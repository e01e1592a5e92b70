// `aaax/kernel`: for hosts. Launch a kernel, dock systems from code, and the interfaces of the families.
export { AAAXConfig, AAAXKernel, bootstrapKernel, type KernelDockOptions } from "./ancestor.ts"
export { defineConfig, type ConfigInput, type KernelConfig } from "./config.ts"
export { configFromFile, launch, type Answer, type DockedSystem, type Escalation, type HostKernel, type HostOptions, type PublishedAt } from "./host.ts"
export { makePolicy, policyFromConfig, policyFromTable } from "./guard/policy.ts"
export { DefaultRulePolicy, PolicyEngine } from "./guard/policy-engine.ts"
export { type DockOptions, type Gate, type Hosted, type Kernel } from "./kernel.ts"
export { launchKernel, type LaunchError, type LaunchOptions } from "./launch.ts"
export { makeClock, type ClockSource, type KernelClock } from "./clock.ts"
export { type Door, type OpenDoor } from "./door/door.ts"
export {
  endpoint, type Endpoint, type EndpointHandler, type EndpointMethod, type EndpointOptions, type EndpointRequest, type EndpointScope
} from "./door/endpoint.ts"
export { type PortableStore } from "./door/sssn/store.ts"
export { JWTChannelSecurity, type GenerateOptions, type JWKSource, type JWTAlgorithm, type JWTSecurityOptions } from "./guard/jwt-security.ts"
export { type Tokens } from "./guard/tokens.ts"
export { relayFile, type RelayFileOptions } from "./power/relay-file.ts"
export { Store, type StoreService } from "./store/store.ts"
export * from "../protocol/index.ts"
