// Directory: who is there and what they can do, for as long as they say so. Systems announce themselves on its channel; seats that
// advertise a card to the coordinator stand in it too, so that one question finds both.
import { BaseSystem, coordination, DiscoveryChannel, type Schema, type ServiceDescriptor, type System } from "aaax"

export interface DirectoryOptions {
  readonly id?: string
  /** Its channel; default `directory`. */
  readonly channel?: string
  /** Seconds that an announcement lasts which does not say; default one hour. */
  readonly registrationTtl?: number
}

/** How long a card is good that is not advertised again. */
const cardSeconds = 300

/** What a seat offers: each skill and each class of tasks, to be found by its name. */
export const descriptorOf = (card: coordination.Card): ServiceDescriptor => ({
  systemId: card.seat,
  systemName: card.seat,
  description: card.description,
  services: [...new Set([...card.skills, ...card.taskClasses])].map((name) => ({
    name,
    description: card.taskClasses.includes(name) ? `takes tasks of the class ${name}` : `can do ${name}`,
    parameters: card.model === "" ? {} : { model: { const: card.model } satisfies Schema.Json }
  })),
  channelsRead: [],
  channelsWrite: []
})

class DirectorySystem extends BaseSystem {
  readonly #channel: string
  readonly #ttl: number | undefined

  constructor({ channel = "directory", id = "directory", registrationTtl }: DirectoryOptions) {
    super({ id, description: `who is there and what they can do, on ${channel}` })
    this.#channel = channel
    this.#ttl = registrationTtl
  }

  override setup(): void {
    this.addChannel(new DiscoveryChannel({
      id: this.#channel, visibility: "public", description: "announcements of systems and cards of seats",
      ...(this.#ttl === undefined ? {} : { registrationTtl: this.#ttl })
    }))
    this.connect({ reads: [coordination.presence] })
  }

  /** Follows presence for as long as it lives; what is kept of it tells who is there now. */
  override async step(): Promise<void> {
    const directory = this.directory(this.#channel)
    for await (const { kind, payload } of this.channel(coordination.presence).subscribe({ from: "start", gap: "continue" })) {
      if (kind === "advertised") {
        const { card } = payload as coordination.PresenceEntries["advertised"] // the coordinator's own, alone in its channel
        // One that ended before this was read has been withdrawn, which is read next.
        await directory.registerSystem(descriptorOf(card), cardSeconds)
      } else if (kind === "withdrawn" || kind === "left") {
        const { seat } = payload as coordination.PresenceEntries["left"] // as above
        if ((await directory.getSystem(seat)) !== null) await directory.deregister(seat)
      }
    }
  }
}

export const directory = (options: DirectoryOptions = {}): System => new DirectorySystem(options)

export default directory
