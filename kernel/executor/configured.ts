// The executors of a config, made from their table, and the secrets that they share.
import { readFileSync } from "node:fs"
import { resolve } from "node:path"
import * as Effect from "effect/Effect"
import { ConfigInvalid } from "../../protocol/errors.ts"
import type { Executor } from "../../protocol/executor.ts"
import * as FsRead from "./fs-read.ts"
import * as FsWrite from "./fs-write.ts"
import * as Git from "./git.ts"
import * as HttpFetch from "./http-fetch.ts"
import * as LlmChat from "./llm/llm-chat.ts"
import * as ProcessRun from "./process-run.ts"
import { makeSecrets, type Secrets, type SecretSpec } from "./secrets.ts"
import type { ExecutorTable, OwnTable, SecretTable } from "./table.ts"

export interface Configured {
  readonly executors: ReadonlyArray<Executor>
  readonly secrets: Secrets
}

type Section<Name extends keyof OwnTable> = NonNullable<OwnTable[Name]>

const readingOf = ({ bytesMax, roots }: Section<"fs.read">, directory: string, secrets: Secrets): Executor => {
  const given = roots.map((root) => (typeof root === "string" ? { path: root } : root)).map((root) => ({ ...root, path: resolve(directory, root.path) }))
  return FsRead.executor({
    roots: given.map(({ path }) => path),
    labels: new Map(given.map(({ path, labels = [] }) => [path, labels])),
    secrets,
    ...(bytesMax === undefined ? {} : { bytesMax })
  })
}

const fetchingOf = ({ allow, ca, ...rest }: Section<"http.fetch">, directory: string, secrets: Secrets): Executor => {
  let authorities: string | undefined
  try {
    authorities = ca === undefined ? undefined : readFileSync(resolve(directory, ca), "utf8")
  } catch (error) {
    throw new ConfigInvalid({ issues: [{ file: "config", path: "executors.http.fetch.ca", reason: error instanceof Error ? `${error.message}.` : "it cannot be read." }] })
  }
  return HttpFetch.executor({
    allow: allow.map((rule) => (typeof rule === "string" ? { hosts: [rule] } : rule)), secrets, ...rest,
    ...(authorities === undefined ? {} : { ca: authorities })
  })
}

const gitOf = ({ committer, repositories }: Section<"git">, directory: string, secrets: Secrets): Executor =>
  Git.executor({
    repositories: Object.fromEntries(Object.entries(repositories).map(([name, given]) => {
      const repository = typeof given === "string" ? { path: given } : given
      return [name, {
        ...repository, path: resolve(directory, repository.path),
        ...(repository.worktrees === undefined ? {} : { worktrees: resolve(directory, repository.worktrees) })
      }]
    })),
    secrets,
    ...(committer === undefined ? {} : { committer })
  })

/** Relative paths start from `directory`. Every secret is looked at, so that one that others may read stops the start. */
export const configured = (table: ExecutorTable, given: SecretTable, directory: string): Effect.Effect<Configured, ConfigInvalid> =>
  Effect.suspend(() => {
    try {
      const specs: Readonly<Record<string, SecretSpec>> =
        Object.fromEntries(Object.entries(given).map(([name, secret]) => [name, typeof secret === "string" ? { from: secret } : secret]))
      const secrets = makeSecrets(specs, directory)
      const made: Array<Executor> = []
      const { git, "fs.read": read, "fs.write": write, "http.fetch": fetch, "llm.chat": llm, "process.run": run } = table
      if (read !== undefined) made.push(readingOf(read, directory, secrets))
      if (write !== undefined) made.push(FsWrite.executor({ roots: write.roots.map((root) => resolve(directory, root)) }))
      if (run !== undefined) {
        // What programs need to find each other and their settings; nothing else of the kernel's environment.
        made.push(ProcessRun.executor({ ...run, root: directory, env: ["PATH", "HOME", "LANG", "TZ"], secrets }))
      }
      if (fetch !== undefined) made.push(fetchingOf(fetch, directory, secrets))
      if (git !== undefined) made.push(gitOf(git, directory, secrets))
      if (llm !== undefined) made.push(LlmChat.executor({ ...llm, directory, secrets }))
      return Effect.succeed({ executors: [...made, ...table.own], secrets })
    } catch (error) {
      return error instanceof ConfigInvalid ? Effect.fail(error) : Effect.die(error)
    }
  })
