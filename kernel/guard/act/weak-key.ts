// Ed25519 keys that are no keys: points of small order, for which one signature is right for many texts whoever makes it.
import { fromBase64Url } from "../../../protocol/jws.ts"

/** The y of each, little-endian, without the bit of the sign; also those that write a point in another way than the usual one. */
const weak: ReadonlySet<string> = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0100000000000000000000000000000000000000000000000000000000000000",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"
])

const keyBytes = 32

/** Whether nobody should believe signatures of this key. What is not 32 bytes in their one spelling is none either. */
export const isWeakKey = (x: string): boolean => {
  const bytes = fromBase64Url(x)
  if (bytes === undefined || bytes.length !== keyBytes) return true
  bytes[31] = bytes[31]! & 0x7f
  return weak.has(Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(""))
}
