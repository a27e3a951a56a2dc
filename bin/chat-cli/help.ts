/** What `--help` prints. */
import { TIMEOUT_SECONDS_DEFAULT } from './argument-values.js'
import type { HelpTopic } from './arguments.js'
import { HISTORY_LIMIT_DEFAULT } from './arguments.js'
import { LIMIT } from '../../protocol/generated/registry.js'
import { EXIT_TEXTS } from './failure.js'
import { GROUP_JSON_HELP, GROUP_OPTIONS_HELP, GROUP_USAGE } from './group-help.js'

const ACCOUNT = `  --server URL          tcp://HOST:PORT, tls://HOST:PORT, ws://HOST:PORT or wss://HOST:PORT; several nodes of a cluster
                        with commas between: each is tried in turn
  --user NAME           who you are
  --password-file FILE  file that holds the password; a line end after it does not count
  --ca FILE             PEM file with the certificate to trust, for a server with a certificate of its own making
  --allow-plaintext     sign in over tcp:// or ws:// to a server that is not on this machine, without encryption: whoever
                        listens on the way can read all messages and act as you; better use tls:// or wss://
  --device D            the device's id: a-z, 0-9, '.', '-', '_'; without it the host's name and what it is used for, like
                        laptop-send or laptop-recv, so that sending and receiving go on side by side
  --state DIR           folder for what devices must remember: outbox, position, token; one folder does for any number of users
                        and devices of one server; without it $XDG_STATE_HOME/chatd (or ~/.local/state/chatd), by server`

const HELP = `  -h, --help            this text`

const CODES = `exit codes:
${EXIT_TEXTS.map(([code, text]) => `  ${code}  ${text}`).join('\n')}`

const ASKING = `options:
${ACCOUNT}
  --timeout SECONDS     give up after so long; 0: never (default ${TIMEOUT_SECONDS_DEFAULT})`

const WHO = '--server URL --user NAME --password-file FILE [options]'

const BLOCK = `chat block: hear nothing of somebody any more

usage:
  chat block NAME ${WHO}
  chat unblock NAME ${WHO}
  chat blocked ${WHO}

What a blocked user sends is accepted as always and never reaches you, also not later; the other is not told. You can't write to
somebody you have blocked. chat blocked lists them.

${ASKING}
  --json                print JSON, one object for each line: {"user":"mallory","blocked":true,"version":4}
                        and for each that is listed {"user":"mallory","since":1767225600000}
${HELP}

${CODES}`

const FLAGS = `chat mute, unmute, archive, unarchive, pin, unpin: how a conversation is shown, on all your devices

usage:
  chat mute NAME [--for TIME] ${WHO}
  chat unmute NAME ${WHO}
  chat archive | unarchive | pin | unpin NAME ${WHO}

${ASKING}
  --for TIME            mute for so long: 30m, 8h, 7d; without it until it is unmuted
  --json                print JSON: {"conversation":"bob","mutedUntil":1767225600000,"archived":false,"pinned":true,"marked":false}
                        mutedUntil: Unix time in milliseconds, 0, or "forever"
${HELP}

${CODES}`

const TIMER = `chat timer: after what time new messages of a conversation disappear, for all its members

usage:
  chat timer NAME ${WHO}
  chat timer NAME 30m | 8h | 7d | off ${WHO}

NAME is a user, or a group such as '#skiing' (in quotes), where those may change it whom the group lets rename it. It holds for what is
sent from then on: the server, and the programs of all members, drop it so long after it was sent. Nobody can keep a person from copying
what it has read.

${ASKING}
  --json                print JSON: {"conversation":"bob","after":604800000}   after: milliseconds, 0 for off; with a change
                        also "seq", its number in the conversation, 0 if it was so already
${HELP}

${CODES}`

const TEXTS: Record<HelpTopic, string> = {
  timer: TIMER,
  block: BLOCK,
  unblock: BLOCK,
  blocked: BLOCK,
  mute: FLAGS,
  unmute: FLAGS,
  archive: FLAGS,
  unarchive: FLAGS,
  pin: FLAGS,
  unpin: FLAGS,

  profile: `chat profile: show a profile, or change your own

usage:
  chat profile get [NAME] ${WHO}
  chat profile set [--name TEXT] [--about TEXT] [--picture FILE] ${WHO}
  chat profile picture [NAME] [--out FILE] ${WHO}

A name is shown behind the address, since anybody may call himself anything. An empty text takes a name, about or picture away.

${ASKING}
  --name TEXT           what you want to be called, at most 64 characters
  --about TEXT          a line about you, at most 140 characters
  --picture FILE        a picture; the middle of it is shown, as a square
  --out FILE            with picture: where it is saved; - is stdout; without it a free name in this folder
  --thumbnail           with picture: the small one, of 96 pixels, and not that of 640
  --json                print JSON: {"user":"bob","name":"Bob","about":"","picture":"","version":48170302144105}
${HELP}

${CODES}`,

  contacts: `chat contacts: the people you know, by the names you give them

usage:
  chat contacts list ${WHO}
  chat contacts set NAME [OWN-NAME] ${WHO}
  chat contacts remove NAME ${WHO}

Nobody but you sees your contacts. Whoever is among them may write to you without the limit for strangers.

${ASKING}
  --json                print JSON, one object for each line: {"user":"bob","name":"Bobby"}
${HELP}

${CODES}`,

  report: `chat report: put the last messages of a conversation before the operator

usage:
  chat report NAME REASON ${WHO}

The operator gets the last five messages that you can see, your name and the reason. The other is not told.

${ASKING}
  --block               block the other as well
  --json                print JSON: {"conversation":"mallory","reported":true}
${HELP}

${CODES}`,

  chat: `chat: talk through a chatd server

usage:
  chat [--server URL] [--user NAME] [--password-file FILE]    interactive; asks for what is missing
  chat send     send a message, or one for each line of stdin
  chat fetch    save the files that a message carries
  chat blobs    how much room your files take
  chat recv     print messages as they come
  chat history  print a conversation
  chat devices  list the devices of the account, or remove one
  chat edit, chat delete, chat react, chat reply
                change a message for all, react to one, or answer it
  chat presence show who is online, or when somebody was last seen
  chat privacy  show or change who sees that of you
  chat search   find messages by words
  chat invite   make, list and revoke invites for others
  chat register make an account, where the server lets you
  chat group    make groups, see who is in them, change them
  chat profile  show a profile, or change your own
  chat contacts list your contacts, add, name or remove one
  chat block, unblock, blocked     whom you want to hear nothing of
  chat report   put a conversation before the operator
  chat mute, unmute, archive, unarchive, pin, unpin    a conversation, on all your devices
  chat timer    let messages of a conversation disappear
  chat COMMAND --help

options of the interactive program:
${ACCOUNT}
${HELP}
      --version         name and version

Inside: type a number or a name to open a conversation, /help for the rest.

${CODES}`,

  send: `chat send: send messages

usage:
  chat send --server URL --user NAME --password-file FILE [options] TO TEXT
  chat send --server URL --user NAME --password-file FILE [options] TO -
  chat send --server URL --user NAME --password-file FILE [options] --file FILE [--file FILE...] TO [TEXT]

TO is a user, or a group such as '#skiing' (in quotes: shells take # for the beginning of a comment). With - every line of
stdin is a message; empty lines are skipped. A TEXT that begins with - goes after --. In a group @NAME mentions a member.
Messages not acknowledged stay in the outbox of the device and go out first the next time; they are never sent twice.
To somebody who has not answered you a server takes a few dozen messages at once, and then about one a second: the others wait and
go by themselves, in order, and it is said once that they do.
Files go up first, all of them with one message, and TEXT is their caption. An upload that is stopped, or killed, goes on where
it was when the same command is given again, and so it does by itself after the connection or the server has died.

options:
${ACCOUNT}
  --file FILE           a file to send; ${LIMIT.attachmentsMax} at most
  --strip               take out of pictures what the camera wrote into them: place, time, model
  --timeout SECONDS     give up when nothing was acknowledged for so long while something waits; 0: never
                        (default ${TIMEOUT_SECONDS_DEFAULT})
  --json                print a line for each message acknowledged, in order:
                        {"to":"bob","clientId":1,"seq":7,"time":1767225600000}   time: Unix time in milliseconds
                        and before it, as files go up, {"upload":"beach.jpg","sent":262144,"total":2481234}, in bytes;
                        and once, where messages have to wait, {"to":"bob","waiting":40,"error":"rate-limited"}
${HELP}

Exit code 0 only if every message was acknowledged, that is on stable storage at the server.

${CODES}`,

  fetch: `chat fetch: save the files that a message carries

usage:
  chat fetch NAME NUMBER [N] ${WHO}

NAME is a user or a group, NUMBER that of the message, as chat history --numbers shows it, and N which of its files, from 1;
without N all of them. They are saved in this folder under the names that they were sent with, as far as these are harmless;
where there is such a file it is left as it is, and the new one is called like 'beach (2).jpg'. What is half there, as
beach.jpg.….part, is gone on with. Nothing gets its name before all of it has come, and has the hash that it should have.

options:
${ACCOUNT}
  --out FILE            save it there, and replace what is there; a folder: in it, under its name; - is stdout
  --thumbnail           the small version of a picture
  --timeout SECONDS     give up when nothing has come for so long; 0: never (default ${TIMEOUT_SECONDS_DEFAULT})
  --json                print JSON, one object for each line, as it comes {"download":"beach.jpg","sent":262144,"total":2481234},
                        and then {"conversation":"bob","seq":7,"attachment":1,"id":"…","type":"image/jpeg","size":2481234,
                        "hash":"…","file":"beach.jpg"}
${HELP}

${CODES}`,

  blobs: `chat blobs: how much room your files take, and how large one may be

usage:
  chat blobs ${WHO}

${ASKING}
  --json                print JSON: {"used":48213770,"quota":5368709120,"blobBytesMax":16777216}   quota: null where there is none
${HELP}

${CODES}`,

  recv: `chat recv: print messages as they come

usage:
  chat recv --server URL --user NAME --password-file FILE [options]

Each message is acknowledged after its line is written and the position is saved: what was not printed comes again.

options:
${ACCOUNT}
  --count N             end after N messages
  --timeout SECONDS     end after so many seconds (default: never); before N messages have come the exit code is 3
  --json                print JSON, one object for each line:
                        {"conversation":"alice","from":"alice","seq":7,"index":12,"time":1767225600000,"text":"hello"}
                        time: Unix time in milliseconds; index: position in the queue, 0 for a message fetched from
                        the history because the device was away for too long; a message with more to it than this version
                        can show has "incomplete":true behind its text; files are in "attachments", as in spec/blobs.md:
                        [{"id":"…","type":"image/jpeg","size":2481234,"name":"beach.jpg","width":4032,"height":3024}]; a change
                        of a group counts as a message, and has, instead of the text, what changed, as in spec/groups.md:
                        "change":{"name":"role","attributes":{"role":"admin"},"members":["bob"]}; an edit, a reaction and a
                        deletion are lines with "operation":"edit", "react" or "delete", "target", the seq of the message,
                        and "text", the new one or the emoji, "" where a reaction is taken away; they do not count.
                        "replyTo", "mentions", "forwards", "expires" and "deleted" where there is something to say
${HELP}

${CODES}`,

  history: `chat history: print a conversation, oldest message first

usage:
  chat history NAME --server URL --user NAME --password-file FILE [options]

NAME is a user or a group, which goes in quotes: '#skiing'.

options:
${ACCOUNT}
  --with NAME           the same as NAME
  --before SEQ          messages before this one; without it the latest
  --limit N             so many at most (default ${HISTORY_LIMIT_DEFAULT})
  --numbers             begin each line with the message's number, by which chat edit, delete, react, reply and fetch know it
  --timeout SECONDS     give up after so long; 0: never (default ${TIMEOUT_SECONDS_DEFAULT})
  --json                print JSON, one object for each line:
                        {"conversation":"alice","from":"alice","seq":7,"time":1767225600000,"text":"hello"}
                        "incomplete":true follows where this version can't show all of a message; "attachments", "edited",
                        "deleted", "reactions", "replyTo", "mentions" and "forwards" where there is something to say; a change
                        of a group has "change":{"name":"add","attributes":{},"members":["bob"]} instead of "text"
${HELP}

${CODES}`,

  group: `${GROUP_USAGE}

options:
${ACCOUNT}
${GROUP_OPTIONS_HELP}
  --timeout SECONDS     give up after so long; 0: never (default ${TIMEOUT_SECONDS_DEFAULT})
${GROUP_JSON_HELP}
${HELP}

${CODES}`,

  presence: `chat presence: show who is online, or when somebody was last seen

usage:
  chat presence --server URL --user NAME --password-file FILE [options] USER...

Shows what each of them lets you see: who hides it, who has blocked you and who does not exist look alike, and whoever hides
something sees it of nobody. ${LIMIT.watchesMax} users at most.

options:
${ACCOUNT}
  --watch               go on, and print a line for each change
  --timeout SECONDS     give up, or end watching, after so long; 0: never (default ${TIMEOUT_SECONDS_DEFAULT}; with --watch: never)
  --json                print JSON, one object for each line:
                        {"user":"bob","online":false,"lastSeen":1767225600000}   lastSeen: Unix time in milliseconds, or null
${HELP}

${CODES}`,

  privacy: `chat privacy: show or change who sees that you are online, and when you were last seen

usage:
  chat privacy [get] --server URL --user NAME --password-file FILE [options]
  chat privacy set --server URL --user NAME --password-file FILE [options]

AUDIENCE is everybody, contacts, except (everybody but those on the list) or nobody. What you hide from somebody you do not see
of them either.

options:
${ACCOUNT}
  --seen AUDIENCE       who sees when you were last seen
  --online AUDIENCE     who sees that you are online
  --except NAMES        the list that except means, for both: names with commas between them; '' empties it
  --timeout SECONDS     give up after so long; 0: never (default ${TIMEOUT_SECONDS_DEFAULT})
  --json                print JSON: {"seen":"contacts","online":"everybody","except":["mallory"]}
${HELP}

${CODES}`,

  devices: `chat devices: list the devices of the account, or remove one

usage:
  chat devices --server URL --user NAME --password-file FILE [options]
  chat devices remove ID --server URL --user NAME --password-file FILE [options]

A device that is removed is signed out, and what waited for it is dropped.

options:
${ACCOUNT}
  --timeout SECONDS     give up after so long; 0: never (default ${TIMEOUT_SECONDS_DEFAULT})
  --json                print JSON, one object for each line:
                        {"device":"laptop-recv","name":"…","created":1767225600000,"lastActive":1767225600000,"current":false}
${HELP}

${CODES}`,

  register: `chat register: make an account

usage:
  chat register NAME --server URL [options]

Where the server asks for an invite, its code comes from --invite, --invite-file or the environment variable CHAT_INVITE, or is
asked for. The password is asked for, twice, where there is no --password-file. It does not leave this machine.

options:
${ACCOUNT}
  --invite CODE         the code of the invite
  --invite-file FILE    file that holds it
  --timeout SECONDS     give up after so long; 0: never (default ${TIMEOUT_SECONDS_DEFAULT})
  --json                print {"user":"alice"}
${HELP}

${CODES}`,

  invite: `chat invite: invites with which others make accounts

usage:
  chat invite create --server URL --user NAME --password-file FILE [options]
  chat invite list --server URL --user NAME --password-file FILE [options]
  chat invite revoke ID --server URL --user NAME --password-file FILE [options]

The code is shown once, when the invite is made. How many one may have, and for how long, is the server's to say.

options:
${ACCOUNT}
  --uses N              how many accounts it may make (default 1)
  --expires TIME        30m, 12h, 7d or 2w; at most what the server allows, which is the default
  --timeout SECONDS     give up after so long; 0: never (default ${TIMEOUT_SECONDS_DEFAULT})
  --json                print JSON, one object for each line:
                        create: {"id":"7m4hx2kq","code":"7m4hx2kq-…","uses":1,"expires":1767225600000}
                        list: {"id":"7m4hx2kq","state":"open","uses":1,"used":0,"created":1767225600000,"expires":1767225600000}
                        state: open, used, expired or revoked
${HELP}

${CODES}`,

  search: `chat search: find messages by words, newest first

usage:
  chat search --server URL --user NAME --password-file FILE [options] WORDS

Finds messages that hold all of the words; of the last one the beginning is enough. Case and accents make no difference.

options:
${ACCOUNT}
  --with NAME           in one conversation
  --from NAME           written by one user
  --since DATE          not before 2026-01-31, or 2026-01-31T12:00
  --until DATE          before it
  --limit N             so many at most (default ${HISTORY_LIMIT_DEFAULT})
  --timeout SECONDS     give up after so long; 0: never (default ${TIMEOUT_SECONDS_DEFAULT})
  --json                print JSON, one object for each line, as chat history does
${HELP}

${CODES}`,

  edit: operateText('edit', 'give a message of yours another text', 'TEXT',
    'Only your own messages, and for a while after they were sent: the server says how long.'),

  delete: operateText('delete', 'delete a message for everybody', '',
    'Your own messages for a while; in a group its owner and admins delete any message at any time. The text is gone for good.'),

  react: operateText('react', 'react to a message with an emoji', 'EMOJI',
    'Another reaction takes the place of the one before; - takes it away.'),

  reply: operateText('reply', 'answer a message', 'TEXT', 'The answer is a message that says which one it answers.'),
}

function operateText(action: string, what: string, argument: string, note: string): string {
  return `chat ${action}: ${what}

usage:
  chat ${action} --server URL --user NAME --password-file FILE [options] TO NUMBER${argument === '' ? '' : ` ${argument}`}

TO is a user or a group, NUMBER that of the message: \`chat history --numbers\` shows it, and \`--json\` as "seq".
${note}

options:
${ACCOUNT}
  --timeout SECONDS     give up after so long; 0: never (default ${TIMEOUT_SECONDS_DEFAULT})
  --json                print JSON: {"to":"bob","clientId":1,"seq":9,"time":1767225600000}
                        seq: 0 where nothing had to change
${HELP}

${CODES}`
}

/** The help of one command, without a line end. */
export function helpText(topic: HelpTopic): string {
  return TEXTS[topic]
}
