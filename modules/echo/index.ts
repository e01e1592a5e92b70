// The smallest module: answers every event of `echo.in` with the same payload on `echo.out`, correlated.
import { answer, defineModule, type System } from "aaax"

export const echo = (options: { readonly id?: string } = {}): System =>
  defineModule({
    id: options.id ?? "echo",
    description: "answers every event with its own payload",
    provides: [
      { name: "echo.in", visibility: "public", description: "append anything" },
      { name: "echo.out", visibility: "public", description: "comes back from here, with the event's id as correlation" }
    ],
    reads: { in: "echo.in" },
    writes: { out: "echo.out" },
    run: ({ reads, writes }) => answer(reads.in, writes.out, (event) => event.payload)
  })

export default echo
