// Takes what the plan offers, one task at a time, and holds a claim on it while it works.
import { defineModule, type Coordination } from "aaax"

const build = async (task: string, from: string, signal: AbortSignal): Promise<string> => {
  signal.throwIfAborted()
  return from === "" ? `${task} was built` : `${task} was built from ${from}`
}

const work = async (coordination: Coordination, task: string): Promise<void> => {
  // Renewed meanwhile, released at the end of the block.
  await using claim = await coordination.claim(task, { worktree: "build", paths: [`out/${task}`], ttlSeconds: 60 })
  await claim.update({ status: "working" })
  const result = await build(task, claim.checkpointed, claim.signal)
  await claim.checkpoint(result)
  await coordination.plan.update(task, { status: "done" })
  await coordination.progress(task, result)
}

export default defineModule({
  id: "builder",
  description: "builds what the plan offers",
  coordination: true,
  run: async ({ coordination, signal }) => {
    await coordination.advertise({ description: "builds", taskClasses: ["build"] })
    for await (const { from, payload: task } of coordination.messages({ signal })) {
      await work(coordination, task)
      await coordination.send(`${task} is done`, { to: from })
    }
  }
})
