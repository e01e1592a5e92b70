// What the state says of labels: which artifacts carry which, and from which targets a human took some. Pure.
import * as HashMap from "effect/HashMap"
import { labelledArtifactsMax } from "../../limits.ts"
import { lookup, type AuthorityState, type Draft } from "./state.ts"

const none: ReadonlyArray<string> = []

const union = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): ReadonlyArray<string> => [...new Set([...a, ...b])].sort()

/** Labels of an artifact. Of those that came after the bound nobody knows which carry which: they carry all of them. */
export const labelsOfArtifact = (state: AuthorityState, digest: string): ReadonlyArray<string> => lookup(state.artifactLabels, digest) ?? state.laterLabels

export const labelArtifacts = (state: Draft, artifacts: ReadonlyArray<string>, labels: ReadonlyArray<string>): void => {
  if (labels.length === 0 || artifacts.length === 0) return
  let { artifactLabels, laterLabels } = state
  for (const digest of artifacts) {
    const before = lookup(artifactLabels, digest)
    if (before !== undefined || HashMap.size(artifactLabels) < labelledArtifactsMax) {
      artifactLabels = HashMap.set(artifactLabels, digest, union(before ?? laterLabels, labels))
    } else laterLabels = union(laterLabels, labels)
  }
  state.artifactLabels = artifactLabels
  state.laterLabels = laterLabels
}

/** The executor that takes labels away. */
export const declassify = "declassify"
export const artifactPrefix = "artifact:"
export const eventPrefix = "event:"

/** Takes labels from an artifact, or from what follows from an event. */
export const removeLabels = (state: Draft, target: string, labels: ReadonlyArray<string>): void => {
  if (target.startsWith(artifactPrefix)) {
    const digest = target.slice(artifactPrefix.length)
    const left = labelsOfArtifact(state, digest).filter((label) => !labels.includes(label))
    // One without labels is kept in the map only where it would get the later ones otherwise.
    state.artifactLabels = left.length === 0 && state.laterLabels.length === 0 ? HashMap.remove(state.artifactLabels, digest) : HashMap.set(state.artifactLabels, digest, left)
    return
  }
  const event = target.slice(eventPrefix.length)
  state.declassified = HashMap.set(state.declassified, event, union(lookup(state.declassified, event) ?? none, labels))
}

export const removedFrom = (state: AuthorityState, event: string): ReadonlyArray<string> => lookup(state.declassified, event) ?? none

export const knowsNoArtifacts = (state: AuthorityState): boolean => HashMap.isEmpty(state.artifactLabels) && state.laterLabels.length === 0
