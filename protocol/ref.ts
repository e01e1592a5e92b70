// Refs: names of resources that packages share, such as `psi://demo/combo/channels/events`.
import { isSegment, nameLengthMax } from "./names.ts"
import { SSSNRefError } from "./portable-error.ts"

/** What of a package can be a channel or a state here. */
export const refKinds = ["channels", "snapshots"] as const
export type RefKind = (typeof refKinds)[number]

/** Kinds of other layers, which share a config with ours: well-formed refs of them are none of our business. */
export const otherKinds: ReadonlyArray<string> = ["assets", "configs", "docs", "examples", "runs", "schemas", "services", "tactics"]

export interface RefParts {
  readonly org: string
  readonly package: string
  readonly kind: string
  readonly name: string
}

const refuse = (reason: string): SSSNRefError => new SSSNRefError(`SSSN ref ${reason}`)

/** Parts that stand for themselves: nothing that a URL would read as user, port, parameter, query or fragment. */
const isPart = (text: string): boolean => isSegment(text) && !/[;?#@]/u.test(text)

/** The four parts of a ref of any kind. Throws `SSSNRefError`. */
export const refParts = (value: unknown): RefParts => {
  if (typeof value !== "string" || value.trim() === "") throw refuse("must be a non-empty string.")
  if (value.length > 4 * nameLengthMax) throw refuse(`must be at most ${4 * nameLengthMax} characters.`)
  if (!value.startsWith("psi://")) throw refuse(`must begin with psi://: ${value}`)
  if (/[?#]/u.test(value)) throw refuse(`must have no query or fragment: ${value}`)
  const parts = value.slice("psi://".length).split("/")
  const [org = "", pack = "", kind = "", name = ""] = parts
  if (parts.length !== 4) throw refuse(`must have the shape psi://org/package/channels/name or psi://org/package/snapshots/name: ${value}`)
  for (const part of [org, pack, kind, name]) if (!isPart(part)) throw refuse(`has a part that is no name: ${JSON.stringify(part)} in ${value}`)
  return { org, package: pack, kind, name }
}

const isKind = (kind: string): kind is RefKind => (refKinds as ReadonlyArray<string>).includes(kind)

/** A ref of a channel or a snapshot. */
export class SSSNRef {
  /** The ref as text. */
  readonly value: string
  readonly org: string
  readonly package: string
  readonly resourceKind: RefKind
  readonly name: string

  /** Throws `SSSNRefError`. */
  constructor(value: string) {
    const { org, package: pack, kind, name } = refParts(value)
    if (!isKind(kind)) throw refuse(`must be of /channels/ or /snapshots/, not of /${kind}/: ${value}`)
    this.value = value
    this.org = org
    this.package = pack
    this.resourceKind = kind
    this.name = name
    Object.freeze(this)
  }

  static parse(value: string | SSSNRef): SSSNRef {
    return value instanceof SSSNRef ? value : new SSSNRef(value)
  }

  toString(): string {
    return this.value
  }
}
