// Cedar policies as one rule. The rule is pure: it says what Cedar has to be asked, and reads the answer from the question;
// Cedar itself runs elsewhere. What a policy may speak of is what its schema declares, in the namespace AAAX:
//
//   question      principal           action                    resource
//   action        System::"id"        Action::"act"             Executor::"name"
//   capability    System::"id"        Action::"read" ...        Resource::"name"
//   module        System::"id"        Action::"dock"            Module::"id"
//
// `context` holds the fields of the question that the schema declares for the action, `risk` as 0 to 3, `now` to the whole
// second, the payload as canonical JSON where it is declared a string. Where the schema has an optional `approval`, a
// request that is denied is put again with a valid one: allowed then, it asks a human.
import * as Effect from "effect/Effect"
import { isRisk, Risk, type Decision, type Engine, type Judgement, type Question, type Rule } from "../../protocol/authority.ts"

/** A type of the schema, as Cedar's own JSON form of schemas has it. */
export interface CedarType {
  readonly type: string
  readonly name?: string
  readonly element?: CedarType
  readonly attributes?: Readonly<Record<string, CedarType>>
  readonly required?: boolean
}

/** What the schema says of requests: the context of each action, and types by name. */
export interface CedarShape {
  readonly contexts: Readonly<Record<string, CedarType>>
  readonly types: Readonly<Record<string, CedarType>>
}

interface Entity {
  readonly type: string
  readonly id: string
}

/** What Cedar is asked: once as it is, and once more as if a human had approved. */
export interface CedarRequest {
  readonly principal: Entity
  readonly action: Entity
  readonly resource: Entity
  readonly context: Readonly<Record<string, unknown>>
  readonly approved: Readonly<Record<string, unknown>> | null
}

export interface CedarOptions {
  /** For the banner: how many policies of which files. */
  readonly description: string
  /** Digests of the texts: part of the policy's version. */
  readonly config: Readonly<Record<string, string>>
  readonly shape: CedarShape
  /** Digest of all texts: of what an answer is an answer to, beside the request. */
  readonly policies: string
  readonly sha256: (text: string) => string
  /** Canonical JSON. */
  readonly canonical: (value: unknown) => string
  readonly known: (asked: string) => Judgement | undefined
  readonly judge: (asked: string, request: CedarRequest) => ReturnType<Engine["judge"]>
}

const name = "cedar"
const approvalMillis = 900_000
/** The human of the hypothetical approval: `AAAX::Human::"human"`, to be put into groups of approvers. */
const human = "human"

/** What cannot be said in Cedar's terms, which is denied. */
class Unfit extends Error {}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const textOf = (value: unknown, at: string): string => {
  if (typeof value !== "string") throw new Unfit(`${at} is no text`)
  // A lone surrogate ends Cedar's parser rather than the request.
  if (/\p{Surrogate}/u.test(value)) throw new Unfit(`${at} is not well-formed Unicode`)
  return value
}

/** A value as its declared type wants it, or `Unfit`. Types are not recursive, so the depth is the schema's. */
const valueOf = (type: CedarType, value: unknown, at: string, options: Pick<CedarOptions, "shape" | "canonical">): unknown => {
  const named = Object.hasOwn(options.shape.types, type.type) ? options.shape.types[type.type] : undefined
  if (named !== undefined) return valueOf(named, value, at, options)
  switch (type.type) {
    case "String":
      return textOf(typeof value === "string" ? value : options.canonical(value ?? null), at)
    case "Long":
      if (!Number.isSafeInteger(value)) throw new Unfit(`${at} is no whole number that can be told exactly`)
      return value
    case "Bool":
    case "Boolean":
      if (typeof value !== "boolean") throw new Unfit(`${at} is neither true nor false`)
      return value
    case "Set":
      if (!Array.isArray(value) || type.element === undefined) throw new Unfit(`${at} is no list`)
      return value.map((item, index) => valueOf(type.element!, item, `${at}[${index}]`, options))
    case "Record": {
      if (!isObject(value)) throw new Unfit(`${at} is no record`)
      return recordOf(type, value, at, options)
    }
    case "Entity":
      return { __entity: { type: type.name ?? "", id: textOf(value, at) } }
    default:
      throw new Unfit(`${at} is declared as ${type.name ?? type.type}, which the kernel has no value for`)
  }
}

const recordOf = (
  type: CedarType, value: Readonly<Record<string, unknown>>, at: string, options: Pick<CedarOptions, "shape" | "canonical">
): Record<string, unknown> => {
  const record: Record<string, unknown> = {}
  for (const [key, inner] of Object.entries(type.attributes ?? {})) {
    if (Object.hasOwn(value, key) && value[key] !== undefined) record[key] = valueOf(inner, value[key], `${at}.${key}`, options)
    else if (inner.required !== false) throw new Unfit(`${at}.${key} is declared as needed, and the kernel does not tell it`)
  }
  return record
}

interface Told {
  readonly principal: string
  readonly action: string
  readonly resource: Entity
  readonly facts: Readonly<Record<string, unknown>>
}

/** What the kernel tells of a question. Fields that questions gain later are told by their own names. */
const toldOf = (question: Question, { canonical, sha256 }: CedarOptions): Told => {
  const { judged: _, ...rest } = question
  switch (question.kind) {
    case "action": {
      const { executor, labels, now, risk, system } = question as typeof question & { readonly labels?: ReadonlyArray<string> }
      if (!isRisk(risk)) throw new Unfit(`risk '${risk}' is unknown`)
      const facts = {
        ...rest, risk: Risk.literals.indexOf(risk), now: Math.floor(now / 1_000) * 1_000, labels: labels ?? [],
        // What an approval is bound to.
        digest: sha256(canonical({ action: question.action, executor, target: question.target, payload: question.payload ?? null }))
      }
      return { principal: system, action: "act", resource: { type: "AAAX::Executor", id: executor }, facts }
    }
    case "capability":
      return { principal: question.system, action: question.access, resource: { type: "AAAX::Resource", id: question.resource }, facts: rest }
    case "module":
      return { principal: question.module, action: "dock", resource: { type: "AAAX::Module", id: question.module }, facts: rest }
  }
}

/** Throws `Unfit` for what Cedar cannot be asked. */
const requestOf = (options: CedarOptions, question: Question): CedarRequest => {
  const { action, facts, principal, resource } = toldOf(question, options)
  const contexts = options.shape.contexts
  const declared = Object.hasOwn(contexts, action) ? contexts[action] : undefined
  if (declared === undefined) throw new Unfit(`the schema declares no action "${action}"`)
  const type = Object.hasOwn(options.shape.types, declared.type) ? options.shape.types[declared.type]! : declared
  const { approval, ...others } = type.attributes ?? {}
  const plain: CedarType = { type: "Record", attributes: others }
  const context = recordOf(plain, facts, "context", options)
  const given = { by: human, digest: typeof facts["digest"] === "string" ? facts["digest"] : "", expiresAt: (Number(facts["now"]) || 0) + approvalMillis }
  return {
    principal: { type: "AAAX::System", id: textOf(principal, "the system") },
    action: { type: "AAAX::Action", id: action },
    resource: { type: resource.type, id: textOf(resource.id, "the resource") },
    context,
    approved: approval === undefined || approval.required !== false
      ? null
      : { ...context, approval: valueOf({ ...approval, required: true }, given, "context.approval", options) }
  }
}

/** What Cedar has to be asked, or why it cannot be. */
const askedOf = (options: CedarOptions, question: Question): { readonly request: CedarRequest; readonly asked: string } | { readonly unfit: string } => {
  try {
    const request = requestOf(options, question)
    return { request, asked: options.sha256(`${options.policies}\n${options.canonical(request)}`) }
  } catch (thrown) {
    return { unfit: thrown instanceof Error ? thrown.message : "it cannot be told" }
  }
}

const decisionOf = ({ outcome, reason }: Judgement): Decision => {
  switch (outcome) {
    case "allow":
      return { outcome }
    case "escalate":
      return { outcome, reason, to: human }
    case "deny":
      return { outcome, reason }
    case "unavailable":
      return { outcome: "deny", reason: `Cedar is unavailable: ${reason}`, unavailable: true }
  }
}

const unfitting = (reason: string): Judgement => ({ engine: name, asked: "", outcome: "deny", reason: `Cedar cannot be asked: ${reason}` })

export const rule = (options: CedarOptions): Rule => ({
  name,
  description: options.description,
  config: options.config,
  decide: (question) => {
    const asking = askedOf(options, question)
    if ("unfit" in asking) return decisionOf(unfitting(asking.unfit))
    // What was said to another request, or by other policies, is nothing that was said to this one.
    const judgement = question.judged?.find((one) => one.engine === name && one.asked === asking.asked)
    return decisionOf(judgement ?? { engine: name, asked: asking.asked, outcome: "unavailable", reason: "it was not asked" })
  },
  engine: {
    known: (question) => {
      const asking = askedOf(options, question)
      return "unfit" in asking ? unfitting(asking.unfit) : options.known(asking.asked)
    },
    judge: (question) => {
      const asking = askedOf(options, question)
      return "unfit" in asking ? Effect.succeed(unfitting(asking.unfit)) : options.judge(asking.asked, asking.request)
    }
  }
})
