// The names that a user of the Python ancestor looks for. Thin: everything behind them is the kernel itself.
import * as Effect from "effect/Effect"
import { emptyManifest, type Manifest, type System } from "../protocol/manifest.ts"
import type { ChannelId, SystemId } from "../protocol/names.ts"
import * as wellKnown from "../protocol/well-known.ts"
import type { KernelConfig } from "./config.ts"
import { configFromFile, host, promised, type DockedSystem, type HostKernel, type PublishedAt } from "./host.ts"

/** A config that was read and checked. */
export class AAAXConfig {
  readonly config: KernelConfig
  /** Folder of the file; relative paths start there. */
  readonly directory: string
  constructor(config: KernelConfig, directory: string) {
    this.config = config
    this.directory = directory
  }

  /** Reads TOML, JSON or TypeScript. Rejects with `ConfigInvalid`. */
  static async fromFile(file: string): Promise<AAAXConfig> {
    const { config, directory } = await configFromFile(file)
    return new AAAXConfig(config, directory)
  }
}

export interface KernelDockOptions {
  /** Channels that it is wired to beside the common ones. */
  readonly channels?: ReadonlyArray<ChannelId>
  readonly privileged?: boolean
}

/**
 * The umbrella system that owns the kernel's channels and docks subsystems. Docked in another kernel, it runs for as long
 * as it is docked there.
 */
export class AAAXKernel implements System {
  readonly id: string
  readonly name: string
  readonly manifest: Manifest
  readonly run: NonNullable<System["run"]>
  readonly #config: AAAXConfig
  #host: Promise<HostKernel> | undefined
  #launched: Promise<void> | undefined

  constructor(config: AAAXConfig) {
    this.#config = config
    this.id = config.config.id
    this.name = config.config.name
    this.manifest = { ...emptyManifest(this.id), description: this.name }
    this.run = () =>
      Effect.callback<void, unknown>((resume) => {
        this.launch().then(() => resume(Effect.void), (error: unknown) => resume(Effect.fail(error)))
        return Effect.promise(() => this.stop())
      })
  }

  /** Opens the store, creates the channels and docks the modules of the config. A second call joins the first. */
  setup(): Promise<HostKernel> {
    this.#host ??= host(this.#config.config, this.#config.directory, this.#config.directory, true)
    return this.#host
  }

  /** Its own channels take appends from `setup` on; here for those who call it by name. */
  async startOwnedChannels(): Promise<void> {
    await this.setup()
  }

  /** The kernel's own channels, in the ancestor's order. */
  get allChannels(): ReadonlyArray<ChannelId> {
    return wellKnown.ancestral
  }

  /** Runs the kernel and everything that is docked, until it is stopped. */
  async launch(): Promise<void> {
    const { effect } = await this.setup()
    this.#launched ??= promised(Effect.scoped(Effect.andThen(effect.launch, effect.awaitDown)))
    await this.#launched
  }

  /**
   * As `launch`, with its PUBLIC channels, its resources and its own API over HTTP and WebSocket. Default: host and port of
   * the config. Where it is, is told by `published`.
   */
  async publish(host?: string, port?: number): Promise<void> {
    const opened = await this.setup()
    await opened.publish(host, port)
    await this.launch()
  }

  /** Where it is published, and what its operator presents there; publishes it when it is not. Does not wait until it is stopped. */
  async published(host?: string, port?: number): Promise<PublishedAt> {
    return (await this.setup()).publish(host, port)
  }

  /** Does what is pending, once, without running anything else. */
  async step(): Promise<void> {
    await (await this.setup()).step()
  }

  async dock(system: System, options: KernelDockOptions = {}): Promise<DockedSystem> {
    return (await this.setup()).dock(system, options)
  }

  async undock(id: SystemId): Promise<void> {
    await (await this.setup()).undock(id)
  }

  /** Drains, stops and releases the store. */
  async stop(): Promise<void> {
    const opened = await this.setup()
    await promised(opened.effect.down)
    await this.#launched
    await opened.close()
  }
}

/** A kernel that is set up: channels exist, the config's modules are docked in order. */
export const bootstrapKernel = async (
  config: AAAXConfig, options: { readonly startChannels?: boolean } = {}
): Promise<AAAXKernel> => {
  const kernel = new AAAXKernel(config)
  await kernel.setup()
  if (options.startChannels === true) await kernel.startOwnedChannels()
  return kernel
}
