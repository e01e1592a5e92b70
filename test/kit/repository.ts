// A git repository in a folder of its own, with an identity and nothing of the user's configuration.
import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

export interface Repository {
  readonly path: string
  readonly git: (...args: ReadonlyArray<string>) => string
  readonly write: (path: string, text?: string) => void
  readonly remove: () => void
}

/** What git is run with: no configuration but the repository's own. */
export const gitEnvironment: Readonly<Record<string, string>> = {
  GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1", GIT_AUTHOR_NAME: "A", GIT_AUTHOR_EMAIL: "a@example.invalid", GIT_COMMITTER_NAME: "A", GIT_COMMITTER_EMAIL: "a@example.invalid"
}

/** On branch main, with one empty commit. */
export const makeRepository = (): Repository => {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "aaax-git-")))
  const git = (...args: ReadonlyArray<string>): string =>
    execFileSync("git", args, { cwd: path, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], env: { PATH: process.env["PATH"]!, HOME: path, ...gitEnvironment } }).trim()
  git("init", "--quiet", "--template=", "--initial-branch=main")
  git("config", "user.name", "A")
  git("config", "user.email", "a@example.invalid")
  git("commit", "--quiet", "--allow-empty", "-m", "First")
  return {
    path, git,
    write: (name, text = "text\n") => {
      mkdirSync(dirname(join(path, name)), { recursive: true })
      writeFileSync(join(path, name), text)
    },
    remove: () => rmSync(path, { recursive: true, force: true })
  }
}
