"""The client against a real server, bin/chatd, which each class starts on free ports. Vectors: test_vectors.py."""

import asyncio
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock

import client
import codec
import scram
import transport
from client import Client, Closed, Refused, element
from codec import ERRORS, Frame
from storage import Store

HERE = pathlib.Path(__file__).resolve().parent
CHATD = HERE.parents[2] / 'bin' / 'chatd'
USERS = ['alice', 'bob', 'carol', *(f'user-{i}' for i in range(1, 41))]


class Server:
    """bin/chatd with a data directory of its own; killed and started again at will, under the same ports."""

    def __init__(self, listen=('tcp', 'ws'), *settings):
        self.directory = tempfile.TemporaryDirectory(prefix='chatd-python-')
        self.data = self.directory.name + '/data'
        self.settings = [f'--set={value}' for value in ('admin.url=', 'auth.failuresBurst=1000000', 'rate.strangerPerSecond=0', *settings)]
        self.urls = [f'{scheme}://127.0.0.1:0' for scheme in listen]
        self.process = None
        # Few iterations are enough for a test, and are the least that a client takes. [SCR-5]
        self.settings.append('--set=auth.scramIterations=4096')
        self.run('user', 'import', '--set=auth.scramIterations=4096', input=''.join(f'{user} password-{user}\n' for user in USERS))

    def run(self, *words, input=''):
        return subprocess.run([CHATD, *words, '--data', self.data], input=input, capture_output=True, text=True, check=True).stdout

    def start(self):
        listen = [word for url in self.urls for word in ('--listen', url)]
        self.process = subprocess.Popen([CHATD, 'start', '--data', self.data, *listen, *self.settings],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError('bin/chatd does not start')
        self.urls = json.loads(line)['listeners']
        return self

    def stop(self, how=signal.SIGKILL):
        if self.process:
            self.process.send_signal(how)
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    def clean(self):
        self.stop()
        self.directory.cleanup()


def is_built():
    try:
        return subprocess.run([CHATD, 'version'], capture_output=True, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


@unittest.skipUnless(is_built(), 'bin/chatd does not run: npm ci first')
class Live(unittest.IsolatedAsyncioTestCase):
    listen, settings = ('tcp', 'ws'), ()

    @classmethod
    def setUpClass(cls):
        cls.server = Server(cls.listen, *cls.settings)
        cls.addClassCleanup(cls.server.clean)
        cls.server.start()
        cls.numbers = iter(range(1, 41))

    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)  # it tells of every callback that is slow
        self.devices = []
        self.here = tempfile.TemporaryDirectory(prefix='chatd-python-')
        self.addCleanup(self.here.cleanup)

    async def asyncTearDown(self):
        for device, task in self.devices:
            await asyncio.wait_for(device.close(), 10)
            await asyncio.gather(task, return_exceptions=True)
            device.store.close()

    def user(self):
        """A user of the class that no other test of it has."""
        return f'user-{next(self.numbers)}'

    async def device(self, user, device=None, url=0, store=None, password=True, online=True, **options):
        device = device or f'd{len(self.devices)}'
        store = store or Store(f'{self.here.name}/{user}-{device}')
        events = []
        made = Client(self.server.urls[url], user, device, store, f'password-{user}' if password is True else password,
                      lambda kind, value: events.append((kind, value)), **options)
        made.events_seen = events
        task = asyncio.create_task(made.run())
        self.devices.append((made, task))
        made.task = task
        if online:
            await self.event(made, 'done')
        return made

    async def event(self, device, kind, accept=lambda value: True, seconds=10):
        """The next event of a kind that is accepted; those before it are passed over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for i, (name, value) in enumerate(device.events_seen):
                if name == kind and accept(value):
                    del device.events_seen[:i + 1]
                    return value
            if device.task.done() and device.task.exception():
                raise device.task.exception()
            await asyncio.sleep(0.01)
        self.fail(f'no {kind}: {device.events_seen}')

    async def refused(self, name, awaitable):
        with self.assertRaises(Refused) as caught:
            await awaitable
        self.assertEqual(caught.exception.code, ERRORS[name])

    async def leave(self, device):
        """The device goes; its storage stays."""
        await device.close()
        await device.task
        self.devices = [(d, t) for d, t in self.devices if d is not device]
        return device.store


class Messages(Live):
    async def test_both_transports(self):
        a, b = self.user(), self.user()
        alice, bob = await self.device(a), await self.device(b, url=1)
        self.assertEqual(await alice.send(b.upper(), 'good morning ☀'), 1)
        message = await self.event(bob, 'message')
        self.assertEqual((message['from'], message['seq'], message['text']), (a, 1, 'good morning ☀'))
        receipt = await self.event(alice, 'receipt')
        self.assertEqual((receipt['mark'], receipt['seq']), ('delivered', 1))
        await bob.mark(a, 1)
        await self.event(alice, 'receipt', lambda r: r['mark'] == 'read' and r['seq'] == 1)
        self.assertEqual(bob.store.unread(a, b), 0)
        with self.assertRaises(Refused):
            alice.send(b, 'x' * 701)
        self.assertEqual(await alice.send(b, '😀' * 700), 2)
        await self.event(bob, 'message', lambda m: m['seq'] == 2)
        self.assertEqual(bob.store.unread(a, b), 1)

    async def test_refusals(self):
        alice = await self.device(self.user())
        await self.refused('no-such-user', alice.send('nobody-here', 'x'))
        await self.refused('no-such-conversation', alice.send('#nothing-here', 'x'))
        self.assertRaises(Refused, alice.send, '-x', 'x')
        self.assertRaises(Refused, alice.send, 'bob', '')
        self.assertRaises(Refused, alice.send, 'bob', 'a\0b')
        self.assertIsNone(alice.store.next_out(0))
        self.assertEqual(alice.store.one('SELECT count(*) FROM refused'), 2)

    async def test_outbox_offline(self):
        a, b = self.user(), self.user()
        alice = await self.device(a)
        store = await self.leave(alice)
        alice = Client(self.server.urls[0], a, alice.device, store)
        for i in range(150):  # more than one flight holds [OPN-14]
            alice.send(b, f'text {i}')
        alice = await self.device(a, alice.device, store=store, password=None)
        for _ in range(500):
            if store.next_out(0) is None:
                break
            await asyncio.sleep(0.01)
        texts = [item['text'] for item in store.items(b)]
        self.assertEqual(texts, [f'text {i}' for i in range(150)])

    async def test_own_devices(self):
        a, b = self.user(), self.user()
        phone, laptop = await self.device(a, 'phone'), await self.device(a, 'laptop', url=1)
        await phone.send(b, 'from the phone')
        message = await self.event(laptop, 'message')
        self.assertEqual((message['from'], message['conversation']), (a, b))
        await asyncio.sleep(0.3)
        self.assertEqual(len(phone.store.items(b)), 1)  # by ack and entry, shown once [MSG-18]
        self.assertNotIn('message', [kind for kind, _ in phone.events_seen])

    async def test_fresh_device_gets_what_waits(self):
        a, b = self.user(), self.user()
        alice = await self.device(a)
        for i in range(300):  # more than a window
            last = alice.send(b, str(i))
        await last
        bob = await self.device(b, window=10)
        self.assertEqual([item['text'] for item in bob.store.items(a)], [str(i) for i in range(300)][:len(bob.store.items(a))])
        self.assertEqual(len(bob.store.items(a)), 300)

    async def test_large_entries_right_behind_welcome(self):
        a, b = self.user(), self.user()
        alice = await self.device(a)
        for i in range(3):
            await alice.put_out('message', {'to': b, 'text': str(i), 'extensions': {'1001': '00' * 30000}})
        bob = await self.device(b)
        self.assertEqual(len(bob.store.items(a)), 3)
        store = await self.leave(alice)
        offline = Client(self.server.urls[0], a, alice.device, store)
        offline.put_out('message', {'to': b, 'text': 'waits for welcome', 'extensions': {'1001': '00' * 30000}})  # [OPN-5]
        await self.device(a, alice.device, store=store)
        self.assertEqual((await self.event(bob, 'message', lambda m: m['seq'] == 4))['text'], 'waits for welcome')

    async def test_too_old(self):
        a, b = self.user(), self.user()
        alice, bob = await self.device(a), await self.device(b)
        await alice.send(b, 'first')
        await self.event(bob, 'message')
        store = await self.leave(bob)
        for i in range(120):
            last = alice.send(b, str(i))
        await last
        with store:
            store.set(queueEpoch=store.get('queueEpoch') + 1)  # as after a restore from a backup [QUE-8]
        bob = await self.device(b, bob.device, store=store)
        await asyncio.wait_for(bob.syncing, 10)
        self.assertEqual([item['seq'] for item in store.items(a)], list(range(1, 122)))
        self.assertEqual(store.get('toSync'), 0)

    async def test_extensions_and_operations(self):
        a, b = self.user(), self.user()
        alice, bob = await self.device(a), await self.device(b)
        await alice.send(b, 'shall we go?')
        seq = await bob.send(a, 'yes', reply=1, mentions=[a])
        message = await self.event(alice, 'message')
        self.assertEqual((message['reply'], message['mention']), (1, [a]))
        self.assertEqual(await bob.forward(a, a, 1), seq + 1)
        self.assertEqual((await self.event(alice, 'message'))['forwarded'], 1)
        await alice.edit(b, 1, 'shall we go now?')
        await bob.react(a, 1, '👍')
        await self.event(bob, 'operation', lambda o: o['operation'] == 'edit')
        await self.event(alice, 'operation', lambda o: o['operation'] == 'react')
        for store, other in ((alice.store, b), (bob.store, a)):
            item = store.item(other, 1)
            self.assertEqual(item['text'], 'shall we go now?')
            self.assertEqual(item['reactions'][b][1], '👍')
        self.assertEqual(await alice.edit(b, 1, 'shall we go now?'), 0)  # nothing changes [OPS-11]
        await self.refused('not-allowed', bob.edit(a, 1, 'no'))
        await self.refused('invalid-reaction', bob.react(a, 1, 'x'))
        await self.refused('no-such-message', bob.react(a, 99, '👍'))
        await alice.delete(b, 1)
        await self.event(bob, 'operation', lambda o: o['operation'] == 'delete')
        self.assertTrue(bob.store.item(a, 1)['deleted'])
        self.assertFalse(bob.store.item(a, 1)['text'])
        await self.refused('message-deleted', bob.react(a, 1, '👍'))
        late = await self.device(b)
        await late.sync()  # what the other device has acknowledged need not be in the queue any more [QUE-9]
        self.assertTrue(late.store.item(a, 1)['deleted'])

    async def test_history_and_list(self):
        a, b = self.user(), self.user()
        alice = await self.device(a)
        for i in range(5):
            await alice.send(b, str(i))
        page = await alice.history(b, before=4, limit=2)
        self.assertEqual([m.number('seq') for m in page.children], [2, 3])
        self.assertEqual(page.get('more'), 'true')
        page = await alice.history(b, after=3)
        self.assertEqual([m.number('seq') for m in page.children], [4, 5])
        [entry] = await alice.conversations()
        self.assertEqual((entry.get('with'), entry.number('tail'), entry.number('unread')), (b, 5, 0))
        await self.refused('no-such-conversation', alice.history('carol'))
        await self.refused('unsupported-query', alice.ask('no-such-thing'))
        answers = await asyncio.gather(*(alice.ask('settings') for _ in range(30)))  # eight at a time [QRY-2]
        self.assertEqual(len(answers), 30)

    async def test_search(self):
        a, b = self.user(), self.user()
        alice = await self.device(a)
        await alice.send(b, 'Über den Wolken')
        found = await alice.ask('search', words='uber wol')
        self.assertEqual([m.number('seq') for m in found.all('message')], [1])
        await self.refused('bad-request', alice.ask('search', words='!'))


class Sessions(Live):
    settings = ('auth.registration=invite', 'auth.userInvites=5', 'auth.registrationsBurst=1000')

    async def test_token_and_password(self):
        user = self.user()
        device = await self.device(user)
        token = device.store.get('token')
        self.assertEqual(len(token), codec.LIMITS['tokenBytes'])
        store = await self.leave(device)
        device = await self.device(user, device.device, store=store, password=None)
        self.assertEqual(device.welcome['resume'], client.RESUMED)
        store = await self.leave(device)
        with store:
            store.set(token=bytes(32))
        device = await self.device(user, device.device, store=store)  # token-invalid: the password [CLS-5]
        self.assertNotIn(store.get('token'), (token, bytes(32)))

    async def test_credentials(self):
        for user, password in (('alice', 'wrong'), ('no-such-user', 'wrong')):
            device = await self.device(user, online=False, password=password)
            with self.assertRaises(Closed) as caught:
                await asyncio.wait_for(device.task, 10)
            self.assertEqual(caught.exception.code, ERRORS['not-authorized'])

    async def test_a_server_that_does_not_know_the_password(self):
        async def answer(reader, writer):
            decoder = codec.Decoder(65536)
            while data := await reader.read(4096):
                for frame in decoder.feed(data):
                    if frame.name == 'hello':
                        reply = Frame('features', {'version': 1, 'mechanisms': ['SCRAM-SHA-256'], 'channelBindings': [],
                                                   'openFrameBytesMax': 4096, 'openTimeoutMs': 10000})
                    elif frame.name == 'auth':
                        nonce = frame['data'].split(b'r=')[1]
                        reply = Frame('challenge', {'data': b'r=' + nonce + b'x,s=AAAA,i=4096'})
                    elif frame.name == 'response':
                        reply = Frame('authenticated', {'user': 'alice', 'data': b'v=' + b'A' * 43 + b'='})
                    else:
                        seen.append(frame)
                        continue
                    writer.write(codec.encode(reply))
            writer.close()
        seen = []
        false = await asyncio.start_server(answer, '127.0.0.1', 0)
        device = Client(f'tcp://127.0.0.1:{false.sockets[0].getsockname()[1]}', 'alice', 'd', Store(':memory:'), 'secret')
        with self.assertRaises(scram.ScramError):
            await asyncio.wait_for(device.run(), 10)  # nothing but a close follows [SCR-4]
        self.assertEqual([(frame.name, frame['error']) for frame in seen], [('close', ERRORS['not-authorized'])])
        false.close()

    async def test_replaced(self):
        user = self.user()
        first = await self.device(user, 'same')
        await self.device(user, 'same', store=Store(self.here.name + '/other'))
        with self.assertRaises(Closed) as caught:
            await asyncio.wait_for(first.task, 10)
        self.assertEqual(caught.exception.code, ERRORS['replaced'])

    async def test_devices(self):
        user = self.user()
        one, two = await self.device(user, 'one', device_name='My phone'), await self.device(user, 'two')
        listed = {d.get('id'): d for d in (await one.ask('devices')).all('device')}
        self.assertEqual((listed['one'].get('name'), listed['one'].get('current')), ('My phone', 'true'))
        await one.ask('remove-device', id='two')
        with self.assertRaises(Closed) as caught:
            await asyncio.wait_for(two.task, 10)
        self.assertEqual(caught.exception.code, ERRORS['device-removed'])
        await self.refused('no-such-device', one.ask('remove-device', id='two'))

    async def test_registration(self):
        code = json.loads(self.server.run('invite', 'create', '--json'))['code']
        name = f'new-{random.getrandbits(40)}'
        with self.assertRaises(Closed) as caught:
            await client.register(self.server.urls[0], 'alice', 'x', 'wrong')
        self.assertEqual(caught.exception.code, ERRORS['invite-invalid'])
        self.assertEqual(await client.register(self.server.urls[1], name, f'password-{name}', code.upper()), name)
        device = await self.device(name)
        invite = await device.ask('invite', id='a' * 8)
        other = f'new-{random.getrandbits(40)}'
        await client.register(self.server.urls[0], other, 'x', invite.get('code'))
        [listed] = (await device.ask('invites')).all('invite')
        self.assertEqual(listed.get('state'), 'used')

    async def test_command_line(self):
        a, b = self.user(), self.user()
        def run(user, *words):
            secret = pathlib.Path(self.here.name, user)
            secret.write_text(f'password-{user}\n')
            return subprocess.run([sys.executable, HERE, '--server', self.server.urls[0], '--user', user, '--password-file', secret,
                                   '--device', 'cli', '--state', f'{secret}.sqlite', *words], capture_output=True, text=True, timeout=30)
        for i in (1, 2):
            self.assertEqual(run(a, 'send', b, f'line {i}').stdout, f'{i}\n')
        lines = [json.loads(line) for line in run(b, 'recv', '--once').stdout.splitlines()]
        self.assertEqual([line['text'] for line in lines if line['event'] == 'message'], ['line 1', 'line 2'])
        self.assertEqual(run(b, 'recv', '--once').stdout, '')
        self.assertEqual(run(a, 'send', 'nobody-here', 'x').returncode, 1)


class People(Live):
    async def test_presence_and_typing(self):
        a, b = self.user(), self.user()
        alice, bob = await self.device(a), await self.device(b)
        await alice.send(b, 'hi')
        alice.watch([b, 'nobody-here'])
        self.assertTrue((await self.event(alice, 'presence', lambda p: p['user'] == b))['online'])
        self.assertFalse(alice.presence['nobody-here']['online'])
        alice.typing(b)
        self.assertEqual((await self.event(bob, 'typing'))['from'], a)
        await alice.send(b, 'there')
        await self.event(bob, 'typing-over')  # the message ends it [PRS-14]
        await asyncio.sleep(codec.LIMITS['presenceDelayMs'] / 1000)  # so that its coming is a change of its own [PRS-7]
        bob.set_active(False)
        state = await self.event(alice, 'presence')
        self.assertEqual((state['user'], state['online']), (b, False))
        self.assertGreater(state['lastSeen'], 0)
        await bob.ask('privacy', seen='nobody')
        await self.event(alice, 'presence', lambda p: p['lastSeen'] == 0)
        alice.watch(['-x'])
        self.assertEqual((await self.event(alice, 'decline'))['error'], ERRORS['malformed-address'])
        alice.typing('carol')
        self.assertEqual((await self.event(alice, 'decline'))['error'], ERRORS['no-such-conversation'])
        alice.link.pipe.abort()
        await self.event(alice, 'online')
        await self.event(alice, 'presence', lambda p: p['user'] == b)  # watched again [PRS-8]

    async def test_lists(self):
        a, b = self.user(), self.user()
        phone, laptop = await self.device(a, 'phone'), await self.device(a, 'laptop')
        await phone.ask('profile', name='Alice', about='back on Monday')
        await self.event(laptop, 'changed', lambda c: c['list'] == 'profile')
        [shown] = (await laptop.ask('profile', user=a)).all('user')
        self.assertEqual(shown.get('name'), 'Alice')
        [same] = (await laptop.ask('profile', user=a, version=shown.get('version'))).all('user')
        self.assertEqual(same.get('unchanged'), 'true')
        await phone.ask('contact', user=b, name='Bobby')
        await self.event(laptop, 'changed', lambda c: c['list'] == 'contacts')
        for _ in range(200):
            if laptop.store.list('contacts'):
                break
            await asyncio.sleep(0.01)
        self.assertEqual(laptop.store.list('contacts'), {b: {'name': 'Bobby'}})
        await phone.ask('contact', user=b, removed=True)
        self.assertEqual(await laptop.sync_list('contacts'), {})
        await phone.send(b, 'x')
        await phone.ask('flags', with_=b, pinned=True, mute='forever')
        self.assertEqual(await laptop.sync_list('flags'), {b: {'pinned': 'true', 'mute': 'forever'}})
        await self.refused('bad-request', phone.ask('contact', user=a))

    async def test_block(self):
        a, b = self.user(), self.user()
        alice, bob = await self.device(a), await self.device(b)
        await bob.send(a, 'before')
        await self.event(alice, 'message')
        await alice.ask('block', user=b)
        self.assertEqual(await bob.send(a, 'during'), 2)  # acked as any other [PRF-10]
        await self.refused('contact-blocked', alice.send(b, 'x'))
        await alice.ask('unblock', user=b)
        await bob.send(a, 'after')
        self.assertEqual((await self.event(alice, 'message'))['text'], 'after')
        await alice.fill(b, 3)
        self.assertEqual([(i['seq'], i['kind']) for i in alice.store.items(b)], [(1, 'message'), (2, 'nothing'), (3, 'message')])
        self.assertEqual((await alice.query(element('report', 'insults', with_=b))).get('with'), b)

    async def test_disappearing(self):
        a, b = self.user(), self.user()
        alice, bob = await self.device(a), await self.device(b)
        await alice.send(b, 'stays')
        self.assertEqual(await alice.timer(b), 0)
        self.assertEqual(await alice.timer(b, 60_000), 60_000)
        self.assertEqual((await self.event(bob, 'change'))['change'][:2], ['timer', {'after': '60000'}])
        seq = await alice.send(b, 'goes')
        expires = (await self.event(bob, 'message', lambda m: m['seq'] == seq))['expires']
        self.assertEqual(expires, alice.store.item(b, seq)['time'] + 60_000)
        self.assertEqual(alice.store.item(b, seq)['expires'], expires)  # from the ack [DIS-2]
        await alice.edit(b, seq, 'goes too')
        await self.event(bob, 'operation')
        other = await self.device(b)
        await other.history(a)
        self.assertEqual(other.store.item(a, seq)['expires'], expires)
        self.assertLess(abs(bob.server_now() - alice.store.item(b, seq)['time']), 60_000)
        self.assertEqual(bob.store.unread(a, b), 2)
        for device, peer in ((alice, b), (bob, a), (other, a)):
            self.assertEqual(device.store.expire(expires - 1), [])
            device.server_ahead += 60_000
            self.assertEqual((await self.event(device, 'expired'))['seq'], seq)  # [DIS-8]
            items = {item['seq']: item for item in device.store.items(peer)}
            self.assertEqual([items[n]['text'] for n in (1, seq, seq + 1)], ['stays', '', ''])
            self.assertTrue(items[seq]['expired'])
            self.assertEqual(device.store.expire(expires + 60_000), [])
        self.assertEqual(bob.store.unread(a, b), 1)
        await other.history(a)  # the server's time is not up: what is gone stays gone
        self.assertEqual(other.store.item(a, seq)['text'], '')

    async def test_without_the_queue(self):
        """It sends and asks, and what waits stays for who shows it. [QUE-17] [QUE-19]"""
        a, b = self.user(), self.user()
        bob = await self.device(b)
        store = Store(f'{self.here.name}/{a}-logger')
        logger = await self.device(a, 'logger', store=store, no_queue=True, online=False)
        await self.event(logger, 'online')
        await bob.send(a, 'waits')
        self.assertEqual(await logger.send(b, 'line'), 2)
        await self.event(bob, 'message')
        self.assertEqual([name for name, _ in logger.events_seen if name in ('message', 'done', 'too-old')], [])
        self.assertEqual((store.get('queueEpoch'), store.get('cursor')), (0, 0))
        await logger.close()
        alice = await self.device(a, 'laptop', online=False)
        self.assertEqual((await self.event(alice, 'message'))['text'], 'waits')

    async def test_read_receipts_off(self):
        a, b = self.user(), self.user()
        alice, bob = await self.device(a), await self.device(b)
        await alice.send(b, 'x')
        await self.event(bob, 'message')
        await bob.ask('settings', **{'read-receipts': 'off'})
        await bob.mark(a, 1)
        [entry] = await alice.conversations()
        self.assertEqual(entry.first('member').number('read'), 0)
        with self.assertRaises(Refused) as caught:
            await bob.mark(a, 2)
        self.assertEqual(caught.exception.code, ERRORS['invalid-watermark'])


class Pages(unittest.IsolatedAsyncioTestCase):
    """Answers that the server of the other tests is too small for, or too honest."""

    async def asyncSetUp(self):
        self.asked = []
        self.client = Client('tcp://127.0.0.1:1', 'alice', 'phone', Store(':memory:'))
        self.addCleanup(self.client.store.close)

    def answer(self, *pages):
        left = list(pages)

        async def query(tree):
            self.asked.append(tree.get('after') or tree.get('before'))
            return left.pop(0) if len(left) > 1 else left[0]
        self.client.query = query

    async def test_large_group(self):
        self.answer(element('group', element('member', name='ann'), element('member', name='bob'), id='#g', more=True),
                    element('group', element('invited', name='carol'), element('link', code='x'), id='#g'))
        group = await self.client.group('#g')
        self.assertEqual([child.get('name') for child in group.children], ['ann', 'bob', 'carol', None])  # [GRP-24]
        self.assertEqual(self.asked, [None, 'bob'])

    async def test_pages_without_progress_end(self):
        self.answer(element('receipts', element('member', name='ann'), more=True))
        self.assertEqual(len((await self.client.receipts('#g')).children), 2)
        self.answer(element('conversations', more=True))
        self.assertEqual(await self.client.conversations(), [])
        self.answer(element('contacts', version=1, more=True))
        self.assertEqual(await self.client.sync_list('contacts'), {})

    async def test_a_tail_costs_nothing_until_it_is_there(self):
        def message(seq):
            return element('message', element('body', 'x'), seq=seq, from_='bob', time=1)
        far = 2 ** 52
        self.answer(element('history', message(far), with_='bob', tail=far, more=True),
                    element('history', message(far - 5), message(far + 5), with_='bob', tail=far, more=True),
                    element('history', message(3), with_='bob', tail=far))
        await self.client.fill('bob', far)
        self.assertEqual(self.asked, [str(far + 1), str(far), str(far - 5)])
        self.assertEqual(self.client.store.whole_up_to('bob'), far)
        self.assertLess(len(self.client.store.items('bob')), 10)


class Groups(Live):
    async def test_life_of_a_group(self):
        a, b, c = self.user(), self.user(), self.user()
        alice, bob, carol = [await self.device(user) for user in (a, b, c)]
        group = f'#g-{a}'
        self.assertEqual((await alice.group_create(group, b, name_='Skiing')).number('seq'), 1)
        self.assertEqual((await alice.group_create(group, b)).number('seq'), 1)  # as the first time [GRP-17]
        await self.refused('group-taken', bob.group_create(group))
        self.assertEqual((await self.event(bob, 'change'))['change'][0], 'create')
        self.assertEqual(await alice.send(group, 'hello all'), 2)
        self.assertEqual((await self.event(bob, 'message'))['from'], a)
        receipt = await self.event(alice, 'receipt', lambda r: r['conversation'] == group and r['seq'] == 2)
        self.assertEqual(receipt['member'], '')
        await self.refused('no-such-conversation', carol.send(group, 'x'))
        await self.refused('not-allowed', bob.group_change(group, 'add', c))
        await alice.group_change(group, 'invite', c)
        self.assertEqual((await self.event(carol, 'change'))['change'][0], 'invite')
        await carol.group_join(group)
        await self.event(bob, 'change', lambda x: x['change'][0] == 'join')
        await alice.group_change(group, 'role', b, role='admin')
        self.assertEqual((await alice.group_change(group, 'role', b, role='admin')).number('seq'), 0)  # [GRP-6]
        members = {m.get('name'): m.get('role') for m in (await carol.group(group)).all('member')}
        self.assertEqual(members, {a: 'owner', b: 'admin', c: 'member'})
        await self.refused('no-such-user', bob.group_change(group, 'add', 'nobody-here'))
        await bob.group_change(group, 'remove', c)
        await self.event(carol, 'change', lambda x: x['change'][0] == 'remove')
        await self.refused('no-such-conversation', carol.send(group, 'x'))
        link = (await bob.query(element('group-link', id=group, uses=1))).get('code')
        await carol.group_join(group, link)
        await self.refused('invalid-link', (await self.device(self.user())).group_join(group, link))
        await alice.group_change(group, 'leave')
        await self.event(bob, 'change', lambda x: x['change'][0] == 'owner')  # the admin becomes owner [GRP-12]
        seqs = [item['seq'] for item in bob.store.items(group)]
        self.assertEqual(seqs, list(range(1, len(seqs) + 1)))  # one log without holes [GRP-2]
        await carol.history(group)
        shown = {item['seq']: item['kind'] for item in carol.store.items(group)}
        self.assertEqual(shown[max(shown)], 'change')


class Faults(Live):
    async def test_server_killed_between(self):
        a, b = self.user(), self.user()
        alice, bob = await self.device(a), await self.device(b, url=1)
        answers = []
        for round_ in range(3):
            for i in range(40):
                answers.append(alice.send(b, f'{round_}-{i}'))
                if i == 20:
                    await asyncio.sleep(0.01 * round_)
                    self.server.stop()  # SIGKILL, with stanzas in flight
            self.server.start()
            await asyncio.wait_for(asyncio.gather(*answers), 30)
        await self.event(bob, 'message', lambda m: m['text'] == '2-39', 30)
        expected = [f'{r}-{i}' for r in range(3) for i in range(40)]
        self.assertEqual([answer.result() for answer in answers], list(range(1, 121)))
        self.assertEqual([item['text'] for item in bob.store.items(a)], expected)
        self.assertEqual([item['text'] for item in alice.store.items(b)], expected)
        page = await bob.history(a, after=0, limit=100)
        self.assertEqual([m.first('body').text for m in page.children], expected[:100])

    async def run_until_killed(self, code, *values):
        script = 'import sys, os, asyncio, signal\nsys.path.insert(0, sys.argv[1])\nimport client\nfrom storage import Store\n' + code
        process = await asyncio.create_subprocess_exec(sys.executable, '-c', script, str(HERE), *values)
        await asyncio.wait_for(process.wait(), 30)
        self.assertEqual(process.returncode, -signal.SIGKILL)

    async def test_client_killed_between_receive_and_ack(self):
        a, b = self.user(), self.user()
        alice = await self.device(a)
        for i in range(3):
            await alice.send(b, str(i))
        path = f'{self.here.name}/bob'
        # It stores the entries, and dies before it acknowledges any of them, or tells of them.
        await self.run_until_killed('''
class Dying(client.Client):
    def acknowledge_in_time(self, frames):
        if self.unacknowledged: os.kill(os.getpid(), signal.SIGKILL)
asyncio.run(Dying(sys.argv[2], sys.argv[3], 'd', Store(sys.argv[4]), sys.argv[5]).run())
''', self.server.urls[0], b, path, f'password-{b}')
        await asyncio.sleep(0.2)
        self.assertEqual((await alice.ask('receipts', with_=b)).first('member').number('delivered'), 0)
        bob = await self.device(b, 'd', store=Store(path), password=None)
        told = [value['text'] for kind, value in bob.events_seen if kind == 'message']
        self.assertEqual([item['text'] for item in bob.store.items(a)], ['0', '1', '2'])
        await alice.send(b, '3')
        await self.event(bob, 'message', lambda m: m['text'] == '3')
        self.assertEqual(bob.welcome['resume'], client.RESUMED)
        self.assertEqual(len(bob.store.items(a)), 4)
        self.assertLessEqual(len(told), 3)

    async def test_client_killed_between_storing_and_ack_of_its_message(self):
        a, b = self.user(), self.user()
        path = f'{self.here.name}/alice'
        await self.run_until_killed('''
class Dying(client.Client):
    def on_ack(self, frame): os.kill(os.getpid(), signal.SIGKILL)
async def main():
    c = Dying(sys.argv[2], sys.argv[3], 'd', Store(sys.argv[4]), sys.argv[5])
    task = asyncio.create_task(c.run())
    for i in range(5): c.send(sys.argv[6], str(i))
    await task
asyncio.run(main())
''', self.server.urls[1], a, path, f'password-{a}', b)
        alice = await self.device(a, 'd', store=Store(path), password=None)
        self.assertEqual(await alice.send(b, '5'), 6)  # sent again under their client ids, stored once [MSG-3]
        self.assertEqual([item['text'] for item in alice.store.items(b)], [str(i) for i in range(6)])
        page = await alice.history(b)
        self.assertEqual([m.first('body').text for m in page.children], [str(i) for i in range(6)])

    async def test_connections_cut_at_random(self):
        a, b = self.user(), self.user()
        alice, bob = await self.device(a), await self.device(b, url=1)

        async def cut():
            while True:
                await asyncio.sleep(random.uniform(0.02, 0.3))
                for device in (alice, bob):
                    if device.link and random.random() < 0.5:
                        device.link.pipe.abort()
        cutting = asyncio.create_task(cut())
        answers = []
        for i in range(200):
            answers.append(alice.send(b, str(i)))
            await asyncio.sleep(0.01)
        cutting.cancel()
        await asyncio.wait_for(asyncio.gather(*answers), 30)
        for _ in range(1000):
            told = [value['text'] for kind, value in bob.events_seen if kind == 'message']
            if '199' in told:
                break
            await asyncio.sleep(0.01)
        self.assertEqual(told, [str(i) for i in range(200)])  # each once, in order
        self.assertEqual([item['text'] for item in bob.store.items(a)], told)

    async def test_rate_limited_is_sent_again(self):
        server = Server(('tcp',), 'rate.strangerBurst=3', 'rate.strangerPerSecond=5')
        self.addCleanup(server.clean)
        server.start()
        alice = Client(server.urls[0], 'alice', 'd', Store(':memory:'), 'password-alice')
        task = asyncio.create_task(alice.run())
        answers = [alice.send('bob', str(i)) for i in range(6)]
        seqs = await asyncio.wait_for(asyncio.gather(*answers), 20)  # under new client ids [MSG-16]
        self.assertEqual(sorted(seqs), [1, 2, 3, 4, 5, 6])
        self.assertIsNone(alice.store.next_out(0))
        self.assertGreater(alice.store.get('nextId'), 7)
        await alice.close()
        await task

    async def test_keep_alive_and_half_open(self):
        server = Server(('tcp',), 'limits.keepAliveMs=800')
        self.addCleanup(server.clean)
        server.start()
        seen = []
        with unittest.mock.patch.dict(codec.LIMITS, pongTimeoutMs=800):
            alice = Client(server.urls[0], 'alice', 'd', Store(':memory:'), 'password-alice', lambda k, v: seen.append(k))
            task = asyncio.create_task(alice.run())
            await asyncio.sleep(3)
            self.assertEqual((seen.count('online'), seen.count('offline')), (1, 0))  # both ends kept it alive [KAL-1]
            server.process.send_signal(signal.SIGSTOP)
            answer = alice.send('bob', 'into the void')
            for _ in range(500):
                if 'offline' in seen:
                    break
                await asyncio.sleep(0.01)
            self.assertIn('offline', seen)  # a ping without an answer [KAL-4]
            server.process.send_signal(signal.SIGCONT)
            self.assertEqual(await asyncio.wait_for(answer, 20), 1)
            await alice.close()
            await task


class Encrypted(Live):
    listen = ('tls', 'wss')

    @classmethod
    def setUpClass(cls):
        cls.certificate = tempfile.TemporaryDirectory(prefix='chatd-python-')
        cls.addClassCleanup(cls.certificate.cleanup)
        subprocess.run([CHATD, 'cert', '--out', cls.certificate.name], check=True, capture_output=True)
        cls.ca = cls.certificate.name + '/chatd.crt'
        cls.settings = (f'listen.tlsCertificate={cls.ca}', f'listen.tlsKey={cls.certificate.name}/chatd.key')
        super().setUpClass()

    async def test_tls_and_wss(self):
        a, b = self.user(), self.user()
        alice, bob = await self.device(a, ca=self.ca), await self.device(b, url=1, ca=self.ca)
        self.assertEqual(alice.link.pipe.writer.get_extra_info('ssl_object').selected_alpn_protocol(), 'chatd/1')
        self.assertEqual(alice.link.pipe.writer.get_extra_info('ssl_object').version(), 'TLSv1.3')
        await alice.send(b, 'secret')
        self.assertEqual((await self.event(bob, 'message'))['text'], 'secret')

    async def test_a_certificate_that_is_not_trusted(self):
        for url in self.server.urls:
            with self.assertRaises(OSError):  # and nothing was sent [FRM-16]
                await transport.connect(url)
        device = await self.device(self.user(), online=False)
        self.assertIn('certificate', (await self.event(device, 'untrusted'))['reason'])  # told at once,
        await self.event(device, 'untrusted')  # and tried again

    async def test_token_invalid_waits(self):
        """Also where a server says so of a password: that must not become a loop."""
        waits = []

        async def session(url):
            raise Closed(ERRORS['token-invalid'])

        def back_off(attempt, retry_after_ms=0):
            waits.append(attempt)
            if len(waits) == 3:
                device.leaving.set()
            return 0.001
        device = Client('tcp://localhost', 'alice', 'd', Store(':memory:'), 'password')
        device.session = session
        with unittest.mock.patch.object(client, 'back_off', back_off):
            await asyncio.wait_for(device.run(), 10)
        self.assertEqual(waits, [0, 1, 2])
        device.store.close()

    async def visits(self, hosts):
        """Where the client goes while each attempt in turn ends with go-to-host to one of `hosts`, or does not get through: None."""
        left, visited = list(hosts), []

        async def session(url):
            visited.append(url.removeprefix('tcp://'))
            if not left:
                device.leaving.set()
                raise Closed()
            host = left.pop(0)
            raise Closed(ERRORS['go-to-host'], host=host) if host else OSError()
        device = Client('tcp://localhost', 'alice', 'd', Store(':memory:'))
        device.session = session
        with unittest.mock.patch.object(client, 'back_off', lambda attempt, retry_after_ms=0: 0.001):
            await asyncio.wait_for(device.run(), 10)
        device.store.close()
        return visited

    async def test_only_hosts_directly_after_one_another_count(self):
        """[CLS-7]"""
        down = ['127.0.0.1:1', None]
        self.assertEqual(await self.visits(down * 5), ['localhost', '127.0.0.1:1'] * 5 + ['localhost'])
        row = ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3']
        self.assertEqual(await self.visits([*row, '127.0.0.1:4', *row]), ['localhost', *row, 'localhost', *row])


class Rules(unittest.TestCase):
    def test_back_off(self):
        for attempt, bound in ((0, 0.5), (1, 1), (6, 32), (7, 60), (1000, 60)):
            waits = [client.back_off(attempt) for _ in range(200)]
            self.assertTrue(0 <= min(waits) and max(waits) <= bound)
            self.assertGreater(max(waits), bound / 2)
        self.assertGreaterEqual(client.back_off(0, 1500), 1.5)  # [RCN-3]

    def test_classes_of_unknown_errors(self):
        self.assertEqual([client.error_class(code) for code in (150, 219, 239, 299, 350, 499)],
                         ['again', 'fault', 'credentials', 'ended', 'retry', 'refused'])

    def test_plaintext_needs_a_word(self):
        with self.assertRaises(ValueError):
            Client('tcp://chat.example', 'alice', 'd', Store(':memory:'))  # [TOK-8]

    def test_edits_in_any_order(self):
        device = Client('tcp://localhost', 'alice', 'd', Store(':memory:'))
        for order in ((2, 3), (3, 2)):
            conversation = f'bob{order[0]}'
            device.store.add(conversation, 1, 'message', 'alice', 1, b'first', {})
            for seq in order:
                device.apply_operation(conversation, seq, 'alice', 1, 1, client.OPERATIONS['edit'], f'edit {seq}'.encode())
            self.assertEqual(device.store.item(conversation, 1)['text'], 'edit 3')  # the highest seq holds [OPS-5]

    def test_read_of_all_in_a_group_is_not_delivered_to_all(self):
        device = Client('tcp://localhost', 'alice', 'd', Store(':memory:'))
        device.events = []
        for conversation, delivered in (('bob', 5), ('#group', 0)):
            device.entry_receipt(Frame('receipt', {'index': 1, 'conversation': conversation, 'member': '', 'mark': 2, 'seq': 5}))
            self.assertEqual(device.store.watermark(conversation, '', 'delivered'), delivered)

    def test_stale_client_id(self):
        """Sent again under a new client id, which is stored first [MSG-16]."""
        device = Client('tcp://localhost', 'alice', 'd', Store(':memory:'))
        device.events, device.outcomes = [], []
        device.store.put_out('message', {'to': 'bob', 'text': 'x', 'extensions': {}})
        device.in_flight[1], device.last_sent = ('message', {'to': 'bob'}), 1
        device.on_refuse(Frame('refuse', {'clientId': 1, 'error': ERRORS['stale-client-id'], 'retryAfterMs': 0, 'reason': ''}))
        device.release()
        self.assertEqual(device.store.next_out(0)[0], 2)

    def test_gap_rule(self):
        device = Client('tcp://localhost', 'alice', 'd', Store(':memory:'))
        device.events = []
        def entry(index):
            return Frame('delivery', {'index': index, 'conversation': 'bob', 'seq': index, 'time': 1, 'text': b'x'})
        device.on_entry(entry(1))
        device.on_entry(entry(1))  # dropped
        with self.assertRaises(Closed):
            device.on_entry(entry(3))
        device.on_entry(Frame('skip', {'index': 7}))  # covers all up to its own [QUE-12]
        device.on_entry(entry(8))
        self.assertEqual((device.store.get('cursor'), len(device.store.items('bob'))), (8, 2))

    def test_watermarks_never_fall(self):
        store = Store(':memory:')
        self.assertTrue(store.raise_watermark('bob', '', 'read', 5))
        self.assertFalse(store.raise_watermark('bob', '', 'read', 4))
        self.assertEqual(store.watermark('bob', '', 'read'), 5)


if __name__ == '__main__':
    unittest.main()
