// `aaax` and its entries as what bundles them sees: the folders that they are built from, as in tsconfig.json.
import { join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("..", import.meta.url))

export const ourselves = {
  name: "aaax",
  resolveId: (id) => {
    if (id === "aaax") return join(root, "libos/index.ts")
    const [, entry, rest] = /^aaax\/([a-z]+)(?:\/(.+))?$/u.exec(id) ?? []
    if (entry === undefined) return null
    if (entry === "kernel" || entry === "protocol") return join(root, entry, "index.ts")
    if (entry === "client") return join(root, "libos/client.ts")
    if (entry === "process") return join(root, "libos/process.ts")
    if (entry === "effect") return join(root, "libos/effect.ts")
    if (entry === "security") return join(root, "kernel/security.ts")
    if (entry === "testing") return join(root, "kernel/testing.ts")
    if (entry === "ref") return join(root, "kernel/ref/index.ts")
    return entry === "modules" ? join(root, "modules", rest, "index.ts") : join(root, "kernel", entry, `${rest}.ts`)
  }
}
