// Flags and arguments as the commands declare them, and what every command is called with.
import * as Effect from "effect/Effect"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as GlobalFlag from "effect/cli/GlobalFlag"
import * as Option from "effect/Option"
import { realpathSync, statSync } from "node:fs"
import { resolve } from "node:path"
import type { Called } from "./called.ts"
import { UsageError } from "./failure.ts"

export const Json = GlobalFlag.Setting("json")({
  flag: Flag.Boolean("json").pipe(Flag.withDescription("Bare data on stdout; one object per line for streams"), Flag.withDefault(false))
})
export const Dir = GlobalFlag.Setting("dir")({
  flag: Flag.String("dir").pipe(Flag.withDescription("The folder of the constellation; default: this one"), Flag.optional)
})

export const called: Effect.Effect<Called, UsageError, GlobalFlag.Setting.Identifier<"json"> | GlobalFlag.Setting.Identifier<"dir">> = Effect.gen(
  function*() {
    const given = Option.getOrElse(yield* Dir, () => ".")
    const directory = yield* Effect.try({
      try: () => realpathSync(resolve(given)),
      catch: () => new UsageError({ reason: `--dir ${given}: there is no such folder.` })
    })
    if (statSync(directory, { throwIfNoEntry: false })?.isDirectory() !== true) {
      return yield* new UsageError({ reason: `--dir ${given}: that is a file, not a folder.` })
    }
    return { directory, json: yield* Json }
  }
)

/** The given flags without those that were left out. */
export const given = <Flags extends Readonly<Record<string, unknown>>>(
  flags: Flags
): { readonly [Key in keyof Flags]?: Flags[Key] extends Option.Option<infer A> ? A : Flags[Key] } => {
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(flags)) {
    if (!Option.isOption(value)) result[key] = value
    else if (Option.isSome(value)) result[key] = value.value
  }
  // Every key of the flags, with what an option held.
  return result as { readonly [Key in keyof Flags]?: Flags[Key] extends Option.Option<infer A> ? A : Flags[Key] }
}

export const text = (name: string, description: string) => Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)
export const count = (name: string, description: string) => Flag.Int(name).pipe(Flag.withDescription(description), Flag.optional)
export const yes = (name: string, description: string) => Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))
export const list = (name: string, description: string) => Flag.String(name).pipe(Flag.withDescription(description), Flag.atLeast(0))
export const word = (name: string, description: string) => Argument.String(name).pipe(Argument.withDescription(description))

export const examples = (...shown: ReadonlyArray<readonly [string, string]>) =>
  Command.withExamples(shown.map(([command, description]) => ({ command, description })))
