// A mailbox: a reader gets what names it as recipient and what names nobody, and never sees the mail of others.
import { BaseSystem, MailboxChannel, register } from "aaax"
import { launch } from "aaax/kernel"

export const main = async (): Promise<Readonly<Record<string, unknown>>> => {
  const post = new MailboxChannel({ id: "post" })
  const office = new BaseSystem({ id: "office" })
  office.addChannel(post)
  const [ada, ben] = [register("ada"), register("ben")]
  for (const client of [ada, ben]) client.connect("post", post)
  const kernel = await launch({ store: ":memory:", modules: [office, ada, ben] })
  try {
    await ada.write("post", "Lunch?", { recipientId: "ben", correlationId: "lunch" })
    await post.write("office", "The heating is off on Friday.")
    await ben.write("post", "At noon.", { recipientId: "ada", correlationId: "lunch" })

    const letters = async (reader: typeof ada): Promise<ReadonlyArray<unknown>> =>
      (await reader.read("post")).map(({ content, senderId }) => [senderId, content["data"]])
    const refused = await ada.read("post", 1, true).catch((error: Error) => error.message)
    return { ada: await letters(ada), ben: await letters(ben), refused }
  } finally {
    await kernel.close()
  }
}
