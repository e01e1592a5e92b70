// Evidence over HTTP, for the operator.
import type { Kernel } from "../../kernel.ts"
import type { Handlers } from "./handlers.ts"

export const auditRows = ({ evidence }: Pick<Kernel, "evidence">): Pick<Handlers, "checkpoints" | "receipts"> => ({
  checkpoints: () => evidence.checkpoints,
  receipts: ({ id }) => evidence.receipts(id)
})
