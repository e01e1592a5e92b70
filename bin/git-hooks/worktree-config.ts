// Settings of one working tree alone: git's own extension, turned on as git does it itself, and off again when nobody needs it any more.
import { existsSync, readdirSync } from "node:fs"
import { join } from "node:path"
import { git, gitConfig } from "../worktree/git.ts"
import type { Worktree } from "../worktree/worktree.ts"

/** What belongs to the main working tree alone once each has its own: left in common, a bare repository's working trees would all be none. */
const mainOnly = ["core.bare", "core.worktree"] as const

/** That it was us who turned it on. */
const marker = "aaax.worktreeConfig"

export const isOn = async (top: string): Promise<boolean> => (await gitConfig(top, "--type=bool", "--get", "extensions.worktreeConfig")) === "true"

const mainFile = ({ commonDir }: Worktree): string => join(commonDir, "config.worktree")

const turnOn = async (worktree: Worktree): Promise<void> => {
  const { commonDir, top } = worktree
  const common = join(commonDir, "config")
  for (const name of mainOnly) {
    const value = await gitConfig(top, "--file", common, "--get", name)
    // A repository that says that it is not bare says what every working tree may hear.
    if (value === undefined || (name === "core.bare" && value === "false")) continue
    await git(top, "config", "--file", mainFile(worktree), name, value)
    await git(top, "config", "--file", common, marker, "moved")
    // Before the extension is on: until it is, a linked tree passes these two over.
    await git(top, "config", "--file", common, "--unset-all", name)
  }
  await git(top, "config", "--file", common, "extensions.worktreeConfig", "true")
  if ((await gitConfig(top, "--file", common, "--get", marker)) === undefined) await git(top, "config", "--file", common, marker, "true")
}

/** Where a setting of this working tree goes: to it alone, where there are several. */
export const ownScope = async (worktree: Worktree): Promise<"--local" | "--worktree"> => {
  const { top } = worktree
  const count = (await git(top, "worktree", "list", "--porcelain")).split("\n").filter((line) => line.startsWith("worktree ")).length
  if (count > 1 && !(await isOn(top))) await turnOn(worktree)
  return (await isOn(top)) ? "--worktree" : "--local"
}

/** The names that are set in one file. */
const namesIn = async (top: string, file: string): Promise<ReadonlyArray<string>> =>
  existsSync(file) ? ((await gitConfig(top, "--file", file, "--list", "--name-only", "-z")) ?? "").split("\0").filter((name) => name !== "") : []

/** Off again when we turned it on, and nobody has settings of a tree alone: ours of other trees, sparse ones. */
export const turnOffUnneeded = async (worktree: Worktree): Promise<void> => {
  const { commonDir, top } = worktree
  const common = join(commonDir, "config")
  const marked = await gitConfig(top, "--file", common, "--get", marker)
  if (marked === undefined) return
  const trees = join(commonDir, "worktrees")
  const linked = existsSync(trees) ? readdirSync(trees).map((name) => join(trees, name, "config.worktree")) : []
  for (const file of linked) if ((await namesIn(top, file)).length > 0) return
  const own = await namesIn(top, mainFile(worktree))
  const moved: ReadonlyArray<string> = marked === "moved" ? mainOnly.filter((name) => own.includes(name)) : []
  if (own.some((name) => !moved.includes(name))) return
  const values = await Promise.all(moved.map(async (name) => [name, await gitConfig(top, "--file", mainFile(worktree), "--get", name)] as const))
  await git(top, "config", "--file", common, "--unset-all", "extensions.worktreeConfig")
  await git(top, "config", "--file", common, "--unset-all", marker)
  for (const [name, value] of values) {
    if (value === undefined) continue
    // As when it was turned on: not in common while the extension is on.
    await git(top, "config", "--file", common, name, value)
    await git(top, "config", "--file", mainFile(worktree), "--unset-all", name)
  }
}
