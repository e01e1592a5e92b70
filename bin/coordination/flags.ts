// The flags of every coordination command. Loaded with the tree of commands, so it loads nothing itself.
import * as Flag from "effect/cli/Flag"
import { text } from "../flag.ts"

/** Spread into a command's flags; `given` makes `SeatFlags` of them. */
export const seatFlags = {
  uri: text("uri", "The hub; default: $SYNAPSE_URI, else git config aaax.uri, else the constellation of this folder, else ws://localhost:8876"),
  name: Flag.String("name").pipe(
    Flag.withAlias("seat"), Flag.withDescription("The seat; default: git config aaax.seat of this working tree, else $AAAX_SEAT, else USER"), Flag.optional),
  token: text("token", "What the hub asks for; default: $SYNAPSE_TOKEN, or that of the constellation of this folder")
}
