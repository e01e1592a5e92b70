// A store of which some entries cannot be read any more, and one that takes nothing from some moment on.
import * as Effect from "effect/Effect"
import type { StoreService } from "../../kernel/store/store.ts"
import { StoreCorrupt, StoreUnavailable } from "../../protocol/errors.ts"

/** These cursors of a channel cannot be read. */
export const damaged = (store: StoreService, name: string, cursors: ReadonlyArray<number>): StoreService => ({
  ...store,
  read: (channel, options) =>
    Effect.flatMap(store.read(channel, options), (page) => {
      const broken = channel === name ? page.events.find(({ cursor }) => cursors.includes(cursor)) : undefined
      return broken === undefined ? Effect.succeed(page) : Effect.fail(new StoreCorrupt({ where: `${name}#${broken.cursor}`, reason: "its checksum is wrong" }))
    })
})

/** `isDown` is asked before each change of these channels and of a snapshot. */
export const failing = (store: StoreService, isOf: (channel: string) => boolean, isDown: (what: string) => boolean): StoreService => {
  const down = Effect.fail(new StoreUnavailable({ reason: "the test says so" }))
  return {
    ...store,
    append: (channel, drafts, options) => (isOf(channel) && isDown(`append ${channel}`) ? down : store.append(channel, drafts, options)),
    putSnapshot: (draft, sender, options) => (isDown(`snapshot ${draft.name}`) ? down : store.putSnapshot(draft, sender, options)),
    evict: (channel, floor) => (isOf(channel) && isDown(`evict ${channel}`) ? down : store.evict(channel, floor))
  }
}
