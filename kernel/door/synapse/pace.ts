// How fast clients may be. A bucket belongs to a credential, or to a seat and its address: it outlives the connection, and who comes
// from the same address under another name goes on with what the last one left.
import { synapseBucketsMax } from "../../limits.ts"

export interface Bucket {
  level: number
  at: number
}

export const makeBucket = (burst: number, now: number): Bucket => ({ level: burst, at: now })

const fill = (bucket: Bucket, perSecond: number, burst: number, now: number): void => {
  bucket.level = Math.min(burst, bucket.level + Math.max(0, now - bucket.at) * (perSecond / 1_000))
  bucket.at = now
}

/** Takes one; answers whether there was one. */
export const take = (bucket: Bucket, perSecond: number, burst: number, now: number): boolean => {
  fill(bucket, perSecond, burst, now)
  if (bucket.level < 1) return false
  bucket.level--
  return true
}

/** Takes so many at once or on account; answers after how many milliseconds they may be used. */
export const reserve = (bucket: Bucket, perSecond: number, burst: number, now: number, count = 1): number => {
  fill(bucket, perSecond, burst, now)
  bucket.level -= count
  return bucket.level >= 0 ? 0 : (-bucket.level / perSecond) * 1_000
}

export interface Buckets {
  /** Of a credential: one, however many connections it has. */
  readonly ofCredential: (name: string) => Bucket
  /** Of a seat that nobody vouches for. */
  readonly enter: (address: string, seat: string, now: number) => Bucket
  /** Its connection is closed. */
  readonly leave: (address: string, seat: string, bucket: Bucket, now: number) => void
}

export const makeBuckets = (perSecond: number, burst: number): Buckets => {
  const credentials = new Map<string, Bucket>()
  const idle = new Map<string, Map<string, Bucket>>()
  let count = 0

  const forget = (address: string, seat: string): Bucket | undefined => {
    const seats = idle.get(address)
    const bucket = seats?.get(seat)
    if (seats === undefined || bucket === undefined) return undefined
    seats.delete(seat)
    if (seats.size === 0) idle.delete(address)
    count--
    return bucket
  }
  const emptiest = (address: string, now: number): string | undefined => {
    let least = burst
    let found: string | undefined
    for (const [seat, bucket] of idle.get(address) ?? []) {
      fill(bucket, perSecond, burst, now)
      if (bucket.level >= burst) forget(address, seat)
      else if (bucket.level < least) {
        least = bucket.level
        found = seat
      }
    }
    return found
  }

  return {
    ofCredential: (name) => {
      let bucket = credentials.get(name)
      if (bucket === undefined) {
        if (credentials.size >= synapseBucketsMax) for (const [oldest] of credentials) {
          credentials.delete(oldest)
          break
        }
        credentials.set(name, (bucket = makeBucket(burst, performance.now())))
      }
      return bucket
    },
    enter: (address, seat, now) => {
      const found = emptiest(address, now)
      return forget(address, seat) ?? (found === undefined ? undefined : forget(address, found)) ?? makeBucket(burst, now)
    },
    leave: (address, seat, bucket, now) => {
      fill(bucket, perSecond, burst, now)
      if (bucket.level >= burst) return
      if (count >= synapseBucketsMax) for (const [oldest, seats] of idle) {
        for (const name of seats.keys()) {
          forget(oldest, name)
          break
        }
        break
      }
      const seats = idle.get(address) ?? new Map<string, Bucket>()
      if (!seats.has(seat)) count++
      idle.set(address, seats.set(seat, bucket))
    }
  }
}
