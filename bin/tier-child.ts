// The child that runs a module in a tier of its own: a worker, a process or a jail. The files of the module come over the
// pipe, already read, digested and made JavaScript, so that nothing but this file has to be readable here.
import * as ArrayModule from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as FunctionModule from "effect/Function"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createRequire, isBuiltin } from "node:module"
import { dirname } from "node:path"
import { Script } from "node:vm"
import { parentPort } from "node:worker_threads"
import * as libosEffect from "../libos/effect.ts"
import * as libos from "../libos/index.ts"
import { makePipe, type Pipe } from "../libos/client/pipe.ts"
import { standardPipe } from "../libos/process.ts"
import type { System } from "../protocol/manifest.ts"
import * as protocol from "../protocol/index.ts"
import type { LoadedFile, PipeFrame } from "../protocol/stdio.ts"
import { bundled } from "./bundled.ts"
import type { BundledModule } from "../kernel/power/bundled.ts"

const effect: Readonly<Record<string, object>> = {
  Array: ArrayModule, Cause, Clock, Context, Data, Deferred, Duration, Effect, Exit, Fiber, Function: FunctionModule, Layer, Option, Queue, Ref,
  Result, Schedule, Schema, Scope, Stream
}
/** What a module imports by name, and nothing of the kernel's. */
const ourselves: Readonly<Record<string, unknown>> = {
  aaax: libos,
  "aaax/effect": libosEffect,
  "aaax/protocol": protocol,
  effect,
  ...Object.fromEntries(Object.entries(effect).map(([name, module]) => [`effect/${name}`, module]))
}

type Load = Extract<PipeFrame, { readonly frame: "load" }>
type Body = (
  exports: object, require: (name: string) => unknown, module: { exports: unknown }, file: string, folder: string,
  jitiImport: (name: string) => Promise<unknown>, jitiESMResolve: (name: string) => string
) => Promise<void>

interface Module {
  exports: unknown
}

const failed = (name: string, file: string): Error => new Error(`${file} imports ${name}, which is not among its files`)

/** Runs the files of a module, each once, from the one that is its beginning; answers what that one exports. */
const evaluate = async ({ file: first, files }: Load): Promise<unknown> => {
  const made = new Map<string, { readonly module: Module; readonly done: Promise<unknown> }>()
  const builtin = createRequire(import.meta.url)

  const known = (name: string): unknown => {
    if (Object.hasOwn(ourselves, name)) return ourselves[name]
    return isBuiltin(name) ? builtin(name) : undefined
  }
  const run = (file: string, one: LoadedFile): Promise<unknown> => {
    const before = made.get(file)
    // A circle of imports gets what is there.
    if (before !== undefined) return before.done
    const module: Module = { exports: {} }
    if (file.endsWith(".json")) module.exports = JSON.parse(one.code)
    const start = async (): Promise<unknown> => {
      if (file.endsWith(".json")) return module.exports
      const body = new Script(`(async function (exports, require, module, __filename, __dirname, jitiImport, jitiESMResolve) {${one.code}\n})`, { filename: file })
        .runInThisContext() as Body // its text says so
      const from = (name: string): Promise<unknown> => {
        const found = known(name)
        if (found !== undefined) return Promise.resolve(found)
        const path = Object.hasOwn(one.imports, name) ? one.imports[name] : undefined
        const next = path === undefined ? undefined : files[path]
        if (path === undefined || next === undefined) return Promise.reject(failed(name, file))
        const circle = made.get(path)
        return circle !== undefined && waiting.has(path) ? Promise.resolve(circle.module.exports) : run(path, next)
      }
      const require = (name: string): unknown => {
        const found = known(name) ?? made.get(one.imports[name] ?? "")?.module.exports
        if (found === undefined) throw failed(name, file)
        return found
      }
      waiting.add(file)
      for (const path of new Set(Object.values(one.imports))) {
        // What `require` names is there when it is asked for.
        const next = files[path]
        if (next !== undefined && !made.has(path) && /\brequire\s*\(/u.test(one.code)) await run(path, next)
      }
      await body(module.exports as object, require, module, file, dirname(file), from, (name) => name)
      waiting.delete(file)
      return module.exports
    }
    const entry = { module, done: Promise.resolve() as Promise<unknown> }
    made.set(file, entry)
    const done = start()
    made.set(file, { module, done })
    return done
  }
  const waiting = new Set<string>()
  const begin = files[first]
  if (begin === undefined) throw new Error(`${first} is not among its files`)
  return run(first, begin)
}

const isSystem = (value: unknown): value is System =>
  typeof value === "object" && value !== null && "manifest" in value && typeof value.manifest === "object" && value.manifest !== null

/** What a module gives: a system, or a function of settings that gives one. */
const systemOf = (given: unknown, settings: Load["settings"], file: string): System => {
  const whole = typeof given === "object" && given !== null && "default" in given ? given.default : given
  const system: unknown = typeof whole === "function" && !isSystem(whole) ? whole(settings) : whole
  if (isSystem(system)) return system
  throw new Error(`${file}: its default export is no system: expected defineModule({ … }), or a function of settings that gives one`)
}

const load = async (frame: Load): Promise<void> => {
  const given = frame.bundled === undefined ? await evaluate(frame) : await bundled(frame.bundled as BundledModule) // the kernel looked
  const system = systemOf(given, frame.settings, frame.file)
  if (system.securities !== undefined && Object.keys(system.securities).length > 0) {
    throw new Error("a system in a tier of its own brings no security of its own: the kernel cannot ask it at every operation")
  }
  await pipe.dock(system)
}

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error)).replace(/\s+/gu, " ").trim().slice(0, 1_000)

/** Says why it ends where the kernel reads it last, and ends. */
const fail = (error: unknown): void => {
  process.stderr.write(`${refusalMark}${words(error)}\n`, () => process.exit(1))
}
const refusalMark = "aaax-module-refused: "
const begin = (frame: Load): void => void load(frame).catch(fail)

const inWorker = (port: NonNullable<typeof parentPort>): Pipe => {
  const made = makePipe({ wire: { send: (line) => port.postMessage(line), bufferedAmount: () => 0 }, load: begin })
  port.on("message", (line: string) => made.hear(line))
  return made
}
const pipe: Pipe = parentPort === null ? standardPipe(begin) : inWorker(parentPort)
