// What a commit is going to change, what it changed, and what a merge brought: read from git itself, both sides of renames and copies.
import { existsSync } from "node:fs"
import { GitFailed } from "../failure.ts"
import { git, gitRun } from "./git.ts"
import { gitFile, type Worktree } from "./worktree.ts"

/** Whatever the user's configuration would leave out or put elsewhere. */
const whole = ["--name-status", "-z", "--find-renames", "--find-copies", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none"] as const

/** Throws `GitFailed` for what is no such list: half of it would be worse than none. */
export const parseNameStatus = (text: string): ReadonlyArray<string> => {
  const fields = text.split("\0")
  if (fields.pop() !== "") throw new GitFailed({ reason: "git diff: its list of paths has no end" })
  const paths = new Set<string>()
  while (fields.length > 0) {
    const status = fields.shift() ?? ""
    const sides = /^[RC]\d*$/u.test(status) ? 2 : /^[ADMTUXB]\d*$/u.test(status) ? 1 : 0
    const named = fields.splice(0, sides)
    if (sides === 0 || named.length < sides || named.some((path) => path === "")) throw new GitFailed({ reason: `git diff: its list of paths has ${JSON.stringify(status)} where a status should be` })
    for (const path of named) paths.add(path.normalize("NFC"))
  }
  return [...paths]
}

/** Each path that the next commit changes. In a merge what came in as it was is nobody's doing here. */
export const staged = async (worktree: Worktree): Promise<ReadonlyArray<string>> => {
  const paths = parseNameStatus(await git(worktree.top, "diff", "--cached", ...whole))
  if (paths.length === 0 || !existsSync(gitFile(worktree, "MERGE_HEAD"))) return paths
  const own = new Set(parseNameStatus(await git(worktree.top, "diff", "--cached", ...whole, "MERGE_HEAD")))
  return paths.filter((path) => own.has(path))
}

/** What the newest commit changed, beside its first parent. */
export const committed = async (worktree: Worktree): Promise<ReadonlyArray<string>> => {
  const { code } = await gitRun(worktree.top, ["rev-parse", "--verify", "--quiet", "HEAD^1"])
  return parseNameStatus(await (code === 0
    ? git(worktree.top, "diff", ...whole, "HEAD^1", "HEAD")
    : git(worktree.top, "diff-tree", "--no-commit-id", "-r", "--root", ...whole, "HEAD")))
}

/** What the newest merge brought. */
export const merged = async (worktree: Worktree): Promise<ReadonlyArray<string>> =>
  parseNameStatus(await git(worktree.top, "diff", ...whole, "ORIG_HEAD", "HEAD"))
