// `fetch` for whoever has an enrolled key: every request is proven to come from it. The kernel says at the first request which
// nonce its proofs need, and says it again when it was started anew.
import { nonceHeader, type EnrolledKey } from "../../protocol/act.ts"
import { prove, proofHeader } from "./key.ts"

export interface ProvingOptions {
  readonly url: string
  readonly key: EnrolledKey
  readonly fetch?: typeof fetch
}

/** A request whose body names a capability token is proven with that. */
export const tokenHeader = "x-aaax-capability"

const hasBody = (method: string): boolean => method !== "GET" && method !== "HEAD" && method !== "DELETE"

export const provingFetch = ({ key, url, ...options }: ProvingOptions): typeof fetch => {
  const send = options.fetch ?? fetch
  let nonce: string | undefined

  const learn = async (signal: AbortSignal | undefined): Promise<string> => {
    // Without a credential it is no wrong one.
    const response = await send(`${url.replace(/\/+$/u, "")}/v1/status`, signal === undefined ? {} : { signal })
    await response.arrayBuffer()
    return response.headers.get(nonceHeader) ?? ""
  }

  const proving: typeof fetch = async (input, init) => {
    const request = new Request(input, init)
    const body = hasBody(request.method) ? new Uint8Array(await request.arrayBuffer()) : undefined
    const { pathname, search } = new URL(request.url)
    const token = request.headers.get(tokenHeader)
    for (let tries = 0; ; tries++) {
      const used = (nonce ??= await learn(init?.signal ?? undefined))
      const proof = await prove(key, {
        method: request.method, target: `${pathname}${search}`, nonce: used, ...(body === undefined ? {} : { body }), ...(token === null ? {} : { token })
      })
      const headers = new Headers(request.headers)
      headers.delete(tokenHeader)
      headers.set("authorization", proofHeader(proof))
      const response = await send(request.url, { ...init, method: request.method, headers, ...(body === undefined ? {} : { body }) })
      const told = response.headers.get(nonceHeader)
      if (response.status !== 401 || told === null || told === used || tries > 0) return response
      nonce = told
      await response.arrayBuffer()
    }
  }
  return proving
}
