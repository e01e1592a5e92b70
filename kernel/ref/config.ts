// `.psi/config.toml`: which refs are bound to what, and which stores have a name. Other layers keep their refs in the same
// file; theirs must be well-formed and are otherwise passed by.
//
//   [refs."psi://demo/combo/channels/events"]     one of url, store, path; other keys are the binding's metadata
//   store = ".sssn"
//
//   [stores.default]
//   path = ".sssn"
import * as Result from "effect/Result"
import * as Toml from "effect/encoding/Toml"
import { SSSNRefError } from "../../protocol/portable-error.ts"
import { isSegment } from "../../protocol/names.ts"
import { otherKinds, refParts } from "../../protocol/ref.ts"

export type Table = Readonly<Record<string, unknown>>

/** What a ref stands for: exactly one of the three. */
export interface Target {
  readonly url?: string | null
  /** A `.sssn` directory, from the root. */
  readonly store?: string | null
  /** The same, by its other name. */
  readonly path?: string | null
  readonly metadata?: Table | null
}

export interface PsiConfig {
  readonly refs: ReadonlyMap<string, Target>
  readonly stores: ReadonlyMap<string, Table>
}

export const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

const isWord = (value: unknown): value is string => typeof value === "string" && value !== "" && !/\s/u.test(value)

const isWebAddress = (text: string): boolean => {
  if (!/^https?:\/\/[^/?#]/iu.test(text)) return false
  try {
    return new URL(text).hostname !== ""
  } catch {
    return false
  }
}

/** The one target of a binding, checked. Throws `SSSNRefError`, which names the ref. */
export const checkTarget = (ref: string, target: Target): { readonly url: string | null; readonly store: string | null; readonly path: string | null } => {
  const word = (name: "url" | "store" | "path"): string | null => {
    const value: unknown = target[name] ?? null
    if (value === null || isWord(value)) return value
    throw new SSSNRefError(`Ref binding target '${name}' must be a non-empty string without white space: ${ref}`)
  }
  const checked = { url: word("url"), store: word("store"), path: word("path") }
  const found = Object.entries(checked).filter(([, value]) => value !== null).map(([name]) => name)
  if (found.length === 0) throw new SSSNRefError(`Ref binding must declare one concrete target, url, store or path: ${ref}`)
  if (found.length > 1) throw new SSSNRefError(`Ref binding must declare only one concrete target, not ${found.join(" and ")}: ${ref}`)
  if (checked.url !== null && !isWebAddress(checked.url)) {
    throw new SSSNRefError(`Ref binding target 'url' must be an absolute http or https URL: ${ref}`)
  }
  if ((target.metadata ?? null) !== null && !isTable(target.metadata)) throw new SSSNRefError(`Ref binding metadata must be a table: ${ref}`)
  return checked
}

const storesOf = (value: unknown): ReadonlyMap<string, Table> => {
  if (value === undefined) return new Map()
  if (!isTable(value)) throw new SSSNRefError("[stores] must be a table.")
  return new Map(Object.entries(value).map(([name, table]) => {
    if (!isSegment(name)) throw new SSSNRefError(`[stores.${name}] must have a non-empty path segment for a name.`)
    if (!isTable(table)) throw new SSSNRefError(`[stores.${name}] must be a table.`)
    if (table["path"] !== undefined && !isWord(table["path"])) {
      throw new SSSNRefError(`[stores.${name}] path must be a non-empty string without white space.`)
    }
    if (table["metadata"] !== undefined && !isTable(table["metadata"])) throw new SSSNRefError(`[stores.${name}] metadata must be a table.`)
    return [name, table]
  }))
}

const refsOf = (value: unknown): ReadonlyMap<string, Target> => {
  if (value === undefined) return new Map()
  if (!isTable(value)) throw new SSSNRefError("[refs] must be a table.")
  const refs = new Map<string, Target>()
  for (const [ref, binding] of Object.entries(value)) {
    if (otherKinds.includes(refParts(ref).kind)) continue
    if (!isTable(binding)) throw new SSSNRefError(`Ref binding must be a table: ${ref}`)
    if (binding["metadata"] !== undefined && !isTable(binding["metadata"])) throw new SSSNRefError(`Ref binding metadata must be a table: ${ref}`)
    const { url, store, path, ...metadata } = binding
    // Whether each is text is checked when it is bound.
    refs.set(ref, { url: url as string, store: store as string, path: path as string, metadata })
  }
  return refs
}

/** What a config says. `source` names it in what is wrong with it. Throws `SSSNRefError`. */
export const parseConfig = (text: unknown, source: string): PsiConfig => {
  if (typeof text !== "string") throw new SSSNRefError(`${source} must be text.`)
  const parsed = Toml.parse(text)
  if (Result.isFailure(parsed)) throw new SSSNRefError(`${source} is not TOML: ${parsed.failure.message}`)
  return { stores: storesOf(parsed.success["stores"]), refs: refsOf(parsed.success["refs"]) }
}
