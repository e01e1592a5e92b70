// A seat from outside of the kernel: stays in line for some files, says what it did, and gives them back.
import { SynapseAgent, SynapseRefused } from "aaax/client"

export const tidy = async (uri: string, name: string): Promise<string> => {
  using agent = await SynapseAgent.connect({ uri, name })
  try {
    const { checkpoint, epoch } = await agent.claim("tidy", { worktree: "demo", paths: ["docs"], wait: true, timeoutMillis: 60_000 })
    await agent.chat(checkpoint === "" ? "docs are mine for a moment" : `docs are mine again, from ${checkpoint}`)
    await agent.release("tidy", { epoch, receipt: { files: 2 } })
    return "done"
  } catch (error) {
    if (error instanceof SynapseRefused) return `${error.code}: ${error.reason}`
    throw error
  }
}
