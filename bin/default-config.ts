// The constellation that runs where there is no config: it surveys the folder that it was launched in, and whoever works
// there coordinates.
import type { ConfigInput } from "../kernel/config.ts"

/** `workers`: how many compete for the survey's tasks. */
export const defaultConfig = (workers = 2): ConfigInput => ({
  id: "aaax-main",
  name: "AAAX survey",
  executors: {
    "fs.write": { roots: [".aaax/reports"] },
    // Every run asks a human first: `process.run` cannot be undone.
    "process.run": { programs: ["git", "node", "npm", "npx", "ls", "cat", "echo", "date"] }
  },
  survey: { workers },
  modules: [
    { id: "watch", file: "aaax/modules/watch" },
    { id: "survey", file: "aaax/modules/survey" },
    // Below the one root that may be written: nothing else of the folder can be changed without a human.
    { id: "report", file: "aaax/modules/report", settings: { folder: "" } },
    { id: "approvals", file: "aaax/modules/approvals" },
    { id: "echo", file: "aaax/modules/echo" },
    { id: "coordinator", file: "aaax/modules/coordinator" }
  ]
})
