// What a system hands over when it is docked, as the kernel keeps it: a checked, frozen copy. Who changes the original
// afterwards changes nothing here.
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { InvalidPayload } from "../../protocol/errors.ts"
import { Manifest, type System } from "../../protocol/manifest.ts"
import { kernelSystem, type SystemId } from "../../protocol/names.ts"
import { isReserved } from "../../protocol/well-known.ts"
import { manifestNamesMax, manifestTextMax } from "../limits.ts"
import { toText } from "../store/codec.ts"

const decode = Schema.decodeUnknownResult(Manifest)

const freeze = <A>(value: A): A => {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    for (const member of Object.values(value)) freeze(member)
    Object.freeze(value)
  }
  return value
}

/** The system with a manifest of its own, or the sentence that refuses it. `host` is an identity that is taken. */
export const keptSystem = (given: System, host: SystemId): System | string => {
  let text: string
  let code: Omit<System, "manifest">
  try {
    const { converters, drain, executors, manifest, run, schemas, securities } = given
    text = toText(manifest, "manifest")
    code = {
      ...(schemas === undefined ? {} : { schemas: { ...schemas } }),
      ...(converters === undefined ? {} : { converters: { ...converters } }),
      ...(securities === undefined ? {} : { securities: { ...securities } }),
      ...(executors === undefined ? {} : { executors: [...executors] }),
      ...(run === undefined ? {} : { run }),
      ...(drain === undefined ? {} : { drain })
    }
  } catch (thrown) {
    return thrown instanceof InvalidPayload ? `Invalid manifest at ${thrown.path}: ${thrown.reason}.` : "The system cannot be read."
  }
  if (text.length > manifestTextMax) return `The manifest is too large: ${text.length} characters, at most ${manifestTextMax} are allowed.`
  const decoded = decode(JSON.parse(text))
  if (Result.isFailure(decoded)) return `Invalid manifest: ${decoded.failure.message.replace(/\s+/gu, " ").slice(0, 500)}`
  const manifest = freeze(decoded.success)
  const { executors, id, powers, provides, reads, remoteChannels, snapshots, takes, writes } = manifest
  if (id === kernelSystem || id === host || isReserved(id) || id.startsWith(`${kernelSystem}/`)) {
    return `System id '${id}' is the kernel's own; give it another.`
  }
  const reserved = snapshots.find(isReserved)
  if (reserved !== undefined) return `Snapshot '${reserved}' cannot be put: names that begin with aaax. are the kernel's.`
  const names = [executors, powers, provides, reads, remoteChannels, snapshots, takes, writes].reduce((sum, list) => sum + list.length, 0)
  if (names > manifestNamesMax) return `The manifest names ${names} things, at most ${manifestNamesMax} are allowed.`
  return { manifest, ...code }
}
