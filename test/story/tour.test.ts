// The tour of the README: every command of it is typed into one of two real terminals, and has to say what is printed there.
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { build } from "../kit/command-line.ts"

const root = fileURLToPath(new URL("../../", import.meta.url))
const folder = realpathSync(mkdtempSync(join(tmpdir(), "aaax-tour-")))

interface Step {
  /** Absent: what the first terminal has shown meanwhile. */
  readonly command?: string
  readonly expected: ReadonlyArray<string>
}

const [, section = ""] = readFileSync(join(root, "README.md"), "utf8").split("\n## The tour\n")
/** The section; its folders are below ours, and it begins in the repository. */
const tour = (section.split("\n## ")[0] ?? "").replace(/~\/|\/home\/you\//gu, `${folder}/`).replaceAll("$PWD", root)
/** What is typed into both terminals before anything else. */
const [, prelude = ""] = /^```sh\n([\s\S]*?)^```$/mu.exec(tour) ?? []

const steps = (): ReadonlyArray<Step> =>
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

/** README's id -> the one of this run. */
const ids = new Map<string, string>()
const now = (command: string): string =>
  [...ids].reduce((text, [theirs, ours]) => text.replaceAll(theirs, ours), command)
    .replace(/act-[0-9a-f]{6,39}\b|first:[0-9a-f]{4,15}\b/gu, (prefix) => [...ids].find(([theirs]) => theirs.startsWith(prefix))?.[1] ?? prefix)

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/gu, "\\$&")

/** Whether it says what is printed; ids of the first match are learnt. */
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

let terminals: ChildProcess
let lines: AsyncIterator<string>
const ask = async (what: Readonly<Record<string, string>>): Promise<{ readonly text: string }> => {
  terminals.stdin?.write(`${JSON.stringify(what)}\n`)
  // What the other side writes, one object a line.
  const told = JSON.parse(String((await lines.next()).value)) as { readonly text: string }
  // oxlint-disable-next-line no-control-regex -- what moves the cursor is not read
  return { text: (told.text ?? "").replaceAll("\r", "").replace(/\u001b\[[\d;?]*[A-Za-z]/gu, "") }
}

beforeAll(async () => {
  await build()
  const { FORCE_COLOR: _, ...environment } = process.env
  terminals = spawn("python3", [join(root, "test/kit/terminals.py")], {
    cwd: root, stdio: ["pipe", "pipe", "inherit"],
    env: { ...environment, NO_COLOR: "1", TERM: "xterm" }
  })
  lines = createInterface(terminals.stdout!)[Symbol.asyncIterator]()
}, 120_000)
afterAll(async () => {
  const ended = new Promise((resolve) => terminals.once("exit", resolve))
  terminals.stdin?.end()
  await ended
  rmSync(folder, { recursive: true, force: true })
})

describe("the tour of the README", () => {
  it("says what is printed there, line by line, in two terminals", async () => {
    let where = root
    const done: Array<string> = []
    for (const { command: printed, expected } of steps()) {
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
    // A tour that lost its steps would say nothing wrong.
    for (const words of ["aaax gate approve", "kill -9", "aaax cap delegate", "aaax cap revoke", "aaax audit export", "aaax-verify"]) {
      expect(done.filter((command) => command.includes(words)).length, words).toBeGreaterThan(0)
    }
    await ask({ do: "run", command: `${prelude}aaax down --dir "${folder}/tour"` })
    await ask({ do: "gone" })
  }, 180_000)
})
