// A hub of its own, for code that wants one, for tests, and for `aaax hub`: a kernel with the coordinator in it, and the synapse
// wire on a port.
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { requests } from "../protocol/coordination.ts"
import type { System } from "../protocol/manifest.ts"
import { synapsePort } from "../protocol/synapse.ts"
import { isLoopback } from "./door/names.ts"
import { operator } from "./door/operator.ts"
import { makeReception } from "./door/reception.ts"
import { hubId } from "./door/synapse/name.ts"
import { synapse } from "./door/synapse.ts"
import { launch, promised, type HostKernel } from "./host.ts"

export interface SynapseHubOptions {
  /** Default 127.0.0.1; `localhost` is both addresses of that name. One that others can reach wants `tokens`, and TLS or `exposed`. */
  readonly host?: string
  /** Default 8876; 0: any that is free. */
  readonly port?: number
  /** A database; absent: in memory, and gone with the hub. */
  readonly db?: string
  /** What relative paths start from; default: the working directory. */
  readonly directory?: string
  /** What clients present; each is good for any name that is free. None: nobody presents anything, on a loopback address. */
  readonly tokens?: ReadonlyArray<string>
  /** Serves other machines as it is, in the clear and, without tokens, everybody: for networks that are trusted. */
  readonly exposed?: boolean
  /** Names beside those of loopback by which clients call it. */
  readonly hosts?: ReadonlyArray<string>
  /** Origins whose pages may connect, such as `http://localhost:5173`; none but its own by default. */
  readonly origins?: ReadonlyArray<string>
  /** Messages per second of one seat, and how many may come at once; 0: as many as it likes. */
  readonly rate?: number
  readonly burst?: number
  /** Connections at most. */
  readonly clients?: number
  /** Messages that are kept for those who ask what was said. */
  readonly historyMax?: number
  /** Gives up what cannot be read of its claims and plan, which are not changed otherwise. */
  readonly acceptLoss?: boolean
  /** In place of the coordinator that comes with AAAX. */
  readonly coordinator?: System
  /** Docked beside it before anybody can connect, so that they miss nothing. `id`: as the hub's frames say. */
  readonly beside?: (id: string) => ReadonlyArray<System>
}

export class SynapseHub {
  readonly #options: SynapseHubOptions
  #running: Promise<{ readonly kernel: HostKernel; readonly scope: Scope.Closeable; readonly url: string; readonly port: number; readonly id: string }> | undefined
  #at: { readonly url: string; readonly port: number; readonly id: string } | undefined
  #kernel: HostKernel | undefined

  constructor(options: SynapseHubOptions = {}) {
    this.#options = options
  }

  /** Starts it; a second call joins the first. Rejects when the address is taken, or must not be served so. */
  async start(): Promise<this> {
    this.#running ??= this.#open()
    const { id, kernel, port, url } = await this.#running
    this.#kernel = kernel
    this.#at = { id, port, url }
    return this
  }

  /** Where clients connect. Throws before it has started. */
  get uri(): string {
    return this.#started.url
  }

  get port(): number {
    return this.#started.port
  }

  /** As every frame of it says: another one with every start. */
  get id(): string {
    return this.#started.id
  }

  /** The kernel that it is, to dock systems beside the coordinator. */
  get kernel(): HostKernel {
    void this.#started
    return this.#kernel!
  }

  /** Ends connections, then the kernel. */
  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    this.#at = undefined
    const opened = await running?.catch(() => undefined)
    if (opened === undefined) return
    await promised(Scope.close(opened.scope, Exit.void))
    await opened.kernel.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  get #started(): { readonly url: string; readonly port: number; readonly id: string } {
    if (this.#at === undefined) throw new TypeError("the hub has not started: await hub.start()")
    return this.#at
  }

  async #open() {
    const {
      acceptLoss = false, beside, burst, clients, coordinator, db, directory, exposed = false, historyMax, host = "127.0.0.1", hosts = [], origins = [], port = synapsePort, rate, tokens = []
    } = this.#options
    const kernel = await launch({
      id: "synapse-hub", name: "Synapse hub", store: db ?? ":memory:", ...(directory === undefined ? {} : { directory }),
      modules: [coordinator ?? { id: "coordinator", file: "aaax/modules/coordinator", settings: { anywhere: true, ...(historyMax === undefined ? {} : { historyMax }) } }]
    })
    const scope = Scope.makeUnsafe()
    const id = hubId()
    try {
      for (const system of beside?.(id) ?? []) await kernel.dock(system)
      const opened = await promised(Scope.provide(Effect.gen(function*() {
        // Before anybody else can ask.
        if (acceptLoss) yield* kernel.effect.channels.append(operator, requests, [{ kind: "request", payload: { verb: "accept-loss", by: "the hub's start" } }])
        const reception = yield* makeReception({ kernel: kernel.effect, operatorToken: crypto.randomUUID(), isLoopback: isLoopback(host) })
        const door = yield* synapse(kernel.effect, {
          id, host, port, tokens, open: tokens.length === 0, exposed, ...(rate === undefined ? {} : { rate }), ...(burst === undefined ? {} : { burst }),
          ...(clients === undefined ? {} : { clients })
        })
        const listening = yield* door.listen(reception, { hosts, origins })
        return { ...listening!, id } // a port was named, so it listens
      }), scope))
      return { kernel, scope, ...opened }
    } catch (error) {
      this.#running = undefined
      await promised(Scope.close(scope, Exit.void))
      await kernel.close()
      throw error
    }
  }
}
