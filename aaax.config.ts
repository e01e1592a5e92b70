// This repository's own constellation: it surveys the repository, with the gate in front of every write.
import { defineConfig } from "aaax/kernel"

export default defineConfig({
  id: "aaax-main",
  name: "AAAX survey",
  executors: {
    // The one root that may be written below; reports go there.
    "fs.write": { roots: [".aaax/reports"] },
    // Every run asks a human first: `process.run` cannot be undone.
    "process.run": { programs: ["git", "node", "npm", "npx", "ls", "cat", "echo", "date"] }
  },
  survey: { workers: 2 },
  // Agents that work on this repository say there who works on what. Whoever reaches the port from this machine may: it is for nothing else.
  network: { synapse: { port: 8876, open: true } },
  modules: [
    { id: "watch", file: "aaax/modules/watch" },
    { id: "survey", file: "aaax/modules/survey" },
    { id: "report", file: "aaax/modules/report", settings: { folder: "" } },
    { id: "approvals", file: "aaax/modules/approvals" },
    { id: "echo", file: "aaax/modules/echo" },
    { id: "coordinator", file: "aaax/modules/coordinator" }
  ]
})
