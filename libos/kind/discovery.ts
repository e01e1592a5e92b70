// A discovery channel: who and what is there, for as long as they say so again. A registration replaces the same system's earlier
// one, and what has expired is not found and is removed.
import type { Visibility } from "../../protocol/channel.ts"
import type { ChannelInfo } from "../../protocol/message.ts"
import type { ChannelId, SystemId } from "../../protocol/names.ts"
import { makeDirectory, type Directory } from "./directory.ts"
import { registrationTtlDefault, type ChannelOptions } from "./options.ts"
import { PassthroughChannel } from "./passthrough.ts"
import type { ServiceDescriptor } from "./registration.ts"

export interface DiscoveryOptions extends ChannelOptions {
  /** Seconds that a registration lasts unless it says otherwise; default one hour. */
  readonly registrationTtl?: number
}

/** Its own methods speak for the system that provides it; other systems have `directory(id)` and `announce(id)`. */
export class DiscoveryChannel extends PassthroughChannel implements Omit<Directory, "purge"> {
  readonly registrationTtl: number

  constructor(options: DiscoveryOptions) {
    super(options, { form: "latest-state" })
    this.registrationTtl = options.registrationTtl ?? registrationTtlDefault
  }

  registerChannel(info: ChannelInfo, ttlSeconds?: number): Promise<void> {
    return this.#directory().registerChannel(info, ttlSeconds)
  }

  registerSystem(descriptor: ServiceDescriptor, ttlSeconds?: number): Promise<void> {
    return this.#directory().registerSystem(descriptor, ttlSeconds)
  }

  deregister(id: string): Promise<void> {
    return this.#directory().deregister(id)
  }

  findChannels(visibility?: Visibility): Promise<ReadonlyArray<ChannelInfo>> {
    return this.#directory().findChannels(visibility)
  }

  findSystems(capability?: string): Promise<ReadonlyArray<ServiceDescriptor>> {
    return this.#directory().findSystems(capability)
  }

  getChannel(id: ChannelId): Promise<ChannelInfo | null> {
    return this.#directory().getChannel(id)
  }

  getSystem(id: SystemId): Promise<ServiceDescriptor | null> {
    return this.#directory().getSystem(id)
  }

  protected override async onMaintain(): Promise<void> {
    await super.onMaintain()
    await this.#directory().purge()
  }

  #directory(): Directory {
    return makeDirectory(this.session, this.id, this.registrationTtl)
  }
}
