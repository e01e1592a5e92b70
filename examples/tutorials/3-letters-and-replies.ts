// Letters that nobody else reads, and a service that answers: the reply has the id of its request as correlation.
import { BaseSystem, MailboxChannel, WorkQueueChannel } from "aaax"
import { launch } from "aaax/kernel"

interface Sum {
  readonly data: ReadonlyArray<number>
}

class Calculator extends BaseSystem {
  override async step(): Promise<void> {
    for (const { content, correlationId, id, replyTo, senderId } of await this.claimChannel<Sum>("sums", 10)) {
      // To whom, in answer to what: the mailbox shows it to that system alone.
      await this.writeChannel(replyTo ?? "answers", content.data.reduce((sum, number) => sum + number, 0), {
        recipientId: senderId, correlationId, parents: [id], key: `answer-to-${id}`
      })
      await this.acknowledgeChannel("sums", [id])
    }
  }
}

class Customer extends BaseSystem {
  async ask(...numbers: ReadonlyArray<number>): Promise<number | null> {
    const reply = await this.requestViaChannel<{ readonly data: number }>("sums", "answers", numbers, 10)
    return reply === null ? null : reply.content.data
  }

  async letters(): Promise<ReadonlyArray<unknown>> {
    return (await this.readChannel("answers", 100)).map(({ content, senderId }) => [senderId, content["data"]])
  }
}

class Shop extends BaseSystem {
  readonly customers = ["ada", "ben"].map((id) => new Customer({ id }))

  override setup(): void {
    this.addChannel(new WorkQueueChannel({ id: "sums" }))
    this.addChannel(new MailboxChannel({ id: "answers" }))
    this.addSubsystem(new Calculator({ id: "calculator", tickRate: 500 }), { channels: ["sums", "answers"] })
    for (const customer of this.customers) this.addSubsystem(customer, { channels: ["sums", "answers"] })
  }
}

export const main = async (): Promise<Readonly<Record<string, unknown>>> => {
  const shop = new Shop({ id: "shop" })
  const kernel = await launch({ store: ":memory:", modules: [shop] })
  try {
    const [ada, ben] = shop.customers
    // Ten at once, by two systems: every one gets its own answer.
    const asked = Array.from({ length: 10 }, (_, n) => [ada, ben][n % 2]?.ask(n, n))
    const answers = await Promise.all(asked)

    await shop.writeChannel("answers", "The shop closes at six.")
    await shop.writeChannel("answers", "Your order is here.", { recipientId: "ben" })
    const [adas = [], bens = []] = await Promise.all(shop.customers.map((customer) => customer.letters()))
    return { answers, letters: { ada: adas.slice(-1), ben: bens.slice(-2) } }
  } finally {
    await kernel.close()
  }
}
