// A first module: reads what others append to `notes.in`, and counts its words in `notes.counted`.
import { defineModule, Schema } from "aaax"

export default defineModule({
  id: "word-counter",
  description: "counts the words of every note",
  provides: [{ name: "notes.in", schema: Schema.String }, { name: "notes.counted" }],
  reads: { notes: "notes.in" },
  writes: { counted: "notes.counted" },
  async run({ reads, writes, log }) {
    for await (const note of reads.notes.subscribe()) {
      const words = note.payload.split(/\s+/u).filter(Boolean).length
      await writes.counted.append({ words }, { parents: [note.id], key: note.id })
      log.info(`${words} words from ${note.sender}`)
    }
  }
})
