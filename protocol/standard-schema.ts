// The Standard Schema interface (standardschema.dev, version 1): what any payload schema must offer.

/** Implemented by Effect Schema (`Schema.toStandardSchemaV1`), Zod, Valibot and others. */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly "~standard": {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: ReadonlyArray<StandardIssue> }

export interface StandardIssue {
  readonly message: string
  readonly path?: ReadonlyArray<PropertyKey | { readonly key: PropertyKey }> | undefined
}

/** What a schema says of a value where there is no time to wait: one that answers later takes nothing. */
export const validateNow = <Output>(schema: StandardSchemaV1<unknown, Output>, value: unknown): StandardResult<Output> => {
  const result = schema["~standard"].validate(value)
  return result instanceof Promise ? { issues: [{ message: "its schema answers asynchronously; it has to answer at once" }] } : result
}

/** `a.b[0]` of an issue's path. */
export const issuePath = (issue: StandardIssue): string =>
  (issue.path ?? [])
    .map((part) => (typeof part === "object" ? part.key : part))
    .map((key, at) => (typeof key === "number" ? `[${key}]` : `${at === 0 ? "" : "."}${String(key)}`))
    .join("")
