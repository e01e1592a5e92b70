// Runs a command: parses, calls, and turns whatever happened into an exit code and a sentence.
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliConfig from "effect/cli/CliConfig"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { codeOf, codes } from "./exit-code.ts"
import { Ended } from "./failure.ts"
import { rootHelp } from "./help.ts"
import { program } from "./program.ts"
import { storeBehindVerb, usageOf } from "./sssn/usage.ts"
import { endQuietlyWithoutReader, err, errNow, onErr } from "./terminal.ts"
import { version } from "../kernel/version.ts"

/** Pretty for a person, one JSON object per line for a collector; never on stdout. */
const logger = Layer.merge(
  Logger.layer([process.stderr.isTTY ? Logger.consolePretty() : Logger.withConsoleError(Logger.formatJson)]),
  Layer.succeed(Logger.LogToStderr, true)
)

const formatter = CliOutput.defaultFormatter({ colors: false })

/** A mistake in two lines, not a page; of an ancestor's verb, as its own command line told it. */
const tellMistake = (message: string, usage: string | undefined, path: ReadonlyArray<string>): void => {
  if (usage !== undefined) {
    err(usage)
    return err(`${onErr.red("aaax:")} error: ${message}`)
  }
  err(`${onErr.red("aaax:")} ${message}`)
  err(onErr.dim(`Run ${path.join(" ")} --help to see how.`))
}

/** Help with the examples first. */
const presenterOf = (usage: string | undefined) => CliOutput.layerPresenter({
  present: (event) =>
    Effect.sync(() => {
      switch (event._tag) {
        case "Version":
          return void process.stdout.write(`${event.version}\n`)
        case "InvalidInvocation": {
          const [first] = event.errors
          // The message may go on with suggestions on further lines.
          return tellMistake((first?.message ?? "It was not called as it must be.").replace(/\s*\n\s*/gu, " "), usage, event.commandPath)
        }
        case "Help": {
          if (event.commandPath.length <= 1) return void process.stdout.write(`${rootHelp(version)}\n`)
          const { examples = [], ...rest } = event.helpDoc
          const first = examples.length === 0
            ? ""
            : `EXAMPLES\n${examples.map(({ command, description = "" }) => `  ${command}\n      ${description}`).join("\n")}\n\n`
          const text = `${first}${formatter.formatHelpDoc(rest)}\n`
          return void (event.reason === "Requested" ? process.stdout : process.stderr).write(text)
        }
      }
    })
})

const layersOf = (usage: string | undefined) => Layer.mergeAll(
  NodeServices.layer, logger, presenterOf(usage),
  CliConfig.layer({ builtIns: [GlobalFlag.Help, GlobalFlag.Version, GlobalFlag.Completions, GlobalFlag.LogLevel] })
)

const isShown = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "_tag" in error && error._tag === "ShowHelp"

/** What to say of a failure, and the exit code. A defect is ours: its code is 70. `usage`: an ancestor's verb fails with 2. */
const report = (cause: Cause.Cause<unknown>, usage: string | undefined): number => {
  if (Cause.hasInterruptsOnly(cause)) return codes.interrupted
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "Some") {
    if (!isShown(failure.value)) {
      const message = failure.value instanceof Error ? failure.value.message : String(failure.value)
      if (usage !== undefined) tellMistake(message.replace(/\s*\n\s*/gu, " "), usage, [])
      else if (failure.value instanceof Ended) err(message)
      else err(message.split("\n").map((line, at) => `${at === 0 ? `${onErr.red("aaax:")} ` : ""}${line}`).join("\n"))
    }
    return usage === undefined ? codeOf(failure.value) : codes.usage
  }
  err(`${onErr.red("aaax:")} this is a fault of aaax, not of yours: ${Cause.squash(cause) instanceof Error ? (Cause.squash(cause) as Error).message : "unknown"}`)
  if (process.env["AAAX_DEBUG"] !== undefined) err(Cause.pretty(cause))
  else err(onErr.dim("Set AAAX_DEBUG=1 to see where."))
  return codes.internal
}

/** Lets what was written go out, then ends: an idle connection must not hold the process. */
const end = (code: number): Promise<never> =>
  new Promise(() => {
    // A turn later, so that an output that failed is heard of before.
    process.stdout.write("", () => process.stderr.write("", () => setImmediate(() => process.exit(code))))
  })

/** Runs one command, and answers its exit code. */
export const run = async (given: ReadonlyArray<string>): Promise<number> => {
  const args = storeBehindVerb(given)
  const usage = usageOf(args)
  const exit = await Effect.runPromiseExit(Effect.provide(Command.runWith(program, { version })(args), layersOf(usage)))
  return Exit.isSuccess(exit) ? (typeof process.exitCode === "number" ? process.exitCode : codes.ok) : report(exit.cause, usage)
}

export const main = async (args: ReadonlyArray<string>): Promise<never> => {
  endQuietlyWithoutReader()
  process.on("uncaughtException", (error) => {
    errNow(`aaax: this is a fault of aaax, not of yours: ${error instanceof Error ? error.stack ?? error.message : String(error)}`)
    process.exit(codes.internal)
  })
  return end(await run(args))
}
