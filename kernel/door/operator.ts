// Who holds the token that the kernel made at its start.
import type { SystemId } from "../../protocol/names.ts"

export const operator: SystemId = "operator"
