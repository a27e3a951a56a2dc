"""The adapter of this client for the conformance suite: JSON lines on stdin and stdout, as conformance/README.md has it.

    bin/chat-conformance client -- python3 conformance/examples/python/adapter.py
"""

import asyncio
import json
import sys
import time

import client
from codec import ERROR_NAMES
from storage import Store

FEATURES = ['start', 'connect', 'send', 'dump', 'markRead', 'operations', 'typing', 'presence', 'background', 'clock', 'groups', 'sync',
            'history', 'disconnect', 'unread', 'websocket', 'tls', 'stop', 'no-queue']

# Commands that are one call of the client.
CALLS = {
    'send': lambda device, to, text: device.send(to, text),
    'markRead': lambda device, conversation, seq: device.mark(conversation, seq),
    'edit': lambda device, conversation, seq, text: device.edit(conversation, seq, text),
    'remove': lambda device, conversation, seq: device.delete(conversation, seq),
    'react': lambda device, conversation, seq, text: device.react(conversation, seq, text),
    'watch': lambda device, users: device.watch(users),
    'unwatch': lambda device: device.unwatch(sorted(device.watched)),
    'typing': lambda device, conversation: device.typing(conversation),
    'background': lambda device: device.set_active(False),
    'foreground': lambda device: device.set_active(True),
    'history': lambda device, conversation: device.history(conversation),
    'disconnect': lambda device: device.close(),
}


class Clock:
    """Jumps ahead when it is told to; asyncio's timers go by it too."""

    def __init__(self):
        self.real, self.ahead = time.monotonic, 0.0
        time.monotonic = lambda: self.real() + self.ahead


class Adapter:
    def __init__(self):
        self.clock, self.device, self.running, self.error = Clock(), None, None, ''
        self.typing = []

    def told(self, kind, value):
        key = kind.startswith('typing') and {name: value[name] for name in ('conversation', 'from')}
        if key and key in self.typing:
            self.typing.remove(key)
        if kind == 'typing':
            self.typing.append(key)

    async def run(self):
        try:
            await self.device.run()
        except client.Closed as error:
            self.error = ERROR_NAMES.get(error.code, str(error.code))
        except Exception as error:  # what stops a client is told by the dump
            self.error = f'{type(error).__name__}: {error}'

    def do_features(self):
        return {'features': FEATURES, 'name': 'chatd example client, Python'}

    def do_start(self, server, user, device, password, storage, ca=None, noQueue=False):
        self.device = client.Client(server, user, device, Store(f'{storage}/device.sqlite'), password, self.told, ca=ca, no_queue=noQueue)

    def do_connect(self):
        self.running = asyncio.create_task(self.run())

    def do_advance(self, ms):
        self.clock.ahead += ms / 1000

    async def do_stop(self):
        if self.running:
            self.running.cancel()
            await asyncio.wait([self.running])
        self.device.store.close()
        self.device, self.running, self.error, self.typing = None, None, '', []

    def do_dump(self):
        device, store = self.device, self.device.store
        names = [row[0] for row in store.db.execute('SELECT DISTINCT conversation FROM log ORDER BY conversation')]
        messages = [self.line(item) for name in names for item in store.items(name) if item['kind'] in ('message', 'change')
                    and not item.get('expired')]
        watermarks = {name: {'own': store.shown_watermark(name, device.user, 'read'),
                             **{mark: max((store.shown_watermark(name, member, mark) for member in self.others(name)), default=0)
                                for mark in ('delivered', 'read')}} for name in names}
        outbox = [json.loads(body) for frame, body in store.db.execute('SELECT frame, body FROM outbox ORDER BY id') if frame == 'message']
        refused = [{'to': json.loads(body)['to'], 'text': json.loads(body)['text'], 'error': ERROR_NAMES.get(error, str(error))}
                   for body, error in store.db.execute("SELECT body, error FROM refused WHERE frame = 'message' ORDER BY rowid")]
        presence = {user: device.presence[user]['online'] and 'online' or 'offline' if user in device.presence else 'unknown'
                    for user in device.watched}
        state = 'idle' if self.running is None else 'stopped' if self.running.done() else 'online' if device.online.is_set() else 'waiting'
        return {'messages': messages, 'outbox': [{'to': body['to'], 'text': body['text']} for body in outbox], 'refused': refused,
                'watermarks': watermarks, 'presence': presence, 'typing': self.typing, 'state': state, 'error': self.error,
                'unread': {name: store.unread(name, device.user) for name in names}}

    def others(self, name):
        rows = self.device.store.db.execute('SELECT DISTINCT member FROM watermarks WHERE conversation = ?', (name,))
        return [member for member, in rows if member != self.device.user]

    @staticmethod
    def line(item):
        reactions = {}
        for who, (_, emoji) in sorted(item.get('reactions', {}).items()):
            if emoji:
                reactions.setdefault(emoji, []).append(who)
        change = item['kind'] == 'change'
        return {'conversation': item['conversation'], 'seq': item['seq'], 'from': item['from'],
                'text': (item['change'] or [''])[0] if change else item['text'], 'edited': bool(item.get('edited')),
                'deleted': bool(item.get('deleted')), 'incomplete': bool(item.get('unreadable')), 'change': change, 'reactions': reactions}

    async def answer(self, request):
        name = request.pop('do')
        function = getattr(self, 'do_' + name, None)
        if function is None and name not in CALLS:
            return {'unsupported': True}
        try:
            answer = function(**request) if function else CALLS[name](self.device, **request)
            if asyncio.iscoroutine(answer):
                answer = await answer
            return answer if function and answer else {}
        except client.Refused as error:
            return {'refused': ERROR_NAMES.get(error.code, str(error.code))}
        except Exception as error:
            return {'error': f'{type(error).__name__}: {error}'}


async def main():
    reader = asyncio.StreamReader(limit=2 ** 23)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    adapter, waiting = Adapter(), set()

    async def reply(request):
        number = request.pop('id')
        print(json.dumps({'id': number, **await adapter.answer(request)}), flush=True)

    while line := await reader.readline():
        request = json.loads(line)
        if request['do'] != 'history':
            await reply(request)
            continue
        # It waits for the server, and other commands may come before that answers.
        waiting.add(task := asyncio.create_task(reply(request)))
        task.add_done_callback(waiting.discard)


asyncio.run(main())
