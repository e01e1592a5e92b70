// Facts of one file, computed from its bytes. Pure, linear in the size of the file, and bounded in what it gives.
import { languageOf } from "./language.ts"

export interface Mark {
  readonly line: number
  readonly mark: "TODO" | "FIXME"
  readonly text: string
}

/** What a file turned out to be. The last five are those of `repo.files` that have no text. */
export type FactKind = "text" | "binary" | "too-large" | "not-utf8" | "unreadable" | "link" | "submodule" | "missing" | "directory" | "special"

export interface Facts {
  readonly kind: FactKind
  readonly sizeBytes: number
  readonly language: string | null
  readonly lines: number
  readonly marks: ReadonlyArray<Mark>
  /** Marks beyond the bound are counted, not listed. */
  readonly marksTotal: number
  readonly imports: ReadonlyArray<string>
}

/** Largest file that is read, in bytes. */
export const fileBytesMax = 8 * 1_048_576
const marksMax = 100
const importsMax = 200
/** Texts taken from files are cut to this length. */
const textMax = 160
/** Longer lines are minified or generated; they are searched no further than this. */
const lineMax = 2_000
/** A NUL byte within so many first bytes makes a file binary, as for git. */
const binaryProbe = 8_000

export const without = (kind: FactKind, path: string, sizeBytes: number): Facts => ({
  kind, sizeBytes, language: kind === "too-large" ? languageOf(path) : null, lines: 0, marks: [], marksTotal: 0, imports: []
})

export const factsOf = (path: string, bytes: Uint8Array): Facts => {
  if (bytes.subarray(0, binaryProbe).includes(0)) return without("binary", path, bytes.length)
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    return without("not-utf8", path, bytes.length)
  }
  const newline = text.indexOf("\n")
  const language = languageOf(path, newline < 0 ? text.slice(0, 300) : text.slice(0, Math.min(newline, 300)))
  const importing = importsOf(language)
  const marks: Array<Mark> = []
  const imports = new Set<string>()
  let marksTotal = 0
  let line = 0
  for (let start = 0; start < text.length;) {
    const found = text.indexOf("\n", start)
    const end = found < 0 ? text.length : found
    line += 1
    const content = text.slice(start, Math.min(end, start + lineMax))
    const mark = markOf(content)
    if (mark !== undefined) {
      marksTotal += 1
      if (marks.length < marksMax) marks.push({ line, ...mark })
    }
    if (imports.size < importsMax) importing(content, imports)
    start = end + 1
  }
  return { kind: "text", sizeBytes: bytes.length, language, lines: line, marks, marksTotal, imports: [...imports] }
}

const markPattern = /\b(TODO|FIXME)\b[:\s]*(.*)/u

const markOf = (line: string): { readonly mark: Mark["mark"]; readonly text: string } | undefined => {
  // Almost no line has one; a plain search is much quicker than the pattern.
  if (!line.includes("TODO") && !line.includes("FIXME")) return undefined
  const match = markPattern.exec(line)
  if (match === null) return undefined
  return { mark: match[1] === "TODO" ? "TODO" : "FIXME", text: (match[2] ?? "").replace(/\s*(?:\*\/|-->)\s*$/u, "").trim().slice(0, textMax) }
}

type Importing = (line: string, into: Set<string>) => void

const first = (pattern: RegExp): Importing => (line, into) => {
  const name = pattern.exec(line)?.[1]
  if (name !== undefined) into.add(name.slice(0, textMax))
}

const script: Importing = (line, into) => {
  if (!line.includes("import") && !line.includes("require") && !line.includes("from")) return
  for (const match of line.matchAll(/(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)["']([^"'\s]{1,200})["']/gu)) into.add(match[1]!.slice(0, textMax)) // the pattern has one group
}

const python: Importing = (line, into) => {
  const from = /^\s*from\s+([\w.]+)\s+import\b/u.exec(line)?.[1]
  if (from !== undefined) into.add(from)
  const names = /^\s*import\s+([\w.,\s]+)$/u.exec(line)?.[1]
  for (const name of names?.split(",") ?? []) {
    const module = /^\s*([\w.]+)/u.exec(name)?.[1]
    if (module !== undefined) into.add(module)
  }
}

/** In Go the names in an import block stand alone on their lines. */
const go = (): Importing => {
  let block = false
  return (line, into) => {
    if (/^import\s*\(/u.test(line)) block = true
    else if (block && line.startsWith(")")) block = false
    const name = (block ? /^\s*(?:[\w.]+\s+)?"([^"]+)"/u : /^import\s+(?:[\w.]+\s+)?"([^"]+)"/u).exec(line)?.[1]
    if (name !== undefined) into.add(name.slice(0, textMax))
  }
}

const dotted = first(/^\s*import\s+(?:static\s+)?([\w.]+(?:\.\*)?)/u)
const included = first(/^\s*#\s*(?:include|import)\s*[<"]([^>"]+)[>"]/u)
const makers: Readonly<Record<string, () => Importing>> = {
  TypeScript: () => script, JavaScript: () => script, Vue: () => script, Svelte: () => script, Astro: () => script,
  Python: () => python,
  Go: go,
  Rust: () => first(/^\s*(?:pub\s+)?use\s+([\w:]+)/u),
  Java: () => dotted, Kotlin: () => dotted, Scala: () => dotted, Groovy: () => dotted, Haskell: () => first(/^import\s+(?:qualified\s+)?([\w.]+)/u),
  Swift: () => dotted, Dart: () => first(/^\s*import\s+["']([^"']+)["']/u), Elixir: () => first(/^\s*(?:alias|import|use|require)\s+([\w.]+)/u),
  C: () => included, "C++": () => included, "Objective-C": () => included,
  "C#": () => first(/^\s*(?:global\s+)?using\s+(?:static\s+)?([\w.]+)\s*;/u),
  Ruby: () => first(/^\s*require(?:_relative)?\s*\(?\s*["']([^"']+)["']/u),
  PHP: () => first(/^\s*use\s+([\w\\]+)/u),
  Perl: () => first(/^\s*(?:use|require)\s+([A-Z][\w:]*)/u),
  Shell: () => first(/^\s*(?:source|\.)\s+["']?([^\s"';]+)/u),
  SCSS: () => first(/^\s*@(?:use|import|forward)\s+["']([^"']+)["']/u), CSS: () => first(/^\s*@import\s+(?:url\()?["']([^"']+)["']/u)
}

const nothing: Importing = () => undefined
const importsOf = (language: string | null): Importing => (language === null ? nothing : (makers[language]?.() ?? nothing))
