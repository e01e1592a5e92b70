// A client of a published kernel: appends an order, and follows the orders as they come. `node examples/run.mjs client URL TOKEN`
import { createClient } from "aaax/client"

export const main = async (url = "http://127.0.0.1:8100", token = ""): Promise<unknown> => {
  const kernel = createClient({ url, token })
  await kernel.channels.append("orders", { kind: "order", payload: { dish: "soup" } })
  for await (const { payload, sender } of kernel.channels.subscribe("orders")) return { sender, payload }
  return undefined
}
