// The copies of `aaax` and `effect` that are running, by the names under which a user's config and modules import them.
// Handed to jiti, so that there is one instance of each, also when nothing is installed beside the user's file.
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
import * as FsRead from "../kernel/executor/fs-read.ts"
import * as FsWrite from "../kernel/executor/fs-write.ts"
import * as Git from "../kernel/executor/git.ts"
import * as HttpFetch from "../kernel/executor/http-fetch.ts"
import * as ProcessRun from "../kernel/executor/process-run.ts"
import * as Secrets from "../kernel/executor/secrets.ts"
import * as Cedar from "../kernel/policy/cedar.ts"
import * as Flow from "../kernel/policy/flow.ts"
import * as Granted from "../kernel/policy/granted.ts"
import * as Hours from "../kernel/policy/hours.ts"
import * as Open from "../kernel/policy/open.ts"
import * as Quota from "../kernel/policy/quota.ts"
import * as Risk from "../kernel/policy/risk.ts"
import * as ScopeRule from "../kernel/policy/scope.ts"
import * as ref from "../kernel/ref/index.ts"
import * as Local from "../kernel/store/local.ts"
import * as Memory from "../kernel/store/memory.ts"
import * as Sqlite from "../kernel/store/sqlite.ts"
import * as kernel from "../kernel/index.ts"
import * as security from "../kernel/security.ts"
import * as testing from "../kernel/testing.ts"
import * as libos from "../libos/index.ts"
import * as client from "../libos/client.ts"
import * as libosProcess from "../libos/process.ts"
import * as libosEffect from "../libos/effect.ts"
import * as protocol from "../protocol/index.ts"

const effect: Readonly<Record<string, object>> = {
  Array: ArrayModule, Cause, Clock, Context, Data, Deferred, Duration, Effect, Exit, Fiber, Function: FunctionModule, Layer, Option, Queue, Ref,
  Result, Schedule, Schema, Scope, Stream
}

export const ourselves: Record<string, unknown> = {
  aaax: libos,
  "aaax/kernel": kernel,
  "aaax/protocol": protocol,
  "aaax/client": client,
  "aaax/effect": libosEffect,
  "aaax/process": libosProcess,
  "aaax/security": security,
  "aaax/testing": testing,
  "aaax/ref": ref,
  "aaax/store/local": Local,
  "aaax/store/memory": Memory,
  "aaax/store/sqlite": Sqlite,
  "aaax/policy/cedar": Cedar,
  "aaax/policy/flow": Flow,
  "aaax/policy/granted": Granted,
  "aaax/policy/hours": Hours,
  "aaax/policy/open": Open,
  "aaax/policy/quota": Quota,
  "aaax/policy/risk": Risk,
  "aaax/policy/scope": ScopeRule,
  "aaax/executor/fs-read": FsRead,
  "aaax/executor/fs-write": FsWrite,
  "aaax/executor/git": Git,
  "aaax/executor/http-fetch": HttpFetch,
  "aaax/executor/process-run": ProcessRun,
  "aaax/executor/secrets": Secrets,
  effect,
  ...Object.fromEntries(Object.entries(effect).map(([name, module]) => [`effect/${name}`, module]))
}
