// Who holds the token that the kernel made at its start.
import type { SystemId } from "../../protocol/names.ts"

/** The id under which the operator acts. */
export const operator: SystemId = "operator"
