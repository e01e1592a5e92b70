// From refs to what they are bound to here: a `.sssn` directory below a root, or the HTTP API of a store elsewhere.
import { randomUUID } from "node:crypto"
import { mkdirSync, readFileSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path"
import { isSegment } from "../../protocol/names.ts"
import { SSSNRefError } from "../../protocol/portable-error.ts"
import { type RefKind, SSSNRef } from "../../protocol/ref.ts"
import { refConfigBytesMax } from "../limits.ts"
import { LocalStore, type LocalStoreOptions } from "../store/local.ts"
import { checkTarget, parseConfig, type Table, type Target } from "./config.ts"

/** What a ref is bound to: one of `url`, `store` and `path` is text. A copy: changing it changes nothing. */
export interface ResolvedSSSNRef {
  readonly ref: string
  readonly resourceKind: RefKind
  readonly name: string
  readonly url: string | null
  readonly store: string | null
  readonly path: string | null
  readonly metadata: Table
}

/** What the client of a store elsewhere is told beside its address. */
export interface ClientOptions {
  readonly timeoutMillis?: number
  readonly token?: string
  /** The transport, in place of the platform's own. */
  readonly fetch?: typeof fetch
}

export interface ResolverOptions<Client> {
  /** Makes the client of a store elsewhere: `(url, options) => new SSSNClient(url, options)`, with the class of `aaax/client`. */
  readonly client?: (url: string, options: ClientOptions) => Client
  /** Lets absolute paths lead out of the root. Relative ones never do. Default: false. */
  readonly allowOutside?: boolean
}

/** An absolute path with every link resolved, as far as it is there. */
const realOf = (path: string): string => {
  try {
    return realpathSync(path)
  } catch {
    const parent = dirname(path)
    return parent === path ? path : join(realOf(parent), basename(path))
  }
}

const isBelow = (path: string, root: string): boolean => {
  const way = relative(root, path)
  return way === "" || (!isAbsolute(way) && way !== ".." && !way.startsWith(`..${sep}`))
}

const withHome = (path: string): string => (path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path)

const checkPath = (what: string, path: unknown): string => {
  if (typeof path !== "string" || path.trim() === "" || path.includes("\0")) throw new SSSNRefError(`${what} must be a non-empty path string.`)
  return resolve(withHome(path.trim()))
}

/** Where the config of a path lies, and the root that its relative paths start from. */
const locate = (path: unknown): { readonly root: string; readonly file: string } => {
  const given = checkPath("config path", path)
  if (statSync(given, { throwIfNoEntry: false })?.isDirectory() === true) return { root: given, file: join(given, ".psi/config.toml") }
  const folder = dirname(given)
  return { root: basename(folder) === ".psi" ? dirname(folder) : folder, file: given }
}

const read = (file: string): string => {
  try {
    const size = statSync(file).size
    if (size > refConfigBytesMax) throw new Error(`it has ${size} bytes, at most ${refConfigBytesMax} are read`)
    return readFileSync(file, "utf8")
  } catch (failure) {
    throw new SSSNRefError(`${file} cannot be read: ${failure instanceof Error ? failure.message : String(failure)}`, { cause: failure })
  }
}

const copyOf = (table: Table): Table => structuredClone(table)

export class SSSNResolver<Client = never> {
  /** Absolute: what relative paths of bindings start from. */
  readonly root: string
  readonly #options: ResolverOptions<Client>
  readonly #bindings = new Map<string, ResolvedSSSNRef>()
  #stores: ReadonlyMap<string, Table> = new Map()

  constructor(root = ".", options: ResolverOptions<Client> = {}) {
    this.root = realOf(checkPath("config root", root))
    this.#options = options
  }

  /** Reads a config file, or `.psi/config.toml` of a folder. Throws `SSSNRefError`, also when it cannot be read. */
  static fromConfig<Client = never>(path: string, options: ResolverOptions<Client> = {}): SSSNResolver<Client> {
    const { root, file } = locate(path)
    return new SSSNResolver(root, options).#load(read(file), file)
  }

  /** Takes the text of a config. Writes it to `.psi/config.toml` below the root only when told to, and only when it is good. */
  static fromText<Client = never>(
    text: string, { root = ".", write = false, ...options }: ResolverOptions<Client> & { readonly root?: string; readonly write?: boolean } = {}
  ): SSSNResolver<Client> {
    const resolver = new SSSNResolver(root, options).#load(text, "the config")
    if (!write) return resolver
    const folder = join(resolver.root, ".psi")
    mkdirSync(folder, { recursive: true })
    const part = join(folder, `.config-${randomUUID()}`)
    try {
      writeFileSync(part, text)
      renameSync(part, join(folder, "config.toml"))
    } finally {
      rmSync(part, { force: true })
    }
    return resolver
  }

  /** Binds a ref; a later binding replaces an earlier one. */
  bind(ref: string | SSSNRef, target: Target): void {
    const { value, resourceKind, name } = SSSNRef.parse(ref)
    const checked = checkTarget(value, target)
    try {
      this.#bindings.set(value, { ref: value, resourceKind, name, ...checked, metadata: copyOf(target.metadata ?? {}) })
    } catch (failure) {
      throw new SSSNRefError(`Ref binding metadata must be plain data: ${value}`, { cause: failure })
    }
  }

  resolve(ref: string | SSSNRef): ResolvedSSSNRef {
    const { value } = SSSNRef.parse(ref)
    const binding = this.#bindings.get(value)
    if (binding === undefined) throw new SSSNRefError(`SSSN ref is not bound: ${value}`)
    return { ...binding, metadata: copyOf(binding.metadata) }
  }

  /** Everything that is bound, in order. */
  refs(): ReadonlyArray<string> {
    return [...this.#bindings.keys()].sort()
  }

  /** A client of what a ref is bound to by URL, made by the resolver's `client`. */
  client(ref: string | SSSNRef, options: ClientOptions = {}): Client {
    const { ref: value, url } = this.resolve(ref)
    if (url === null) throw new SSSNRefError(`SSSN ref is not bound to an HTTP URL: ${value}`)
    if (this.#options.client === undefined) throw new SSSNRefError("this resolver makes no clients: give it one, as in new SSSNResolver(root, { client })")
    return this.#options.client(url, options)
  }

  /** Absolute path of the store that a ref is bound to. Throws `SSSNRefError` when it leads out of the root. */
  storePath(ref: string | SSSNRef): string {
    const { ref: value, store, path } = this.resolve(ref)
    const target = store ?? path
    if (target === null) throw new SSSNRefError(`SSSN ref is not bound to a local store: ${value}`)
    const given = withHome(target)
    const real = realOf(resolve(this.root, given))
    if (isBelow(real, this.root) || (isAbsolute(given) && this.#options.allowOutside === true)) return real
    throw new SSSNRefError(
      `SSSN ref is bound to a store outside of ${this.root}: ${value} is at ${target}` +
      (isAbsolute(given) ? "; allowOutside: true permits that" : "; name it by an absolute path, and permit that with allowOutside: true"))
  }

  /** Opens that store. */
  localStore(ref: string | SSSNRef, options?: LocalStoreOptions): LocalStore {
    return new LocalStore(this.storePath(ref), options)
  }

  /** The stores that the config names. */
  stores(): Readonly<Record<string, Table>> {
    return Object.fromEntries(Array.from(this.#stores, ([name, table]) => [name, copyOf(table)]))
  }

  store(name: string): Table {
    if (!isSegment(name)) throw new SSSNRefError("store name must be a non-empty path segment.")
    const table = this.#stores.get(name)
    if (table === undefined) throw new SSSNRefError(`Store is not in the config: ${name}`)
    return copyOf(table)
  }

  #load(text: unknown, source: string): this {
    const { refs, stores } = parseConfig(text, source)
    for (const [ref, target] of refs) this.bind(ref, target)
    this.#stores = stores
    return this
  }
}
