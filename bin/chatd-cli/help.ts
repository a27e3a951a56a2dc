/** The texts of `--help`. */
import { QUESTIONS } from '../../server/capacity/constants.js'
import { EXIT_TEXTS } from './failure.js'
import { PLAN_OPTIONS } from './plan.js'

const CONFIG_OPTIONS = `  --config FILE        read this TOML file; \`chatd config\` prints one with every value and what it means
  --set NAME=VALUE     set one value, for example limits.devicesMax=5; lists are comma-separated; may be repeated
  Every value can also come from the environment: limits.devicesMax is CHATD_LIMITS_DEVICES_MAX.
  A flag beats the environment, the environment beats the file, the file beats the defaults.`

const GENERAL = `chatd: a messenger server

  chatd start [--data DIR] [--config FILE] [--listen URL]...   run the server in the foreground
  chatd user add|passwd|remove NAME --data DIR                 manage accounts, whether the server runs or not
  chatd user disable|enable NAME --data DIR                    lock an account, or let it in again
  chatd user list --data DIR                                   list them
  chatd user import --data DIR < FILE                          add many
  chatd invite create|list|revoke --data DIR                   let people make accounts by themselves
  chatd search rebuild --data DIR                              make the index of messages again
  chatd report list|show|close [ID] --data DIR                 what users have reported
  chatd config [--config FILE]                                 print the effective configuration
  chatd split DIR --shards N --to DIR2                         give the data of a server another number of shards
  chatd cert --out DIR [--host NAME]...                        make a self-signed certificate to try TLS with
  chatd cluster status|drain|stay|move|forget --data DIR       see to a cluster of servers, at one of its nodes
  chatd plan [--users N] [--messages-per-day N]...             how many nodes a service of that size would need
  chatd version                                                print the version

\`chatd COMMAND --help\` tells more about each.

Exit codes:
${EXIT_TEXTS.map(([code, text]) => `  ${String(code)}  ${text}`).join('\n')}
`

const START = `chatd start: run the server in the foreground

  --data DIR           where everything is stored; made if it is not there (default: chatd-data)
  --listen URL         tcp://HOST:PORT, tls://, ws:// or wss://; port 0 takes any free one; may be repeated and
                       replaces the listeners of the configuration (default: tcp://127.0.0.1:5322 ws://127.0.0.1:5380)
  --workers N          processes that take clients, beside the one with the store: N of them, or auto for as many as there
                       are processors (default: one process does all)
  --shards N           parts in which a new data directory keeps users and conversations, each with a process and a store of
                       its own, which takes clients, too (default: 1, or as many as the directory has)
${CONFIG_OPTIONS}

Once it serves it prints one line to stdout:
  {"ready":true,"listeners":["tcp://127.0.0.1:5322","ws://127.0.0.1:5380"],"admin":"http://127.0.0.1:5390"}
Pictures and files (blobs) go by HTTP over the ws:// and wss:// listeners; without one, and without blobs.publicUrl, none are kept. The
settings of the section blobs say where they lie, how much they may take, and which types; for store s3 the keys come from the file
blobs.s3CredentialsFile or the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), never from arguments.

The log goes to stderr, a JSON object a line. SIGTERM or SIGINT stops it: clients are told to come back, what was handed in is
finished, the exit code is 0; a second signal ends it at once, as SIGKILL does, and so does the time that it may take (limits.stopGraceMs), should a disk hang.
One that is still starting waits for nobody else any more, and stops.
SIGHUP reads certificate and key again, of one that is still starting when it has started. Without TLS it ends one that has a terminal, and no other.
`

const USER = `chatd user: manage accounts, whether the server runs or not

  chatd user add NAME --data DIR [--password-stdin]       add an account
  chatd user passwd NAME --data DIR [--password-stdin]    change its password; its sessions end, its devices log in again
  chatd user remove NAME --data DIR                       remove account and devices; what it wrote stays with the others
  chatd user disable NAME --data DIR                      end its sessions and refuse its logins; what is sent to it waits
  chatd user enable NAME --data DIR                       let it in again, devices and all
  chatd user list --data DIR [--json]                     list accounts with their number of devices
  chatd user import --data DIR                            add an account for each line of stdin: name, space, password

  --data DIR           the data directory of the server (default: chatd-data)
  --password-stdin     read the password from stdin, one line; without it the terminal asks for it
${CONFIG_OPTIONS}
`

const INVITE = `chatd invite: codes with which people make accounts by themselves, whether the server runs or not

  chatd invite create --data DIR [--uses N] [--expires TIME] [--json]   make one and print its code, which is shown this once
  chatd invite list --data DIR [--json]                                 list those of operators and users: id, state, uses
  chatd invite revoke ID --data DIR                                     end one; who used it keeps the account

  --data DIR           the data directory of the server (default: chatd-data)
  --uses N             how many accounts it may make (default: 1)
  --expires TIME       30m, 12h, 7d, 2w, or never (default: 7d)
  --json               a JSON object a line
${CONFIG_OPTIONS}

The server takes them with auth.registration=invite. With auth.userInvites users may make some of their own.
`

const SEARCH = `chatd search: the index of messages

  chatd search rebuild --data DIR    make it again from the messages, whether the server runs or not

The index makes searches fast and holds nothing of its own: it may be made again at any time, and searches find everything meanwhile.
${CONFIG_OPTIONS}
`

const REPORT = `chatd report: what users have reported, whether the server runs or not

  chatd report list --data DIR [--json]        list the reports that wait, oldest first
  chatd report show ID --data DIR [--json]     one with the messages that go with it
  chatd report close ID --data DIR             it is dealt with, and is deleted

Files of a message are named with type and size; their bytes are not part of a report: ask who reported it for them.

  --data DIR           the data directory of the server (default: chatd-data)
${CONFIG_OPTIONS}
`

const CONFIG = `chatd config: print the effective configuration as TOML, with what every value means and where it came from

  --data DIR           as with chatd start
  --listen URL         as with chatd start
${CONFIG_OPTIONS}
`

const CERT = `chatd cert: make a self-signed certificate to try tls:// and wss:// with

  --out DIR            where chatd.crt and chatd.key are written; neither is overwritten
  --host NAME          a name or IP address the certificate is for; may be repeated (default: localhost 127.0.0.1 ::1)
  --days N             how long it is valid (default: 90)
`

const SPLIT = `chatd split: give the data of a server another number of shards, while none runs on it

  chatd split DIR --shards N --to DIR2    copy DIR into DIR2, which is new, and prove that nothing is missing, doubled or changed

  --shards N           how many shards there are then: more than before, fewer, or 1
  --to DIR2            the new data directory; DIR says what it said before
  --json               print what is counted as one line of JSON

What shards of DIR have for each other, and have not taken yet, they take first, as at the next start. How far it is comes on stderr, what it has counted
on stdout. Data that belongs to a cluster is taken out of it first (chatd cluster leave). Serve only one of the two from then on, if their files of pictures
are the same (blobs.directory, S3).
`

const CLUSTER = `chatd cluster: see to a cluster of servers, through the node that runs on the data directory

  chatd cluster status --data DIR [--json]       who is there, who owns which shard, how far each node has got
  chatd cluster drain NODE --data DIR            NODE gives up what it owns, before it is stopped for a while; nobody notices
  chatd cluster stay NODE --data DIR             it may own again
  chatd cluster move SHARD NODE --data DIR       the shard of this number, from 0, goes to NODE
  chatd cluster forget NODE --data DIR           NODE is lost for good: what waits for it goes on without
  chatd cluster secret --out FILE                make the secret that all nodes share
  chatd cluster leave --data DIR                 of a node that is stopped: its data is that of a server which stands alone

  --data DIR           the data directory of one of the nodes (default: chatd-data)
${CONFIG_OPTIONS}

The settings of the section cluster make a server a node of one; spec/cluster.md is the page for operators.
`

const PLAN = `chatd plan: how many nodes, cores, bytes a service of a given size would need

  --users N            who use it in a month (default: 2e9)
  --messages-per-day N (default: 100e9)
${PLAN_OPTIONS.slice(2).map((name) => `  --${name} N`.padEnd(23) + `${QUESTIONS[name].about} (default: ${String(QUESTIONS[name].value)})`).join('\n')}
  --constants          print what the plan follows from, and which of it was measured
  --json               one JSON object

For example: chatd plan --users 5e6 --messages-per-day 200e6 --cores 16 --memory 64e9 --disk 4e12
`

/** By command; '' is the general one. */
export const HELP: Readonly<Record<string, string>> = {
  '': GENERAL, 'start': START, 'user': USER, 'invite': INVITE, 'search': SEARCH, 'report': REPORT, 'config': CONFIG, 'cluster': CLUSTER, 'plan': PLAN, 'split': SPLIT, 'cert': CERT,
}
