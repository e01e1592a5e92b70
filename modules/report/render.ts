// The survey as Markdown and JSON. Pure. Whatever comes from files is shown as text and can be nothing else.
import type { Summary } from "../survey/fold.ts"

export interface Report {
  /** Kernel time in Unix milliseconds at which the survey was kept. */
  readonly surveyedAt: number
  readonly survey: Summary
}

const wellFormed = (text: string): string => text.replace(/\p{Cs}/gu, "\uFFFD")

/** Invisible characters, and those that reverse the direction of text, are made visible; half characters are replaced. */
const visible = (text: string): string =>
  wellFormed(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`) // it matched one

/** Text in a code span that it cannot leave, also inside a table. */
export const code = (text: string): string => {
  const shown = visible(text).replaceAll("|", "\\|")
  if (shown.trim() === "") return "` `"
  const longest = Math.max(0, ...Array.from(shown.matchAll(/`+/gu), ([run]) => run.length))
  const fence = "`".repeat(longest + 1)
  const pad = shown.startsWith("`") || shown.endsWith("`") || (shown.startsWith(" ") && shown.endsWith(" ")) ? " " : ""
  return `${fence}${pad}${shown}${pad}${fence}`
}

/** Text that no Markdown is seen in. */
export const plain = (text: string): string => visible(text).replace(/[\\`*_{}[\]()#+!|<>&~$:@-]/gu, "\\$&")

const number = (value: number): string => value.toString().replace(/\B(?=(\d{3})+$)/gu, ",")

const size = (bytes: number): string => {
  if (bytes < 1_024) return `${bytes} B`
  const units = ["KiB", "MiB", "GiB", "TiB"]
  let value = bytes / 1_024
  let unit = 0
  for (; value >= 1_024 && unit < units.length - 1; unit++) value /= 1_024
  return `${value.toFixed(value < 10 ? 1 : 0)} ${units[unit]}`
}

const table = (head: ReadonlyArray<string>, align: ReadonlyArray<"left" | "right">, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [head, align.map((side) => (side === "right" ? "---:" : "---")), ...rows].map((row) => `| ${row.join(" | ")} |`).join("\n")

const kindWords: Readonly<Record<string, string>> = {
  text: "text", binary: "binary", "too-large": "too large to read", "not-utf8": "not UTF-8", unreadable: "unreadable", link: "links",
  submodule: "submodules", missing: "missing from the work tree", directory: "folders", special: "neither file nor folder"
}

export const markdown = ({ survey, surveyedAt }: Report): string => {
  const { files, imports, kinds, languages, lines, marks, pending, sizeBytes, top } = survey
  const sections = [
    "# Survey",
    `${number(files)} files, ${number(lines)} lines, ${size(sizeBytes)}. ` +
      `Surveyed ${new Date(surveyedAt).toISOString().replace("T", " ").slice(0, 19)} UTC by AAAX, written through its action gate.` +
      (pending === 0 ? "" : ` ${number(pending)} files are not surveyed yet.`)
  ]
  if (languages.length > 0) {
    sections.push("## Languages", table(
      ["Language", "Files", "Lines", "Size"], ["left", "right", "right", "right"],
      languages.map((one) => [plain(one.language), number(one.files), number(one.lines), size(one.sizeBytes)])
    ))
  }
  const kindRows = Object.entries(kinds)
  if (kindRows.length > 1 || (kindRows[0]?.[0] ?? "text") !== "text") {
    sections.push("## What the files are", table(["Kind", "Files"], ["left", "right"], kindRows.map(([kind, count]) => [kindWords[kind] ?? plain(kind), number(count)])))
  }
  if (top.length > 0) {
    sections.push("## Longest files", table(
      ["File", "Language", "Lines"], ["left", "left", "right"], top.map((one) => [code(one.path), plain(one.language ?? "Other"), number(one.lines)])
    ))
  }
  if (marks.todo + marks.fixme > 0) {
    sections.push(
      "## Marks",
      `${number(marks.todo)} TODO, ${number(marks.fixme)} FIXME.`,
      marks.list.map((one) => `- ${code(`${one.path}:${one.line}`)} **${one.mark}** ${one.text === "" ? "" : plain(one.text)}`.trimEnd()).join("\n")
    )
    const rest = marks.todo + marks.fixme - marks.list.length
    if (rest > 0) sections.push(`… and ${number(rest)} more.`)
  }
  if (imports.length > 0) {
    sections.push("## Most imported", table(["Import", "Files"], ["left", "right"], imports.map((one) => [code(one.name), number(one.files)])))
  }
  return `${sections.join("\n\n")}\n`
}

/** Well-formed also when a name in it is not. */
export const json = ({ survey, surveyedAt }: Report): string =>
  `${JSON.stringify({ ...survey, surveyedAt: new Date(surveyedAt).toISOString() }, (_, value: unknown) => (typeof value === "string" ? wellFormed(value) : value), 2)}\n`

/** One text for one value: keys in order, nothing between them. */
export const canonical = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null"
  return `{${Object.entries(value).filter(([, item]) => item !== undefined).sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, item]) => `${JSON.stringify(key)}:${canonical(item)}`).join(",")}}`
}
