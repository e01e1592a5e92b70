// CloudEvents and our events, each made of the other: nothing is lost between them.
import { describe, expect, it } from "vitest"
import { cloudEventOf, draftOf, isJsonMedia, type CloudDraft } from "../../protocol/cloud-event.ts"
import { InvalidPayload } from "../../protocol/errors.ts"
import type { Draft, Event } from "../../protocol/event.ts"

const base: Event = {
  id: "e1", channel: "c", cursor: 3, recordedAt: 1_700_000_000_123, sender: "team/ada", kind: "made", payload: { a: 1 }, source: "team/ada", timestamp: 1_700_000_000.5,
  schema: null, metadata: {}, correlationId: null, parentIds: [], recipient: null, subject: null, labels: [], traceparent: null
}

const drafted = (value: unknown): CloudDraft => {
  const draft = draftOf(value)
  if (draft instanceof InvalidPayload) throw draft
  return draft
}

describe("an event as a CloudEvent", () => {
  it("has the attributes that are asked for, and ours beside them", () => {
    expect(cloudEventOf(base)).toEqual({
      specversion: "1.0", id: "e1", source: "/systems/team/ada", type: "made", time: "2023-11-14T22:13:20.500Z", datacontenttype: "application/json", data: { a: 1 },
      channel: "c", cursor: 3, sender: "team/ada", recordedat: "2023-11-14T22:13:20.123Z"
    })
  })

  it("comes back as the draft that says the same, whatever it holds", () => {
    const full: Event = {
      ...base, source: "https://example.com/x?y", schema: "s", correlationId: "q", parentIds: ["p1", "p2"], recipient: "bob", subject: "a b", labels: ["l 1", "l,2"],
      traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01`,
      metadata: { plain: "x", count: 3, flag: false, Big: 1, "with-dash": 1, nested: { a: [1] }, fraction: 1.5, huge: 2 ** 40, nothing: null, newline: "a\nb", id: "mine", source: "mine" }
    }
    const { draft } = drafted(cloudEventOf(full))
    const { channel: _, cursor: __, recordedAt: ___, sender: ____, ...rest } = full
    expect(draft).toEqual(rest)
  })

  it("keeps bytes and other media types", () => {
    const bytes: Event = { ...base, payload: { data_base64: "AAE=" }, metadata: { datacontenttype: "image/png" } }
    expect(cloudEventOf(bytes)).toMatchObject({ datacontenttype: "image/png", data_base64: "AAE=" })
    expect(cloudEventOf(bytes)).not.toHaveProperty("data")
    expect(drafted(cloudEventOf(bytes)).draft).toMatchObject({ payload: { data_base64: "AAE=" }, metadata: { datacontenttype: "image/png" } })
    expect(drafted({ ...cloudEventOf(base), datacontenttype: "text/plain", data: "x" }).draft).toMatchObject({ payload: "x", metadata: { datacontenttype: "text/plain" } })
  })

  it("has no time where there is none, and a cursor that fits", () => {
    expect(cloudEventOf({ ...base, timestamp: 1e300 })).not.toHaveProperty("time")
    expect(cloudEventOf({ ...base, cursor: 2 ** 40 }).cursor).toBe(String(2 ** 40))
  })
})

describe("a CloudEvent", () => {
  const least = { specversion: "1.0", id: "1", source: "/a", type: "t" }

  it("is known again by its source and id", () => {
    expect(drafted(least)).toEqual({ draft: { id: "1", kind: "t", source: "/a" }, key: 'cloudevent ["/a","1"]' })
    expect(drafted({ ...least, source: "/b" }).key).not.toBe(drafted(least).key)
  })

  it("keeps an id that cannot be ours, and gives it back", () => {
    const { draft } = drafted({ ...least, id: "urn:uuid:1/2" })
    expect(draft).toEqual({ kind: "t", source: "/a", metadata: { cloudeventid: "urn:uuid:1/2" } } satisfies Draft)
    expect(cloudEventOf({ ...base, metadata: { cloudeventid: "urn:uuid:1/2" } })).toMatchObject({ id: "urn:uuid:1/2" })
    expect(cloudEventOf({ ...base, metadata: { cloudeventid: "urn:uuid:1/2" } })).not.toHaveProperty("cloudeventid")
    expect(draftOf(least, false)).toMatchObject({ draft: { metadata: { cloudeventid: "1" } } })
  })

  it("is not believed who it says it is", () => {
    expect(drafted({ ...least, sender: "operator", channel: "x", cursor: 1, recordedat: "2020-01-01T00:00:00Z" }).draft).toEqual({ id: "1", kind: "t", source: "/a" })
  })

  it("that is none is refused with the place", () => {
    for (const [path, value] of [
      ["", "x"], ["", null], ["", []], ["specversion", { ...least, specversion: "0.3" }], ["specversion", { ...least, specversion: 1 }], ["id", { ...least, id: "" }], ["source", { ...least, source: undefined }],
      ["type", { ...least, type: "a b" }], ["type", { ...least, type: "a/b" }], ["time", { ...least, time: "yesterday" }], ["time", { ...least, time: "2026" }],
      ["data_base64", { ...least, data_base64: "%" }], ["data", { ...least, data: 1, data_base64: "AAE=" }], ["Upper", { ...least, Upper: 1 }], ["ext", { ...least, ext: { a: 1 } }],
      ["subject", { ...least, subject: 1 }], ["labels", { ...least, labels: ["a"] }]
    ] as const) expect(draftOf(value), JSON.stringify(value)).toMatchObject({ _tag: "InvalidPayload", path })
  })
})

describe("a media type", () => {
  it("is JSON by its name or its suffix", () => {
    for (const media of ["application/json", "application/json; charset=utf-8", "application/problem+json", "text/json", "APPLICATION/JSON"]) expect(isJsonMedia(media), media).toBe(true)
    for (const media of ["text/plain", "application/jsonx", "application/xml+jsonish", ""]) expect(isJsonMedia(media), media).toBe(false)
  })
})
