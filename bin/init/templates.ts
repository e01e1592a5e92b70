// The files of a new project, by template.

export const templates = ["hello", "empty"] as const
export type Template = (typeof templates)[number]

/** What the files are about. */
export interface Project {
  /** Of the package, and of the constellation. */
  readonly name: string
  /** What `dependencies` says of aaax. */
  readonly aaax: string
}

type Files = Readonly<Record<string, string>>

const hello = ({ name }: Project): Files => ({
  "aaax.config.ts": `// The constellation of this project: npx aaax launch
import { defineConfig } from "aaax/kernel"

export default defineConfig({
  id: ${JSON.stringify(`${name}-main`)},
  modules: [{ id: "hello", file: "./modules/hello.ts" }]
})
`,
  "modules/hello.ts": `// Answers every event of hello.in on hello.out.
import { answer, defineModule, Schema } from "aaax"

export default defineModule({
  id: "hello",
  description: "greets whoever gives a name",
  provides: [{ name: "hello.in", schema: Schema.Struct({ name: Schema.String }) }, { name: "hello.out" }],
  reads: { in: "hello.in" },
  writes: { out: "hello.out" },
  run: ({ reads, writes }) => answer(reads.in, writes.out, (event) => ({ greeting: \`Hello, \${event.payload.name}!\` }))
})
`,
  "test/hello.test.ts": `// What the module does, and what nobody else may do.
import { defineModule } from "aaax"
import { launch } from "aaax/kernel"
import { expectDenied } from "aaax/testing"
import { expect, it } from "vitest"
import hello from "../modules/hello.ts"

it("greets by name", async () => {
  const kernel = await launch({ store: ":memory:" })
  await kernel.dock(hello)
  await kernel.channels.append("hello.in", { payload: { name: "Ada" } })
  for await (const event of kernel.channels.subscribe("hello.out", { limit: 1 })) {
    expect(event.payload).toEqual({ greeting: "Hello, Ada!" })
    expect(event.sender).toBe("hello")
  }
  await kernel.close()
})

it("is the only one who provides its channels", async () => {
  const kernel = await launch({ store: ":memory:" })
  await kernel.dock(hello)
  const imposter = defineModule({ id: "imposter", provides: [{ name: "hello.out" }], run: async () => {} })
  expect((await expectDenied(kernel.dock(imposter))).message).toContain("hello.out")
  await kernel.close()
})
`
})

const empty = ({ name }: Project): Files => ({
  "aaax.config.ts": `// The constellation of this project: npx aaax launch
import { defineConfig } from "aaax/kernel"

export default defineConfig({
  id: ${JSON.stringify(`${name}-main`)},
  channels: [{ name: "notes" }],
  modules: []
})
`,
  "test/constellation.test.ts": `// What this constellation offers.
import { launch } from "aaax/kernel"
import { expect, it } from "vitest"
import config from "../aaax.config.ts"

it("has a channel for notes", async () => {
  const kernel = await launch({ ...config, store: ":memory:" })
  await kernel.channels.append("notes", { payload: "first" })
  expect((await kernel.channels.read("notes")).map(({ payload }) => payload)).toEqual(["first"])
  await kernel.close()
})
`
})

const common = ({ aaax, name }: Project): Files => ({
  "package.json": `${JSON.stringify({
    name, private: true, type: "module",
    scripts: { start: "aaax launch", test: "vitest run" },
    dependencies: { aaax },
    devDependencies: { vitest: "^4.1.12" },
    // The native part of the store: newer versions of npm build nothing that is not named here.
    allowScripts: { "better-sqlite3": true }
  }, null, 2)}\n`,
  "tsconfig.json": `${JSON.stringify({
    compilerOptions: {
      target: "ES2023", lib: ["ES2023"], module: "NodeNext", strict: true, noEmit: true, allowImportingTsExtensions: true, skipLibCheck: true
    },
    include: ["aaax.config.ts", "modules", "test"]
  }, null, 2)}\n`,
  ".gitignore": "node_modules/\n.aaax/\n"
})

/** Path and text of every file of a new project. */
export const filesOf = (template: Template, project: Project): Files => ({
  ...(template === "hello" ? hello(project) : empty(project)), ...common(project)
})
