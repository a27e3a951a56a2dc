export const help = `Usage: chat-conformance COMMAND [CASE…] [options] [-- ADAPTER ARGUMENT…]

Tests a client, or a server, of the chatd protocol.

  client [CASE…] -- ADAPTER ARGUMENT…   test a client by its adapter: a program that speaks JSON lines, see conformance/README.md
  client [CASE…] --dial-in [-- PROGRAM…]  the same with adapters that open a WebSocket to this program, from a browser or a phone
  server URL [CASE…]                    test a server, with two accounts on it, or with those that --register makes
  list [CASE…]                          list the cases; with --requirements what shows each requirement
  explain CASE                          what a case does, step by step, and why
  new FILE                              write the beginning of an adapter: adapter.py, adapter.ts

CASE is an id, or how ids begin: framing, framing/lengths.

Which cases
  --requirement ID      those that name it; may be given more than once
  --level LEVEL         MUST, SHOULD or MAY; may be given more than once

How
  --seed TEXT           where nonces, salts and tokens come from (default 1)
  --parallel N          cases at a time (default 8)
  --slow N              all waiting times N times as long, for slow machines (default 1)
  --dial-in             adapters dial in at the address that is shown, or that PROGRAM finds in CHAT_CONFORMANCE_URL
  --at HOST:PORT        where, and the address of this machine for the client (default 127.0.0.1 and any port)
  --known FILE          failures that are known, with their reasons; one that passes, or fails otherwise, breaks the run

Servers: tcp://HOST:PORT, tls://, ws:// or wss://
  --user NAME, --other NAME      two accounts that all cases share; passwords come from --password-file FILE and --other-password-file FILE,
                                 or from CHAT_CONFORMANCE_PASSWORD and CHAT_CONFORMANCE_OTHER_PASSWORD in the environment
  --register                     makes accounts for each case in their place; where that takes an invite its code comes from
                                 --invite-file FILE, or from CHAT_CONFORMANCE_INVITE
  --ca FILE                      PEM file with the certificate to trust
  --has FEATURE                  what the server was set up for, such as short-times: see conformance/README.md

Reports
  --trace               the decoded wire trace of what does not pass
  --junit FILE          JUnit XML
  --json FILE           everything, for programs: conformance/report.schema.json
  --html FILE           a page to look at: requirements, cases, wire traces
  --markdown FILE       a summary for a pull request

The exit code is 0 where everything is as it should be, 1 where a case breaks the run, 2 where the command makes no sense.
`
