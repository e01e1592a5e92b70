// The page at `/docs`: every operation of the description, as plain HTML. It runs no script and loads nothing, from here or
// from elsewhere; what it shows of others' texts is shown as text.
import { createHash } from "node:crypto"
import type { Answer } from "./surface.ts"

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value)
const objectAt = (value: unknown, key: string): Json => {
  const member = isObject(value) ? value[key] : undefined
  return isObject(member) ? member : {}
}
const listAt = (value: unknown, key: string): ReadonlyArray<unknown> => {
  const member = isObject(value) ? value[key] : undefined
  return Array.isArray(member) ? member : []
}
const textAt = (value: unknown, key: string): string => {
  const member = isObject(value) ? value[key] : undefined
  return typeof member === "string" ? member : ""
}

const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" }
const escaped = (text: string): string => text.replace(/[&<>"']/gu, (character) => escapes[character] ?? "")

const style = `
:root{color-scheme:light dark;--line:#8884;--dim:#888}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
code,pre{font:13px/1.45 ui-monospace,monospace}
pre{overflow-x:auto;padding:.6rem;border:1px solid var(--line);border-radius:4px}
details{border-top:1px solid var(--line);padding:.3rem 0}
summary{cursor:pointer}
h2{margin:2rem 0 .2rem}
.method{display:inline-block;min-width:4.5rem;font-weight:600}
.dim{color:var(--dim)}
table{border-collapse:collapse}td,th{text-align:left;padding:.1rem .8rem .1rem 0;vertical-align:top}
nav a{margin-right:1rem}
`
const policy = `default-src 'none'; style-src 'sha256-${createHash("sha256").update(style).digest("base64")}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

const nestingMax = 6

/** A schema in the notation of a type, which people read faster than a schema. */
const typeOf = (schema: unknown, root: unknown, depth = 0): string => {
  if (!isObject(schema)) return "any"
  if (depth > nestingMax) return "…"
  const reference = textAt(schema, "$ref")
  if (reference !== "") return typeOf(objectAt(objectAt(objectAt(root, "components"), "schemas"), reference.slice(reference.lastIndexOf("/") + 1)), root, depth + 1)
  const { const: constant, enum: literals } = schema
  if (constant !== undefined) return JSON.stringify(constant)
  if (Array.isArray(literals)) return literals.map((literal) => JSON.stringify(literal)).join(" | ")
  const several = [...listAt(schema, "anyOf"), ...listAt(schema, "oneOf")]
  if (several.length > 0) return [...new Set(several.map((one) => typeOf(one, root, depth + 1)))].join(" | ")
  if (schema["type"] === "array") return `Array<${typeOf(schema["items"], root, depth + 1)}>`
  const fields = Object.entries(objectAt(schema, "properties"))
  if (schema["type"] === "object" || fields.length > 0) {
    if (fields.length === 0) return isObject(schema["additionalProperties"]) ? `{ [name]: ${typeOf(schema["additionalProperties"], root, depth + 1)} }` : "{ … }"
    const needed = new Set(listAt(schema, "required"))
    const indent = "  ".repeat(depth + 1)
    return `{\n${fields.map(([name, field]) => `${indent}${name}${needed.has(name) ? "" : "?"}: ${typeOf(field, root, depth + 1)}`).join("\n")}\n${"  ".repeat(depth)}}`
  }
  return textAt(schema, "type") || "any"
}

const bodyOf = (title: string, content: Json, root: unknown): string =>
  Object.keys(content).map((media) => `<p class="dim">${escaped(title)} ${escaped(media)}</p><pre>${escaped(typeOf(objectAt(content, media)["schema"], root))}</pre>`).join("")

const exampleOf = (method: string, path: string, operation: Json): string => {
  const needsBody = isObject(operation["requestBody"])
  const body = needsBody ? " \\\n  -H 'content-type: application/json' -d @body.json" : ""
  return `curl -H "authorization: Bearer $TOKEN"${method === "GET" ? "" : ` -X ${method}`} "$URL${path}"${body}`
}

const operationOf = (method: string, path: string, operation: Json, root: unknown): string => {
  const parameters = listAt(operation, "parameters").filter(isObject)
  const rows = parameters.map((parameter) =>
    `<tr><td><code>${escaped(textAt(parameter, "name"))}</code></td><td class="dim">${escaped(textAt(parameter, "in"))}${parameter["required"] === true ? ", needed" : ""}</td>` +
    `<td><code>${escaped(typeOf(parameter["schema"], root))}</code></td><td>${escaped(textAt(parameter, "description"))}</td></tr>`)
  const answers = Object.entries(objectAt(operation, "responses"))
    .filter(([status]) => status.startsWith("2"))
    .map(([status, response]) => bodyOf(`Answers ${status}`, objectAt(response, "content"), root))
  return `<details><summary><code><span class="method">${method}</span> ${escaped(path)}</code> <span class="dim">${escaped(textAt(operation, "summary"))}</span></summary>` +
    `<p>${escaped(textAt(operation, "description"))}</p>${rows.length === 0 ? "" : `<table>${rows.join("")}</table>`}` +
    `${bodyOf("Body", objectAt(operation["requestBody"], "content"), root)}${answers.join("")}<pre>${escaped(exampleOf(method, path, operation))}</pre></details>`
}

/** `spec`: the description of everything that is served. */
export const docsPage = (spec: Json): Answer => {
  const sections = new Map<string, Array<string>>()
  for (const [path, item] of Object.entries(objectAt(spec, "paths"))) {
    for (const [method, operation] of Object.entries(isObject(item) ? item : {})) {
      if (!isObject(operation)) continue
      const [tag] = listAt(operation, "tags")
      const section = typeof tag === "string" ? tag : `/${path.split("/")[1] ?? ""}`
      const list = sections.get(section)
      const text = operationOf(method.toUpperCase(), path, operation, spec)
      if (list === undefined) sections.set(section, [text])
      else list.push(text)
    }
  }
  const described = new Map(listAt(spec, "tags").filter(isObject).map((tag) => [textAt(tag, "name"), textAt(tag, "description")]))
  const info = objectAt(spec, "info")
  const names = [...sections.keys()]
  const html = `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">` +
    `<title>${escaped(textAt(info, "title"))}</title><style>${style}</style></head><body><h1>${escaped(textAt(info, "title"))} <span class="dim">${escaped(textAt(info, "version"))}</span></h1>` +
    `<p>${escaped(textAt(info, "description"))} The same for programs: <a href="/openapi.json">openapi.json</a>.</p>` +
    `<nav>${names.map((name) => `<a href="#${escaped(encodeURIComponent(name))}">${escaped(name)}</a>`).join("")}</nav>` +
    names.map((name) => `<h2 id="${escaped(encodeURIComponent(name))}">${escaped(name)}</h2><p class="dim">${escaped(described.get(name) ?? "")}</p>${(sections.get(name) ?? []).join("")}`).join("") +
    `</body></html>`
  return {
    status: 200,
    headers: { "content-type": "text/html; charset=utf-8", "content-security-policy": policy, "referrer-policy": "no-referrer", "x-frame-options": "DENY" },
    body: html, route: "docs"
  }
}
