// Three scripted agents on a scratch repository: every step is played for real and checked, and nothing of it stays.
import * as Effect from "effect/Effect"
import type { DoorError } from "../../kernel/door/door.ts"
import type { DockError } from "../../kernel/kernel.ts"
import type { LaunchError } from "../../kernel/launch.ts"
import type { Called } from "../called.ts"
import { attempt } from "../claims/place.ts"
import { codes } from "../exit-code.ts"
import { Ended, type GitFailed, type NotLaunched, type UsageError } from "../failure.ts"
import { installIn } from "../git-hooks/install.ts"
import { gitRun } from "../worktree/git.ts"
import { json, onOut, out, plain } from "../terminal.ts"
import { steps, type Cast } from "./story.ts"
import { makeWorld, type World } from "./world.ts"

interface Told {
  readonly who: string
  readonly did: string
  readonly came: string
}

const width = 76

const play = async (world: World, called: Called): Promise<ReadonlyArray<{ readonly step: string; readonly title: string; readonly told: ReadonlyArray<Told> }>> => {
  const [alice, bob, carol] = await Promise.all([world.dock("alice"), world.dock("bob"), world.dock("carol")])
  const cast: Cast = { alice, bob, carol }
  const played = []
  for (const [at, step] of steps.entries()) {
    if (!called.json) await out(`\n${onOut.bold(`${at + 1}  ${step.title}`)}`)
    const told: Array<Told> = []
    const lines: Array<Promise<void>> = []
    try {
      await step.play(world, cast, (who, did, came) => {
        told.push({ who, did, came })
        if (!called.json) lines.push(out(`   ${onOut.cyan(who.padEnd(6))} ${plain(did)}\n   ${"".padEnd(6)} ${onOut.green("→")} ${plain(came)}`))
      })
    } catch (error) {
      throw new Ended({ code: codes.failed, reason: wentWrong(step.title, error instanceof Error ? error.message : String(error)) })
    }
    await Promise.all(lines)
    // The gate in front of commits is put there by the same code as `aaax git install`.
    if (step.name === "repository") await installIn(world.path, { seat: "carol" })
    played.push({ step: step.name, title: step.title, told })
  }
  return played
}

/** Offline it needs nothing but this machine itself, which a sandbox may take away, too. */
export const wentWrong = (title: string, reason: string): string => [
  `the demo went wrong at "${title}": ${reason.split("\n").map(plain).join("\n")}`,
  ...(/\bE(NETUNREACH|ADDRNOTAVAIL)\b/u.test(reason) ? ["127.0.0.1 cannot be reached: the demo needs no other network, but the loopback interface must be up."] : [])
].join("\n")

export const demo = (called: Called): Effect.Effect<void, LaunchError | DoorError | DockError | NotLaunched | Ended | GitFailed | UsageError> =>
  Effect.scoped(Effect.gen(function*() {
    const began = performance.now()
    // Without git there is nothing to show.
    yield* attempt(() => gitRun(".", ["--version"]))
    if (!called.json) yield* Effect.promise(() => out(`Three agents, one repository, nobody overwrites anybody. Offline, in a folder that is removed at the end.\n${onOut.dim("─".repeat(width))}`))
    const world = yield* makeWorld
    const played = yield* attempt(() => play(world, called))
    const seconds = ((performance.now() - began) / 1_000).toFixed(1)
    yield* Effect.promise(() => out(called.json
      ? json({ ok: true, steps: played, millis: Math.round(performance.now() - began) }, 2)
      : `${onOut.dim("─".repeat(width))}\n${played.length} steps, every one of them checked, in ${seconds} s. Nothing is left behind.\nYour own: aaax launch, aaax claims take PATH --seat NAME, aaax git install --seat NAME`))
  }))
