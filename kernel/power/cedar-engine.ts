// Cedar, the engine: the official WebAssembly package in a process of its own, so that nothing that happens to it happens
// to the kernel. It is started when a policy names Cedar, asked with a deadline, and started anew with a growing pause when
// it is gone or slow; meanwhile it is unavailable, which denies.
//
// Both talk in lines of JSON over the child's standard input and output:
//
//   kernel -> child   {id, load: {key, policies, schema, entities}}
//                     {id, ask: key, request}
//   child -> kernel   {id, loaded: {shape, policies}} | {id, problems: [{file, at, reason}]}
//                     {id, outcome, reason}
//                     {id, failed}                      it was not done
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn, type ChildProcessByStdio } from "node:child_process"
import { createRequire } from "node:module"
import type { Readable, Writable } from "node:stream"
import type { Judgement } from "../../protocol/authority.ts"
import { ConfigInvalid } from "../../protocol/errors.ts"
import { canonical } from "../guard/canonical.ts"
import type { CedarSource, MakeCedar } from "../guard/policy-document.ts"
import {
  cedarAnswersMax, cedarAskMillis, cedarAsksMax, cedarHeapMegabytes, cedarLoadMillis, cedarPoliciesMax, cedarRestartMillis, cedarRestartMillisMax
} from "../limits.ts"
import { rule as cedarRule, type CedarRequest, type CedarShape } from "../policy/cedar.ts"
import { sha256Hex } from "./digest.ts"

/** Text, because it has to run wherever this file was bundled to. It gets its two pipes and the place of the package. */
const source = String.raw`
"use strict"
// Without this Node 20 may end in V8's deoptimizer when Cedar is called in a hot loop.
require("node:v8").setFlagsFromString("--no-turbo-inline-js-wasm-calls")
const cedar = require(process.argv[1])
const policiesMax = Number(process.argv[2])
const sets = new Map()
const say = (message) => { process.stdout.write(JSON.stringify(message) + "\n") }
const words = (error) => [error.message, ...(error.sourceLocations || []).map((place) => place.label).filter(Boolean)].join("; ")
const problem = (file, error) => ({ file, at: error.sourceLocations && error.sourceLocations[0] ? error.sourceLocations[0].start : -1, reason: words(error) + (error.help ? " (" + error.help + ")" : "") })
const load = ({ key, policies, schema, entities }) => {
  const told = cedar.schemaToJsonWithResolvedTypes(schema.text)
  if (told.type !== "success") return { problems: told.errors.map((error) => problem(schema.name, error)) }
  const problems = (told.warnings || []).map((error) => problem(schema.name, error))
  const set = {}, reasons = {}
  for (const { name, text } of policies) {
    const parts = cedar.policySetTextToParts(text)
    if (parts.type !== "success") { problems.push(...parts.errors.map((error) => problem(name, error))); continue }
    if (parts.policy_templates.length > 0) problems.push({ file: name, at: -1, reason: "it holds templates, which are not linked here; write policies" })
    const answer = cedar.validate({ schema: schema.text, policies: { staticPolicies: text } })
    if (answer.type !== "success") { problems.push(...answer.errors.map((error) => problem(name, error))); continue }
    for (const { error } of [...answer.validationErrors, ...answer.validationWarnings]) problems.push(problem(name, error))
    for (const error of answer.otherWarnings) problems.push(problem(name, error))
    parts.policies.forEach((part, at) => {
      const json = cedar.policyToJson(part)
      const annotations = json.type === "success" && json.json.annotations ? json.json.annotations : {}
      const id = annotations.id || name + "#" + (at + 1)
      if (Object.hasOwn(set, id)) problems.push({ file: name, at: -1, reason: "two policies are called " + id })
      set[id] = part
      reasons[id] = annotations.reason || ""
    })
  }
  const parsed = cedar.checkParseEntities({ entities, schema: schema.text })
  if (parsed.type !== "success") problems.push(...parsed.errors.map((error) => problem("entities", error)))
  if (Object.keys(set).length > policiesMax) problems.push({ file: "", at: -1, reason: "there are " + Object.keys(set).length + " policies, at most " + policiesMax + " are held; put what differs into entities" })
  if (problems.length > 0) return { problems }
  for (const done of [cedar.preparseSchema(key, schema.text), cedar.preparsePolicySet(key, { staticPolicies: set })]) {
    if (done.type !== "success") return { problems: done.errors.map((error) => problem("", error)) }
  }
  sets.set(key, { entities, reasons })
  const contexts = {}, types = {}
  for (const [space, { actions, commonTypes }] of Object.entries(told.json)) {
    const prefix = space === "" ? "" : space + "::"
    for (const [name, type] of Object.entries(commonTypes || {})) types[prefix + name] = type
    if (space !== "AAAX") continue
    for (const [name, { appliesTo }] of Object.entries(actions)) if (appliesTo) contexts[name] = appliesTo.context || { type: "Record", attributes: {} }
  }
  if (Object.keys(contexts).length === 0) return { problems: [{ file: schema.name, at: -1, reason: "it declares no action in the namespace AAAX" }] }
  return { loaded: { shape: { contexts, types }, policies: Object.keys(set).length } }
}
const named = (ids, reasons) => ids.map((id) => (reasons[id] ? reasons[id] : id)).sort().join(", ")
const decide = (key, { principal, action, resource }, context, entities) => {
  const answer = cedar.statefulIsAuthorized({ principal, action, resource, context, entities, validateRequest: true, preparsedSchemaName: key, preparsedPolicySetId: key })
  if (answer.type !== "success") return { error: answer.errors.map(words).join("; ") }
  const { decision, diagnostics } = answer.response
  if (diagnostics.errors.length > 0) return { error: diagnostics.errors.map(({ policyId, error }) => policyId + ": " + words(error)).join("; ") }
  return { decision, ids: diagnostics.reason }
}
const judge = (key, request) => {
  const { entities, reasons } = sets.get(key)
  const first = decide(key, request, request.context, entities)
  if (first.error !== undefined) return { outcome: "deny", reason: "Cedar could not decide it: " + first.error.slice(0, 500) }
  if (first.decision === "allow") return { outcome: "allow", reason: named(first.ids, reasons) }
  if (request.approved !== null) {
    const second = decide(key, request, request.approved, entities)
    if (second.error === undefined && second.decision === "allow") return { outcome: "escalate", reason: "needs an approval: " + named(second.ids, reasons) }
  }
  return { outcome: "deny", reason: first.ids.length === 0 ? "no policy permits it" : "forbidden: " + named(first.ids, reasons) }
}
const answer = (message) => {
  try {
    if (message.load !== undefined) return load(message.load)
    return sets.has(message.ask) ? judge(message.ask, message.request) : { failed: "its policies are not loaded" }
  } catch (error) {
    return message.ask === undefined ? { failed: String(error) } : { outcome: "deny", reason: "Cedar could not read it" }
  }
}
let text = []
process.stdin.setEncoding("utf8")
process.stdin.on("data", (chunk) => {
  let from = 0
  for (let at = chunk.indexOf("\n"); at !== -1; at = chunk.indexOf("\n", from)) {
    text.push(chunk.slice(from, at))
    from = at + 1
    const message = JSON.parse(text.join(""))
    text = []
    say({ id: message.id, ...answer(message) })
  }
  text.push(chunk.slice(from))
})
for (const event of ["end", "close", "error"]) process.stdin.on(event, () => process.exit(0))
process.stdout.on("error", () => process.exit(0))
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => {})
`

interface Problem {
  readonly file: string
  readonly at: number
  readonly reason: string
}

interface Answer {
  readonly loaded?: { readonly shape: CedarShape; readonly policies: number }
  readonly problems?: ReadonlyArray<Problem>
  readonly outcome?: "allow" | "deny" | "escalate"
  readonly reason?: string
  readonly failed?: string
}

type Process = ChildProcessByStdio<Writable, Readable, null>

/** One run of the child. Everything that is asked of it is answered, at the latest when it ends. */
interface Run {
  readonly process: Process
  readonly ask: (message: object, millis: number) => Promise<Answer>
  readonly waiting: () => number
}

const gone = { failed: "Cedar's process ended" }
const slow = (millis: number): Answer => ({ failed: `Cedar did not answer within ${millis} ms` })

const startRun = (place: string, ended: () => void): Run => {
  const process = spawn(globalThis.process.execPath, [`--max-old-space-size=${cedarHeapMegabytes}`, "-e", source, "--", place, String(cedarPoliciesMax)], {
    stdio: ["pipe", "pipe", "ignore"], env: {}, cwd: "/", detached: true
  })
  /** In the order in which they are answered. */
  const waiting = new Map<number, { readonly millis: number; readonly answer: (answer: Answer) => void }>()
  let timer: NodeJS.Timeout | undefined
  let lastId = 0
  let parts: Array<string> = []
  let isLost = false
  const lost = (): void => {
    if (isLost) return
    isLost = true
    answerAll(gone)
    ended()
  }
  const answerAll = (answer: Answer): void => {
    clearTimeout(timer)
    const left = [...waiting.values()]
    waiting.clear()
    for (const one of left) one.answer(answer)
  }
  /** The time of each begins when those before it are answered: a long line is not a slow engine. */
  const arm = (): void => {
    clearTimeout(timer)
    const [first] = waiting.values()
    if (first === undefined) return
    timer = setTimeout(() => {
      // What hangs once hangs for all: it is ended, and started anew.
      process.kill("SIGKILL")
      answerAll(slow(first.millis))
    }, first.millis)
  }
  process.on("error", lost)
  process.on("close", lost)
  process.stdin.on("error", () => {})
  process.stdout.setEncoding("utf8")
  process.stdout.on("data", (chunk: string) => {
    const lines = chunk.split("\n")
    for (let at = 0; at < lines.length - 1; at++) {
      const { id, ...answer } = JSON.parse(parts.join("") + lines[at]!) as Answer & { readonly id: number } // what the child above says
      parts = []
      waiting.get(id)?.answer(answer)
      waiting.delete(id)
    }
    if (lines.length > 1) arm()
    parts.push(lines.at(-1)!)
  })
  // It must not keep the kernel's process alive.
  for (const part of [process, process.stdin, process.stdout] as ReadonlyArray<{ unref?: () => void }>) part.unref?.()
  return {
    process,
    waiting: () => waiting.size,
    ask: (message, millis) =>
      new Promise((resolve) => {
        const id = ++lastId
        waiting.set(id, { millis, answer: resolve })
        if (waiting.size === 1) arm()
        process.stdin.write(JSON.stringify({ id, ...message }) + "\n")
      })
  }
}

export interface CedarEngine {
  /** Makes the rule of some Cedar files: for `policyOfDocument`. */
  readonly make: MakeCedar
  /** Of its process; undefined while there is none. */
  readonly pid: () => number | undefined
}

/** An engine for as long as the scope. Nothing runs, and nothing of Cedar is read, before the first `make`. */
export const makeCedarEngine: Effect.Effect<CedarEngine, never, Scope.Scope> = Effect.gen(function*() {
  const held = new Map<string, CedarSource>()
  let run: Run | undefined
  let starting: Promise<Run | string> | undefined
  let isOver = false
  let failures = 0
  let notBefore = 0

  const place = (): string | undefined => {
    try {
      return createRequire(import.meta.url).resolve("@cedar-policy/cedar-wasm/nodejs")
    } catch {
      return undefined
    }
  }

  const loading = (key: string, { entities, policies, schema }: CedarSource): object => ({ load: { key, policies, schema, entities } })

  /** The child with everything loaded, or why there is none now. */
  const running = (): Promise<Run | string> => {
    if (run !== undefined) return Promise.resolve(run)
    if (isOver) return Promise.resolve("the kernel goes down")
    if (performance.now() < notBefore) return Promise.resolve("Cedar's process ended and is not back yet")
    starting ??= (async () => {
      const at = place()
      if (at === undefined) return "the package @cedar-policy/cedar-wasm is not installed"
      const made: Run = startRun(at, () => {
        if (run === made) run = undefined
        failures++
        notBefore = performance.now() + Math.min(cedarRestartMillis * 2 ** (failures - 1), cedarRestartMillisMax)
      })
      for (const [key, source] of held) {
        const { failed, loaded } = await made.ask(loading(key, source), cedarLoadMillis)
        if (loaded === undefined) {
          made.process.kill("SIGKILL")
          return failed ?? "its policies do not load any more"
        }
      }
      run = made
      return made
    })().finally(() => {
      starting = undefined
    })
    return starting
  }

  const ask = async (message: object, millis: number): Promise<Answer> => {
    const at = await running()
    if (typeof at === "string") return { failed: at }
    if (at.waiting() >= cedarAsksMax) return { failed: `${cedarAsksMax} questions wait for Cedar already` }
    const answer = await at.ask(message, millis)
    if (answer.failed === undefined) failures = 0
    return answer
  }

  yield* Effect.addFinalizer(() => Effect.sync(() => {
    isOver = true
    run?.process.kill("SIGKILL")
  }))

  const make: MakeCedar = Effect.fnUntraced(function*(cedarSource) {
    const { entities, policies, schema } = cedarSource
    const config = {
      policies: sha256Hex(canonical(policies.map(({ text }) => text))), schema: sha256Hex(schema.text), entities: sha256Hex(canonical(entities))
    }
    const key = sha256Hex(canonical(config))
    const answer = yield* Effect.promise(() => ask(loading(key, cedarSource), cedarLoadMillis))
    if (answer.loaded === undefined) {
      const issues = answer.problems === undefined
        ? [{ file: schema.name, path: "", reason: `Cedar cannot be used: ${answer.failed}.` }]
        : answer.problems.map((problem) => ({ file: placeOf(problem, cedarSource), path: "", reason: `${problem.reason}.` }))
      return yield* new ConfigInvalid({ issues })
    }
    held.set(key, cedarSource)
    const answers = remembering(cedarAnswersMax)
    return cedarRule({
      description: `Cedar: ${answer.loaded.policies} ${answer.loaded.policies === 1 ? "policy" : "policies"} of ${policies.map(({ name }) => name).join(", ")}`,
      config, shape: answer.loaded.shape, policies: key, sha256: sha256Hex, canonical,
      known: answers.get,
      judge: (asked, request: CedarRequest) =>
        Effect.map(Effect.promise(() => ask({ ask: key, request }, cedarAskMillis)), ({ failed, outcome, reason }) => {
          const judgement: Judgement = outcome === undefined
            ? { engine: "cedar", asked, outcome: "unavailable", reason: failed ?? "it said nothing" }
            : { engine: "cedar", asked, outcome, reason: reason ?? "" }
          answers.put(judgement)
          return judgement
        })
    })
  })
  return { make, pid: () => run?.process.pid }
})

/** Answers by what was asked; the oldest go first. That it was unavailable is believed only for as long as it may take. */
const remembering = (max: number): { readonly get: (asked: string) => Judgement | undefined; readonly put: (judgement: Judgement) => void } => {
  const kept = new Map<string, { readonly judgement: Judgement; readonly until: number }>()
  return {
    get: (asked) => {
      const found = kept.get(asked)
      if (found === undefined || performance.now() < found.until) return found?.judgement
      kept.delete(asked)
      return undefined
    },
    put: (judgement) => {
      kept.delete(judgement.asked)
      kept.set(judgement.asked, { judgement, until: judgement.outcome === "unavailable" ? performance.now() + cedarRestartMillis : Infinity })
      if (kept.size > max) kept.delete(kept.keys().next().value!)
    }
  }
}

/** `file:line:column` of a problem; offsets count bytes. */
const placeOf = ({ at, file }: Problem, { policies, schema }: CedarSource): string => {
  const text = [...policies, schema].find(({ name }) => name === file)?.text
  if (text === undefined || at < 0) return file
  const before = Buffer.from(text).subarray(0, at).toString("utf8").split("\n")
  return `${file}:${before.length}:${before.at(-1)!.length + 1}`
}
