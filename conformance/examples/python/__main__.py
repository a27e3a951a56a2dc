"""A small client for the command line: python3 conformance/examples/python --help"""

import argparse
import asyncio
import json
import os
import pathlib
import socket
import sys

import client
import codec
import scram
import transport
from storage import Store


def arguments():
    parser = argparse.ArgumentParser(prog='python3 conformance/examples/python', description=__doc__.split(':')[0])
    parser.add_argument('--server', default='tcp://127.0.0.1:5322', help='tcp://, tls://, ws:// or wss://')
    parser.add_argument('--user', required=True)
    parser.add_argument('--password-file', help='needed for the first login alone')
    parser.add_argument('--device', default=(codec.normalize_name(socket.gethostname().split('.')[0]) or 'device') + '-python')
    parser.add_argument('--state', help='SQLite file with outbox, position and token of this device')
    parser.add_argument('--ca', help='PEM file with the certificate to trust')
    parser.add_argument('--allow-plaintext', action='store_true', help='sign in without encryption beyond this machine')
    commands = parser.add_subparsers(dest='command', required=True)
    send = commands.add_parser('send', help='send a message, and wait until it is on stable storage')
    send.add_argument('to')
    send.add_argument('text')
    send.add_argument('--reply', type=int, default=0, metavar='SEQ')
    recv = commands.add_parser('recv', help='print what comes, a JSON object a line')
    recv.add_argument('--once', action='store_true', help='end when the queue is empty')
    for name in ('edit', 'react'):
        operate = commands.add_parser(name)
        operate.add_argument('conversation')
        operate.add_argument('seq', type=int)
        operate.add_argument('text')
    for name in ('delete', 'read'):
        operate = commands.add_parser(name)
        operate.add_argument('conversation')
        operate.add_argument('seq', type=int)
    history = commands.add_parser('history', help='print the last page of a conversation')
    history.add_argument('conversation')
    history.add_argument('--before', type=int)
    commands.add_parser('conversations')
    search = commands.add_parser('search')
    search.add_argument('words')
    group = commands.add_parser('group', help='create, add, invite, remove, join, leave or show a group')
    group.add_argument('action', choices=['create', 'add', 'invite', 'remove', 'join', 'leave', 'show'])
    group.add_argument('group')
    group.add_argument('members', nargs='*')
    register = commands.add_parser('register', help='make an account')
    register.add_argument('--invite', default='')
    return parser.parse_args()


def xml(tree, depth=0):
    """Of an element, for people."""
    attributes = ''.join(f' {name}={json.dumps(value, ensure_ascii=False)}' for name, value in tree.attributes.items())
    inner = ''.join(child if isinstance(child, str) else '\n' + xml(child, depth + 1) for child in tree.children)
    return f'{"  " * depth}<{tree.name}{attributes}>{inner}'


async def work(device, args, done):
    """What the command asks of a device that is coming online."""
    if args.command == 'send':
        print(await device.send(args.to, args.text, reply=args.reply))
    elif args.command == 'recv':
        await (done.wait() if args.once else asyncio.Event().wait())
    elif args.command in ('edit', 'react', 'delete'):
        print(await device.operate(args.conversation, args.seq, args.command, getattr(args, 'text', '')))
    elif args.command == 'read':
        print(await device.mark(args.conversation, args.seq))
    elif args.command == 'history':
        print(xml(await device.history(args.conversation, before=args.before)))
    elif args.command == 'conversations':
        for conversation in await device.conversations():
            print(xml(conversation))
    elif args.command == 'search':
        print(xml(await device.ask('search', words=args.words)))
    elif args.action == 'create':
        print(xml(await device.group_create(args.group, *args.members)))
    elif args.action == 'join':
        print(xml(await device.group_join(args.group, *args.members[:1])))
    elif args.action == 'show':
        print(xml(await device.group(args.group)))
    else:
        print(xml(await device.group_change(args.group, args.action, *args.members)))


async def main(args):
    password = None
    if args.password_file:
        password = pathlib.Path(args.password_file).read_text('utf-8').removesuffix('\n').removesuffix('\r')
    if args.command == 'register':
        print(await client.register(args.server, args.user, password or '', args.invite, args.ca, args.allow_plaintext))
        return
    done = asyncio.Event()

    def told(kind, value):
        if kind == 'done':
            done.set()
        elif kind == 'untrusted':
            print(value['reason'], file=sys.stderr)
        elif args.command == 'recv' and kind not in ('online', 'offline'):
            print(json.dumps({'event': kind, **(value if isinstance(value, dict) else {})}, ensure_ascii=False), flush=True)

    state = args.state or f'{args.user}-{args.device}.sqlite'
    os.umask(0o077)  # the file holds a token
    device = client.Client(args.server, args.user, args.device, Store(state), password, told,
                           ca=args.ca, allow_plaintext=args.allow_plaintext,
                           no_queue=args.command != 'recv')  # what nothing shows stays where it is
    running = asyncio.create_task(device.run())
    working = asyncio.create_task(work(device, args, done))
    await asyncio.wait([running, working], return_when=asyncio.FIRST_COMPLETED)
    if working.done():
        await device.close()
    else:
        working.cancel()
    await asyncio.gather(running)
    await working


if __name__ == '__main__':
    try:
        asyncio.run(main(arguments()))
    except KeyboardInterrupt:
        sys.exit(3)
    except (client.Closed, client.Refused, scram.ScramError, transport.NoChatServer, OSError, ValueError) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
