// The form of a passphrase's hash as text: `scrypt$N$r$p$SALT$HASH`, salt and hash in base64url.

export interface PassphraseHash {
  readonly cost: number
  readonly blockSize: number
  readonly parallelism: number
  readonly salt: string
  readonly hash: string
}

/** The parts of a text that is one. Costs are bounded on both sides: too little is guessed, too much stops the kernel. */
export const parsePassphraseHash = (text: string): PassphraseHash | undefined => {
  const [, n, r, p, salt, hash] = /^scrypt\$(\d{1,7})\$(\d{1,2})\$(\d)\$([\w-]{22,64})\$([\w-]{43,86})$/u.exec(text) ?? []
  if (n === undefined || r === undefined || p === undefined || salt === undefined || hash === undefined) return undefined
  const [cost, blockSize, parallelism] = [Number(n), Number(r), Number(p)]
  const isPower = cost >= 16_384 && cost <= 1_048_576 && (cost & (cost - 1)) === 0
  return isPower && blockSize >= 8 && blockSize <= 16 && parallelism >= 1 && parallelism <= 4 ? { cost, blockSize, parallelism, salt, hash } : undefined
}

export const isPassphraseHash = (text: string): boolean => parsePassphraseHash(text) !== undefined
