// Scopes: which files a claim is about, and which of many claims they touch.
export { covers, normaliseScope, normaliseWorktree, overlaps, placeOf, scopePathLengthMax, scopesOverlap, treeOf } from "./scope/algebra.ts"
export { makeScopeIndex, type ScopeIndex } from "./scope/trie.ts"
