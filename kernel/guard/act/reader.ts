// Tokens that were read are remembered by their text, which has one spelling. That a signature is right does not change;
// whether the token still stands is no part of what is remembered.
import { chainsReadMax } from "../../limits.ts"
import { isUnread, readChain, type ActCrypto, type Chain, type KernelKey, type Unread } from "./chain.ts"

export type ChainReader = (token: string, keys: ReadonlyArray<KernelKey>) => Chain | Unread

export const makeChainReader = (crypto: ActCrypto): ChainReader => {
  const read = new Map<string, Chain>()
  return (token, keys) => {
    const known = read.get(token)
    // A key that is used no more takes its tokens along.
    if (known !== undefined && keys.some(({ kid }) => kid === known.root.kid)) return known
    const chain = readChain(token, keys, crypto)
    if (isUnread(chain)) {
      read.delete(token)
      return chain
    }
    if (read.size >= chainsReadMax) for (const oldest of read.keys()) {
      read.delete(oldest)
      break
    }
    read.set(token, chain)
    return chain
  }
}
