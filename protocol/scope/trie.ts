// The scopes of many claims by worktree and segment, so that a new one is held against those that it can touch and no others.
import { plainTokens, segmentsMeet, tokensCover, tokensMeet, tokensOf, treeOf, type Token, type Tokens } from "./algebra.ts"

/** Worktrees are told apart as `treeOf` does. */
export interface ScopeIndex<T> {
  /** `value` names the scope: it is in the index once. */
  readonly add: (worktree: string, paths: ReadonlyArray<string>, owner: string, value: T) => void
  readonly remove: (worktree: string, paths: ReadonlyArray<string>, owner: string, value: T) => void
  /**
   * A scope of somebody else that touches these paths, other than `except`: the one that was added first, unless there are very
   * many.
   */
  readonly firstConflict: (worktree: string, paths: ReadonlyArray<string>, owner: string, except?: T) => T | undefined
  /** Every scope that a plain path lies in, in the order of their adding. */
  readonly covering: (worktree: string, path: string) => ReadonlyArray<T>
  /** Said once: where scopes are that name no worktree, those that are there already included. */
  readonly settle: (folder: string) => void
}

interface Entry<T> {
  readonly order: number
  readonly owner: string
  readonly value: T
  readonly items: ReadonlyArray<Tokens>
}

/** What lies below one folder. Scopes end here, or go on from here with a pattern. */
interface Node<T> {
  readonly children: Map<string, Node<T>>
  readonly here: Set<Entry<T>>
  readonly wild: Map<Entry<T>, Array<Tokens>>
}

/** Conflicts that are compared for the one that was there first. */
const comparedMax = 256
const root: ReadonlyArray<Tokens> = [[]]

const makeNode = <T>(): Node<T> => ({ children: new Map(), here: new Set(), wild: new Map() })

const literalLength = (tokens: Tokens): number => {
  let length = 0
  while (typeof tokens[length] === "string") length++
  return length
}

/** One worktree's scopes. */
interface Tree<T> {
  readonly top: Node<T>
  readonly entries: Map<T, Entry<T>>
}

/** A search for what touches one item. */
class Search<T> {
  readonly owner: string
  readonly except: T | undefined
  best: Entry<T> | undefined = undefined
  compared = 0

  constructor(owner: string, except: T | undefined) {
    this.owner = owner
    this.except = except
  }

  found(entry: Entry<T>): void {
    if (entry.owner === this.owner || entry.value === this.except) return
    this.compared++
    if (this.best === undefined || entry.order < this.best.order) this.best = entry
  }

  isDone(): boolean {
    return this.compared >= comparedMax
  }

  /** Everything below a node. */
  all(node: Node<T>): void {
    const open: Array<Node<T>> = [node]
    for (let next = open.pop(); next !== undefined && !this.isDone(); next = open.pop()) {
      for (const entry of next.here) this.found(entry)
      for (const entry of next.wild.keys()) this.found(entry)
      for (const child of next.children.values()) open.push(child)
    }
  }

  /** What touches `tokens`, of which `at` and what follows lie below `node`. */
  below(node: Node<T>, tokens: Tokens, at: number): void {
    const open: Array<readonly [Node<T>, number]> = [[node, at]]
    for (let next = open.pop(); next !== undefined && !this.isDone(); next = open.pop()) {
      const [here, from] = next
      if (from === tokens.length) {
        this.all(here)
        continue
      }
      for (const entry of here.here) this.found(entry)
      for (const [entry, items] of here.wild) {
        if (entry.owner !== this.owner && items.some((item) => tokensMeet(item, tokens, 0, from))) this.found(entry)
      }
      const token: Token = tokens[from]!
      if (typeof token === "string") {
        const child = here.children.get(token)
        if (child !== undefined) open.push([child, from + 1])
      } else if (token === null) {
        open.push([here, from + 1])
        for (const child of here.children.values()) open.push([child, from])
      } else {
        for (const [name, child] of here.children) if (segmentsMeet(token, name)) open.push([child, from + 1])
      }
    }
  }
}

/** Worktrees whose trees are remembered. */
const namesMax = 1_024

export const makeScopeIndex = <T>(): ScopeIndex<T> => {
  const trees = new Map<string, Tree<T>>()
  const names = new Map<string, string>()
  let orders = 0
  let folder = ""

  const nameOf = (worktree: string): string => {
    let name = names.get(worktree)
    if (name === undefined) {
      if (names.size >= namesMax) names.clear()
      names.set(worktree, (name = treeOf(worktree, folder)))
    }
    return name
  }

  const itemsOf = (paths: ReadonlyArray<string>): ReadonlyArray<Tokens> => (paths.length === 0 ? root : paths.map(tokensOf))

  const enter = (name: string, entry: Entry<T>): void => {
    let tree = trees.get(name)
    if (tree?.entries.has(entry.value) === true) forget(name, entry.value)
    tree = trees.get(name)
    if (tree === undefined) trees.set(name, (tree = { top: makeNode(), entries: new Map() }))
    tree.entries.set(entry.value, entry)
    for (const item of entry.items) {
      let node = tree.top
      const length = literalLength(item)
      for (let at = 0; at < length; at++) {
        const segment = item[at] as string // as far as its length, all of them are
        let child = node.children.get(segment)
        if (child === undefined) node.children.set(segment, (child = makeNode()))
        node = child
      }
      if (length === item.length) node.here.add(entry)
      else {
        const rest = item.slice(length)
        const known = node.wild.get(entry)
        if (known === undefined) node.wild.set(entry, [rest])
        else known.push(rest)
      }
    }
  }

  const forget = (name: string, value: T): void => {
    const tree = trees.get(name)
    const entry = tree?.entries.get(value)
    if (tree === undefined || entry === undefined) return
    tree.entries.delete(value)
    if (tree.entries.size === 0) return void trees.delete(name)
    for (const item of entry.items) {
      const path: Array<Node<T>> = [tree.top]
      const length = literalLength(item)
      for (let at = 0; at < length; at++) {
        const child = path[at]!.children.get(item[at] as string) // as above
        if (child === undefined) break
        path.push(child)
      }
      const last = path[path.length - 1]!
      if (path.length === length + 1) {
        last.here.delete(entry)
        last.wild.delete(entry)
      }
      for (let at = path.length - 1; at > 0; at--) {
        const { children, here, wild } = path[at]!
        if (children.size + here.size + wild.size > 0) break
        path[at - 1]!.children.delete(item[at - 1] as string) // as above
      }
    }
  }

  const firstConflict = (worktree: string, paths: ReadonlyArray<string>, owner: string, except?: T): T | undefined => {
    const tree = trees.get(nameOf(worktree))
    if (tree === undefined) return undefined
    const search = new Search<T>(owner, except)
    for (const item of itemsOf(paths)) {
      if (item.length === 0) {
        // Everything touches it: the first of somebody else is the one.
        for (const entry of tree.entries.values()) {
          search.found(entry)
          if (search.best === entry) break
        }
        break
      }
      search.below(tree.top, item, 0)
      if (search.isDone()) break
    }
    return search.best?.value
  }

  const covering = (worktree: string, path: string): ReadonlyArray<T> => {
    const tree = trees.get(nameOf(worktree))
    if (tree === undefined) return []
    const tokens = plainTokens(path)
    const found = new Set<Entry<T>>()
    let node: Node<T> | undefined = tree.top
    for (let at = 0; node !== undefined; at++) {
      for (const entry of node.here) found.add(entry)
      const rest = at === 0 ? tokens : tokens.slice(at)
      for (const [entry, items] of node.wild) if (items.some((item) => tokensCover(item, rest))) found.add(entry)
      if (at === tokens.length) break
      node = node.children.get(tokens[at] as string) // those of a plain path are text
    }
    return [...found].sort((a, b) => a.order - b.order).map(({ value }) => value)
  }

  const settle = (given: string): void => {
    if (folder !== "") return
    folder = given
    names.clear()
    const name = nameOf("")
    const moved = trees.get("")
    if (name === "" || moved === undefined) return
    trees.delete("")
    const there = trees.get(name)
    if (there === undefined) return void trees.set(name, moved)
    // Of both, in the order of their adding.
    const entries = [...there.entries.values(), ...moved.entries.values()].sort((a, b) => a.order - b.order)
    trees.delete(name)
    for (const entry of entries) enter(name, entry)
  }

  return {
    add: (worktree, paths, owner, value) => enter(nameOf(worktree), { order: ++orders, owner, value, items: itemsOf(paths) }),
    remove: (worktree, _paths, _owner, value) => forget(nameOf(worktree), value),
    firstConflict, covering, settle
  }
}
