// The HTTP reference is what a published kernel says of itself: `docs/http.md` is written from its `/openapi.json`.
import { launch } from "aaax/kernel"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as errors from "../../protocol/errors.ts"
import { statusOf } from "../../protocol/problem.ts"

interface Operation {
  readonly summary?: string
  readonly description?: string
  readonly tags?: ReadonlyArray<string>
  readonly parameters?: ReadonlyArray<{ readonly name: string; readonly in: string; readonly required?: boolean }>
  readonly requestBody?: { readonly content: Readonly<Record<string, unknown>> }
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: Readonly<Record<string, unknown>> }>>
}
interface Description {
  readonly openapi: string
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly tags?: ReadonlyArray<{ readonly name: string; readonly description?: string }>
}

let kernel: Awaited<ReturnType<typeof launch>>
let url: string
let spec: Description
beforeAll(async () => {
  kernel = await launch({ store: ":memory:" })
  url = (await kernel.publish("127.0.0.1", 0)).url
  spec = (await (await fetch(`${url}/openapi.json`)).json()) as Description
})
afterAll(() => kernel.close())

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ").trim()

const takesOf = ({ parameters = [], requestBody }: Operation): string => {
  const named = (place: string): ReadonlyArray<string> =>
    parameters.filter((parameter) => parameter.in === place).map(({ name, required }) => `\`${name}\`${required === true ? " (needed)" : ""}`)
  const media = Object.keys(requestBody?.content ?? {})
  const parts = [
    ...named("query"),
    ...named("header").map((name) => `header ${name}`),
    ...(media.length === 0 ? [] : [`body: ${media.map((name) => `\`${name}\``).join(", ")}`])
  ]
  return parts.join(", ")
}

const givesOf = ({ responses }: Operation): string =>
  Object.entries(responses).filter(([status]) => status.startsWith("2")).map(([status, { content }]) => {
    const other = Object.keys(content ?? {}).filter((name) => name !== "application/json")
    return `${status}${other.length === 0 ? "" : ` ${other.map((name) => `\`${name}\``).join(", ")}`}`
  }).join("; ")

const refusalsOf = ({ responses }: Operation): string =>
  Object.keys(responses).filter((status) => !status.startsWith("2")).sort().join(", ")

const operations = (prefix: string): ReadonlyArray<readonly [string, string, Operation]> =>
  Object.entries(spec.paths).filter(([path]) => path === prefix || path.startsWith(`${prefix}/`)).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => [method.toUpperCase(), path, operation] as const))

const tableOf = (rows: ReadonlyArray<readonly [string, string, Operation]>): ReadonlyArray<string> => [
  "| | path | what | takes | answers | refuses with |",
  "|---|---|---|---|---|---|",
  ...rows.map(([method, path, operation]) => {
    const says = operation.summary ?? ""
    const more = operation.description !== undefined && operation.description !== "" && !/^For (?:every guest|the holder)/u.test(operation.description)
      ? operation.description
      : says
    return `| ${method} | \`${cell(path)}\` | ${cell(more)} | ${cell(takesOf(operation))} | ${cell(givesOf(operation))} | ${refusalsOf(operation)} |`
  })
]

const isForApprovers = ({ description }: Operation): boolean => description?.includes("minted for approving") === true
const isForKeys = ({ description }: Operation): boolean => description?.includes("enrolled key") === true
const isForOperator = ({ description }: Operation): boolean => description?.startsWith("For the holder") === true

const page = (): string => {
  const v1 = operations("/v1")
  const tags = spec.tags ?? []
  const failures = Object.entries(errors).flatMap(([name, value]) => {
    const status = typeof value === "function" ? statusOf(name) : undefined
    return status === undefined ? [] : [[status, name] as const]
  }).sort(([a, one], [b, other]) => a - b || one.localeCompare(other))
  const byStatus = new Map<number, Array<string>>()
  for (const [status, name] of failures) byStatus.set(status, [...(byStatus.get(status) ?? []), name])
  return `${[
    "# The HTTP reference",
    "",
    "What a published kernel serves, written from its own `/openapi.json`. The same, with every field, is at `/docs` of a running kernel.",
    "",
    "Everybody authenticates with `authorization: Bearer TOKEN`, or with HTTP Basic and the token as password: the operator with the token of `.aaax/run/token`, all others with one of [`aaax token mint`](guests.md). Only `/healthz`, `/readyz`, `/docs` and `/openapi.json` need none. A request must name an address or a host that the kernel knows, and no Origin that it does not.",
    "",
    "## Beside the surfaces",
    "",
    "| path | what |",
    "|---|---|",
    "| `/healthz` | `ok` while the process answers |",
    "| `/readyz` | 200 when it can do all of its work: the store takes writes, and no jump of the clock waits for a word; else 503. With a credential the reasons, as JSON |",
    "| `/metrics` | numbers for Prometheus, of the channels that the caller may read |",
    "| `/openapi.json` | the description of everything that is served |",
    "| `/docs` | the same as a page, which loads nothing from elsewhere |",
    "| `/v1/ws` | a WebSocket: subscriptions with cursors and credit, calls, and systems of other processes. `connect` of `aaax/client` speaks it |",
    "",
    "## The kernel's API: /v1",
    "",
    "JSON in, JSON out. *Operator* marks what is for the operator alone, *approvers* what a token with the role `approver` may use, too, *keys* what a system with [a key of its own](authority/tokens.md) may, in its own name; the rest is for every guest, as far as its credential allows. A refusal is a problem of RFC 9457 (`application/problem+json`): `code` names the failure, `fields` are its own.",
    ...tags.flatMap(({ description, name }) => {
      const rows = v1.filter(([, , operation]) => operation.tags?.includes(name) === true)
      if (rows.length === 0) return []
      return ["", `### ${name}`, "", ...(description === undefined ? [] : [description, ""]),
        "| | path | what | takes | answers |", "|---|---|---|---|---|",
        ...rows.map(([method, path, operation]) =>
          `| ${method} | \`${cell(path)}\` | ${cell(operation.summary ?? "")}${isForOperator(operation) ? ` *Operator${isForApprovers(operation) ? ", approvers" : ""}${isForKeys(operation) ? ", keys" : ""}.*` : ""} | ${cell(takesOf(operation))} | ${cell(givesOf(operation))} |`)]
    }),
    "",
    "### Problems",
    "",
    "| status | codes |",
    "|---|---|",
    ...[...byStatus].map(([status, list]) => `| ${status} | ${list.map((name) => `\`${name}\``).join(", ")} |`),
    "",
    "429 and 503 say in `retry-after` when to come again.",
    "",
    "## The portable API: /sssn",
    "",
    "The second Python generation's API, as its clients expect it: see [the portable API](portable-api.md).",
    "",
    ...tableOf(operations("/sssn")),
    "",
    "## One channel at a time: /channels",
    "",
    "The first Python generation's transport: see [guests](guests.md#one-channel-at-a-time). A refusal is `{\"detail\": \"…\"}`.",
    "",
    ...tableOf(operations("/channels"))
  ].join("\n")}\n`
}

describe("the HTTP reference", () => {
  it("is what a published kernel says of itself", async () => {
    expect(spec.openapi).toBe("3.1.0")
    await expect(page()).toMatchFileSnapshot("../../docs/http.md")
  })

  it("has every route in one of its tables", () => {
    const text = page()
    const paths = Object.keys(spec.paths)
    expect(paths.length).toBeGreaterThan(40)
    expect(paths.filter((path) => !text.includes(`\`${path}\``))).toEqual([])
  })

  it("names what lies beside the surfaces, and each of it is there", async () => {
    for (const path of ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"]) expect((await fetch(`${url}${path}`)).status, path).toBe(path === "/metrics" ? 401 : 200)
  })
})
