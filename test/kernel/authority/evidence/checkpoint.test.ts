// A note of a checkpoint is one in its one spelling, of its own journal, signed with the key that there is.
import { beforeAll, describe, expect, it } from "vitest"
import { open, sign, type Signer } from "../../../../kernel/authority/evidence/checkpoint.ts"
import { newSigningKey } from "../../../../kernel/guard/tokens.ts"
import { signerOf } from "../../../../kernel/power/checkpoint-place.ts"
import { sha256Bytes } from "../../../../kernel/power/digest.ts"

describe("a note", () => {
  let signer: Signer
  let other: Signer
  let note = ""
  const of = (by: Signer) => sign(sha256Bytes, by, { origin: "aaax.journal/abcd", size: 3, root: new Uint8Array(32).fill(7), chain: "c".repeat(64), cursor: 3 }).note
  beforeAll(async () => {
    signer = signerOf(await newSigningKey())
    other = signerOf(await newSigningKey())
    note = of(signer)
  })
  const opened = (text: string): unknown => open(sha256Bytes, signer, text)

  it("says what was signed", () => {
    expect(opened(note)).toMatchObject({ origin: "aaax.journal/abcd", size: 3, cursor: 3, chain: "c".repeat(64), note })
  })

  it("is none in another form, and none of another", () => {
    const [head = "", signature = ""] = note.split("— ")
    const [name = "", line = ""] = signature.trim().split(" ")
    const bytes = Buffer.from(line, "base64")
    const of = (bytesOf: Uint8Array, by = name): string => `${head}— ${by} ${Buffer.from(bytesOf).toString("base64")}\n`
    const root = /\n([A-Za-z0-9+/]{43})=\n/u.exec(note)![1]!
    const forms: Readonly<Record<string, string>> = {
      "nothing": "", "a line more": `${note}\n`, "another origin": note.replace("aaax.journal/", "other/"), "a size with a zero before it": note.replace("\n3\n", "\n03\n"),
      "a root in another spelling": note.replace(root, `${root.slice(0, -1)}${root.endsWith("9") ? "8" : "9"}`),
      "a signature in another spelling": note.replace(/(.)(=*)\n$/u, (_, last: string, pad: string) => `${pad === "" ? `${last}A` : "/"}${pad}\n`),
      "a signature that is too short": of(bytes.subarray(0, 67)), "one that is too long": of(Buffer.concat([bytes, Buffer.from([0])])), "the name of another journal": of(bytes, "aaax.journal/ffff")
    }
    for (const [what, text] of Object.entries(forms)) expect(opened(text), what).toBe("it is no checkpoint")
    expect(opened(of(Buffer.concat([bytes.subarray(0, 4), Buffer.alloc(64)])))).toBe("its signature is wrong")
    expect(opened(note.replace("\n3\n", "\n4\n"))).toBe("its signature is wrong")
  })

  it("is none that was signed with another key", () => {
    expect(opened(of(other))).toBe("it is signed with another key")
  })
})
