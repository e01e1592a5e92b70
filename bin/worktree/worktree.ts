// The git working tree that a command is called in.
import { realpathSync } from "node:fs"
import { isAbsolute, join, resolve } from "node:path"
import { git, gitConfig, gitRun } from "./git.ts"

export interface Worktree {
  /** Absolute, links resolved: what its claims are of. */
  readonly top: string
  /** Nothing: HEAD is at no branch. */
  readonly branch: string | undefined
  /** Git's own folder for it, and the one that all worktrees of the repository share. */
  readonly gitDir: string
  readonly commonDir: string
  /** Its file system takes two spellings of a name for one. */
  readonly ignoresCase: boolean
}

/** Throws `GitFailed` outside of a working tree. */
export const worktreeOf = async (directory: string): Promise<Worktree> => {
  const [top = "", gitDir = "", common = ""] = (await git(directory, "rev-parse", "--show-toplevel", "--absolute-git-dir", "--git-common-dir")).split("\n")
  const { code, stdout } = await gitRun(directory, ["symbolic-ref", "--quiet", "HEAD"])
  return {
    top: realpathSync(top),
    branch: code === 0 ? stdout.trim().replace(/^refs\/heads\//u, "") : undefined,
    gitDir: realpathSync(gitDir),
    commonDir: realpathSync(isAbsolute(common) ? common : resolve(directory, common)),
    ignoresCase: (await gitConfig(directory, "--type=bool", "core.ignorecase")) === "true"
  }
}

/** A file of git's own for this working tree, such as MERGE_HEAD. */
export const gitFile = ({ gitDir }: Worktree, name: string): string => join(gitDir, name)
