// Headers of a request.
import type { Asked } from "./surface.ts"

/** The one value of a header, when it is there; the first of several. */
export const headerOf = (headers: Asked["headers"], name: string): string | undefined => {
  const value = headers[name]
  return typeof value === "string" ? value : value?.[0]
}
