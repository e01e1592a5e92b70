// Works in declared git repositories: looks, commits, makes branches and worktrees, and pushes.
//
// A target is `NAME` of a repository, or `NAME/WORKTREE`. Looking is low, what stays in the repository medium, a push
// irreversible. A commit carries the name of its warrant in its message, so that after a crash it is found again; branches,
// worktrees and pushes are found by what they are. Pushes go to the addresses that config names, never to what the
// repository calls a remote.
import { lstat, mkdir, realpath } from "node:fs/promises"
import { basename, isAbsolute, join } from "node:path"
import { ConfigInvalid, type ConfigIssue } from "../../protocol/errors.ts"
import { reported, type Call, type CallPowers, type Executor } from "../../protocol/executor.ts"
import { isSegment } from "../../protocol/names.ts"
import { gitMillisMax, resultBytesInline } from "../limits.ts"
import { asked, NotDone, payloadRefusal, stoppable } from "./executor.ts"
import { branchRefusal, operationRefusal, ops, schema, trailer, type Payload } from "./git/payload.ts"
import { commitFormat, commitsOf, statusOf, worktreesOf } from "./git/reading.ts"
import { checkoutOf, looked, makeGit, type Checkout, type RunOptions } from "./git/run.ts"
import { makeGuardian, type Outcome } from "./guardian.ts"
import { makePathLock } from "./path-lock.ts"
import { onPath } from "./process-run.ts"
import { handleOf, noSecrets, type Secrets } from "./secrets.ts"

export interface Repository {
  /** Absolute folder, with `.git` in it. */
  readonly path: string
  /** Absolute folder for its worktrees; absent: there are none. */
  readonly worktrees?: string
  /** Name -> address, `https://` or `file://`. */
  readonly remotes?: Readonly<Record<string, string>>
  /** `secret:NAME`, a token that is sent to the hosts of its remotes. */
  readonly credential?: string
  /** Its own hooks, filters and settings count; default: nothing that it names is run. */
  readonly trusted?: boolean
  /** Labels of what is read from it. */
  readonly labels?: ReadonlyArray<string>
}

export interface GitOptions {
  readonly repositories: Readonly<Record<string, Repository>>
  /** Who commits; the author is the system that asked. */
  readonly committer?: { readonly name: string; readonly email: string }
  readonly secrets?: Secrets
}

const remoteRefusal = (address: string): string | undefined => {
  if (!URL.canParse(address)) return "is not an address."
  const { hash, password, protocol, search, username } = new URL(address)
  if (protocol !== "https:" && protocol !== "file:") return "is not an https:// or file:// address."
  return username + password + search + hash === "" ? undefined : "has a user, a query or a fragment; give a credential as secret:NAME."
}

const issuesOf = (repositories: GitOptions["repositories"], secrets: Secrets): ReadonlyArray<Omit<ConfigIssue, "file">> =>
  Object.entries(repositories).flatMap(([name, { credential, path, remotes = {}, worktrees }]) => {
    const at = `executors.git.repositories.${name}`
    const secret = credential === undefined ? undefined : handleOf(credential)
    return [
      ...(isSegment(name) && !name.includes("/") ? [] : [{ path: at, reason: "it is not a plain name." }]),
      ...[path, worktrees].flatMap((folder) => (folder === undefined || isAbsolute(folder) ? [] : [{ path: at, reason: `${folder} is not an absolute path.` }])),
      ...Object.entries(remotes).flatMap(([remote, address]) => {
        const wrong = remoteRefusal(address)
        if (wrong !== undefined) return [{ path: `${at}.remotes.${remote}`, reason: `${address} ${wrong}` }]
        const { host, protocol } = new URL(address)
        const unbound = secret === undefined || protocol !== "https:" ? undefined : secrets.refusal(secret, { host })
        return unbound === undefined ? [] : [{ path: `${at}.credential`, reason: `${unbound}.` }]
      }),
      ...(credential !== undefined && secret === undefined ? [{ path: `${at}.credential`, reason: "write it as secret:NAME." }] : [])
    ]
  })

/** One for all, started by the first run. */
const guardian = makeGuardian()

/** Made per config. Throws `ConfigInvalid`. */
export const executor = (options: GitOptions): Executor => {
  const secrets = options.secrets ?? noSecrets
  const issues = issuesOf(options.repositories, secrets)
  if (issues.length > 0) throw new ConfigInvalid({ issues: issues.map((issue) => ({ file: "config", ...issue })) })
  const repositories = new Map(Object.entries(options.repositories))
  const names = [...repositories.keys()].join(", ") || "none"
  const hasRemotes = [...repositories.values()].some(({ remotes = {} }) => Object.keys(remotes).length > 0)
  const git = makeGit(onPath("git"), guardian)
  const lock = makePathLock()

  interface Place {
    readonly repository: Repository
    readonly worktree: string | undefined
  }

  const placeOf = (target: string): Place | string => {
    const slash = target.indexOf("/")
    const [name, worktree] = slash === -1 ? [target, undefined] : [target.slice(0, slash), target.slice(slash + 1)]
    const repository = repositories.get(name)
    if (repository === undefined) return `there is no repository of this name; declared: ${names}`
    if (worktree === undefined) return { repository, worktree }
    if (worktree.includes("/") || branchRefusal(worktree) !== undefined) return "the name of a worktree has letters, digits and . _ - only"
    return repository.worktrees === undefined ? "config names no folder for worktrees of this repository" : { repository, worktree }
  }

  const check: NonNullable<Executor["check"]> = ({ payload, target }) => {
    const place = placeOf(target)
    if (typeof place === "string") return place
    const refusal = payloadRefusal(schema, payload)
    if (refusal !== undefined) return refusal
    // The schema has taken it.
    const given = payload as Payload
    if (given.op.startsWith("worktree.") && place.worktree === undefined) return `the target of ${given.op} is REPOSITORY/WORKTREE`
    if (given.op === "push" && place.repository.remotes?.[given.remote] === undefined) {
      return `there is no remote ${given.remote}; config names ${Object.keys(place.repository.remotes ?? {}).join(", ") || "none"}`
    }
    return operationRefusal(given)
  }

  /** What the schema has taken and `check` has let through, and where it is done. */
  const begun = (call: Call): { readonly payload: Payload; readonly place: Place } => {
    const refusal = check(call)
    const place = placeOf(call.target)
    if (refusal !== undefined || typeof place === "string") throw new NotDone(refusal ?? String(place))
    return { payload: call.payload as Payload, place }
  }

  const runner = (place: Place, checkout: Checkout, signal: AbortSignal, off: Readonly<Record<string, string>>) =>
    (args: ReadonlyArray<string>, more: RunOptions = {}): Promise<Outcome & { readonly exitCode: number }> =>
      git.run(checkout, args, signal, { ...more, isTrusted: place.repository.trusted === true, settings: { ...off, ...more.settings } })
  type Run = ReturnType<typeof runner>

  const opened = async (place: Place, payload: Payload, signal: AbortSignal): Promise<Run> => {
    const isNew = payload.op.startsWith("worktree.")
    const checkout = await checkoutOf(place.repository.path, isNew ? undefined : place.worktree, place.repository.worktrees)
    const purpose = payload.op === "push" ? "push" : ops[payload.op].risk === "low" ? "read" : "write"
    return runner(place, checkout, signal, place.repository.trusted === true ? {} : await looked(git, checkout, purpose, signal))
  }

  const look = async (run: Run, payload: Payload, powers: CallPowers | undefined): Promise<unknown> => {
    switch (payload.op) {
      case "status":
        return statusOf(whole(await run(["status", "--porcelain=v2", "--branch", "-z", "--untracked-files=all", "--ignore-submodules=all"])))
      case "log":
        return { commits: commitsOf(whole(await run(["log", "-z", commitFormat, `--max-count=${payload.count ?? 50}`, payload.ref ?? "HEAD", "--", ...(payload.paths ?? [])]))) }
      case "branches":
        return { branches: whole(await run(["for-each-ref", "--format=%(refname:strip=2) %(objectname)", "refs/heads"])).split("\n").filter((line) => line !== "")
          .map((line) => ({ name: line.slice(0, line.lastIndexOf(" ")), commit: line.slice(line.lastIndexOf(" ") + 1) })) }
      case "worktrees":
        return { worktrees: worktreesOf(whole(await run(["worktree", "list", "--porcelain", "-z"]))).map((one) => ({ ...one, path: basename(one.path) })) }
      case "diff": {
        const outcome = await run([
          "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=all", ...(payload.staged === true ? ["--cached"] : []),
          ...[payload.from, payload.to].filter((ref) => ref !== undefined), "--", ...(payload.paths ?? [])
        ])
        const diff = outcome.exitCode === 0 ? outcome.stdout : failed(outcome)
        const truncated = outcome.truncated ? { truncated: true } : {}
        if (diff.length <= resultBytesInline || powers === undefined) return { diff, ...truncated }
        return { ...(await asked(powers.keep(Buffer.from(diff), "text/x-diff"))), ...truncated }
      }
      default:
        throw new NotDone(`${payload.op} is not for looking`)
    }
  }

  /** Is the effect of this call there? For what stays in the repository by what it is, for a commit by its warrant's name. */
  const found = async (run: Run, place: Place, payload: Payload, call: Call): Promise<unknown> => {
    switch (payload.op) {
      case "commit": {
        const outcome = await run(["log", "--all", "HEAD", "--max-count=1", "--fixed-strings", `--grep=${trailer}: ${call.key}`, "--format=%H %T"])
        const [commit, tree] = whole(outcome).trim().split(" ")
        return commit === undefined || commit === "" ? undefined : { commit, tree }
      }
      case "branch": {
        const outcome = await run(["rev-parse", "--verify", "--quiet", `refs/heads/${payload.name}`])
        return outcome.exitCode === 0 ? { branch: payload.name, commit: outcome.stdout.trim() } : undefined
      }
      case "worktree.add":
      case "worktree.remove": {
        const list = worktreesOf(whole(await run(["worktree", "list", "--porcelain", "-z"])))
        const there = list.find(({ path }) => basename(path) === place.worktree)
        if (payload.op === "worktree.remove") return there === undefined ? { removed: place.worktree } : undefined
        return there === undefined ? undefined : { worktree: place.worktree, branch: there.branch, commit: there.commit }
      }
      case "push": {
        const outcome = await run(["ls-remote", "--", addressOf(place, payload), `refs/heads/${payload.branch}`], remote(place, payload))
        if (outcome.exitCode !== 0) throw new NotDone(reasonOf(outcome))
        return outcome.stdout.startsWith(`${payload.commit}\t`) ? { remote: payload.remote, branch: payload.branch, commit: payload.commit } : undefined
      }
      default:
        return undefined
    }
  }

  const addressOf = (place: Place, payload: Extract<Payload, { op: "push" }>): string => place.repository.remotes?.[payload.remote] ?? ""

  /** What a run that leaves the machine is allowed beside the others, and the credential, which no other process sees. */
  const remote = (place: Place, payload: Extract<Payload, { op: "push" }>): RunOptions => {
    const { host, protocol } = new URL(addressOf(place, payload))
    const scheme = protocol.slice(0, -1)
    const secret = place.repository.credential === undefined || scheme !== "https" ? undefined : handleOf(place.repository.credential)
    const token = secret === undefined ? undefined : secrets.value(secret, { host })
    return {
      settings: {
        [`protocol.${scheme}.allow`]: "always",
        ...(token === undefined ? {} : { [`http.https://${host}/.extraHeader`]: `Authorization: Basic ${Buffer.from(`x-access-token:${token}`).toString("base64")}` })
      }
    }
  }

  const change = async (run: Run, place: Place, payload: Payload, call: Call): Promise<void> => {
    switch (payload.op) {
      case "branch":
        return did(await run(["branch", "--no-track", payload.name, payload.at ?? "HEAD"]))
      case "worktree.add": {
        // `check` has seen the name and the folder.
        const folder = place.repository.worktrees!
        await mkdir(folder, { recursive: true })
        return did(await run(["worktree", "add", "--no-track", "-b", payload.branch, "--", join(folder, place.worktree!), payload.at ?? "HEAD"]))
      }
      case "worktree.remove":
        return did(await run(["worktree", "remove", "--", join(place.repository.worktrees!, place.worktree!)]))
      case "commit": {
        const committer = options.committer ?? { name: "AAAX", email: "aaax@localhost" }
        const env = {
          GIT_AUTHOR_NAME: call.principal, GIT_AUTHOR_EMAIL: `${call.principal}@aaax.invalid`, GIT_COMMITTER_NAME: committer.name, GIT_COMMITTER_EMAIL: committer.email
        }
        did(await run(["add", "--all", "--", ...payload.paths], { env }))
        const verify = place.repository.trusted === true ? [] : ["--no-verify"]
        return did(await run(["commit", "--quiet", "--only", ...verify, "--no-gpg-sign", "--no-status", "--cleanup=verbatim", "--file=-", "--", ...payload.paths], {
          env, stdin: `${payload.message.trimEnd()}\n\n${trailer}: ${call.key}\n`
        }))
      }
      case "push": {
        const outcome = await run([
          "push", "--porcelain", "--no-follow-tags", "--no-signed", "--no-recurse-submodules", ...(place.repository.trusted === true ? [] : ["--no-verify"]), "--",
          addressOf(place, payload), `${payload.commit}:refs/heads/${payload.branch}`
        ], remote(place, payload))
        if (outcome.exitCode === 0) return
        // The other side said no; anything else may have come after it had taken the commit.
        if (/^!\t/mu.test(outcome.stdout) || /src refspec .* does not match|bad object/u.test(outcome.stderr)) throw new NotDone(reasonOf(outcome))
        throw new Error(reasonOf(outcome))
      }
      default:
        throw new NotDone(`${payload.op} changes nothing`)
    }
  }

  /** The files and folders that are about to be another version, or there, or gone. A branch and a push change none. */
  const changed = async (place: Place, payload: Payload): Promise<ReadonlyArray<string>> => {
    const { path, worktrees = "" } = place.repository
    switch (payload.op) {
      case "commit": {
        const { workTree } = await checkoutOf(path, place.worktree, place.repository.worktrees)
        return Promise.all(payload.paths.map(async (one) => {
          const path = join(workTree, one)
          // One that is gone may have been a folder.
          return (await lstat(path).catch(() => undefined))?.isDirectory() === false ? path : `${path}/`
        }))
      }
      case "worktree.add":
      case "worktree.remove":
        // The folder for worktrees may not be there yet: then its own name is where it will be.
        return [`${join(await realpath(worktrees).catch(() => worktrees), place.worktree ?? "")}/`]
      default:
        return []
    }
  }

  const withLabels = (place: Place, result: unknown): unknown => {
    const { labels = [] } = place.repository
    return labels.length === 0 ? result : reported({ result, labels })
  }

  return {
    name: "git",
    description: `Works in git repositories (${names}). Target: NAME or NAME/WORKTREE. Payload: {op: ${Object.keys(ops).join(" | ")}, ...}.`,
    risk: hasRemotes ? "irreversible" : "medium",
    riskOf: ({ payload }) => (payloadRefusal(schema, payload) === undefined ? ops[(payload as Payload).op].risk : "irreversible"),
    recovery: "queryable",
    recoveryOf: ({ payload }) => (payloadRefusal(schema, payload) === undefined ? ops[(payload as Payload).op].recovery : "none"),
    circuitOf: ({ payload, target }) => {
      const place = placeOf(target)
      const given = payload as Partial<Extract<Payload, { op: "push" }>>
      return typeof place === "string" || given.op !== "push" ? target : place.repository.remotes?.[given.remote ?? ""] ?? target
    },
    externalOf: ({ payload }) => (payload as Partial<Payload> | null)?.op === "push",
    external: hasRemotes,
    // Ours comes first: the kernel's limit would leave the outcome unknown.
    timeoutMillis: 3 * gitMillisMax,
    payload: schema,
    check,
    changes: (call) =>
      stoppable(async () => {
        const { payload, place } = begun(call)
        return changed(place, payload)
      }),
    perform: (call, powers) => {
      const body = async (signal: AbortSignal): Promise<unknown> => {
        const { payload, place } = begun(call)
        const run = await opened(place, payload, signal)
        if (ops[payload.op].risk === "low") return withLabels(place, await look(run, payload, powers))
        if (payload.op !== "push" && payload.op !== "commit" && (await found(run, place, payload, call)) !== undefined) {
          throw new NotDone(payload.op === "worktree.remove" ? "there is no such worktree" : "it is there already")
        }
        // The lock of this repository is ours: who holds the fence now holds it when it changes.
        if (powers !== undefined) {
          await asked(powers.stillHolds)
          const paths = await changed(place, payload)
          if (paths.length > 0) await asked(powers.mayChange(paths))
        }
        await change(run, place, payload, call)
        const result = payload.op === "push" ? { remote: payload.remote, branch: payload.branch, commit: payload.commit } : await found(run, place, payload, call)
        if (result === undefined) throw new Error("git said that it was done, but it is not there")
        return result
      }
      const place = placeOf(call.target)
      const effect = stoppable(body)
      return typeof place === "string" || payloadRefusal(schema, call.payload) !== undefined || ops[(call.payload as Payload).op].risk === "low"
        ? effect : lock(place.repository.path, effect)
    },
    status: (call) =>
      stoppable(async (signal) => {
        const refusal = check(call)
        // A call that is refused has not happened.
        if (refusal !== undefined) return undefined
        const { payload, place } = begun(call)
        return found(await opened(place, payload, signal), place, payload, call)
      })
  }
}

const reasonOf = ({ stderr, stdout }: Outcome): string => {
  const lines = `${stderr}\n${stdout}`.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !line.startsWith("hint:"))
  const telling = lines.find((line) => line.startsWith("!\t")) ?? lines.find((line) => /^(fatal|error):/u.test(line)) ?? lines[0] ?? "it failed"
  return `git: ${telling.replaceAll("\t", " ")}`.slice(0, 500)
}

const failed = (outcome: Outcome): never => {
  throw new NotDone(reasonOf(outcome))
}

const did = (outcome: Outcome): void => {
  if (outcome.exitCode !== 0) failed(outcome)
}

/** What is read as data has to be whole. */
const whole = (outcome: Outcome): string => {
  if (outcome.exitCode !== 0) return failed(outcome)
  if (outcome.truncated) throw new NotDone("git says more than is read; ask for less")
  return outcome.stdout
}
