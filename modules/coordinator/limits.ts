// Every bound of coordination, with its unit.

/** A lease: default, shortest and longest, in seconds. */
export const ttlSecondsDefault = 3_600
export const ttlSecondsMin = 30
export const ttlSecondsMax = 30 * 24 * 3_600
/** Before a lease ends its holder is told: a quarter of it, at most so long, in milliseconds. */
export const warningMillisMax = 60_000
/** Live claims of one system, and of all. */
export const claimsPerHolderMax = 128
export const claimsMax = 250_000
/** Paths of one claim, and their text in UTF-16 code units. */
export const pathsMax = 512
export const pathsTextMax = 65_536
/** One path, and one worktree, in UTF-16 code units. */
export const pathLengthMax = 4_096
/** Texts, in UTF-16 code units. */
export const taskLengthMax = 512
export const nameLengthMax = 256
export const noteLengthMax = 8_192
export const titleLengthMax = 1_024
export const descriptionLengthMax = 16_384
export const checkpointLengthMax = 65_536
export const keyLengthMax = 512
/** JSON text of a record that a seat gives (a receipt, what goes with a card or an offer), in UTF-16 code units. */
export const recordTextMax = 65_536
/** JSON text of one chat, in UTF-16 code units. */
export const chatTextMax = 900_000
/** JSON text of one entry and of one answer, in UTF-16 code units. */
export const entryTextMax = 1_000_000
/** Checkpoints of lapsed claims that are kept for whoever claims next. */
export const checkpointsMax = 10_000
/** Declared tasks, their dependencies, and progress notes. */
export const tasksMax = 50_000
export const dependenciesMax = 256
export const notesMax = 5_000
/** Offers: of one seat, and how long one stands, in milliseconds. The same for cards, of which a seat has one. */
export const offersPerSeatMax = 64
export const offerMillis = 300_000
export const tagsMax = 64
/** Chat messages that are kept, and their text in UTF-16 code units. */
export const chatsMax = 10_000
export const chatsTextMax = 64 * 1_048_576
/** A message that nobody took for so long is dead. */
export const deadMillis = 24 * 3_600_000
/** Receipts of messages whose text is kept no more although nobody took them. */
export const deadLettersMax = 1_024
/** Recipients of one message. */
export const recipientsMax = 512
/** Messages that a seat gets again when it comes back; the others are in its inbox. */
export const replayedMax = 100
/** Seats that are known, those that are gone included. */
export const seatsMax = 10_000
/** Beats of the kernel that a system may be missing from before its seat is left, in beats. */
export const beatsMissedMax = 2
/** A seat that asked nothing for so long reads nothing; in milliseconds. */
export const attentionMillis = 90_000
/** Seats that wait for one task, and tasks that one seat waits for. */
export const lineMax = 1_024
export const waitsPerSeatMax = 128
/** How long a free task is left to the next in line before the one behind is told, in milliseconds. */
export const turnMillis = 10_000
/** How long an inbox may be waited for, in milliseconds; and how many wait for one seat's. */
export const waitMillisMax = 600_000
export const inboxesPerSeatMax = 16
/** Keys of requests: so many are known however old they are, and so many at most of those of the last 24 hours. */
export const keysMin = 1_024
export const keysMax = 16_384
export const keyMillis = 24 * 3_600_000
/** Requests of which it is known what they came to, in case one comes again. */
export const answeredMax = 1_024
/** Items of a page, unless fewer are asked for, and its text in UTF-16 code units. */
export const pageItemsMax = 5_000
export const pageTextMax = 700_000
/** What comes with the first page of a list, in UTF-16 code units beside it. */
export const besidePageTextMax = 200_000
/** Requests that are decided at once, and their text in UTF-16 code units. */
export const requestsAtOnceMax = 256
export const turnTextMax = 400_000
/** What is appended at once: strings of it, in UTF-16 code units, any of which may take six of JSON; and events. */
export const batchTextMax = 150_000
export const batchEventsMax = 900
/** Text of requests, and of answers, that stays for a while after it came, in UTF-16 code units; and how long it stays in any case, in milliseconds. */
export const spentTextMax = 16 * 1_048_576
export const spentMillis = 5_000
/** Changes after which the whole state is written down again. */
export const stateEvery = 10_000
/** Entries of the ledger, and of the talk, that stay for those who look back, unless the config says otherwise. */
export const pastDefault = 100_000
/** Entries of the talk that a start reads: messages that lie behind more of them are in the whole state. */
export const talkTailMax = 50_000
/** Scopes that are said to be live or ended before those that ended are forgotten. */
export const scopesAheadMax = 10_000
/** Requests that are said to stay or to have ended before those that ended are forgotten. */
export const waitsAheadMax = 1_000
/** One page of the state, in UTF-16 code units. */
export const statePageText = 400_000
