/**
 * Which IP addresses are on the public internet. A tenant may name a host for this service to call; it must not reach what only this
 * service can: the machine itself, its network, the cloud's metadata service.
 */
import { BlockList, isIPv4, isIPv6 } from "node:net"

/** IANA's special-purpose registries of IPv4 and IPv6 (RFC 6890 and successors), all that is not globally reachable. */
const special: ReadonlyArray<readonly [address: string, prefix: number, family: "ipv4" | "ipv6"]> = [
  ["0.0.0.0", 8, "ipv4"],
  ["10.0.0.0", 8, "ipv4"],
  ["100.64.0.0", 10, "ipv4"],
  ["127.0.0.0", 8, "ipv4"],
  // Link-local, with the metadata services of the clouds.
  ["169.254.0.0", 16, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.0.0.0", 24, "ipv4"],
  ["192.0.2.0", 24, "ipv4"],
  ["192.88.99.0", 24, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["198.18.0.0", 15, "ipv4"],
  ["198.51.100.0", 24, "ipv4"],
  ["203.0.113.0", 24, "ipv4"],
  ["224.0.0.0", 4, "ipv4"],
  ["240.0.0.0", 4, "ipv4"],
  // Azure's platform services and Alibaba's metadata service have addresses that look public or shared.
  ["168.63.129.16", 32, "ipv4"],
  // Only 2000::/3 is handed out for the internet; what else is special lies inside it.
  ["::", 3, "ipv6"],
  ["4000::", 2, "ipv6"],
  ["8000::", 1, "ipv6"],
  ["2001::", 23, "ipv6"],
  ["2001:db8::", 32, "ipv6"],
  ["2002::", 16, "ipv6"],
  ["3fff::", 20, "ipv6"]
]

/** One list for each family: Node holds an IPv4 address against rules of IPv6 too, in its mapped form, which is in `::/3`. */
const listsOf = (rules: typeof special) => {
  const lists = { ipv4: new BlockList(), ipv6: new BlockList() }
  for (const [address, prefix, family] of rules) lists[family].addSubnet(address, prefix, family)
  return lists
}

const isIn = (rules: typeof special) => {
  let lists: ReturnType<typeof listsOf> | undefined
  return (address: string): boolean => {
    lists ??= listsOf(rules)
    return isIPv4(address) ? lists.ipv4.check(address, "ipv4") : isIPv6(address) && lists.ipv6.check(address, "ipv6")
  }
}

const isSpecial = isIn(special)

/** True for an address that anybody on the internet could reach; false for everything else, also for what is no address. */
export const isPublicAddress = (address: string): boolean => (isIPv4(address) || isIPv6(address)) && !isSpecial(address)

/** True for 127.0.0.0/8 and ::1. */
export const isLoopbackAddress = isIn([
  ["127.0.0.0", 8, "ipv4"],
  ["::1", 128, "ipv6"]
])
