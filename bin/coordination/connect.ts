// Which hub a coordination command means, which seat it takes there, and the connection for as long as the command needs it.
import * as Effect from "effect/Effect"
import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join, resolve } from "node:path"
import { KernelUnreachable } from "../../libos/http.ts"
import { SynapseAgent, type SynapseAgentOptions } from "../../libos/synapse/agent.ts"
import { SynapseRefused } from "../../libos/synapse/refused.ts"
import { Overloaded, TimedOut, TooLarge } from "../../protocol/errors.ts"
import { synapsePath, synapsePort } from "../../protocol/synapse.ts"
import { Ended, UsageError } from "../failure.ts"
import { findRun, isAlive, type Found } from "../run-file.ts"
import { plain } from "../terminal.ts"

/** What was said of the hub and the seat. */
export interface SeatFlags {
  readonly uri?: string
  readonly name?: string
  readonly token?: string
}

export const seatDefault = "USER"
export const uriDefault = `ws://localhost:${synapsePort}`

const isInGit = (from: string): boolean => {
  for (let directory = from;; directory = dirname(directory)) {
    if (existsSync(join(directory, ".git"))) return true
    if (dirname(directory) === directory) return false
  }
}

const textOf = (value: string | undefined): string | undefined => (value === undefined || value.trim() === "" ? undefined : value.trim())

/** The seat of whoever works in this folder: the working tree's own before the terminal's. */
export const seatOf = (directory: string, name?: string): string => {
  const given = textOf(name)
  if (given !== undefined) return given
  return gitSays(directory, "config", "--get", "aaax.seat") ?? textOf(process.env["AAAX_SEAT"]) ?? seatDefault
}

/** What git answers in this folder; nothing where there is no git, or nothing to say. */
const gitSays = (directory: string, ...args: ReadonlyArray<string>): string | undefined => {
  if (!isInGit(directory)) return undefined
  try {
    return textOf(execFileSync("git", ["-C", directory, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }))
  } catch {
    return undefined
  }
}

/** From the folder upwards, else from the repository's main working tree: the others may lie anywhere. */
const constellationOf = (directory: string): Found | undefined => {
  const found = findRun(directory)
  if (found !== undefined) return found
  const common = gitSays(directory, "rev-parse", "--git-common-dir")
  return common === undefined ? undefined : findRun(dirname(resolve(directory, common)))
}

export interface Hub {
  readonly uri: string
  readonly token?: string
}

const gone = "the kernel of"

/** In the ancestor's words; with what to do where that is known. */
export const unreachableText = (seat: string, { reason, url }: Pick<KernelUnreachable, "url" | "reason">): string =>
  `[${plain(seat)}] Could not reach hub at ${plain(url)}.${reason.startsWith(gone) ? `\n${plain(reason)}.` : answeredText(reason)}`

/** Somebody is there, and said no before it was a connection. */
const answeredText = (reason: string): string => {
  const [, status] = /server response: (\d{3})/u.exec(reason) ?? []
  if (status === undefined) return ""
  return `\nIt answered ${status}${status === "403" ? ": a hub goes by no other name than it was told, aaax hub --allow-host NAME (network.hosts of a constellation)" : ""}.`
}

/** The hub that is meant. The operator's token of a constellation goes to that constellation alone. */
export const hubOf = (directory: string, flags: SeatFlags): Effect.Effect<Hub, UsageError | KernelUnreachable> =>
  Effect.suspend((): Effect.Effect<Hub, UsageError | KernelUnreachable> => {
    const asked = textOf(flags.uri) ?? textOf(process.env["SYNAPSE_URI"]) ?? gitSays(directory, "config", "--get", "aaax.uri")
    const token = textOf(flags.token) ?? textOf(process.env["SYNAPSE_TOKEN"])
    const own = token === undefined ? {} : { token }
    if (asked !== undefined) {
      return /^wss?:\/\/[^\s/]/u.test(asked)
        ? Effect.succeed({ uri: asked, ...own })
        : Effect.fail(new UsageError({ reason: `--uri ${asked} is no address such as ${uriDefault}.` }))
    }
    const found = constellationOf(directory)
    if (found === undefined) return Effect.succeed({ uri: uriDefault, ...own })
    const uri = `${found.run.url.replace(/^http/u, "ws")}${synapsePath}`
    // What was claimed there counts again when it is back: any other hub would give it to others meanwhile.
    if (!isAlive(found.run.pid)) {
      return Effect.fail(new KernelUnreachable({ url: uri, reason: `${gone} ${plain(found.directory)} (pid ${found.run.pid}) is gone. Start it again with aaax launch, or name another hub with --uri` }))
    }
    if (token !== undefined) return Effect.succeed({ uri, token })
    try {
      return Effect.succeed({ uri, token: readFileSync(found.run.tokenFile, "utf8").trim() })
    } catch {
      return Effect.succeed({ uri })
    }
  })

export type SeatFailure = SynapseRefused | KernelUnreachable | TimedOut | TooLarge | Overloaded | UsageError | Ended

/** Anything else that async code throws is a fault of ours. What a hub says of itself steers no terminal. */
export const seatFailure = (error: unknown): SeatFailure => {
  if (error instanceof SynapseRefused) {
    const { code, conflict, current, holder, reason } = error
    return new SynapseRefused({
      code, reason: plain(reason),
      ...(holder === undefined ? {} : { holder }), ...(conflict === undefined ? {} : { conflict }), ...(current === undefined ? {} : { current })
    })
  }
  if (error instanceof KernelUnreachable) return new KernelUnreachable({ url: error.url, reason: plain(error.reason) })
  const isKnown = error instanceof TimedOut || error instanceof TooLarge || error instanceof Overloaded || error instanceof UsageError || error instanceof Ended
  if (isKnown) return error
  throw error
}

export interface Seated {
  readonly agent: SynapseAgent
  readonly hub: Hub
  readonly seat: string
}

export interface SeatOptions extends Partial<Omit<SynapseAgentOptions, "uri" | "token">> {
  /** `body` begins before the seat is taken, so that it hears what is said to it at once; it waits for `agent.ready` itself. */
  readonly early?: boolean
}

/**
 * Takes a seat at the hub, or acts beside whoever has it, does `body` there, and leaves. The connection is not made again when it
 * breaks, unless `options` say so: a command that gets no answer says so. A command that stays for long says `beside: false`: it
 * is the one that has the seat.
 */
export const withSeat = <A>(
  called: { readonly directory: string }, flags: SeatFlags, body: (seated: Seated) => Promise<A> | A,
  options: SeatOptions = {}
): Effect.Effect<A, SeatFailure> =>
  Effect.flatMap(hubOf(called.directory, flags), (hub) =>
    Effect.acquireUseRelease(
      Effect.tryPromise({
        try: async () => {
          const seat = seatOf(called.directory, flags.name)
          const { early, ...rest } = options
          const agent = new SynapseAgent({ name: seat, reconnect: false, beside: true, ...hub, ...rest })
          if (early !== true) await agent.ready
          return { seat: agent.name, hub, agent }
        },
        catch: seatFailure
      }),
      (seated) => Effect.tryPromise({ try: async () => body(seated), catch: seatFailure }),
      ({ agent }) => Effect.sync(() => agent.close())
    ))
