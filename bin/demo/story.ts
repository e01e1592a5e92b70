// What the three agents do, and what must come of it: a step whose outcome is another one fails.
import type { Agent, World } from "./world.ts"

/** Said while it happens: `who` does what; `came` is what came of it. */
export interface Step {
  readonly name: string
  readonly title: string
  readonly play: (world: World, cast: Cast, say: (who: string, did: string, came: string) => void) => Promise<void>
}

export interface Cast {
  readonly alice: Agent
  readonly bob: Agent
  readonly carol: Agent
}

class Unexpected extends Error {}

const must = (isSo: boolean, what: string): void => {
  if (!isSo) throw new Unexpected(what)
}

interface Refusal {
  readonly code: string
  readonly message: string
}

/** The refusal that something must end with. */
const refused = async (work: Promise<unknown>, what: string): Promise<Refusal> => {
  try {
    await work
  } catch (error) {
    if (error instanceof Error) return { code: "code" in error ? String(error.code) : "", message: error.message }
    throw error
  }
  throw new Unexpected(`${what} was not refused`)
}

const login = "export const login = () => \"password\"\n"
const passkey = "export const login = () => \"passkey\"\n"

const finished = `${passkey}export const logout = () => undefined\n`

const place = async (world: World): Promise<void> => {
  world.put("src/auth/login.ts", login)
  world.put("src/api.ts", "export const api = {}\n")
  world.put("docs/login.md", "# Logging in\n")
  world.put(".gitignore", ".aaax/\n")
  for (const args of [
    ["init", "--quiet", "--initial-branch=main"], ["config", "user.name", "Demo"], ["config", "user.email", "demo@example.invalid"], ["add", "."],
    ["commit", "--quiet", "-m", "Begin"]
  ]) {
    const { code, text } = await world.git(...args)
    must(code === 0, `git ${args[0]}: ${text}`)
  }
}

export const steps: ReadonlyArray<Step> = [
  {
    name: "repository", title: "A repository, and three agents who work in it",
    play: async (world, _, say) => {
      await place(world)
      say("git", "begins a repository on main", (await world.git("log", "--format=%s", "--max-count=1")).text)
    }
  },
  {
    name: "declare", title: "They say what is to be done",
    play: async (_, { alice }, say) => {
      await alice.coordination.plan.declare("T-1", "Log in with a passkey")
      await alice.coordination.plan.declare("T-2", "Tell of it in the docs", { dependsOn: ["T-1"] })
      const ready = await alice.coordination.plan.ready()
      must(ready.join() === "T-1", `ready is ${ready.join(", ")}`)
      say("alice", "declares T-1, and T-2 that waits for it", "ready to begin: T-1")
    }
  },
  {
    name: "claim", title: "They claim files before they change them",
    play: async ({ path }, { alice, bob }, say) => {
      const { claim: first } = await alice.coordination.claim("T-1", { worktree: path, paths: ["src/auth/**"] })
      say("alice", "claims src/auth/** for T-1", `granted, epoch ${first.epoch}`)
      const { claim: second } = await bob.coordination.claim("T-3", { worktree: path, paths: ["src/api.ts"] })
      say("bob", "claims src/api.ts for T-3", `granted, epoch ${second.epoch}`)
      must(second.epoch > first.epoch, "epochs do not grow")
    }
  },
  {
    name: "overlap", title: "What overlaps is refused, however it is spelled",
    play: async ({ path }, { carol }, say) => {
      for (const spelling of ["src/auth/login.ts", "./src//auth/LOGIN.ts", "src/**/*.ts"]) {
        const { code, message } = await refused(carol.coordination.claim("T-9", { worktree: path, paths: [spelling] }), `the claim of ${spelling}`)
        must(code === "SCOPE_CONFLICT" && message.includes("alice"), message)
        say("carol", `claims ${spelling}`, `refused: ${message}`)
      }
    }
  },
  {
    name: "enforce", title: "A claim is more than a note: writes of others are refused",
    play: async (world, { alice, bob }, say) => {
      const { message } = await refused(bob.write("src/auth/login.ts", "broken"), "bob's write")
      must(message.includes("alice") && message.includes("T-1"), message)
      must(world.read("src/auth/login.ts") === login, "the file was changed all the same")
      say("bob", "writes src/auth/login.ts", "refused: alice has claimed it; the file is as it was")
      await alice.write("src/auth/login.ts", passkey)
      must(world.read("src/auth/login.ts") === passkey, "alice's write is not there")
      say("alice", "writes src/auth/login.ts", "done")
    }
  },
  {
    name: "handoff", title: "Work is handed over in one piece",
    play: async (world, { alice, bob }, say) => {
      const claim = await alice.coordination.handoff("T-1", "bob", { note: "tests are missing" })
      must(claim.owner === "bob" && claim.paths.join() === "src/auth/**", "the claim did not move with its files")
      say("alice", "hands T-1 to bob", `bob holds src/auth/**, epoch ${claim.epoch}`)
      const { message } = await refused(alice.write("src/auth/login.ts", login), "alice's late write")
      must(message.includes("bob") && world.read("src/auth/login.ts") === passkey, message)
      say("alice", "writes once more, too late", "refused: it is bob's now")
      await bob.write("src/auth/login.ts", finished)
      must(world.read("src/auth/login.ts") === finished, "bob's write is not there")
      say("bob", "goes on with src/auth/login.ts", "done")
    }
  },
  {
    name: "crash", title: "An agent crashes, and nothing is lost",
    play: async (world, { bob, carol }, say) => {
      // The shortest lease that there is.
      await bob.coordination.claim("T-1", { ttlSeconds: 30 })
      await bob.coordination.checkpoint("T-1", "login.ts works; its tests come next")
      say("bob", "keeps a checkpoint of T-1, then crashes", "its lease goes on for 30 seconds")
      await bob.crash()
      const early = await refused(carol.coordination.claim("T-1", { worktree: world.path, paths: ["src/auth/**"] }), "a claim of what a crashed agent holds")
      must(early.code === "LEASE_LIVE", early.message)
      say("carol", "claims T-1", "refused: the lease is live")
      world.pass(31_000)
      const { claim } = await carol.coordination.claim("T-1", { worktree: world.path, paths: ["src/auth/**"], wait: true, git: { branch: "main", releaseOn: "manual" } })
      must(claim.checkpoint === "login.ts works; its tests come next", `the checkpoint is ${JSON.stringify(claim.checkpoint)}`)
      say("carol", "claims T-1 half a minute later (the demo moves its clock)", `granted, epoch ${claim.epoch}, with bob's checkpoint: "${claim.checkpoint}"`)
    }
  },
  {
    name: "commit", title: "A commit of what is not claimed is refused",
    play: async (world, { carol }, say) => {
      world.put("src/auth/login.test.ts", "// carol's\n")
      world.put("docs/login.md", "# Logging in with a passkey\n")
      await world.git("add", "--all")
      const gate = await world.git("commit", "-m", "Log in with a passkey")
      must(gate.code === 1, `git commit ended with ${gate.code}: ${gate.text}`)
      must(gate.text.includes("missing       docs/login.md") && !gate.text.includes("missing       src/"), gate.text)
      say("carol", "commits src/auth and docs/login.md", "refused: nobody has claimed docs/login.md")
      await world.git("restore", "--staged", "docs/login.md")
      const good = await world.git("commit", "-m", "Log in with a passkey")
      must(good.code === 0, `git commit ended with ${good.code}: ${good.text}`)
      const files = (await world.git("show", "--name-only", "--format=", "HEAD")).text.split("\n").sort().join(", ")
      must(files === "src/auth/login.test.ts, src/auth/login.ts", `the commit has ${files}`)
      say("carol", "commits src/auth alone", `done: ${(await world.git("log", "--oneline", "--max-count=1")).text}`)
      await carol.coordination.release("T-1")
      await carol.coordination.plan.update("T-1", { status: "done" })
      const ready = await carol.coordination.plan.ready()
      must(ready.join() === "T-2", `ready is ${ready.join(", ")}`)
      say("carol", "releases T-1, and it is done", "ready to begin: T-2")
    }
  }
]
