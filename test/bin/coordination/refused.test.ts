// What a command of coordination can do nothing with is refused before anything is begun: no hub, no connection, no file.
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { aaax } from "../../kit/command.ts"

const directory = mkdtempSync(join(tmpdir(), "aaax-refused-"))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

const nowhere = ["--uri", "ws://127.0.0.1:1"] as const
const noSeconds = (flag: string, value: string): string => `--${flag} ${value} is no number of seconds that can be waited.`

describe("a command of coordination", () => {
  it.each<readonly [ReadonlyArray<string>, string]>([
    [["hub", "--host", ""], "hub --host must be a host without white space and slashes."],
    [["hub", "--host", "a b"], "hub --host must be a host"],
    [["hub", "--host", "http://localhost"], "hub --host must be a host"],
    [["hub", "--host", "a\\b"], "hub --host must be a host"],
    [["hub", "--port", "65536"], "--port 65536 is not a port: 0 to 65535."],
    [["hub", "--port=-1"], "--port -1 is not a port: 0 to 65535."],
    [["hub", "--rate=-1"], "--rate -1 is no number of messages per second."],
    [["hub", "--burst", "0"], "--burst is 1 at least."],
    [["hub", "--max-history", "0"], "--max-history is from 1 to 10000."],
    [["hub", "--max-history", "10001"], "--max-history is from 1 to 10000."],
    [["team", "--port", "0"], "--port 0 is not a port: 1 to 65535."],
    [["team", "--port", "65536"], "--port 65536 is not a port: 1 to 65535."],
    [["worker", "--provider", "psychic", ...nowhere], "Unsupported provider 'psychic'. Use openai, ollama, rule, or tiered."],
    [["worker", "--provider", "openai", "--base-url", "no url", ...nowhere], "no url is no URL."],
    [["worker", "--min-reply-interval", "3601", ...nowhere], "--min-reply-interval 3601 is not from 0 to 3600."],
    [["worker", "--min-reply-interval=-1", ...nowhere], "--min-reply-interval -1 is not from 0 to 3600."],
    [["worker", "--max-context", "0", ...nowhere], "--max-context 0 is not from 1 to 1000."],
    [["supervisor", "--idle-seconds=-1", ...nowhere], "--idle-seconds -1 is not from 0 to 31536000."],
    [["supervisor", "--interval", "86401", ...nowhere], "--interval 86401 is not from 0 to 86400."],
    [["send", "hi", "--wait-seconds=-1", ...nowhere], noSeconds("wait-seconds", "-1")],
    [["send", "hi", "--wait-seconds", "2000001", ...nowhere], noSeconds("wait-seconds", "2000001")],
    [["wait", "--timeout=-1", ...nowhere], noSeconds("timeout", "-1")],
    [["inbox", "--timeout", "2000001", ...nowhere], noSeconds("timeout", "2000001")]
  ])("is refused as %j", async (args, words) => {
    const told = await aaax(...args, "--dir", directory)
    expect(told).toMatchObject({ code: 2, stdout: "" })
    expect(told.stderr).toContain(words)
    expect(readdirSync(directory)).toEqual([])
  })
})
