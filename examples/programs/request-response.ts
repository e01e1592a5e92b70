// Request and response: three servers share the requests of many clients. Every call gets the answer to its own request, what
// cannot be answered gets a refusal, and a call that nobody answers ends after its time.
import { BaseSystem, MailboxChannel, WorkQueueChannel, type ChannelMessage } from "aaax"
import { launch } from "aaax/kernel"

interface Question {
  readonly operation: string
  readonly text: string
}
type Answer = { readonly value: string; readonly by: string } | { readonly refused: string }

const operations: Readonly<Record<string, (text: string) => string>> = {
  upper: (text) => text.toUpperCase(),
  reverse: (text) => [...text].reverse().join("")
}

class Server extends BaseSystem {
  override async step(): Promise<void> {
    for (const request of await this.claimChannel<{ readonly data: Question }>("requests", 3)) await this.#answer(request)
  }

  async #answer({ content, correlationId, id, replyTo, senderId }: ChannelMessage<{ readonly data: Question }>): Promise<void> {
    const { operation, text } = content.data
    // Kept busy: this one is answered by nobody before its caller has given up.
    if (operation === "wait") return
    const run = operations[operation]
    const answer: Answer = run === undefined ? { refused: `unknown operation ${operation}` } : { value: run(text), by: this.id }
    await this.writeChannel(replyTo ?? "responses", answer, { recipientId: senderId, correlationId, parents: [id], key: `answer-to-${id}` })
    await this.acknowledgeChannel("requests", [id])
  }
}

class Client extends BaseSystem {
  async call(operation: string, text: string, seconds = 10): Promise<Answer | null> {
    const reply = await this.requestViaChannel<{ readonly data: Answer }>("requests", "responses", { operation, text }, seconds)
    return reply === null ? null : reply.content.data
  }
}

class Bureau extends BaseSystem {
  readonly ada = new Client({ id: "ada" })
  readonly ben = new Client({ id: "ben" })

  override setup(): void {
    this.addChannel(new WorkQueueChannel({ id: "requests", claimTimeout: 60 }))
    // Nobody reads the responses of others.
    this.addChannel(new MailboxChannel({ id: "responses" }))
    for (const id of ["server-1", "server-2", "server-3"]) this.addSubsystem(new Server({ id, tickRate: 500 }), { channels: ["requests", "responses"] })
    for (const client of [this.ada, this.ben]) this.addSubsystem(client, { channels: ["requests", "responses"] })
  }
}

export interface Outcome {
  readonly answers: ReadonlyArray<Answer | null>
  readonly unknown: Answer | null
  readonly unanswered: Answer | null
  /** Letters in each client's box, and whether each of them answers a request of that client. */
  readonly letters: Readonly<Record<string, number>>
  readonly matched: boolean
}

export const main = async (): Promise<Outcome> => {
  const bureau = new Bureau({ id: "bureau" })
  const kernel = await launch({ store: ":memory:", modules: [bureau] })
  try {
    const { ada, ben } = bureau
    const calls = Array.from({ length: 20 }, (_, n) => (n % 2 === 0 ? ada.call("upper", `text ${n}`) : ben.call("reverse", `text ${n}`)))
    const answers = await Promise.all(calls)
    const unknown = await ada.call("translate", "hello")
    const unanswered = await ben.call("wait", "", 0.05)

    // A client's box holds the answers to its own requests, and nothing else.
    const senders = new Map((await kernel.channels.read("requests")).map(({ correlationId, sender }) => [correlationId, sender]))
    const boxes = await Promise.all([ada, ben].map((client) => client.readChannel("responses", 100)))
    return {
      answers, unknown, unanswered,
      letters: { ada: boxes[0]?.length ?? 0, ben: boxes[1]?.length ?? 0 },
      matched: [ada, ben].every(({ id }, at) => boxes[at]?.every(({ correlationId }) => senders.get(correlationId) === id))
    }
  } finally {
    await kernel.close()
  }
}
