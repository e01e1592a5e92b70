// Who holds the token that the kernel made at its start: the id under which the operator acts.
export { operatorSystem as operator } from "../../protocol/names.ts"
