// Every bound of the kernel, with its unit. Nothing in the kernel grows without one of these.

/** Events in one append. */
export const batchEventsMax = 1_000
/** JSON text of one append, in UTF-16 code units. */
export const batchTextMax = 1_048_576
/** Nesting of a payload. */
export const payloadDepthMax = 64
/** Keys and items of one payload, at all depths. */
export const payloadNodesMax = 100_000
/** Events in one page. */
export const pageEventsMax = 1_000
export const pageEventsDefault = 100
/** JSON text after which a page ends early, in UTF-16 code units; what lies in one block is never torn apart. */
export const pageTextMax = 8 * 1_048_576
/** Events that one filtered read without an index looks at; it answers how far it came. */
export const scanEventsMax = 10_000
/** Behind so few newest events a filtered read looks at each of them, which are in memory, and asks no index. */
export const scanNewestMax = 64
/** Text of one JSON Schema, in UTF-16 code units; schemas that a config registers; and those that channels carry themselves. */
export const schemaTextMax = 65_536
export const schemasNamedMax = 10_000
export const schemasCarriedMax = 1_000
/** Steps of checking one payload against a JSON Schema, and of matching one string of it against a pattern. */
export const schemaStepsMax = 500_000
export const patternStepsMax = 10_000_000
/** Items in one take. */
export const takeItemsMax = 1_000
/** Parents of one event. */
export const parentsMax = 100
/** Labels of one event. */
export const labelsMax = 32
/** One label, in UTF-16 code units; and the labels of one event together with those that it inherits. */
export const labelLengthMax = 200
export const labelsInheritedMax = 256
/** Artifacts whose labels are known one by one; those of later ones are put on every artifact that is not known. */
export const labelledArtifactsMax = 20_000
/** Targets that labels were taken from. */
export const declassifiedMax = 10_000
/** An idempotency key, in UTF-16 code units. */
export const keyLengthMax = 1_000
/** How long a key is kept at least. */
export const keyRetentionMillis = 24 * 3600 * 1000
/** A subject of a latest channel, in UTF-16 code units. */
export const subjectLengthMax = 4_096
/** One artifact through a port. */
export const artifactBytesMax = 64 * 1_048_576
/** JSON text of one snapshot value, in UTF-16 code units. */
export const snapshotTextMax = 16 * 1_048_576
/** Channels in one store. */
export const channelsMax = 100_000
/** Docked systems in one constellation. */
export const systemsMax = 10_000
/** Systems inside systems, counted from the outermost. */
export const subsystemDepthMax = 32
/**
 * Parsed events of the tail that are held for further live readers, in UTF-16 code units of what they take: enough for
 * readers at one pace, and so little that most of it is garbage before the collector has to carry it along.
 */
export const parsedTextMax = 2 * 1_048_576
/** JSON text of the newest events of all channels together that live readers get from memory, in UTF-16 code units. */
export const tailTextMax = 32 * 1_048_576
/** JSON text of blocks that were read from disk and are held for the next reader, in UTF-16 code units. */
export const coldTextMax = 16 * 1_048_576
/** Events whose JSON text is put together at once for all who ask for it; and what is held of such texts, in bytes. */
export const textEvents = 64
export const textsBytesMax = 8 * 1_048_576
/** What of it may be of one piece, in UTF-16 code units of what is kept. */
export const textPieceMax = 262_144
/** JSON text of one row of the log, in UTF-16 code units, unless one event alone is longer. */
export const rowTextMax = 524_288
/** Rows of the log after which their index is packed into one row. */
export const segmentRows = 4_096
/** Events whose indexed fields are in memory alone before they are written into tables, and how many rows of the tables then at once. */
export const indexEventsMax = 2_048
export const indexRowsAtOnce = 256
/** Page of the database, in bytes; that of a store which is there already stays as it is. */
export const pageBytes = 8_192
/** Write-ahead log after which a checkpoint is asked for, in bytes. */
export const checkpointBytes = 8 * 1_048_576
/** Write-ahead log beyond which the writer helps with the checkpoint, in bytes. */
export const walBytesMax = 64 * 1_048_576
/** Evicted events that are deleted in one go. */
export const sweepEventsMax = 1_000
/** How much longer than its channel's age limit an event may be kept, so that many go at once: a 64th, within these. */
export const ageSlackMillisMin = 50
export const ageSlackMillisMax = 60_000
/** Keys that are pruned in one go. */
export const pruneKeysMax = 200
/** No key is pruned so soon after opening: what was unknown before a crash may be repeated now. */
export const pruneKeysDelayMillis = 3_600_000
/** Appends of one system that wait for a commit. */
export const appendsInFlightMax = 4_096
/** Text of one system's appends that wait for a commit, in UTF-16 code units. */
export const appendsInFlightTextMax = 4 * 1_048_576
/** Requests to one service that one system may have unanswered. */
export const requestsPendingMax = 1_000
/** Grants that count to one system: those that it holds itself, and those that it gave to others. */
export const grantsMax = 10_000
/** Links of one chain of delegations, the first grant included. */
export const linksMax = 16
/** Caveats of one grant as JSON, in UTF-16 code units; globs in one of them, arguments, and segments of a pointer. */
export const caveatsTextMax = 16_384
export const caveatGlobsMax = 64
export const caveatArgumentsMax = 32
export const caveatPointerSegmentsMax = 16
/** Starts that a rate counts at most, and the longest span that it counts them in. */
export const caveatRateStartsMax = 1_000
export const caveatRateMillisMax = 30 * 24 * 3600 * 1000
/** Calls under way that the end of a grant names; the others are interrupted too. */
export const underWayNamedMax = 100
/** Actions of one system that wait for a human, are under way, or have an unknown outcome. */
export const warrantsOpenMax = 10_000
/** Actions of one system that wait for a human: who is asked more than that reads no longer. */
export const warrantsWaitingMax = 200
/** Standing approvals that are in force at once, and how long one may last, in milliseconds. */
export const standingMax = 1_000
export const standingMillisMax = 24 * 3600 * 1000
/** Newest actions that a standing approval is held against before it is given, and entries that are looked through for them. */
export const previewActions = 200
export const previewEntriesMax = 20_000
/** Actions that one answer of several is for. */
export const answersAtOnceMax = 200
/** How long a code on the kernel's terminal is good, and when another is shown for the same answer, in milliseconds. */
export const codeMillisMax = 5 * 60_000
export const codeAgainMillis = 3_000
/** Codes that are good at once; beyond it the oldest ends. */
export const codesMax = 64
/** Wrong codes or passphrases for one action before it is refused. */
export const codeTriesMax = 5
/** Wrong ones for all actions together within `codeWindowMillis` before none is looked at. */
export const codeWrongMax = 30
export const codeWindowMillis = 10 * 60_000
/** Steps of a why, and how far back it follows parents. */
export const whyStepsMax = 100
export const whyDepthMax = 20
/** Entries about one target that a why reads from the newest back. */
export const whyEntriesMax = 2_000
/** Warrants and grants that expire in one decision; the rest with the next. */
export const expiriesAtOnceMax = 200
/** Subscriptions of one system. */
export const subscriptionsMax = 10_000
/** Names in one manifest, in all its lists together, and its text in UTF-16 code units. */
export const manifestNamesMax = 400
export const manifestTextMax = 131_072
/** Budgets of systems: each action looks at all of them. */
export const budgetsMax = 200
/** Warrants that a view of a budget names. */
export const budgetWarrantsMax = 100
/** Result of an executor that is kept in the journal, in UTF-16 code units; a larger one becomes an artifact. */
export const resultTextMax = 65_536
/** Entries in one journal batch. */
export const journalBatchMax = 500
/** Canonical text of one journal batch, in UTF-16 code units, after which the rest waits for the next one. */
export const journalBatchTextMax = 524_288
/** Committed entries that wait in memory to be projected; beyond it they are read from the journal again. */
export const projectionsAheadMax = 5_000
/** Journal entries between snapshots of its fold. */
export const journalSnapshotEvery = 10_000
/** How long an escalation waits for an answer. */
export const approvalMillisDefault = 15 * 60_000
/** A jump of the wall clock beyond this is written down and expires nothing until it is confirmed. */
export const clockJumpMillis = 5 * 60_000
/** Failures of one system within `restartWindowMillis` before it is quarantined. */
export const restartsMax = 5
export const restartWindowMillis = 60_000
export const restartBackoffMillis = 100
export const restartBackoffMaxMillis = 10_000
/** Heartbeat period. */
export const heartbeatMillis = 1_000
/** Deliveries of one request to its service: it is answered in the end, however long the disk was full. */
export const requestAttemptsMax = 1_000_000_000
/** Default retention of the request and reply channels, in events. */
export const requestRetention = 100_000
/** Default time that one executor call may take. */
export const executorMillisDefault = 120_000
/** Time that an executor may take to tell whether its effect is there. */
export const statusMillisMax = 30_000
/** Executor calls under way at once. */
export const executorCallsMax = 64
/** A module that does not yield for so long is named, and the process ended. */
export const spinMillisMax = 8_000
/** Grants that the operator's terminal remembers. */
export const terminalGrantsMax = 1_000
/** Body of one HTTP request, in bytes. */
export const httpBodyBytesMax = 1_048_576
/** Connections that one HTTP listener holds, idle streams and WebSockets included. */
export const httpConnectionsMax = 4_096
/** Requests of one guest that are under way at once, streams not counted; and its streams. */
export const httpGuestRequestsMax = 512
export const httpGuestStreamsMax = 2_048
/** Requests per second that one guest sustains; so many more may come at once. */
export const httpGuestRatePerSecond = 20_000
/** Guests whose requests are counted apart; of those beyond it the least recent are forgotten. */
export const httpGuestsCountedMax = 10_000
/** Wrong credentials from one address within a minute before the answer is held back, and for how long at most, in milliseconds. */
export const httpWrongCredentialsMax = 20
export const httpWrongCredentialMillisMax = 1_000
/** Answers to wrong credentials that are held back at once; beyond it they are given at once and the connection ends. */
export const httpHeldBackMax = 256
/** Time in which a client must take what was sent, before a stream or an answer to it ends. */
export const httpStallMillis = 20_000
/** Time that the body of an artifact may take, and the silence in it that is borne. */
export const httpUploadMillis = 3_600_000
export const httpUploadSilenceMillis = 60_000
/** How long a connection without a request is kept open. */
export const httpKeepAliveMillis = 30_000
/** How long the rest of a refused body is read and thrown away, so that its sender sees the answer. */
export const httpLingerMillis = 500
/** Channels or snapshots in one answer, and events that a stream reads at once. */
export const channelsPageMax = 1_000
export const streamPageEvents = 100
/** How often streams are looked at: whether their readers may go on, and whether they were silent for long; in milliseconds. */
export const streamLookMillis = 500
/** Series of one metric, such as channels or routes. */
export const metricSeriesMax = 1_000
/** How often an exporter is told what differs from channel to channel, and sends what it has, in milliseconds. */
export const telemetryMillis = 10_000
/** Path and query of one request, in UTF-16 code units, and segments of the path. */
export const httpTargetLengthMax = 8_192
export const httpSegmentsMax = 16
/** Time in which an HTTP request must have sent its headers, and all of itself. */
export const httpHeadersMillis = 10_000
export const httpRequestMillis = 30_000
/** Silence on a stream of server-sent events before a comment is sent. */
export const httpPingMillis = 15_000
/** How long a closing HTTP door lets answers that are under way go out. */
export const httpCloseMillis = 100
/** Repetitions of an append whose outcome is unknown, and the longest pause between two of them. */
export const appendRepeatsMax = 12
export const appendRepeatMillisMax = 250
/** Items of one exclusive channel that are handed out or wait to be handed out again; beyond it no new ones are. */
export const openItemsMax = 16_384
/** Items of an exclusive channel that are read ahead at once. */
export const queuePageEvents = 512
/** Cursors that one page passes over because they are held; behind so many the page ends. */
export const heldCursorsMax = 1_000
/** Events of one channel that were removed one by one and lie still behind its floor. */
export const removedEventsMax = 16_384
/** Records in a settlement channel before one record of the whole state replaces them. */
export const settlementRecordsMax = 2_048
/** Pause before dead letters are tried again that the store did not take. */
export const deadLetterRetryMillis = 1_000
/** Content of one file that `fs.write` writes, in bytes. */
export const writeBytesMax = 4 * 1_048_576
/** What was in a file before, kept so that `fs.write` can be taken back, in bytes. */
export const writeUndoBytesMax = 1_048_576
/** Arguments of one `process.run`, and all of them together in bytes. */
export const argumentsMax = 1_000
export const argumentBytesMax = 131_072
/** Standard input that `process.run` hands to a program, in bytes. */
export const processInputBytesMax = 1_048_576
/** What `process.run` keeps of each of a program's two outputs, in bytes: the first and the last half. */
export const processOutputBytesDefault = 16_384
export const processOutputBytesMax = 1_048_576
/** Time that a program may take, and what it has between being asked to end and being killed. */
export const processMillisDefault = 60_000
export const processMillisMax = 3_600_000
export const processGraceMillis = 2_000
/** A guardian of child processes that has nothing to do is let go. */
export const guardianIdleMillis = 60_000
/** Entries that a reading power lists under one root. */
export const listEntriesMax = 1_000_000
/** Bytes that a reading power hands out of one file. */
export const readBytesMax = 64 * 1_048_576
/** Commits that a reading power gives at once. */
export const commitsMax = 100_000
/** Time that one run of git may take. */
export const gitMillisMax = 120_000
/** Longest delay of an item that was given back. */
export const nackDelayMillisMax = 30 * 24 * 3600 * 1000
/** One artifact that is streamed in, in bytes. */
export const artifactStreamBytesMax = 8 * 1024 * 1_048_576
/** Artifacts that one system put, together and counting equal ones each time, in bytes. */
export const artifactQuotaBytes = 64 * 1024 * 1_048_576
/** Artifacts of one store together, in bytes on disk. */
export const artifactsBytesMax = 256 * 1024 * 1_048_576
/** Piece of an artifact that has a digest of its own, in bytes: what a range reads at least. */
export const artifactChunkBytes = 262_144
/** What an artifact is gathered in on its way to the disk, in bytes; each upload has two of these. */
export const artifactBufferBytes = 1_048_576
/** Bytes that were streamed in and that no record names are removed after so long, in milliseconds. */
export const artifactGraceMillis = 3_600_000
/** How often it is looked for them, in milliseconds. */
export const artifactSweepMillis = 600_000
/** Artifacts that come inside JSON: one body, and all that are held in memory at once, in bytes. */
export const artifactJsonBytesMax = 24 * 1_048_576
export const artifactJsonTotalBytesMax = 64 * 1_048_576
/** Events that one artifact belongs to. */
export const artifactEventsMax = 100
/** Shared subscriptions that one system creates, and metadata of one subscription or artifact in UTF-16 code units. */
export const sharedSubscriptionsMax = 10_000
export const resourceMetadataTextMax = 65_536
/** Creators whose use of subscriptions and artifacts is remembered; that of the others is counted again. */
export const talliesMax = 1_000
/** Events that one query or pull looks at for its filter; then it answers how far it came. */
export const queryScanEventsMax = 1_000_000
/** Events that a lag counts one by one where cursors have holes. */
export const lagCountMax = 10_000
/** WebSockets of one kernel, and those of one guest. */
export const socketsMax = 3_072
export const socketsOfGuestMax = 2_048
/** WebSockets that have not said who they are; and the time in which they must. */
export const socketStrangersMax = 256
export const socketHelloMillis = 5_000
/** Silence after which a WebSocket is asked whether it is there, and after which it is gone. */
export const socketPingMillis = 10_000
export const socketSilenceMillis = 25_000
/** Frames per second that one WebSocket sustains before it is slowed; so many more may come at once. */
export const socketFramesPerSecond = 20_000
/** What was sent and not yet taken by one WebSocket's client, in bytes; beyond it nothing more is read for it. */
export const outboxBytesMax = 262_144
/** Time in which a WebSocket's client must take what was sent. */
export const outboxMillisMax = 5_000
/** Subscriptions of one WebSocket, and channels that one pattern follows. */
export const feedsMax = 1_024
export const feedChannelsMax = 10_000
/** Events that a subscription may send ahead when it does not say how many, and at most. */
export const feedCreditDefault = 1_000
export const feedCreditMax = 1_000_000
/** A subscription that is busy sends again after a pause for each that follows with it, and at most so long: what comes one by one then goes out together. */
export const feedPauseMillis = 0.1
export const feedPauseMillisMax = 10
/** Calls of one session that have no answer yet, and answers that are kept until they have arrived. */
export const socketCallsMax = 256
export const socketAnswersMax = 1_024
/** How long leases are kept for a session whose connection broke, and how long the session itself. */
export const sessionGraceMillis = 15_000
export const sessionMillisMax = 600_000
/** Sessions without a connection. */
export const sessionsLostMax = 1_024
/** Systems that one session docks. */
export const sessionSystemsMax = 64
/** Time in which a remote system must check one payload. */
export const remoteCheckMillis = 5_000
/** How long a remote system may take to end when it is stopped. */
export const remoteStopMillis = 2_000
/** One text or JSON value in a `.sssn` directory, in UTF-16 code units. */
export const localTextMax = 16 * 1_048_576
/** Events in one page of a `.sssn` directory. */
export const localPageEventsMax = 100_000
/** A bearer token, in characters. */
export const credentialLengthMax = 8_192
/** Credentials that are remembered as checked; beyond it the least recently used is checked again. */
export const credentialsMax = 10_000
/** How often it is looked for credentials that have ended, in milliseconds. */
export const credentialSweepMillis = 1_000
/** Guests that are docked at once; beyond it the one that was not heard of for the longest time leaves. */
export const guestsMax = 5_000
/** Tokens that are good at once, and globs in one of them. */
export const tokensMax = 10_000
export const tokenChannelsMax = 32
/** A config of refs, in bytes. */
export const refConfigBytesMax = 1_048_576
/** Tokens and subjects that one channel security holds as revoked. */
export const revokedTokensMax = 100_000
/** Messages that one guest of the transport of single channels holds, and guests and channels whose places are remembered. */
export const transportLeasesMax = 16_384
export const transportReadersMax = 10_000
/** How often a decision is made anew because what its policy's engine was asked has moved meanwhile. */
export const judgementRoundsMax = 8
/** A secret has so many characters: a shorter one could not be struck out of texts without striking out others. And at most, in bytes. */
export const secretLengthMin = 8
export const secretBytesMax = 16_384
/** Secrets of one config, and earlier values of one that are still struck out after it was changed. */
export const secretsMax = 200
export const secretValuesMax = 8
/** A spelling of a secret that is shorter is not looked for, in characters. */
export const redactedSpellingMin = 8
/** Entries of the journal, and milliseconds, after which a checkpoint of it is signed when something changed. */
export const checkpointEntriesDefault = 1_000
export const checkpointMillisDefault = 10_000
/** File of checkpoints that is written anew with so many of its newest ones when it is larger, in bytes. */
export const checkpointFileBytesMax = 1_048_576
export const checkpointsKept = 256
/** Checkpoints that wait for one witness, and the time that it may take for one. */
export const witnessWaitingMax = 16
export const witnessMillisMax = 10_000
/** Entries before the newest snapshot that are checked when a kernel starts; of a longer journal the rest is checked while it runs. */
export const journalCheckedAtStart = 10_000
/** Keys of systems outside that are enrolled at once. */
export const enrolmentsMax = 10_000
/** Links that were signed elsewhere and met below one grant, those that have ended included. */
export const linksOfGrantMax = 1_000
/** Tokens that were read and are remembered by their text; whether they still stand is asked each time. */
export const chainsReadMax = 4_096
/** Public keys that are held ready. */
export const publicKeysMax = 1_024
/** Proofs that are remembered so that none is taken twice, of one system and of all together. */
export const proofsOfSystemMax = 65_536
export const proofsMax = 262_144
/** Default and longest life of a token for a grant, in seconds; it ends with its grant in any case. */
export const rootSecondsDefault = 24 * 3600
export const rootSecondsMax = 30 * 24 * 3600
/** Cedar: policies and entities of one set, and their texts together, in UTF-16 code units. */
export const cedarPoliciesMax = 1_000
export const cedarEntitiesMax = 1_000
export const cedarTextMax = 1_048_576
/** How long Cedar may take for one question, and to load a set; then its process is ended and started anew. */
export const cedarAskMillis = 2_000
export const cedarLoadMillis = 15_000
/** Pause before its process is started again: the first, doubled with each failure, and the longest. */
export const cedarRestartMillis = 250
export const cedarRestartMillisMax = 30_000
/** Questions that wait for Cedar, and answers of one set that are remembered. */
export const cedarAsksMax = 4_096
export const cedarAnswersMax = 10_000
/** Heap of its process, in megabytes. */
export const cedarHeapMegabytes = 256
/** Time in which a program that was started must say what it is, in milliseconds. */
export const tierBootMillis = 10_000
/** How often a program of a tier is asked whether its loop turns, and how long it may not answer; a program of another language has longer, in milliseconds. */
export const tierPingMillis = 1_000
export const tierSilenceMillis = 10_000
export const tierForeignSilenceMillis = 60_000
/** How long a program may hold items that it took without doing anything, in milliseconds: longer than a human is waited for. */
export const tierStallMillis = 30 * 60_000
/** Memory of one program, in bytes, of which the part for JavaScript objects; and how often it is looked at, in milliseconds. */
export const tierMemoryBytes = 512 * 1_048_576
export const tierHeapBytes = 256 * 1_048_576
export const tierLookMillis = 100
/** Address space of a program beside its memory, in bytes: Node reserves it and does not use it. */
export const tierReservedBytes = 1_600_000_000
/** Processor time of one program, in seconds. */
export const tierProcessorSeconds = 24 * 3600
/** Processes and threads in one jail, and what it may write, in memory, in bytes. */
export const tierProcessesMax = 128
export const tierScratchBytes = 8 * 1_048_576
/** How long a program that nobody runs any more is kept, and what it has between its pipe's end and being killed, in milliseconds. */
export const tierIdleMillis = 1_000
export const tierEndMillis = 500
/** Lines of a program's standard error that are logged per second, and characters of each. */
export const tierLogLinesPerSecond = 100
export const tierLogLineLength = 1_000
/** Looks through reading powers of one program that are under way. */
export const tierLooksMax = 64
/** Modules that wait for an approval because they ask for more. */
export const heldModulesMax = 64
/** Files of one module, and their bytes together. */
export const moduleFilesMax = 2_000
export const moduleBytesMax = 16 * 1_048_576
/** Read at once by `fs.read`, in bytes, unless config says otherwise. */
export const readAtOnceBytesMax = 4 * 1_048_576
/** Bytes of a file or an answer that stand in a result; more become an artifact. */
export const resultBytesInline = 32_768
/** How far around a piece of a file it is looked for secrets that reach into it, in bytes: the longest spelling of the longest one. */
export const redactionMarginBytes = 4 * 16_384
/** One `http.fetch`: its time with all redirects, the connection, its redirects, its own body, its headers, and the answer unpacked. */
export const fetchMillisDefault = 30_000
export const fetchMillisMax = 600_000
export const fetchConnectMillis = 10_000
export const fetchRedirectsMax = 5
export const fetchBodyBytesMax = 1_048_576
export const fetchHeadersMax = 64
export const fetchHeaderBytesMax = 16_384
export const fetchAnswerBytesDefault = 8 * 1_048_576
/** Addresses of one name that are tried one after the other. */
export const fetchAddressesMax = 4
/** Times in a row that something could not be reached before it is left alone, for how long, and how many are remembered. */
export const circuitFailuresMax = 5
export const circuitOpenMillis = 30_000
export const circuitsMax = 1_000
/** Tokens of one answer that a backend gives at most when nobody says. */
export const llmTokensDefault = 4_096
/** An answer, and a file of recorded ones, in UTF-16 code units. */
export const llmAnswerMax = 4 * 1_048_576
export const llmReplayBytesMax = 64 * 1_048_576
/** One question to a model. */
export const llmMillisDefault = 300_000
/** What is kept of one run of git, in bytes; its message of a commit, and the paths that it is told. */
export const gitOutputBytesMax = 1_048_576
export const gitMessageBytesMax = 16_384
export const gitPathsMax = 1_000
/** Files of an lllm package, the bytes of each, and how deep its folders lie. */
export const packageFilesMax = 1_000
export const packageFileBytesMax = 1_048_576
export const packageDepthMax = 16
/** What a call may say of how far it has come: one piece in UTF-16 code units of JSON, pieces that wait to be told, and what is kept of all. */
export const progressTextMax = 65_536
export const progressWaitingMax = 1_000
export const progressRetention = 10_000
/** Lines of a relay's file that are kept when it is trimmed, and bytes of it from which on it is trimmed whatever its lines. */
export const relayLinesDefault = 5_000
export const relayBytesMax = 64 * 1_048_576
/** One frame of the synapse wire either way, in bytes; and what the list in one may take of it. */
export const synapseFrameBytesMax = 1_048_576
export const synapseListBytesMax = 1_000_000
/** Of a task's name, what a refusal says again; in UTF-16 code units. No task has a longer one. */
export const synapseEchoMax = 512
/** Name of a seat that comes over a door, in bytes; its system id must fit into a name as well. */
export const synapseNameBytesMax = 256
/** Connections of one synapse door when its config names no number, and those of one address. */
export const synapseClientsDefault = 1_024
export const synapseClientsMax = 10_000
/** Requests of one synapse connection that have no answer yet, and those that wait for something; beyond it no more is read of it. */
export const synapseAsksMax = 64
export const synapseWaitsMax = 16
/** Connections that act beside the one that has a seat of the synapse wire. */
export const synapseBesideMax = 16
/** Heartbeats and frames that cannot be read which one connection may send at once, and how many more a second. */
export const synapseBeatsBurst = 60
export const synapseBeatsPerSecond = 10
/** Bindings of one name that may come at once, and how many more a second; the others wait. */
export const synapseBindsBurst = 10
export const synapseBindsPerSecond = 1
/** Buckets that are remembered after their connection was closed. */
export const synapseBucketsMax = 10_000
/** Silence after which a synapse connection is pinged, how long it may take to answer, and in which it must say who it is, in milliseconds. */
export const synapsePingMillis = 15_000
export const synapsePongMillis = 14_000
export const synapseBindMillis = 10_000
/** Time in which a synapse client must take what was sent, in milliseconds; and what may wait for it, in bytes. */
export const synapseStuckMillis = 4_000
export const synapseOutboxBytesMax = 4 * 1_048_576
/** Those who listen to the synapse wire are served again after a pause for each of them, and at most so long, in milliseconds. */
export const synapseTapeMillisPerClient = 0.25
export const synapseTapeMillisMax = 8
/** Frames that others are sent on behalf of one synapse connection, per second; so many more may come at once, then less is read of it. */
export const synapseDeliveriesPerSecond = 100_000
