// Launches the constellation of a folder and keeps it until it is told to end.
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { isAbsolute, resolve } from "node:path"
import * as Http from "../kernel/door/http.ts"
import type { OpenHttp } from "../kernel/door/http.ts"
import { synapseOptions } from "../kernel/door/synapse/options.ts"
import { telemetry, telemetryEndpoint, withTelemetry, type Telemetry } from "../kernel/door/telemetry.ts"
import { type Publication, publicationOf, publishedPort } from "../kernel/door/publication.ts"
import type { DoorError } from "../kernel/door/door.ts"
import type { ConfiguredModule } from "../kernel/config.ts"
import type { Hosted } from "../kernel/kernel.ts"
import { launchKernel, type LaunchError, type LaunchOptions } from "../kernel/launch.ts"
import { ownTerminal } from "../kernel/power/terminal.ts"
import type { StoreUnavailable } from "../protocol/errors.ts"
import type { KernelStatus } from "../protocol/view.ts"
import { banner, surveyProgress } from "./banner.ts"
import { type Called, show } from "./called.ts"
import { codes } from "./exit-code.ts"
import { type AlreadyRunning, type NotFound, NotLaunched } from "./failure.ts"
import { makeFolder, makeHome } from "./home.ts"
import { type LoadedConfig, loadConfig } from "./load-config.ts"
import { announce, makeToken, refuseSecond } from "./run-file.ts"
import { snapshotLines, snapshotOf } from "./snapshot.ts"
import { err, errNow, goOnWithoutReader, onErr, out, json } from "./terminal.ts"
import { version } from "../kernel/version.ts"
import { readSpin, startWatchdog } from "./watchdog.ts"

export interface LaunchFlags {
  readonly config?: string
  readonly store?: string
  readonly once: boolean
  /** Also when the config does not say so; `host` and `port` win over the config's. */
  readonly publish: boolean
  readonly host?: string
  readonly port?: number
}

/** How long systems may take to end when the kernel goes down. */
const drainMillis = 10_000

const withNetwork = (loaded: LoadedConfig, { host, port, publish }: LaunchFlags): LoadedConfig => ({
  ...loaded,
  config: {
    ...loaded.config,
    network: {
      ...loaded.config.network, publish: publish || loaded.config.network.publish,
      ...(host === undefined ? {} : { host }), ...(port === undefined ? {} : { port })
    }
  }
})

const withStore = (loaded: LoadedConfig, store: string | undefined): LoadedConfig =>
  store === undefined
    ? loaded
    : {
        ...loaded,
        config: {
          ...loaded.config,
          store: store === ":memory:" ? { backend: "memory" } : { backend: "sqlite", path: isAbsolute(store) ? store : resolve(store) }
        }
      }

/** Folders that `fs.write` may write below; a root must be there before it can be guarded. */
const makeRoots = (loaded: LoadedConfig, directory: string): Effect.Effect<void, NotLaunched> =>
  Effect.forEach(loaded.config.executors["fs.write"]?.roots ?? [], (root) => makeFolder(directory, resolve(directory, root)), { discard: true })

/** A store that cannot be opened has no reads that go on, and nothing that could be tried again later. */
const opened = <A, R>(
  directory: string, kernel: Effect.Effect<A, LaunchError, R>
): Effect.Effect<A, Exclude<LaunchError, StoreUnavailable> | NotLaunched, R> =>
  Effect.catchTag(kernel, "StoreUnavailable", ({ reason }) => Effect.fail(new NotLaunched({ directory, reason })))

const optionsOf = (loaded: LoadedConfig, modules: ReadonlyArray<ConfiguredModule>, directory: string): LaunchOptions => ({
  config: loaded.config,
  directory,
  modules,
  version,
  source: loaded.files.source,
  program: loaded.files.program
})

const once = Effect.fnUntraced(function*(called: Called, options: LaunchOptions): Effect.fn.Return<void, LaunchError, Scope.Scope> {
  const kernel = yield* launchKernel({ ...options, once: true })
  yield* kernel.step
  const snapshot = snapshotOf(kernel)
  yield* show(called, snapshot, () => snapshotLines(snapshot))
})

/** Listens from now on; what it gives completes at the first SIGINT or SIGTERM. A second one ends the process where it stands. */
const listenForEnd: Effect.Effect<Effect.Effect<string>, never, Scope.Scope> = Effect.gen(function*() {
  const first = Deferred.makeUnsafe<string>()
  const listen = (signal: NodeJS.Signals): void => {
    if (Deferred.doneUnsafe(first, Effect.succeed(signal))) return
    errNow("aaax: ended at once; what was under way goes on at the next start.")
    process.exit(codes.interrupted)
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("SIGINT", listen).on("SIGTERM", listen)),
    () => Effect.sync(() => process.off("SIGINT", listen).off("SIGTERM", listen))
  )
  return Deferred.await(first)
})

/** How an approval is proved, when that is not by the code on this terminal. */
const proofNotes = ({ proof }: Pick<KernelStatus, "proof">): ReadonlyArray<string> => {
  if (proof?.from === "never") return ["APPROVALS NEED NO CODE: whoever reads the operator's token may approve anything (approvals.code)"]
  if (proof === undefined || proof.terminal || proof.passphrase) return []
  return [`no terminal to show codes on, and no passphrase: actions of risk ${proof.from} and up cannot be approved from outside; aaax gate passphrase set, and start again`]
}

const notesOf = ({ config }: LoadedConfig, status: Pick<KernelStatus, "proof">, published: OpenHttp["published"], security: string | undefined, quarantined: string | undefined): ReadonlyArray<string> => [
  ...(published?.wasTaken === true ? [`port ${publishedPort} was taken, so it is published on ${published.port}; --port or network.port names one of your own`] : []),
  ...(published !== undefined && security === "open"
    ? ["OPEN SECURITY: whoever reaches this machine's loopback address is whoever they say they are, and may do everything on PUBLIC channels. For development only."]
    : []),
  ...(published !== undefined && config.network.behindProxy ? [`${config.network.host} trusts the proxy in front of it: it must be the only one that reaches it`] : []),
  ...proofNotes(status),
  ...(quarantined === undefined ? [] : [`${quarantined} did not yield in the last run and is quarantined: aaax resume ${quarantined}`])
]

/** Opens the doors, says where it is, and waits. */
const serve = Effect.fnUntraced(function*(
  called: Called, kernel: Hosted, loaded: LoadedConfig, publication: Publication | undefined, exported: Telemetry | undefined,
  quarantined: string | undefined, ended: Effect.Effect<string>
): Effect.fn.Return<void, DoorError | NotLaunched, Scope.Scope> {
  yield* kernel.launch
  const token = makeToken()
  const { config } = loaded
  const { published, synapse, url } = yield* Http.door({
    token, executors: kernel.executors, synapse: yield* synapseOptions(config.network.synapse, config.secrets, called.directory),
    ...(publication === undefined ? {} : { publication }), ...(exported === undefined ? {} : { telemetry: exported })
  }).open(kernel)
  for (const door of config.doors) {
    const opened = yield* door.open(kernel)
    yield* Effect.logInfo(`door ${door.name} at ${opened.url}`)
  }
  yield* announce(called.directory, { url, version, token })
  const readyMillis = performance.now()
  const notes = notesOf(loaded, kernel.status(), published, publication?.security?.name, quarantined)
  // In one write: whoever reads it gets all of it.
  err(banner(kernel, { version, readyMillis, url, published: published?.url, synapse, configFile: loaded.file, notes }).join("\n"))
  if (called.json) {
    const where = { pid: process.pid, version, url, ...(published === undefined ? {} : { published: published.url }), ...(synapse === undefined ? {} : { synapse: synapse.url }), readyMillis: Math.round(readyMillis) }
    yield* Effect.promise(() => out(json(where)))
  }
  if (process.stderr.isTTY) yield* Effect.forkScoped(surveyProgress(kernel))
  const why = yield* Effect.race(ended, Effect.as(kernel.awaitDown, "down"))
  err(onErr.dim(why === "down" ? "Going down: draining …" : "Draining … (Ctrl-C once more ends it at once)"))
  yield* kernel.drainAll(drainMillis)
})

export const launch = (called: Called, flags: LaunchFlags): Effect.Effect<void, LaunchError | DoorError | AlreadyRunning | NotFound | NotLaunched> =>
  Effect.scoped(Effect.gen(function*() {
    const { directory } = called
    const loaded = withNetwork(withStore(yield* loadConfig({ directory, file: flags.config }), flags.store), flags)
    yield* Effect.addFinalizer(() => Effect.sync(loaded.files.close))
    if (flags.once) return yield* once(called, optionsOf(loaded, yield* loaded.files.ofConfig(loaded.config), directory))

    goOnWithoutReader()
    const { network } = loaded.config
    const publication = network.publish ? yield* publicationOf(network, directory) : undefined
    const endpoint = telemetryEndpoint(network.otlp)
    const exported = endpoint === undefined ? undefined : yield* telemetry({ endpoint, service: loaded.config.id, version })
    // Before anything is there to be drained: a signal while it starts ends it as soon as it has started.
    const ended = yield* listenForEnd
    yield* makeHome(directory)
    yield* refuseSecond(directory)
    yield* makeRoots(loaded, directory)
    const spun = readSpin(directory)?.system
    const watchdog = yield* Effect.acquireRelease(Effect.sync(() => startWatchdog({ directory })), (dog) => Effect.promise(dog.stop))
    const modules = yield* loaded.files.ofConfig(loaded.config)
    for (const { file, manifest } of modules) if (file !== null) watchdog.belongs(file, manifest.id)
    const quarantined = modules.some(({ manifest }) => manifest.id === spun) ? spun : undefined
    yield* withTelemetry(exported, Effect.gen(function*() {
      const kernel = yield* opened(directory, launchKernel({
        ...optionsOf(loaded, modules, directory),
        terminal: ownTerminal(),
        source: (file, check, given) => Effect.tap(loaded.files.source(file, check, given), ({ system }) => Effect.sync(() => watchdog.belongs(file, system.manifest.id))),
        entered: watchdog.enter, ...(quarantined === undefined ? {} : { quarantine: [quarantined] })
      }))
      yield* serve(called, kernel, loaded, publication, exported, quarantined, ended)
    }))
  })).pipe(
    Effect.tapCause((cause) => (Cause.hasDies(cause) ? Effect.logFatal("The kernel failed", cause) : Effect.void))
  )
