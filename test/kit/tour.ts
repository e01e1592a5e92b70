// A tour of the README: every command of a section is typed into one of two real terminals, and has to say what is printed there.
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { expect } from "vitest"

const root = fileURLToPath(new URL("../../", import.meta.url))

interface Step {
  /** Absent: what the first terminal has shown meanwhile. */
  readonly command?: string
  readonly expected: ReadonlyArray<string>
}

const stepsOf = (tour: string): ReadonlyArray<Step> =>
  [...tour.matchAll(/^```console\n([\s\S]*?)^```$/gmu)].flatMap(([, body = ""]) => {
    const found: Array<{ command?: string; expected: Array<string> }> = []
    for (const line of body.trimEnd().split("\n")) {
      if (line.startsWith("$ ")) found.push({ command: line.slice(2), expected: [] })
      else if (found.length === 0) found.push({ expected: [line] })
      else found.at(-1)!.expected.push(line)
    }
    return found
  })

/** What another run says otherwise: ids, hashes, keys, codes, spans of time and numbers. */
const varies = new RegExp([
  /(?<id>act-[0-9a-f]{6,}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|issued:\d+:\d+|first:[0-9a-f]+|\b[0-9a-f]{12,64}\b|(?<![\w-])[\w-]{43}(?![\w-])|\b[0-9A-Z]{4}-[0-9A-Z]{4}\b)/u,
  /(?<span>\d+ (?:ms|s|min|h|d)\b)/u, /(?<number>(?<![\w#])\d+)/u, /(?<gap>\s+)/u, /(?<rest>…)/u
].map(({ source }) => source).join("|"), "gu")

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/gu, "\\$&")

/** Says whether a text is what was printed; ids of the first match are learnt, and `now` puts this run's ids into a command. */
const makeReader = () => {
  /** README's id -> the one of this run. */
  const ids = new Map<string, string>()
  const now = (command: string): string =>
    [...ids].reduce((text, [theirs, ours]) => text.replaceAll(theirs, ours), command)
      .replace(/act-[0-9a-f]{6,39}\b|first:[0-9a-f]{4,15}\b/gu, (prefix) => [...ids].find(([theirs]) => theirs.startsWith(prefix))?.[1] ?? prefix)
  const says = (text: string, expected: ReadonlyArray<string>): boolean => {
    const named: Array<string> = []
    let pattern = ""
    let from = 0
    const printed = expected.join("\n")
    for (const found of printed.matchAll(varies)) {
      pattern += escaped(printed.slice(from, found.index))
      from = found.index + found[0].length
      const { gap, id, number, rest } = found.groups ?? {}
      if (id !== undefined) named.push(id)
      pattern += id !== undefined ? (ids.has(id) ? escaped(ids.get(id)!) : "([\\w:-]+)") : gap !== undefined ? "\\s+" : rest !== undefined ? "[\\s\\S]*?" : number !== undefined ? "\\d+" : "\\d+ (?:ms|s|min|h|d)"
    }
    const match = new RegExp(`${pattern}${escaped(printed.slice(from))}\\s*$`, "u").exec(text)
    if (match === null) return false
    named.filter((id) => !ids.has(id)).forEach((id, at) => ids.set(id, match[at + 1] ?? ""))
    return true
  }
  return { now, says }
}

export interface Tour {
  /** The headline of its section. */
  readonly heading: string
  /** What has to be among the commands: a tour that lost its steps would say nothing wrong. */
  readonly commands: ReadonlyArray<string>
  /** Below the tour's folder, what is running in the end. */
  readonly launchedIn: string
}

/** Types the section's commands, in this repository and in folders below one of its own; the bundle has to be built. */
export const takeTour = async ({ commands, heading, launchedIn }: Tour): Promise<void> => {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "aaax-tour-")))
  const readme = readFileSync(join(root, "README.md"), "utf8")
  const [, section = ""] = readme.split(`\n## ${heading}\n`)
  /** Its folders are below ours, and it begins in the repository. */
  const tour = (section.split("\n## ")[0] ?? "").replace(/~\/|\/home\/you\//gu, `${folder}/`)
  /** What is typed into both terminals before anything else; the first tour says it for all. */
  const [, prelude = ""] = /^```sh\n(export AAAX=[\s\S]*?)^```$/mu.exec(readme.replaceAll("$PWD", root)) ?? []
  const { now, says } = makeReader()

  const { FORCE_COLOR: _, ...environment } = process.env
  const terminals: ChildProcess = spawn("python3", [join(root, "test/kit/terminals.py")], {
    cwd: root, stdio: ["pipe", "pipe", "inherit"],
    env: { ...environment, NO_COLOR: "1", TERM: "xterm", GIT_AUTHOR_NAME: "You", GIT_AUTHOR_EMAIL: "you@localhost", GIT_COMMITTER_NAME: "You", GIT_COMMITTER_EMAIL: "you@localhost" }
  })
  const lines = createInterface(terminals.stdout!)[Symbol.asyncIterator]()
  const ask = async (what: Readonly<Record<string, string>>): Promise<{ readonly text: string }> => {
    terminals.stdin?.write(`${JSON.stringify(what)}\n`)
    // What the other side writes, one object a line.
    const told = JSON.parse(String((await lines.next()).value)) as { readonly text: string }
    // oxlint-disable-next-line no-control-regex -- what moves the cursor is not read
    return { text: (told.text ?? "").replaceAll("\r", "").replace(/\u001b\[[\d;?]*[A-Za-z]/gu, "") }
  }

  try {
    let where = root
    const done: Array<string> = []
    for (const { command: printed, expected } of stepsOf(tour)) {
      if (printed === undefined) {
        const { text } = await ask({ do: "shown" })
        expect(says(text, expected), `the first terminal has shown\n${text}\nand not\n${expected.join("\n")}`).toBe(true)
        continue
      }
      const command = now(printed)
      const run = (): Promise<{ readonly text: string }> => {
        const here = `${prelude}cd "${where}" && ${command}`
        if (command.startsWith("kill -9")) return ask({ do: "run", command: here }).then((told) => ask({ do: "gone" }).then(() => told))
        return command === "aaax launch" ? ask({ do: "stay", command: here, until: "aaax down" }) : ask({ do: "run", command: here })
      }
      let { text } = await run()
      // What is only looked at may take its time.
      for (let tries = 0; tries < 40 && !says(text, expected) && /^(?:ls|aaax read|aaax gate)(?: |$)(?!approve|deny)/u.test(command); tries++) ({ text } = await run())
      expect(says(text, expected), `${command}\nsays\n${text}\nand not\n${expected.join("\n")}`).toBe(true)
      const [, into] = /(?:^|&& )cd (\S+)$/u.exec(command) ?? []
      if (into !== undefined) where = into
      done.push(command)
    }
    for (const words of commands) expect(done.filter((command) => command.includes(words)).length, words).toBeGreaterThan(0)
    await ask({ do: "run", command: `${prelude}aaax down --dir "${join(folder, launchedIn)}"` })
    await ask({ do: "gone" })
  } finally {
    const ended = new Promise((resolve) => terminals.once("exit", resolve))
    terminals.stdin?.end()
    await ended
    rmSync(folder, { recursive: true, force: true })
  }
}
