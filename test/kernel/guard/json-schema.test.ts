// JSON Schema as a Standard Schema: what it says of a payload, and what cannot be done to the kernel with one.
import { Effect, Exit } from "effect"
import { describe, expect, it } from "vitest"
import { fromJsonSchema } from "../../../kernel/guard/json-schema.ts"
import { schemaTextMax } from "../../../kernel/limits.ts"
import { issuePath, type StandardResult } from "../../../protocol/standard-schema.ts"

const compile = (schema: unknown) => Effect.runPromise(fromJsonSchema(schema, "test"))
const told = async (schema: unknown, value: unknown): Promise<string> => {
  const result = (await compile(schema))["~standard"].validate(value) as StandardResult<unknown>
  const issue = result.issues?.[0]
  return issue === undefined ? "ok" : `${issuePath(issue)}: ${issue.message}`
}
const refused = async (schema: unknown): Promise<string> => {
  const exit = await Effect.runPromiseExit(fromJsonSchema(schema, "test"))
  return Exit.isFailure(exit) ? String(exit.cause) : "taken"
}

describe("a JSON Schema", () => {
  it.each([
    [{ type: "object", required: ["n"], properties: { n: { type: "integer" } } }, { n: 1 }, "ok"],
    [{ type: "object", required: ["n"] }, {}, ": must have required property 'n'"],
    [{ properties: { a: { items: { properties: { "b/c~d": { type: "string" } } } } } }, { a: [{}, { "b/c~d": 1 }] }, "a[1].b/c~d: must be string"],
    [{ additionalProperties: false, properties: { a: true } }, { a: 1, b: 2 }, ": must NOT have additional properties: \"b\""],
    [{ enum: ["x", "y"] }, "z", ": must be equal to one of the allowed values: [\"x\",\"y\"]"],
    [{ $defs: { id: { type: "string", minLength: 2 } }, items: { $ref: "#/$defs/id" } }, ["ab", "c"], "[1]: must NOT have fewer than 2 characters"],
    [{ $defs: { tree: { $anchor: "tree", properties: { kids: { items: { $ref: "#tree" } } }, required: ["n"] } }, $ref: "#tree" }, { n: 1, kids: [{ n: 2 }, {}] }, "kids[1]: must have required property 'n'"],
    [{ prefixItems: [{ type: "string" }], items: { type: "number" } }, ["a", 1, "b"], "[2]: must be number"],
    [{ oneOf: [{ type: "string" }, { type: "number" }] }, true, ": must be string"],
    [{ uniqueItems: true }, [{ a: 1, b: 2 }, { b: 2, a: 1 }], ": must NOT have duplicate items"],
    [{ uniqueItems: true }, [1, "1", [1], { a: 1 }, { a: 2 }], "ok"],
    [{ if: { properties: { t: { const: "a" } } }, then: { required: ["x"] }, else: { required: ["y"] } }, { t: "b" }, ": must have required property 'y'"],
    [{ pattern: "^[a-z]+$" }, "A", ": must match pattern \"^[a-z]+$\""],
    [{ type: "string", format: "email", "x-unknown": { anything: true }, default: 1 }, "not an address", "ok"],
    [{ unevaluatedProperties: false, allOf: [{ properties: { a: true } }] }, { a: 1, b: 1 }, ": must NOT have unevaluated properties: \"b\""],
    [{ $schema: "https://json-schema.org/draft/2020-12/schema", $id: "https://example.org/x", type: "null" }, null, "ok"]
  ])("says of a payload what is wrong with it, and where: %j", async (schema, value, expected) => {
    expect(await told(schema, value)).toBe(expected)
    // The same name again is another schema.
    expect(await told(schema, value)).toBe(expected)
  })

  it.each([
    ["no object", /an object/], [[], /an object/], [{ type: "strng" }, /type/], [{ properties: 1 }, /properties/], [{ $ref: "https://example.org/other.json" }, /can't resolve reference/],
    [{ $ref: "#/$defs/none" }, /can't resolve reference/], [{ $schema: "http://json-schema.org/draft-04/schema#" }, /draft-04.*only/u], [{ pattern: "^(a+)+$" }, /repeats a group/],
    [{ patternProperties: { "(a|a)*": true } }, /repeats a group/], [{ enum: ["x".repeat(schemaTextMax)] }, /at most/],
    [{ $ref: "#/x-hidden/a", "x-hidden": { a: { type: "string" } } }, /can't resolve reference/]
  ])("that cannot be used is refused with the reason: %j", async (schema, reason) => {
    expect(await refused(schema)).toMatch(reason)
  })

  it("changes nothing of the schema it was made of, and does not notice what is done to that later", async () => {
    const schema = { type: "object", properties: { a: { type: "string" } } }
    const before = JSON.stringify(schema)
    const made = await compile(schema)
    expect(JSON.stringify(schema)).toBe(before)
    schema.properties.a.type = "number"
    expect((made["~standard"].validate({ a: "x" }) as StandardResult<unknown>).issues).toBeUndefined()
  })
})

/** Each level asks for the next one twice. */
const doubling = (levels: number, rest: object) => ({
  $defs: Object.fromEntries(Array.from({ length: levels }, (_, at) => [`d${at}`, at + 1 < levels ? { anyOf: [{ $ref: `#/$defs/d${at + 1}` }, { $ref: `#/$defs/d${at + 1}` }] } : rest])),
  $ref: "#/$defs/d0"
})
let nested: unknown = 1
for (let level = 0; level < 60; level++) nested = { a: nested }

describe("a hostile schema or payload", () => {
  it.each([
    ["one that leads to itself", { $ref: "#" }, 1],
    ["one that leads to itself through others", { $defs: { a: { allOf: [{ $ref: "#/$defs/b" }] }, b: { not: { $ref: "#/$defs/a" } } }, $ref: "#/$defs/a" }, 1],
    ["one that doubles at each step", doubling(40, { const: 2 }), 1],
    ["one that doubles with each level of the payload", { allOf: [{ properties: { a: { $ref: "#" } } }, { properties: { a: { $ref: "#" } } }] }, nested],
    ["one that asks for a long list many times", doubling(16, { allOf: [{ uniqueItems: true }, { const: 1 }] }), Array.from({ length: 50_000 }, (_, at) => ({ at }))],
    ["one with a long enumeration for each of many items", { items: { not: { enum: Array.from({ length: 8_000 }, (_, at) => at) } } }, Array.from({ length: 100_000 }, () => -1)]
  ])("does not hold up the kernel: %s", async (_, schema, value) => {
    const made = await compile(schema)
    const began = performance.now()
    const result = made["~standard"].validate(value) as StandardResult<unknown>
    expect(result.issues?.[0]?.message).toMatch(/steps/u)
    // Generous: without the bound this would not end.
    expect(performance.now() - began).toBeLessThan(10_000)
  })

  it("does not take the next one's steps away", async () => {
    const bad = await compile(doubling(40, { const: 2 }))
    const good = await compile({ items: { type: "number" } })
    const long = Array.from({ length: 100_000 }, (_, at) => at)
    bad["~standard"].validate(1)
    expect((good["~standard"].validate(long) as StandardResult<unknown>).issues).toBeUndefined()
  })

  it("of a string that is longer than its pattern can be checked with says so", async () => {
    expect(await told({ properties: { s: { pattern: "a+b" } } }, { s: "a".repeat(100_000) })).toMatch(/longer than/u)
  })
})
