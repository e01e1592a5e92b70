// What git tells, as data.
export interface StatusEntry {
  readonly path: string
  /** Two letters: staged, then not staged; `??` for a file that is not known. */
  readonly state: string
  /** Where it was renamed from. */
  readonly from?: string
}

export interface Status {
  readonly commit: string | null
  /** Null when no branch is checked out. */
  readonly branch: string | null
  readonly isClean: boolean
  readonly entries: ReadonlyArray<StatusEntry>
}

/** Of `status --porcelain=v2 --branch -z`. */
export const statusOf = (text: string): Status => {
  const fields = text.split("\0")
  const entries: Array<StatusEntry> = []
  let [commit, branch]: [string | null, string | null] = [null, null]
  for (let at = 0; at < fields.length; at++) {
    const field = fields[at]!
    const words = field.split(" ")
    if (field.startsWith("# branch.oid ")) commit = words[2] === "(initial)" ? null : words[2]!
    else if (field.startsWith("# branch.head ")) branch = words[2] === "(detached)" ? null : field.slice("# branch.head ".length)
    else if (words[0] === "1") entries.push({ path: words.slice(8).join(" "), state: words[1]! })
    else if (words[0] === "2") entries.push({ path: words.slice(9).join(" "), state: words[1]!, from: fields[++at] ?? "" })
    else if (words[0] === "u") entries.push({ path: words.slice(10).join(" "), state: words[1]! })
    else if (words[0] === "?") entries.push({ path: field.slice(2), state: "??" })
  }
  return { commit, branch, isClean: entries.length === 0, entries }
}

export interface Commit {
  readonly commit: string
  readonly author: string
  readonly at: string
  readonly subject: string
}

export const commitFormat = "--format=%H%x1f%an%x1f%aI%x1f%s"

/** Of `log -z` in that format. */
export const commitsOf = (text: string): ReadonlyArray<Commit> =>
  text.split("\0").filter((line) => line !== "").map((line) => {
    const [commit = "", author = "", at = "", subject = ""] = line.split("\u001f")
    return { commit, author, at, subject }
  })

export interface Worktree {
  readonly path: string
  readonly commit: string | null
  readonly branch: string | null
}

/** Of `worktree list --porcelain -z`. */
export const worktreesOf = (text: string): ReadonlyArray<Worktree> =>
  text.split("\0\0").filter((block) => block.startsWith("worktree ")).map((block) => {
    const lines = block.split("\0")
    const after = (word: string): string | null => lines.find((line) => line.startsWith(`${word} `))?.slice(word.length + 1) ?? null
    return { path: after("worktree") ?? "", commit: after("HEAD"), branch: after("branch")?.replace(/^refs\/heads\//u, "") ?? null }
  })
