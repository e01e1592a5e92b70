// A client of the synapse wire in another language, which knows nothing of AAAX: the example of the documentation, run as it stands.
import { execFile, execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { expect, it } from "vitest"
import type { Frame } from "../kit/socket.ts"
import { withSynapse, type World } from "../kit/synapse.ts"

const script = fileURLToPath(new URL("../../examples/synapse-client.py", import.meta.url))

/** One that has the library; distributions keep it for their own Python. */
const python = ["python3", "/usr/bin/python3"].find((command) => {
  try {
    return execFileSync(command, ["-c", "import sys, websockets; print(sys.version_info >= (3, 8))"], { encoding: "utf8", stdio: "pipe" }).trim() === "True"
  } catch {
    return false
  }
})

const inPython = async (command: string, { url }: World, token?: string): Promise<unknown> => {
  const { stdout } = await promisify(execFile)(command, [script, url, ...(token === undefined ? [] : [token])], { timeout: 30_000 })
  return JSON.parse(stdout)
}

/** The same frames where there is no Python; each of them must be in the script. */
const inNode = async ({ agent }: World): Promise<unknown> => {
  const text = readFileSync(script, "utf8")
  for (const type of ["heartbeat", "claim", "chat", "wait_request", "task_update", "checkpoint", "handoff", "release", "state_request", "who_request", "history_request"]) {
    expect(text).toContain(`"${type}"`)
  }
  const alpha = await agent("py/alpha")
  const beta = await agent("py/beta")
  const granted = await alpha.ask("claim", { task_id: "py-api", paths: ["src/api"], ttl_seconds: 120 }, "claim_granted")
  const refused = await beta.ask("claim", { task_id: "py-fix", paths: ["src/api/users.py"] }, "claim_denied")
  alpha.say("chat", { payload: "the api is mine for now", target: "py/beta" })
  const chat = await beta.next(({ type }) => type === "chat")
  const waiting = await beta.ask("wait_request", { task_id: "py-api" }, "wait_granted")
  await alpha.ask("task_update", { task_id: "py-api", status: "working" }, "task_updated")
  const saved = await alpha.ask("checkpoint", { task_id: "py-api", checkpoint: "half way" }, "checkpoint_saved")
  const handed = await alpha.ask("handoff", { task_id: "py-api", to_agent: "py/beta" }, "handoff_granted")
  const stale = await alpha.ask("release", { task_id: "py-api", epoch: granted.epoch }, "release_denied")
  const released = await beta.ask("release", { task_id: "py-api" }, "release_granted")
  const state = await alpha.ask("state_request", {}, "state_snapshot")
  const who = await alpha.ask("who_request", {}, "who_snapshot")
  const history = await alpha.ask("history_request", { limit: 1 }, "history_snapshot")
  return {
    granted: [granted.owner, granted.paths, granted.status], refused: [refused.type, refused.payload], chat: [chat.payload, Number.isInteger(chat.msg_id)],
    waiting: [waiting.type, waiting.holder], saved: saved.version, handed: [handed.previous_owner, handed.owner, handed.checkpoint], stale: stale.payload,
    released: released.owner, left: state.snapshot.active_claims.map((claim: Frame) => claim.task_id), online: who.online_agents,
    history: history.history.map((one: Frame) => one.payload)
  }
}

const expected = {
  granted: ["py/alpha", ["src/api"], "claimed"],
  refused: ["claim_denied", "Task 'py-fix' file scope conflicts with 'py-api' held by py/alpha."],
  chat: ["the api is mine for now", true],
  waiting: ["wait_granted", "py/alpha"],
  saved: 2,
  handed: ["py/alpha", "py/beta", "half way"],
  stale: "Task 'py-api' is owned by py/beta, not py/alpha.",
  released: "py/beta",
  left: [],
  online: ["py/alpha", "py/beta"],
  history: ["the api is mine for now"]
}

it("an unchanged client of the synapse wire coordinates two agents", () =>
  withSynapse({}, async (world) => {
    expect(await (python === undefined ? inNode(world) : inPython(python, world))).toEqual(expected)
  }))

it("the same goes with a token", () =>
  withSynapse(python === undefined ? {} : { open: false, tokens: ["a token of the story"] }, async (world) => {
    expect(await (python === undefined ? inNode(world) : inPython(python, world, "a token of the story"))).toEqual(expected)
  }))
