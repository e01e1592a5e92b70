// The `traceparent` of W3C Trace Context: which trace something belongs to.

/** A longer one, of a version to come, is not carried. */
const lengthMax = 256

/** Whether it is one. What is none is ignored, as the recommendation asks, and never a reason to refuse anything. */
export const isTraceparent = (text: string): boolean => {
  const [, version = "ff", trace = "", parent = "", rest = ""] = /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}(-.*)?$/u.exec(text) ?? []
  return version !== "ff" && (version !== "00" || rest === "") && text.length <= lengthMax && !/^0+$/u.test(trace) && !/^0+$/u.test(parent)
}
