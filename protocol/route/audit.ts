// Routes of evidence: checkpoints of the journal, and receipts.
import { CheckpointsView, Receipts } from "../view.ts"
import { None, row } from "./row.ts"

export const auditRoutes = {
  checkpoints: row({
    method: "GET", path: "/v1/audit/checkpoints", group: "audit", query: None, payload: None, success: CheckpointsView,
    says: "Signed checkpoints of the journal that lie outside the store; one that covers its head is written first."
  }),
  receipts: row({
    method: "GET", path: "/v1/gate/requests/:id/receipt", group: "audit", query: None, payload: None, success: Receipts,
    says: "Signed receipts of an action: its verdict, and its outcome when it has one."
  })
} as const
