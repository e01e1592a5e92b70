// Remote systems: what runs here is docked at a kernel in another process, exactly as if it ran there. One connection carries
// all of it, and is made again when it breaks.
import type { ChannelId, SystemId } from "../protocol/names.ts"
import type { System } from "../protocol/manifest.ts"
import type { Event } from "../protocol/event.ts"
import type { Port } from "../protocol/port.ts"
import { follow, subjectOf, type FeedOptions } from "./client/feed.ts"
import { openLink, type LinkOptions } from "./client/link.ts"
import { remotePort } from "./client/remote-port.ts"
import { makeRemoteSystems, type DockedRemotely, type DockOptions } from "./client/remote-system.ts"
import { dockWhole } from "./client/remote-whole.ts"

export type { DockedRemotely, DockOptions, FeedOptions, LinkOptions as ConnectOptions }

/** A kernel in another process. */
export interface RemoteKernel {
  readonly url: string
  /** Who the token says that this is: the sender of what is appended through `port`. */
  readonly system: SystemId
  /** The port of that guest: PUBLIC channels, as far as the token goes. */
  readonly port: Port
  /**
   * Docks a system: a module of `defineModule`, a `BaseSystem`, or any other. Its code runs here, its wiring is checked
   * there. Rejects with what the kernel refused it with. The token must be one that docks systems.
   */
  readonly dock: (system: System, options?: DockOptions) => Promise<DockedRemotely>
  /** Events of one channel, or of all whose names match, as they come; after a broken connection from where they were. */
  readonly subscribe: (subject: ChannelId | { readonly pattern: string }, options?: FeedOptions) => AsyncGenerator<Event, void, undefined>
  /** Whether there is a connection now. */
  readonly isConnected: () => boolean
  /** Resolves with the reason when there will be none any more: closed, or the token is good no longer. */
  readonly closed: Promise<string>
  /** Undocks what was docked and ends the connection. */
  readonly close: () => Promise<void>
}

/**
 * Connects to a kernel. Rejects with `KernelUnreachable` when nobody answers now, or the token is not good there; later it
 * connects again by itself for as long as it takes.
 */
export const connect = async (options: LinkOptions): Promise<RemoteKernel> => {
  const link = await openLink(options)
  const systems = makeRemoteSystems(link)
  const docked = new Set<DockedRemotely>()
  const closed = new Promise<string>((resolve) => {
    link.listen({
      opened: (_, resumed) => systems.opened(resumed),
      frame: systems.frame,
      closed: (reason) => {
        systems.closed(reason)
        resolve(reason)
      }
    })
  })
  const guest = link.welcome().system
  return {
    url: options.url,
    system: guest,
    port: remotePort(link, 0, guest),
    dock: async (system, dockOptions) => {
      const one = await dockWhole(systems.dock, system, dockOptions)
      docked.add(one)
      void one.undocked.then(() => docked.delete(one))
      return one
    },
    subscribe: (subject, feed) => follow(link, subjectOf(subject), feed),
    isConnected: link.isOpen,
    closed,
    close: async () => {
      await Promise.all([...docked].map((one) => one.undock()))
      link.close("it was closed")
    }
  }
}
