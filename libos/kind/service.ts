// Services: which methods of a class are offered to others, and classes that become systems by one word. Each of these is a
// plain function, and a standard decorator for those whose compiler knows decorators.
import type { Manifest, System } from "../../protocol/manifest.ts"
import type { SystemId } from "../../protocol/names.ts"
import { ChannelClient } from "./channel-client.ts"
import type { ServiceDescriptor, ServiceMethod } from "./registration.ts"

type Method = (...args: never) => unknown
type Class = new (...args: never) => object

const exposed = new WeakMap<object, Pick<ServiceMethod, "description" | "parameters">>()

/**
 * Says that a method is offered: what it does, and what it takes. It is told to others, not called by them; they write to a
 * channel. `plan = expose("makes a plan")((goal) => ...)`, or `@expose("makes a plan")` before a method.
 */
export const expose = (description: string, parameters: ServiceMethod["parameters"] = {}) =>
  <M extends Method>(method: M, _context?: unknown): M => {
    exposed.set(method, { description, parameters })
    return method
  }

/** The methods that an object offers, its own and those of its classes. */
export const servicesOf = (object: object): ReadonlyArray<ServiceMethod> => {
  const found = new Map<string, ServiceMethod>()
  for (let level: object | null = object; level !== null && level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      const said = typeof value === "function" ? exposed.get(value) : undefined
      if (said !== undefined && !found.has(name)) found.set(name, { name, ...said })
    }
  }
  return [...found.values()]
}

/** A participant without a class: connect it to channels and dock it. */
export const register = (id: SystemId, name?: string, description?: string): ChannelClient =>
  new ChannelClient(id, { ...(name === undefined ? {} : { name }), ...(description === undefined ? {} : { description }) })

/** What `system` adds to a class. */
export interface Registered extends System {
  /** Its channels: connect them, then dock the object. */
  readonly client: ChannelClient
  readonly serviceDescriptor: ServiceDescriptor
}

/** A class whose objects can also be docked. */
export type SystemClass<C extends Class> =
  { new (...args: ConstructorParameters<C>): InstanceType<C> & Registered; readonly systemId: SystemId; readonly systemName: string } & C

/**
 * Makes a class of one's own a system: `const Agent = system("agent", "Agent")(class { ... })`, or `@system("agent", "Agent")`.
 * Its objects have a `client` and can be docked.
 */
export const system = (id: SystemId, name: string = id, description = "") =>
  <C extends Class>(base: C, _context?: unknown): SystemClass<C> => {
    // A class expression that extends a type parameter has to take any arguments; those of the base are what it is given.
    const Base = base as unknown as new (...args: ReadonlyArray<unknown>) => object
    class Wrapped extends Base implements Registered {
      static readonly systemId = id
      static readonly systemName = name
      readonly client = register(id, name, description)
      get manifest(): Manifest {
        return this.client.manifest
      }
      get run(): NonNullable<System["run"]> {
        return this.client.run
      }
      get drain(): NonNullable<System["drain"]> {
        return this.client.drain
      }
      get serviceDescriptor(): ServiceDescriptor {
        const { reads, writes } = this.client.manifest
        return { systemId: id, systemName: name, description, services: servicesOf(this), channelsRead: reads, channelsWrite: writes }
      }
    }
    Object.defineProperty(Wrapped, "name", { value: base.name })
    return Wrapped as unknown as SystemClass<C> // a subclass of the base that has what was added
  }
