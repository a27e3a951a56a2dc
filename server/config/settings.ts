/**
 * Every value an operator can set, in one table: type, unit, default, bounds and what it is for. The TOML file, the flags, the
 * environment, the printed configuration and its type are all made from this table.
 */
import { LIMIT } from '../../protocol/generated/registry.js'
import { SHARDS_MAX } from '../../storage/shards-file.js'
import { CLUSTER_LIMITS } from '../cluster/environment.js'
import { PRESENCE_LIMITS } from '../presence/limits.js'
import { SHARD_LIMITS } from '../shard/environment.js'

/** One configurable value. Numbers are whole and lie from `min` to `max`; a text with `choices` is one of them. */
export interface Setting<T> {
  readonly type: 'integer' | 'boolean' | 'text' | 'list'
  readonly default: T
  readonly unit: string
  readonly min: number
  readonly max: number
  readonly choices: readonly string[] | null
  readonly doc: string
}

export type Value = number | boolean | string | readonly string[]

const DAY_MS = 86_400_000

function integer(value: number, min: number, max: number, unit: string, doc: string): Setting<number> {
  return { type: 'integer', default: value, unit, min, max, choices: null, doc }
}

function flag(value: boolean, doc: string): Setting<boolean> {
  return { type: 'boolean', default: value, unit: '', min: 0, max: 0, choices: null, doc }
}

function text(value: string, doc: string, choices: readonly string[] | null = null): Setting<string> {
  return { type: 'text', default: value, unit: '', min: 0, max: 4096, choices, doc }
}

function list(value: readonly string[], doc: string): Setting<readonly string[]> {
  return { type: 'list', default: Object.freeze([...value]), unit: '', min: 0, max: 64, choices: null, doc }
}

/** The table. A section is a TOML table; a key `devicesMax` of `limits` is `CHATD_LIMITS_DEVICES_MAX` in the environment. */
export const SETTINGS = {
  data: {
    directory: text('chatd-data', 'where everything is stored; made if it is not there'),
    engine: text('auto', 'storage engine of a new data directory; auto: rocksdb where its binary loads, else leveldb',
      ['auto', 'rocksdb', 'leveldb']),
    shards: integer(1, 1, SHARDS_MAX, 'shards', 'parts that a new data directory has, each with a store and, where there is no cluster, a process of its own; of a cluster the same at all nodes. One that is there keeps what it has: see chatd split'),
    messageDays: integer(0, 0, 36_500, 'days', 'messages older than this are deleted; 0: never'),
    residentUsersMax: integer(20_000, 100, 100_000_000, 'users', 'users kept in memory beside those that are online'),
    residentConversationsMax: integer(50_000, 100, 100_000_000, 'conversations', 'conversations kept in memory beside those in use'),
    gatherOperations: integer(16, 0, 1_000_000, 'operations', 'after a commit of more operations than this the next one waits for company'),
    gatherMs: integer(SHARD_LIMITS.gatherMs, 0, 1000, 'ms', 'how long it waits'),
    gatherMsMax: integer(SHARD_LIMITS.gatherMsMax, 0, 1000, 'ms',
      'how long it waits at most while more comes in without a pause, once it is crowded'),
    gatherBytesMax: integer(SHARD_LIMITS.gatherBytesMax, 4096, 1_073_741_824, 'bytes', 'and how much it may gather in that time'),
    crowdedOperations: integer(SHARD_LIMITS.crowdedOperations, 1, 1_000_000, 'operations',
      'once a commit has so many, devices above their rate wait for the next one, so that the others need not'),
    crowdedBytes: integer(SHARD_LIMITS.crowdedBytes, 4096, 1_073_741_824, 'bytes', 'the same in bytes'),
    journalMs: integer(SHARD_LIMITS.journalMs, 10, 60_000, 'ms',
      'how long devices that are connected have to acknowledge what is in the journal before it is written to their queues as well'),
    watermarkDelayMs: integer(SHARD_LIMITS.watermarkDelayMs, 0, 1000, 'ms',
      'how long a delivered or read watermark, or a receipt in each shard on its way, may wait to be committed along with messages; 0: not at all'),
  },
  listen: {
    urls: list(['tcp://127.0.0.1:5322', 'ws://127.0.0.1:5380'], 'where to listen: tcp://, tls://, ws://, wss://; port 0 takes any free one'),
    allowPlaintext: flag(false, 'allow tcp:// and ws:// beyond loopback: passwords and messages are then readable on the way'),
    tlsCertificate: text('', 'PEM file with the certificate chain of tls:// and wss://; read again on SIGHUP'),
    tlsKey: text('', 'PEM file with the private key of tls:// and wss://; read again on SIGHUP'),
    origins: list([], 'web origins beside the server\'s own host whose pages may open a WebSocket (https://chat.example); "*" is any'),
    workers: integer(1, 0, 256, 'processes', 'processes that take clients, beside the one that has the store; 1: one process does all; 0: as many as there are processors. What limits say of connections, addresses and registrations in all is divided among them'),
    backlog: integer(4096, 1, 65_535, 'connections', 'connections the kernel may hold before they are accepted; never more than it allows itself (net.core.somaxconn)'),
  },
  admin: {
    url: text('http://127.0.0.1:5390', 'health and metrics, for the operator alone: keep it on loopback; empty turns it off'),
  },
  auth: {
    scramIterations: integer(100_000, LIMIT.scramIterationsMin, LIMIT.scramIterationsMax, 'iterations',
      'work that a guessed password costs; counts for passwords set from now on'),
    requireEncryption: flag(false, 'refuse authentication on tcp:// and ws://, also on loopback'),
    registration: text('closed', 'who may make an account by itself: nobody, everybody, or who has an invite', ['closed', 'open', 'invite']),
    registrationsBurst: integer(5, 1, 1_000_000, 'attempts', 'attempts of one network address to register before it has to wait'),
    registrationRefillMs: integer(600_000, 1, DAY_MS, 'ms', 'after this long an address may try once more'),
    registrationsPerHour: integer(1000, 0, 100_000_000, 'accounts/h', 'accounts that may be registered, from all addresses together; 0: no limit'),
    reservedNames: list(['abuse', 'admin', 'administrator', 'chatd', 'help', 'moderator', 'operator', 'root', 'security', 'server', 'support', 'system'],
      'names that nobody can register; the operator can give them to users'),
    userInvites: integer(0, 0, 1_000_000, 'uses', 'accounts that a user\'s invites of one userInviteAgeMs may make together; 0: users make no invites'),
    userInviteAgeMs: integer(7 * DAY_MS, 60_000, 3650 * DAY_MS, 'ms', 'a user\'s invite expires after this'),
    failuresBurst: integer(20, 1, 1_000_000, 'failures', 'failed authentications of one network address before it has to wait'),
    failureRefillMs: integer(10_000, 1, DAY_MS, 'ms', 'after this long an address may fail once more'),
  },
  // Some may be raised and not lowered: a client that opens in one flight relies on them before it is told. [OPN-14] [OPN-20]
  limits: {
    connectionsMax: integer(100_000, 1, 10_000_000, 'connections', 'connections in all'),
    connectionsByAddressMax: integer(1024, 1, 10_000_000, 'connections', 'connections of one network address (IPv6: of one /64)'),
    openingByAddressMax: integer(128, 1, 10_000_000, 'connections', 'connections of one network address that are not yet authenticated'),
    openingsAtOnce: integer(256, 1, 1_000_000, 'steps', 'accounts, tokens and places that those who open have looked up at once; the others wait in line, and who is further comes first'),
    exemptLoopback: flag(true, 'do not count connections from loopback by address: behind a local proxy all come from there'),
    openTimeoutMs: integer(LIMIT.openTimeoutMs, 100, 600_000, 'ms', 'from the accepted connection to an open session'),
    openFrameBytesMax: integer(LIMIT.openFrameBytesMax, LIMIT.openFrameBytesMax, LIMIT.frameBytesMax, 'bytes', 'largest frame before the session is open'),
    openBytesMax: integer(LIMIT.openBytesMax, LIMIT.openBytesMax, 1_048_576, 'bytes', 'all that a client may send before it has welcome'),
    frameBytesMax: integer(LIMIT.frameBytesMax, 16_384, LIMIT.frameBytesMax, 'bytes', 'largest frame of an open session'),
    keepAliveMs: integer(LIMIT.keepAliveMs, 100, 3_600_000, 'ms', 'longest silence either side may keep'),
    pongTimeoutMs: integer(LIMIT.pongTimeoutMs, 100, 600_000, 'ms', 'a ping without an answer for this long: the peer is gone'),
    ackTimeoutMs: integer(120_000, 100, 3_600_000, 'ms', 'a client that lives but acknowledges nothing for this long is a slow consumer'),
    closeTimeoutMs: integer(LIMIT.closeTimeoutMs, 100, 60_000, 'ms', 'how long a peer may take to end a closed connection'),
    ownerWaitMs: integer(10_000, 0, 600_000, 'ms', 'with more processes or nodes than one: how long sessions wait for one that is in charge before their clients are told to come again'),
    drainTimeoutMs: integer(10_000, 0, 600_000, 'ms', 'at SIGTERM: how long commits in flight and clients may take to finish'),
    drainJitterMs: integer(5_000, 0, 600_000, 'ms', 'at SIGTERM: clients are told to come back after a random part of this; those of a node of a cluster go one after the other within it, and come back elsewhere at once'),
    stopGraceMs: integer(20_000, 100, 600_000, 'ms', 'at SIGTERM: how long all else may take, beyond drainJitterMs and three times drainTimeoutMs; a process that still waits then, for a disk that hangs say, is ended as by SIGKILL, which loses nothing that was acknowledged'),
    outgoingBytesMax: integer(4_194_304, 131_072, 1_073_741_824, 'bytes', 'bytes waiting for one client before it is a slow consumer'),
    incomingBytesMax: integer(1_048_576, 65_536, 1_073_741_824, 'bytes', 'bytes of stanzas without an answer before reading pauses'),
    windowDefault: integer(LIMIT.windowDefault, 1, LIMIT.windowMax, 'entries', 'unacknowledged entries where the device names no number'),
    windowMax: integer(LIMIT.windowMax, 1, LIMIT.windowMax, 'entries', 'most unacknowledged entries a device is granted'),
    windowBytesMax: integer(1_048_576, 65_536, 1_073_741_824, 'bytes', 'bytes of unacknowledged entries of a device'),
    waitingCommandsMax: integer(100_000, 100, 10_000_000, 'commands', 'commands that may wait for something to be read from the store'),
    unacknowledgedMax: integer(LIMIT.unacknowledgedMax, LIMIT.openStanzasMax, 65_536, 'stanzas', 'messages and marks of a device without an answer'),
    queriesMax: integer(LIMIT.queriesMax, LIMIT.queriesMax, 1024, 'queries', 'queries of a session without an answer'),
    historyPageMax: integer(LIMIT.historyPageMax, 1, 1000, 'messages', 'messages of one page of history'),
    conversationsPageMax: integer(LIMIT.conversationsPageMax, 1, 1000, 'conversations', 'conversations of one page of the list'),
    devicesMax: integer(LIMIT.devicesMax, 1, 1000, 'devices', 'devices of one user'),
    groupMembersMax: integer(LIMIT.groupMembersMax, 2, 10_000, 'members', 'members of one group'),
    groupsMax: integer(LIMIT.groupsMax, 1, 100_000, 'groups', 'groups that one user is in, and as many others that it is invited to'),
    contactsMax: integer(LIMIT.contactsMax, 0, 1_000_000, 'contacts', 'contacts of one user'),
    blockedMax: integer(LIMIT.blockedMax, 0, 1_000_000, 'users', 'users that one user may have blocked'),
    reportsMax: integer(SHARD_LIMITS.reportsMax, 1, 1_000_000, 'reports', 'reports that may wait for the operator; beyond it users have to wait'),
    editAgeMs: integer(LIMIT.editAgeMs, 0, 3650 * DAY_MS, 'ms', 'a message older than this is not edited any more'),
    deleteAgeMs: integer(LIMIT.deleteAgeMs, 0, 3650 * DAY_MS, 'ms', 'a message older than this is not deleted any more by who wrote it'),
    expirySweepMs: integer(LIMIT.expiryDelayMs / 2, 100, LIMIT.expiryDelayMs / 2, 'ms', 'messages that have expired are taken out of the store this often'),
    queueEntriesMax: integer(LIMIT.queueEntriesMax, 1, 1_000_000_000, 'entries', 'a device further behind than this is told too old'),
    queueAgeMs: integer(LIMIT.queueAgeMs, 1000, 3650 * DAY_MS, 'ms', 'a device not seen for this long is told too old'),
    tokenAgeMs: integer(LIMIT.tokenAgeMs, 1000, 3650 * DAY_MS, 'ms', 'a token not used for this long expires'),
    tokenRotateMs: integer(LIMIT.tokenRotateMs, 0, 3650 * DAY_MS, 'ms', 'a token older than this is replaced at the next bind'),
  },
  search: {
    enabled: flag(true, 'search conversations by words, and keep an index for it'),
    indexAhead: flag(false, 'index messages soon after they were sent, rather than what was searched once: the first search is faster, each message costs more'),
    rowsMax: integer(SHARD_LIMITS.searchRowsMax, 64, 1_000_000, 'rows', 'what one page of a search may cost: rows of the store that it reads, and 500 letters that it compares for one more'),
  },
  blobs: {
    enabled: flag(true, 'keep pictures, videos and files; clients reach them by HTTP on the ws:// and wss:// listeners'),
    directory: text('', 'where blobs lie, and uploads under way; empty: blobs in data.directory'),
    store: text('file', 'where finished blobs go: files in the directory, or objects of an S3 service', ['file', 's3']),
    publicUrl: text('', 'what clients reach the web listener by (https://chat.example), if something stands in front; empty: the first wss:// or ws:// listener'),
    sizeMax: integer(LIMIT.blobBytesMax, 1, 4_294_967_296, 'bytes', 'one blob'),
    types: list(['*'], 'media types that are taken, found in the content: "image/*", "application/pdf", "*" for all'),
    quotaBytes: integer(SHARD_LIMITS.blobQuotaBytes, 0, 100_000_000_000_000, 'bytes', 'blobs of one user, with uploads under way; 0: no limit'),
    totalBytes: integer(SHARD_LIMITS.blobTotalBytes, 0, 100_000_000_000_000, 'bytes', 'blobs of all users, with uploads under way; 0: no limit but the disk'),
    freeBytesMin: integer(1_073_741_824, 0, 100_000_000_000_000, 'bytes', 'what uploads leave free on the disk of the directory'),
    uploadsMax: integer(LIMIT.uploadsMax, 1, 10_000, 'uploads', 'uploads of one user under way'),
    uploadAgeMs: integer(LIMIT.uploadAgeMs, 1000, 365 * DAY_MS, 'ms', 'an upload that lies for this long is over'),
    holdMs: integer(LIMIT.blobHoldMs, 1000, 365 * DAY_MS, 'ms', 'a blob waits so long for the message that carries it'),
    urlAgeMs: integer(LIMIT.blobUrlAgeMs, 1000, 7 * DAY_MS, 'ms', 'a download URL, and the token of an upload, is good for so long'),
    uploadsAtOnceMax: integer(256, 1, 100_000, 'requests', 'bodies of uploads that are read at once; others are told to come back'),
    downloadsAtOnceMax: integer(1024, 1, 100_000, 'requests', 'downloads that are sent at once; others are told to come back'),
    byAddressMax: integer(256, 1, 100_000, 'requests', 'both together for one network address (IPv6: one /64); see limits.exemptLoopback'),
    uploadsByAddressMax: integer(64, 1, 100_000, 'requests', 'of them uploads, so that one address can not hold all places; see limits.exemptLoopback'),
    uploadIdleMs: integer(30_000, 100, 3_600_000, 'ms', 'an upload of which nothing comes for this long is ended; what came is kept'),
    uploadSlowBytes: integer(16_384, 0, 1_073_741_824, 'bytes', 'an upload of which less than this comes in uploadSlowMs is ended, so that it holds no place for days; what came is kept; 0: however slow'),
    uploadSlowMs: integer(60_000, 100, 3_600_000, 'ms', 'how long that may go on'),
    uploadBytesPerSecond: integer(33_554_432, 0, 1_000_000_000_000, 'bytes/s', 'all uploads together, so that messages beside them are not late; two cores bear the default, more cores more; 0: however fast'),
    downloadIdleMs: integer(60_000, 100, 3_600_000, 'ms', 'a download of which nothing is read for this long is ended'),
    keepAliveMs: integer(10_000, 100, 600_000, 'ms', 'how long an HTTP connection may wait for its next request'),
    requestsByConnectionMax: integer(1000, 1, 1_000_000, 'requests', 'HTTP requests of one connection'),
    ownProcess: flag(true, 'uploads and downloads have a process of their own, started with the first; false: they share the event loop of the messages'),
    memoryBytes: integer(67_108_864, 0, 68_719_476_736, 'bytes', 'what was downloaded last stays decrypted in memory, up to so much, until nobody has wanted it for a minute; 0: nothing'),
    nice: integer(18, 0, 19, '', 'how much lower the priority of that process is; 0: none; 18: the lowest; 19: it gets the time that nobody else wants (on Linux with chrt), so none while every core is busy'),
    previewProcesses: integer(0, 0, 64, 'processes', 'processes that look at pictures, one picture each at once; 0: half of the processors, 1 to 4'),
    previewWaitingMax: integer(256, 0, 100_000, 'pictures', 'pictures that wait for one; more have no preview'),
    previewTimeoutMs: integer(10_000, 100, 600_000, 'ms', 'a picture that takes longer has no preview'),
    previewPixelsMax: integer(50_000_000, 1, 1_000_000_000, 'pixels', 'a picture with more has no preview'),
    previewMemoryBytes: integer(1_073_741_824, 67_108_864, 68_719_476_736, 'bytes', 'memory of one of these processes'),
    s3Endpoint: text('', 'of the S3 service: https://s3.example.org'),
    s3Region: text('us-east-1', 'of the bucket'),
    s3Bucket: text('', 'that the blobs go to; it has to be there'),
    s3Prefix: text('', 'what the names of the objects begin with'),
    s3PathStyle: flag(true, 'the bucket is named in the path; false: in the host'),
    s3CredentialsFile: text('', 'file for the owner alone with lines access_key_id = …, secret_access_key = …; empty: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN of the environment'),
  },
  rate: {
    messagesPerSecond: integer(50, 0, 1_000_000, 'stanzas/s', 'messages and marks of one device, sustained; above it reading pauses; 0: no limit'),
    messagesBurst: integer(1_000, 1, 10_000_000, 'stanzas', 'how many may come at once'),
    bytesPerSecond: integer(262_144, 0, 1_073_741_824, 'bytes/s', 'bytes of one device, 512 added for each frame, sustained; above it reading pauses; 0: no limit'),
    bytesBurst: integer(8_388_608, 65_536, 1_073_741_824, 'bytes', 'how many may come at once'),
    queriesPerSecond: integer(20, 0, 1_000_000, 'queries/s', 'queries of one device, sustained; above it they are refused; 0: no limit'),
    queriesBurst: integer(200, 1, 10_000_000, 'queries', 'how many may come at once'),
    ephemeralPerSecond: integer(20, 0, 1_000_000, 'names/s', 'users watched and typing told by one device, sustained; above it watching is declined and typing dropped; 0: no limit'),
    ephemeralBurst: integer(1_000, 16, 10_000_000, 'names', 'how many may come at once'),
    strangerPerSecond: integer(SHARD_LIMITS.strangerPerSecond, 0, 1000, 'messages/s',
      'messages to somebody who has not answered and has not the sender among the contacts; above it they are refused; 0: no limit'),
    strangerBurst: integer(SHARD_LIMITS.strangerBurst, 1, 1_000_000, 'messages', 'how many of them may come at once'),
    reportsPerHour: integer(SHARD_LIMITS.reportsPerHour, 0, 100_000, 'reports/h', 'reports of one user, sustained; above it they are refused; 0: no limit'),
    reportsBurst: integer(SHARD_LIMITS.reportsBurst, 1, 100_000, 'reports', 'how many may come at once'),
    faultsPerMinute: integer(6, 0, 60_000, 'faults/min', 'sessions of one device closed for its own fault before it has to stay away for a while; 0: no limit'),
    faultsBurst: integer(20, 1, 10_000, 'faults', 'how many may come at once'),
  },
  presence: {
    watchesMax: integer(PRESENCE_LIMITS.watchesMax, 1, 100_000, 'users', 'users whose presence one session watches'),
    delayMs: integer(PRESENCE_LIMITS.delayMs, 0, 60_000, 'ms', 'changes of one user within this are told as one'),
    retryMs: integer(PRESENCE_LIMITS.retryMs, 10, 600_000, 'ms', 'a watcher whose connection is busy is told so much later'),
    turnFramesMax: integer(PRESENCE_LIMITS.turnFramesMax, 1, 1_000_000, 'frames', 'presences told in one turn, so that messages pass between'),
    typingExpiryMs: integer(PRESENCE_LIMITS.typingExpiryMs, 1000, 600_000, 'ms', 'typing that is not repeated is over after this'),
    typingRefreshMs: integer(PRESENCE_LIMITS.typingRefreshMs, 0, 600_000, 'ms', 'the same typing is forwarded again no sooner than this'),
    exceptMax: integer(PRESENCE_LIMITS.exceptMax, 0, 1000, 'users', 'users on the list of exceptions of one user\'s privacy settings'),
    saveEveryMs: integer(PRESENCE_LIMITS.saveEveryMs, 100, DAY_MS, 'ms', 'how often last seen is written for a user who stays connected'),
  },
  cluster: {
    redis: list([], 'the Redis that keeps this cluster together: redis://HOST:PORT or rediss://; several are the nodes of a Redis Cluster, or Sentinels where sentinelMaster names one; empty: no cluster'),
    sentinelMaster: text('', 'what the Sentinels call the Redis'),
    redisUser: text('', 'user of Redis, where it has some'),
    redisPasswordFile: text('', 'file for the owner alone with the password of Redis'),
    redisReplicas: integer(0, 0, 16, 'replicas', 'replicas of Redis that must have what is acknowledged; 0: Redis itself'),
    name: text('chatd', 'of the cluster: the same at its nodes, another for each that shares a Redis'),
    node: text('', 'of this node: no other has it, and it stays the same'),
    founds: flag(false, 'this node\'s data is what the cluster begins with, where Redis knows of none; at one node alone'),
    secretFile: text('', 'file for the owner alone with a secret that all nodes share: 32 bytes or more, made by chatd cluster secret'),
    link: text('tcp://127.0.0.1:5340', 'where other nodes reach this one: tcp://, tls:// or unix:PATH; port 0 takes any free one'),
    linkAddress: text('', 'what they reach it by, where that is another address; empty: link'),
    allowPlaintextLinks: flag(false, 'allow tcp:// links beyond loopback: messages are then readable on the way'),
    tlsCertificate: text('', 'PEM file with the certificate of this node for tls:// links; read again on SIGHUP'),
    tlsKey: text('', 'PEM file with its private key'),
    tlsCa: text('', 'PEM file with what has signed the certificates of all nodes'),
    sharedFiles: flag(false, 'blobs.directory lies on a file system that all nodes share; else blobs need store s3'),
    foundAfterMs: integer(CLUSTER_LIMITS.foundAfterMs, 0, 600_000, 'ms', 'how long it waits before that, for nodes that have the data of a shard that Redis has lost'),
    standbys: integer(CLUSTER_LIMITS.standbys, 0, 64, 'nodes', 'that follow each shard beside its owner, where there are more nodes; 0: all'),
    balanceEveryMs: integer(10_000, 0, 3_600_000, 'ms', 'how often a node looks whether it owns two shards more than another, and gives it one; 0: never'),
    leaseMs: integer(CLUSTER_LIMITS.leaseMs, 500, 600_000, 'ms', 'a node that says nothing for this long has lost its shard to another'),
    renewEveryMs: integer(CLUSTER_LIMITS.renewEveryMs, 50, 60_000, 'ms', 'how often the owner of a shard says that it is there'),
    lookEveryMs: integer(CLUSTER_LIMITS.lookEveryMs, 20, 60_000, 'ms', 'how often a node looks who owns the shard'),
    followEveryMs: integer(CLUSTER_LIMITS.followEveryMs, 0, 1000, 'ms', 'how often a node that follows a shard and has caught up reads the changelog while it grows; 0: always, at the cost of a commit each time'),
    memberAwayMs: integer(CLUSTER_LIMITS.memberAwayMs, 1000, DAY_MS, 'ms', 'a node away for this long may not take the shard before it has followed again'),
    partBytes: integer(CLUSTER_LIMITS.partBytes, 4096, 16_777_216, 'bytes', 'of one entry of the changelog in Redis; a larger commit goes as several'),
    changelogEntriesMax: integer(CLUSTER_LIMITS.changelogEntriesMax, 1000, 100_000_000, 'entries', 'of the changelog in Redis, for a node that lags; further behind it copies'),
    changelogBytesMax: integer(CLUSTER_LIMITS.changelogBytesMax, 1_048_576, 1_000_000_000_000, 'bytes', 'the same in bytes'),
    changelogAgeMs: integer(CLUSTER_LIMITS.changelogAgeMs, 1000, 7 * DAY_MS, 'ms', 'how long it is kept for a node that confirms nothing'),
    retainBytes: integer(CLUSTER_LIMITS.retainBytes, 65_536, 17_179_869_184, 'bytes', 'of the changelog that the owner keeps in memory, for a Redis that loses its end'),
    copyPageBytes: integer(CLUSTER_LIMITS.copyPageBytes, 65_536, 16_777_216, 'bytes', 'of one page of a copy of the shard for a node that is new or too far behind'),
    clientUrls: list([], 'what clients reach this node by, where that is not listen.urls: for those that are sent on to it'),
    redirectsPerSecond: integer(0, 0, 1_000_000, 'clients/s', 'clients that are told to go to the node that owns the shard; the others are served over a link; 0: all of them'),
  },
  log: {
    level: text('info', 'least severe line that is written', ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']),
  },
} as const satisfies Record<string, Record<string, Setting<Value>>>

type Settings = typeof SETTINGS
type Section = keyof Settings
type ValueOf<S> = S extends Setting<infer T> ? T : never

/** The effective configuration: frozen, checked, read once at the start. */
export type Config = { readonly [S in Section]: { readonly [K in keyof Settings[S]]: ValueOf<Settings[S][K]> } }

/** Every setting with its full name, in the order of the table. */
export function allSettings(): { section: string, key: string, name: string, variable: string, setting: Setting<Value> }[] {
  return Object.entries(SETTINGS).flatMap(([section, settings]) =>
    Object.entries(settings as Record<string, Setting<Value>>).map(([key, setting]) =>
      ({ section, key, name: `${section}.${key}`, variable: variableOf(section, key), setting })))
}

/** `limits`, `devicesMax` → `CHATD_LIMITS_DEVICES_MAX` */
function variableOf(section: string, key: string): string {
  return `CHATD_${section.toUpperCase()}_${key.replaceAll(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`
}
