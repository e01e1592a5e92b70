// An executor of one's own, in twenty lines: what it does, how risky that is, what may be done after a crash, and a secret that
// only it is handed.
import { defineExecutor, defineModule, NotDone, Schema } from "aaax"
import { launch } from "aaax/kernel"

const sent = new Map<string, string>()

export const mail = defineExecutor({
  name: "mail.send",
  description: "sends a letter",
  risk: "high",
  recovery: "idempotent",
  external: true,
  payload: Schema.Struct({ subject: Schema.String, text: Schema.String }),
  riskOf: ({ target }) => (target.endsWith("@our.example") ? "low" : "high"),
  cost: () => ({ microdollars: 400 }),
  check: ({ target }) => (target.includes("@") ? undefined : "the target is not an address"),
  perform: async ({ key, payload, target }, { secret }) => {
    const password = await secret("MAIL")
    if (password.length < 8) throw new NotDone({ reason: "the server would refuse it" })
    // The key is the same for every attempt: a letter that was sent before a crash is not sent twice.
    if (!sent.has(key)) sent.set(key, `to ${target}: ${payload.subject}`)
    return { letters: sent.size, said: `logged in with ${password}` }
  },
  compensate: (_, { original }) => ({ recalled: sent.delete(original.key) }), // aaax gate compensate ID
  compensateRecovery: "idempotent"
})

const clerk = defineModule({
  id: "clerk",
  executors: ["mail.send"],
  provides: [{ name: "clerk.receipts" }],
  writes: { receipts: "clerk.receipts" },
  async run({ act, writes }) {
    const result = await act("mail.send", { target: "you@our.example", payload: { subject: "Hello", text: "It works." } })
    await writes.receipts.append(result)
  }
})

export const main = async (): Promise<{ readonly sent: ReadonlyArray<string>; readonly receipt: unknown }> => {
  sent.clear()
  process.env["MAIL_PASSWORD"] = "correct horse battery"
  const kernel = await launch({ store: ":memory:", executors: [mail], secrets: { MAIL: { from: "env:MAIL_PASSWORD", executors: ["mail.send"] } } })
  await kernel.dock(clerk)
  let receipt: unknown
  for await (const event of kernel.channels.subscribe("clerk.receipts", { limit: 1 })) receipt = event.payload
  await kernel.close()
  return { sent: [...sent.values()], receipt }
}
