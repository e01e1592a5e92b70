// Mailboxes of the first generation: a reader gets what is for it and what is for everyone, and never sees other people's mail.
import { MailboxChannel } from "aaax"
import { describe, expect, it } from "vitest"
import { contents, until, withChannels } from "../../kit/channels.ts"

describe("a mailbox", () => {
  it("[69] gives a reader what names it, and what names nobody, in order", async () => {
    const mail = new MailboxChannel({ id: "mail" })
    await withChannels([mail], async ({ as }) => {
      const [alice, bob] = [await as("alice"), await as("bob")]
      await mail.write("owner", "for alice", { recipientId: "alice" })
      await mail.write("owner", "for bob", { recipientId: "bob" })
      await mail.write("owner", "for all")
      expect(contents(await alice.read("mail"))).toEqual(["for alice", "for all"])
      expect(contents(await bob.read("mail"))).toEqual(["for bob", "for all"])
      expect(await alice.read("mail")).toEqual([])
    })
  })

  it("[70] [72] never shows other people's mail: not by reading, subscribing, by its id, nor by a claim, which it refuses", async () => {
    const mail = new MailboxChannel({ id: "mail" })
    await withChannels([mail], async ({ as }) => {
      const [alice, bob] = [await as("alice"), await as("bob")]
      const pushed: Array<unknown> = []
      await bob.subscribe("mail", (message) => void pushed.push(...contents([message])))
      const secret = await mail.write("owner", "secret", { recipientId: "alice" })
      await mail.write("owner", "open")
      await until(() => pushed.length === 1)
      expect(pushed).toEqual(["open"])
      expect(contents(await bob.read("mail", 100))).toEqual(["open"])
      await expect(bob.read("mail", 10, true)).rejects.toMatchObject({ _tag: "WrongDelivery" })
      await expect(bob.read("mail", 10, false, secret)).rejects.toMatchObject({ _tag: "EventNotFound" })
      expect(await bob.seat("mail").get(secret)).toBeNull()
      // Whatever the others tried, it is there for whom it is meant.
      expect(contents(await alice.read("mail"))).toEqual(["secret", "open"])
    })
  })

  it("[71] [W2] hands out ten letters in five reads of two, and loses none, however many are for others", async () => {
    const mail = new MailboxChannel({ id: "mail" })
    await withChannels([mail], async ({ as }) => {
      for (let n = 0; n < 100; n++) await mail.write("owner", n, { recipientId: n % 10 === 3 ? "alice" : "bob" })
      const alice = await as("alice")
      const reads: Array<ReadonlyArray<unknown>> = []
      for (let n = 0; n < 5; n++) reads.push(contents(await alice.read("mail", 2)))
      expect(reads).toEqual([[3, 13], [23, 33], [43, 53], [63, 73], [83, 93]])
      expect(await alice.read("mail", 2)).toEqual([])
    })
  })
})
