import { describe, expect, it } from "@effect/vitest"
import { isLoopbackAddress, isPublicAddress } from "../../src/platform/PublicAddress.ts"

describe("public addresses", () => {
  it.each([
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "168.63.129.16",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.192",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:8.8.8.8",
    "64:ff9b::a00:1",
    "100::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "ff02::1",
    "localhost",
    "1.2.3",
    ""
  ])("%s is not", (address) => expect(isPublicAddress(address)).toBe(false))

  it.each(["1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.1", "172.15.0.1", "172.32.0.1", "2606:4700::1111"])(
    "%s is",
    (address) => expect(isPublicAddress(address)).toBe(true)
  )

  it("and loopback is told apart", () => {
    expect(["127.0.0.1", "127.9.9.9", "::1"].every(isLoopbackAddress)).toBe(true)
    expect(["128.0.0.1", "10.0.0.1", "::2", "localhost"].some(isLoopbackAddress)).toBe(false)
  })
})
