// A request as a span of the trace that its client is in. What it causes is told to belong to that span.
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { headerOf } from "./header.ts"
import type { Incoming } from "./incoming.ts"
import type { Answer } from "./surface.ts"

const shape = /^[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})$/u

/** The span that a client names, as W3C trace context says. */
const parentOf = (header: string | undefined): Tracer.ExternalSpan | undefined => {
  const [, traceId, spanId, flags] = shape.exec(header ?? "") ?? []
  if (traceId === undefined || spanId === undefined || flags === undefined || /^0+$/u.test(traceId) || /^0+$/u.test(spanId)) return undefined
  return Tracer.externalSpan({ traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 })
}

export const traced = <E>(asked: Incoming, surface: string, program: Effect.Effect<Answer, E>): Effect.Effect<Answer, E> => {
  const parent = parentOf(headerOf(asked.headers, "traceparent"))
  return Effect.useSpan(
    `${asked.method} /${surface}`,
    { kind: "server", ...(parent === undefined ? { root: true } : { parent }), attributes: { "http.request.method": asked.method } },
    (span) => {
      asked.headers = { ...asked.headers, traceparent: `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}` }
      return Effect.tap(Effect.withParentSpan(program, span), ({ route, status }) =>
        Effect.sync(() => {
          span.attribute("http.response.status_code", status)
          span.attribute("http.route", Option.getOrElse(Option.fromUndefinedOr(route), () => ""))
        }))
    }
  )
}
