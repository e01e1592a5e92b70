// Addresses of this machine's own, which no list of ranges can know.
import type * as Os from "node:os"
import { describe, expect, it, vi } from "vitest"

vi.mock("node:os", async (importOriginal) => ({
  ...(await importOriginal<typeof Os>()),
  networkInterfaces: () => ({ lo: undefined, eth0: [{ address: "8.8.4.4" }, { address: "2606:4700:4700::1001" }] })
}))
const { addressRefusal } = await import("../../../../kernel/executor/egress/address.ts")

describe("an address that is public", () => {
  it.each(["8.8.4.4", "2606:4700:4700::1001"])("is not dialled when it is this machine's own: %s", (address) => {
    expect(addressRefusal(address)).toBe("this machine's own")
  })

  it.each(["8.8.8.8", "2606:4700:4700::1111"])("is dialled when it is another's: %s", (address) => {
    expect(addressRefusal(address)).toBeUndefined()
  })
})
