// Which addresses the outside may have: public ones. What is private, local to this machine, reserved, or leads to such an
// address by translation is refused, in IPv4 and in IPv6.
import { BlockList, isIP } from "node:net"
import { networkInterfaces } from "node:os"

const listOf = (type: "ipv4" | "ipv6", subnets: ReadonlyArray<readonly [string, number]>): BlockList => {
  const list = new BlockList()
  for (const [network, prefix] of subnets) list.addSubnet(network, prefix, type)
  return list
}

const reserved4: ReadonlyArray<readonly [what: string, list: BlockList]> = [
  ["loopback", listOf("ipv4", [["127.0.0.0", 8]])],
  ["private", listOf("ipv4", [["10.0.0.0", 8], ["172.16.0.0", 12], ["192.168.0.0", 16]])],
  ["link-local, where machines of clouds keep their credentials", listOf("ipv4", [["169.254.0.0", 16]])],
  ["a cloud's own", listOf("ipv4", [["168.63.129.16", 32]])],
  ["shared by a carrier", listOf("ipv4", [["100.64.0.0", 10]])],
  ["this network", listOf("ipv4", [["0.0.0.0", 8]])],
  ["multicast", listOf("ipv4", [["224.0.0.0", 4]])],
  ["reserved", listOf("ipv4", [
    ["192.0.0.0", 24], ["192.0.2.0", 24], ["192.88.99.0", 24], ["198.18.0.0", 15], ["198.51.100.0", 24], ["203.0.113.0", 24], ["240.0.0.0", 4]
  ])]
]

/** Everything that is handed out for the public; in it, what is documentation, translation or a tunnel to IPv4. */
const public6 = listOf("ipv6", [["2000::", 3]])
const reserved6: ReadonlyArray<readonly [what: string, list: BlockList]> = [
  ["a tunnel to another address", listOf("ipv6", [["2001::", 32], ["2002::", 16]])],
  ["reserved", listOf("ipv6", [["2001::", 23], ["2001:db8::", 32], ["3fff::", 20]])]
]
/** The most telling names for what is not public. */
const named6: ReadonlyArray<readonly [what: string, list: BlockList]> = [
  ["loopback", listOf("ipv6", [["::1", 128]])],
  ["an IPv4 address in other words", listOf("ipv6", [["::ffff:0:0", 96], ["::ffff:0:0:0", 96], ["64:ff9b::", 96], ["64:ff9b:1::", 48], ["::", 96]])],
  ["private", listOf("ipv6", [["fc00::", 7]])],
  ["link-local", listOf("ipv6", [["fe80::", 10], ["fec0::", 10]])],
  ["multicast", listOf("ipv6", [["ff00::", 8]])]
]

const found = (lists: ReadonlyArray<readonly [string, BlockList]>, address: string, type: "ipv4" | "ipv6"): string | undefined =>
  lists.find(([, list]) => list.check(address, type))?.[0]

const isOurs = (address: string): boolean =>
  Object.values(networkInterfaces()).some((list) => list?.some((one) => one.address === address) === true)

/** What is wrong with dialling this address, in a word or two, or nothing. */
export const addressRefusal = (address: string): string | undefined => {
  switch (isIP(address)) {
    case 4:
      return found(reserved4, address, "ipv4") ?? (isOurs(address) ? "this machine's own" : undefined)
    case 6:
      // A zone names an interface of this machine.
      if (address.includes("%")) return "link-local"
      if (!public6.check(address, "ipv6")) return found(named6, address, "ipv6") ?? "reserved"
      return found(reserved6, address, "ipv6") ?? (isOurs(address) ? "this machine's own" : undefined)
    default:
      return "no address"
  }
}

export const isLoopback = (address: string): boolean =>
  isIP(address) === 4 ? reserved4[0]![1].check(address, "ipv4") : address === "::1"
