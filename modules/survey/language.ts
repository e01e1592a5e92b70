// The language of a file, by its name, its extension, or the interpreter that its first line names.
const byName: ReadonlyMap<string, string> = new Map(Object.entries({
  makefile: "Makefile", gnumakefile: "Makefile", dockerfile: "Dockerfile", containerfile: "Dockerfile", rakefile: "Ruby", gemfile: "Ruby",
  jenkinsfile: "Groovy", vagrantfile: "Ruby", "cmakelists.txt": "CMake", "go.mod": "Go module", "go.sum": "Go module", justfile: "Just",
  ".gitignore": "Ignore list", ".gitattributes": "Git attributes", ".dockerignore": "Ignore list", ".npmignore": "Ignore list",
  ".editorconfig": "EditorConfig", ".npmrc": "INI", ".bashrc": "Shell", ".zshrc": "Shell", ".profile": "Shell", license: "Text", copying: "Text",
  notice: "Text", authors: "Text", readme: "Text", changelog: "Text", "cargo.lock": "TOML", "poetry.lock": "TOML", "yarn.lock": "YAML"
}))

const groups: Readonly<Record<string, string>> = {
  TypeScript: "ts mts cts tsx", JavaScript: "js mjs cjs jsx", Python: "py pyi pyw", Go: "go", Rust: "rs", Java: "java", Kotlin: "kt kts", Scala: "scala sc",
  C: "c h", "C++": "cc cpp cxx hh hpp hxx ipp", "C#": "cs", "Objective-C": "m mm", Swift: "swift", Ruby: "rb rake gemspec", PHP: "php phtml", Perl: "pl pm",
  Lua: "lua", R: "r", Julia: "jl", Haskell: "hs lhs", OCaml: "ml mli", Elixir: "ex exs", Erlang: "erl hrl", Clojure: "clj cljs cljc edn", Dart: "dart",
  Zig: "zig", Nim: "nim", Groovy: "groovy gradle", Shell: "sh bash zsh ksh fish", PowerShell: "ps1 psm1", Batch: "bat cmd", SQL: "sql", GraphQL: "graphql gql",
  "Protocol Buffers": "proto", HTML: "html htm xhtml", CSS: "css", SCSS: "scss sass", Less: "less", Vue: "vue", Svelte: "svelte", Astro: "astro",
  Markdown: "md markdown mdx", reStructuredText: "rst", AsciiDoc: "adoc asciidoc", TeX: "tex sty bib", JSON: "json jsonc json5 webmanifest",
  "JSON lines": "jsonl ndjson", YAML: "yaml yml", TOML: "toml", INI: "ini cfg conf properties env", XML: "xml xsd xsl xslt svg plist", CSV: "csv tsv",
  Terraform: "tf tfvars hcl", Nix: "nix", CMake: "cmake", Makefile: "mk mak", Diff: "diff patch", Text: "txt text log", WebAssembly: "wat", Assembly: "s asm",
  Solidity: "sol", Jupyter: "ipynb", Prolog: "pro", Fortran: "f f90 f95", Pascal: "pas pp", Vim: "vim", Lisp: "el lisp lsp scm rkt"
}

const byExtension: ReadonlyMap<string, string> = new Map(
  Object.entries(groups).flatMap(([language, extensions]) => extensions.split(" ").map((extension) => [extension, language] as const))
)

const byInterpreter: ReadonlyMap<string, string> = new Map(Object.entries({
  sh: "Shell", bash: "Shell", zsh: "Shell", dash: "Shell", ksh: "Shell", fish: "Shell", node: "JavaScript", nodejs: "JavaScript", deno: "TypeScript",
  bun: "TypeScript", "ts-node": "TypeScript", tsx: "TypeScript", python: "Python", pypy: "Python", ruby: "Ruby", perl: "Perl", php: "PHP", lua: "Lua", awk: "Awk", make: "Makefile",
  Rscript: "R", julia: "Julia", pwsh: "PowerShell", elixir: "Elixir", escript: "Erlang"
}))

/** `#!/usr/bin/env -S python3.12 -u` names Python. */
const ofShebang = (firstLine: string): string | undefined => {
  if (!firstLine.startsWith("#!")) return undefined
  const words = firstLine.slice(2, 300).trim().split(/\s+/u)
  const first = words[0]?.split("/").at(-1)
  const program = first === "env" ? words.slice(1).find((word) => !word.startsWith("-") && !word.includes("="))?.split("/").at(-1) : first
  return program === undefined ? undefined : byInterpreter.get(program) ?? byInterpreter.get(program.replace(/[\d.]+$/u, ""))
}

/** `null` when nothing tells. */
export const languageOf = (path: string, firstLine = ""): string | null => {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase()
  const known = byName.get(name)
  if (known !== undefined) return known
  const dot = name.lastIndexOf(".")
  const extension = dot <= 0 ? undefined : byExtension.get(name.slice(dot + 1))
  return extension ?? ofShebang(firstLine) ?? (name.startsWith("dockerfile.") ? "Dockerfile" : null)
}
