"""A device: its session, its outbox, its place in the queue.

Everything that counts lives in the Store; a connection can end at any byte. The loop in run() brings the session back.
"""

import asyncio
import base64
import random
import ssl
import time

import codec
import scram
import transport
from codec import ERROR_NAMES, ERRORS, LIMITS, Frame, Malformed, ProtocolError, element

AGENT = 'chatd-python-example/0.1'
HOPS_MAX = 3
FRESH, RESUMED, TOO_OLD = 0, 1, 2
MARKS = {1: 'delivered', 2: 'read'}
KINDS = {1: 'edit', 2: 'delete', 3: 'react'}
OPERATIONS = {name: number for number, name in KINDS.items()}
LISTS = {1: 'profile', 2: 'contacts', 3: 'blocked', 4: 'flags'}
LIST_KEYS = {'contacts': ('contact', 'user'), 'blocked': ('user', 'id'), 'flags': ('conversation', 'with')}


class Closed(Exception):
    """The connection ended: by a close, or without one, which counts as `closed` [CLS-8]."""

    def __init__(self, code=ERRORS['closed'], retry_after_ms=0, host='', reason=''):
        super().__init__(f'{ERROR_NAMES.get(code, code)} {reason}'.strip())
        self.code, self.retry_after_ms, self.host = code, retry_after_ms, host


class Refused(Exception):
    """One stanza or query was refused; the connection goes on."""

    def __init__(self, code, retry_after_ms=0, reason=''):
        super().__init__(f'{ERROR_NAMES.get(code, code)}: {reason}')
        self.code, self.retry_after_ms = code, retry_after_ms


def error_class(code):
    """By range, so that an error invented tomorrow is acted on rightly."""
    for below, name in ((200, 'again'), (220, 'fault'), (240, 'credentials'), (300, 'ended'), (400, 'retry')):
        if code < below:
            return name
    return 'refused'


def back_off(attempt, retry_after_ms=0):
    """Seconds to wait: jitter after the cap, on top of what the server asks for [RCN-1] [RCN-3]."""
    bound = min(LIMITS['reconnectCapMs'], LIMITS['reconnectBaseMs'] * 2 ** min(attempt, 30))
    return (retry_after_ms + random.uniform(0, bound)) / 1000


class Link:
    """One connection: frames in and out, and nothing that counts."""

    def __init__(self, pipe):
        self.pipe, self.decoder = pipe, codec.Decoder(LIMITS['openFrameBytesMax'])
        self.heard = self.sent = time.monotonic()
        self.closing = self.ended = False
        self.ahead = []

    @classmethod
    async def open(cls, url, ca):
        return cls(await transport.connect(url, ca))

    def write(self, *frames):
        if not self.closing and not self.pipe.is_gone():
            self.sent = time.monotonic()
            self.pipe.write(b''.join(codec.encode(frame) for frame in frames))

    async def read(self):
        """(frames, error) of what came next. Frames in front of a fault count; ping, pong and close are dealt with here."""
        data = await self.pipe.read()
        if not data:
            raise Closed()
        self.heard = time.monotonic()
        frames, error = [], None
        try:
            for frame in self.decoder.feed(data):
                if frame.name == 'ping':
                    self.write(Frame('pong', {'nonce': frame['nonce']}))  # [KAL-2]
                elif frame.name == 'close':
                    # What follows a close means nothing, and an error is not answered with an error. [CLS-2]
                    self.closing = True
                    return frames, Closed(frame['error'], frame['retryAfterMs'], frame['host'], frame['reason'])
                elif codec.FRAMES[frame.name]['from'] == 'client':
                    raise ProtocolError('unexpected-frame', frame.name)  # [FRM-10]
                elif frame.name != 'pong':
                    # What stands behind these in the same read counts under the limit that they tell. [FRM-3]
                    if frame.name == 'features':
                        self.decoder.limit = frame['openFrameBytesMax']
                    elif frame.name == 'welcome':
                        self.decoder.limit = frame['frameBytesMax']
                    frames.append(frame)
            if isinstance(self.pipe, transport.WebSocket) and self.decoder.buffer:
                raise Malformed('a message ends within a frame')  # [FRM-12]
        except ProtocolError as fault:
            error = fault
        return frames, error

    async def expect(self, *names):
        """The next frame of the opening; what comes behind it waits its turn."""
        while not self.ahead:
            frames, error = await self.read()
            if error and not frames:
                raise error
            self.ahead = frames + ([error] if error else [])
        frame = self.ahead.pop(0)
        if isinstance(frame, Exception):
            raise frame
        if frame.name not in names:
            raise ProtocolError('unexpected-frame', frame.name)
        return frame

    def take_ahead(self):
        ahead, self.ahead = self.ahead, []
        error = ahead.pop() if ahead and isinstance(ahead[-1], Exception) else None
        return ahead, error

    async def end(self, code=ERRORS['closed'], reason=''):
        """close, our side's end, and the rest after a while [CLS-1] [CLS-3]."""
        try:
            self.say_close(code, reason)
            await asyncio.wait_for(self.drained(), LIMITS['closeTimeoutMs'] / 1000)
        except (OSError, asyncio.TimeoutError, ProtocolError):
            pass
        finally:
            self.pipe.abort()

    def say_close(self, code=ERRORS['closed'], reason=''):
        if self.ended:
            return
        self.write(Frame('close', {'error': code, 'retryAfterMs': 0, 'host': '', 'reason': reason[:60]}))
        self.closing = self.ended = True
        self.pipe.end(code)

    async def drained(self):
        while await self.pipe.read():
            pass

    def hello(self):
        return Frame('hello', {'versions': [codec.REGISTRY['version']], 'agent': AGENT})

    async def greet(self):
        features = await self.expect('features')
        if features['version'] != codec.REGISTRY['version']:
            raise ProtocolError('unsupported-version')
        return features

    async def scram(self, user, password, mechanisms):
        exchange = scram.Exchange(user, password)
        if 'SCRAM-SHA-256' not in mechanisms:
            raise Closed(ERRORS['encryption-required' if not mechanisms else 'unsupported-mechanism'])
        self.write(Frame('auth', {'mechanism': 'SCRAM-SHA-256', 'data': exchange.first()}))
        challenge = await self.expect('challenge')
        # Many iterations take a while: the loop goes on meanwhile.
        final = await asyncio.get_running_loop().run_in_executor(None, exchange.final, challenge['data'])
        self.write(Frame('response', {'data': final}))
        exchange.check((await self.expect('authenticated'))['data'])  # before anything else is trusted [SCR-4]


async def register(url, user, password, invite='', ca=None, allow_plaintext=False, tries=4):
    """Makes an account; a lost answer does no harm, since the same verifier is sent again [INV-7]."""
    private_or_told(url, allow_plaintext)  # [INV-14]
    verifier = None
    for attempt in range(tries):
        try:
            link = await Link.open(url, ca)
        except OSError:
            if attempt + 1 == tries:
                raise
            await asyncio.sleep(back_off(attempt))
            continue
        try:
            link.write(link.hello())
            features = await link.greet()
            reader = codec.Reader(features.extensions.get(codec.EXTENSIONS['registration'], b'\0\0'))
            who, iterations = reader.uint(), reader.uint()
            if who not in (1, 2):  # any other number is no offer [INV-1]
                raise Closed(ERRORS['registration-closed'])
            if verifier is None or verifier['iterations'] != iterations:
                verifier = scram.verifier(password, iterations)
            link.write(Frame('register', {'user': user, 'invite': invite, **verifier}))
            return (await link.expect('registered'))['user']
        except (Closed, OSError) as error:
            code = getattr(error, 'code', ERRORS['closed'])
            if error_class(code) != 'again' or attempt + 1 == tries:
                raise
            await asyncio.sleep(back_off(attempt, getattr(error, 'retry_after_ms', 0)))
        finally:
            await link.end()


def private_or_told(url, allow_plaintext):
    if not transport.is_private(url) and not allow_plaintext:
        raise ValueError(f'{url} is readable on the way; tls:// or wss:// is not')  # [TOK-8]


class Client:
    """One device of one user. `on(kind, value)` hears of what comes:

    message, change, operation, receipt, refused, changed, expired, presence, typing, typing-over, decline, online, offline, done,
    too-old, untrusted
    """

    def __init__(self, url, user, device, store, password=None, on=None, device_name='', ca=None, allow_plaintext=False, window=0,
                 no_queue=False):
        private_or_told(url, allow_plaintext)
        self.url, self.user, self.device, self.store = url, codec.normalize_name(user), codec.normalize_name(device), store
        if not self.user or not self.device:
            raise ValueError('a name breaks the rules')
        self.password, self.device_name, self.ca, self.window = password, device_name, ca, window
        self.allow_plaintext = allow_plaintext
        self.no_queue = no_queue  # it sends and asks alone [QUE-17]
        self.on = on or (lambda kind, value: None)
        self.link = self.welcome = None
        self.online = asyncio.Event()
        self.leaving, self.over = asyncio.Event(), asyncio.Event()
        self.over.set()
        self.active = self.told_active = True
        self.watched, self.presence, self.typing_now = set(), {}, {}
        self.promises = {}       # client id: Future of an answer; those of an earlier process have none
        self.queries = {}        # id: Future
        self.query_room = asyncio.Semaphore(LIMITS['queriesMax'])  # [QRY-2]
        self.syncing = None
        self.server_ahead = None  # of the monotonic clock, in milliseconds
        self.reset()

    def reset(self):
        """What belongs to a connection, and ends with it."""
        self.last_sent, self.in_flight = 0, {}
        self.held = {}           # conversation: until when it waits, and the client id whose turn it is
        self.unacknowledged, self.cursor_timer = 0, None
        self.timers = set()

    # --- the loop

    async def run(self):
        """Until close() or an error that a client does not come back from by itself [CLS-5], which is raised."""
        self.over.clear()
        self.expire()
        dropping = asyncio.create_task(self.drop_expired())
        try:
            self.show_unshown()
            await self.loop()
        finally:
            dropping.cancel()
            self.over.set()

    async def loop(self):
        url, attempt, hops = self.url, 0, 0
        while not self.leaving.is_set():
            retry_after_ms, greeted, host = 0, False, ''
            try:
                await self.session(url)
            except Closed as error:
                greeted, retry_after_ms = self.welcome is not None, error.retry_after_ms
                if error.code == ERRORS['token-invalid'] and self.password:
                    with self.store:
                        self.store.set(token=b'')  # then with the password, by the back-off
                elif error_class(error.code) != 'again' and not self.leaving.is_set():
                    raise
                if error.code == ERRORS['go-to-host']:
                    host = error.host
            except (transport.NoChatServer, scram.ScramError):
                raise  # coming back changes nothing
            except (OSError, asyncio.TimeoutError, asyncio.IncompleteReadError) as error:
                greeted = self.welcome is not None
                if isinstance(error, ssl.SSLCertVerificationError):
                    self.on('untrusted', {'reason': str(error)})  # perhaps the gate of a hotel [FRM-16]
            finally:
                self.offline()
            if greeted:
                attempt, hops = 0, 0  # only after welcome [RCN-2]
            there = self.sent_on(host) if hops < HOPS_MAX else None
            # Only hops directly after one another count: a host that was down for a while is gone to again.
            url, hops = (there, hops + 1) if there else (self.url, 0)
            try:
                await asyncio.wait_for(self.leaving.wait(), back_off(attempt, retry_after_ms))
            except asyncio.TimeoutError:
                attempt += 1

    def sent_on(self, host):
        """The same scheme, so the same demands of TLS; never to a plain transport, nor in plaintext beyond this machine. [CLS-7]"""
        there = f'{self.url.split("://")[0]}://{host}'
        return there if transport.is_host(host) and (self.allow_plaintext or transport.is_private(there)) else None

    def server_now(self):
        """By the server's clock, as far as it is known: what expires does so by that [DIS-8]."""
        return time.time() * 1000 if self.server_ahead is None else time.monotonic() * 1000 + self.server_ahead

    def expire(self):
        for conversation, seq in self.store.expire(self.server_now()):
            self.on('expired', {'conversation': conversation, 'seq': seq})

    async def drop_expired(self):
        """Online or not."""
        while True:
            await asyncio.sleep(1)
            self.expire()

    async def session(self, url):
        self.welcome = None
        link = self.link = await Link.open(url, self.ca)
        tasks = []
        try:
            await asyncio.wait_for(self.open(link), LIMITS['openTimeoutMs'] / 1000)
            self.online.set()
            self.on('online', self.welcome)
            tasks.append(asyncio.create_task(self.keep_alive(link)))
            if self.active != self.told_active:
                self.set_active(self.active)  # changed behind bind
            self.rewatch()
            self.pump()
            if self.store.get('toSync') and not self.no_queue:
                self.syncing = asyncio.create_task(self.sync())
                tasks.append(self.syncing)
            frames, error = link.take_ahead()
            while True:
                self.take(frames)
                if error:
                    raise error
                await link.pipe.drain()
                frames, error = await link.read()
        except scram.ScramError as error:
            await link.end(ERRORS['not-authorized'], str(error))
            raise
        except ProtocolError as error:
            await link.end(error.code, error.reason)
            raise Closed(error.code, reason=error.reason) from None
        finally:
            for task in tasks:
                task.cancel()
            await link.end()

    async def open(self, link):
        store = self.store
        token, flight = store.get('token'), [link.hello()]
        if token:
            # One flight; hello names the one version in which the rest is written. [OPN-3] [OPN-15]
            data = f'{self.user}\0{self.device}\0'.encode() + token
            flight += [Frame('auth', {'mechanism': 'TOKEN', 'data': data}), *self.bind()]
            link.write(*flight)
            self.pump_opening(link, sum(len(codec.encode(frame)) for frame in flight))
            await link.greet()
            await link.expect('authenticated')
        else:
            if not self.password:
                raise Closed(ERRORS['not-authorized'], reason='no token and no password')
            link.write(*flight)
            features = await link.greet()
            await link.scram(self.user, self.password, features['mechanisms'])
            link.write(*self.bind())
        welcome = self.welcome = await link.expect('welcome')
        self.server_ahead = welcome['time'] - time.monotonic() * 1000
        with store:  # token, epochs and cursor in one step, before any of them is used [OPN-9] [OPN-11]
            if welcome['token']:
                store.set(token=welcome['token'])
            if welcome['resume'] != RESUMED and not self.no_queue:
                store.set(queueEpoch=welcome['queueEpoch'], cursor=welcome['cursor'])
            if welcome['resume'] == TOO_OLD and not self.no_queue:
                store.set(toSync=1)
            store.set(outboxEpoch=welcome['outboxEpoch'])  # not ours: the client ids count under it all the same [OPN-18]
        if welcome['resume'] == TOO_OLD and not self.no_queue:
            self.on('too-old', welcome)

    def bind(self):
        store = self.store
        yield Frame('bind', {'device': self.device, 'deviceName': self.device_name, 'queueEpoch': store.get('queueEpoch'),
                             'cursor': store.get('cursor'), 'outboxEpoch': store.get('outboxEpoch'), 'window': self.window},
                    {codec.EXTENSIONS['noQueue']: b''} if self.no_queue else {})
        self.told_active = self.active
        if not self.active:
            yield Frame('activity', {'activity': 2})  # [PRS-16]

    def offline(self):
        was_online = self.online.is_set()
        self.online.clear()
        self.link = None
        for timer in [*self.timers, self.cursor_timer]:
            if timer:
                timer.cancel()
        self.reset()
        for key in list(self.typing_now):
            self.end_typing(key)
        self.presence.clear()  # nobody is shown online on the word of a connection that is gone [PRS-8]
        for promise in self.queries.values():
            if not promise.done():
                promise.set_exception(Closed())
        self.queries.clear()
        if was_online:
            self.on('offline', None)

    async def close(self):
        """Goes in good order. Nothing depends on it: what was stored is stored."""
        self.leaving.set()
        if self.link:
            self.flush_cursor()
            self.link.say_close()
        await self.over.wait()

    def later(self, seconds, function, *values):
        """A timer of this connection."""
        timer = asyncio.get_running_loop().call_later(seconds, lambda: (self.timers.discard(timer), function(*values)))
        self.timers.add(timer)

    async def keep_alive(self, link):
        keep, pong = self.welcome['keepAliveMs'] / 1000, LIMITS['pongTimeoutMs'] / 1000
        pinged = 0
        while True:
            await asyncio.sleep(min(keep, pong) / 8)
            now = time.monotonic()
            if pinged > link.heard:
                if now - pinged >= pong:
                    link.pipe.abort()  # dead [KAL-4]
                    return
            elif now - link.sent >= keep * 7 / 8 or (self.in_flight and now - max(link.heard, link.sent) >= pong):  # [KAL-1] [KAL-5]
                pinged = now
                link.write(Frame('ping', {'nonce': random.getrandbits(32)}))

    # --- the outbox

    def send(self, to, text, reply=0, mentions=(), forwarded=0):
        """A Future of the seq. The message is on stable storage when this returns, online or not [MSG-12]."""
        data = text.encode('utf-8')
        error = codec.check_text(data) or (ERRORS['empty-message'] if not data else 0)
        if error:
            raise Refused(error)  # said before it is sent [MSG-7]
        address = self.address(to)
        extensions = codec.message_extensions(reply, mentions, forwarded)
        return self.put_out('message', {'to': address, 'text': text,
                                        'extensions': {str(key): value.hex() for key, value in extensions.items()}})

    def forward(self, to, conversation, seq):
        """The text alone goes on, and the number that it was found with, plus one [OPS-18]."""
        item = self.store.item(conversation, seq)
        return self.send(to, item['text'], forwarded=item.get('forwarded', 0) + 1)

    def mark(self, conversation, seq):
        return self.put_out('mark', {'conversation': self.address(conversation), 'mark': 2, 'seq': seq})

    def operate(self, conversation, target, kind, text=''):
        return self.put_out('operate', {'conversation': self.address(conversation), 'target': target,
                                        'kind': OPERATIONS[kind], 'text': text})

    def edit(self, conversation, target, text):
        return self.operate(conversation, target, 'edit', text)

    def delete(self, conversation, target):
        return self.operate(conversation, target, 'delete')

    def react(self, conversation, target, emoji):
        return self.operate(conversation, target, 'react', emoji)

    def address(self, text):
        address = codec.normalize_conversation(text)
        if address is None:
            raise Refused(ERRORS['malformed-address'])
        return address

    def put_out(self, name, body):
        number = self.store.put_out(name, body)
        promise = self.promises[number] = asyncio.get_running_loop().create_future()
        # A promise that nobody waits for is no fault.
        promise.add_done_callback(lambda p: p.cancelled() or p.exception())
        self.pump()
        return promise

    def stanza(self, number, name, body):
        extensions = {int(key): bytes.fromhex(value) for key, value in body.get('extensions', {}).items()}
        return Frame(name, {'clientId': number, **{k: v for k, v in body.items() if k != 'extensions'}}, extensions)

    def pump(self):
        """Sends what the outbox holds, in the order of its client ids, as far as there is room [MSG-2] [MSG-13] [MSG-15]."""
        if not self.online.is_set():
            return
        self.release()
        behind = self.last_sent
        while len(self.in_flight) < self.welcome['unacknowledgedMax']:
            found = self.store.next_out(behind)
            if found is None:
                return
            behind = found[0]
            held = self.held.get(conversation_of(found[2]))
            if held is None or held['turn'] == found[0]:
                self.last_sent = found[0]
                self.in_flight[found[0]] = found[1:]
                self.link.write(self.stanza(*found))

    def hold(self, number, due):
        """Refused for a time: its conversation goes on in order, one at a time, once all in flight of it is answered [MSG-20]."""
        self.end_turn(number)
        held = self.held.setdefault(conversation_of(self.store.out(number)[1]), {'due': 0, 'turn': None})
        held['due'] = max(held['due'], due)
        if due:
            self.later(due - time.monotonic(), self.pump)

    def end_turn(self, number):
        for held in self.held.values():
            if held['turn'] == number:
                held['turn'] = None

    def release(self):
        """Whose turn has come gets a new client id, and so does what waits behind it, so that a crash changes nothing in the order."""
        flying = {conversation_of(body) for _, body in self.in_flight.values()}
        for conversation, held in list(self.held.items()):
            if held['turn'] is not None or conversation in flying or held['due'] > time.monotonic():
                continue
            waiting = self.store.waiting(conversation)
            if not waiting:
                del self.held[conversation]
                continue
            if waiting[0] <= self.last_sent:
                waiting = self.renumber(waiting)
            held['turn'] = waiting[0]

    def pump_opening(self, link, sent):
        """Behind bind: few, small, and only under an epoch that is stored [OPN-5] [OPN-14] [OPN-16]."""
        if not self.store.get('outboxEpoch'):
            return
        while len(self.in_flight) < LIMITS['openStanzasMax']:
            found = self.store.next_out(self.last_sent)
            if found is None:
                return
            frame = self.stanza(*found)
            size = len(codec.encode(frame))
            if sent + size > LIMITS['openBytesMax'] or size > LIMITS['openFrameBytesMax']:
                return
            self.last_sent, sent = found[0], sent + size
            self.in_flight[found[0]] = found[1:]
            link.write(frame)

    def on_ack(self, frame):
        number, seq = frame['clientId'], frame['seq']
        if self.in_flight.pop(number, None) is None:
            return
        name, body = self.store.out(number)
        at = self.welcome['time'] + frame['timeOffset']
        if name == 'message':
            data = codec.read_message_extensions({int(k): bytes.fromhex(v) for k, v in body['extensions'].items()})
            data.update(codec.read_message_extensions(frame.extensions))  # expires, which the server alone sets [DIS-2]
            self.store.add(body['to'], seq, 'message', self.user, at, body['text'].encode(), data, shown=1)
        elif name == 'mark':
            self.store.raise_watermark(body['conversation'], self.user, 'read', seq)
        elif seq:  # 0: nothing changed, and nothing was added to the log [OPS-11]
            self.apply_operation(body['conversation'], seq, self.user, at, body['target'], body['kind'], body['text'].encode(), shown=1)
        self.store.answered(number)
        self.end_turn(number)
        self.resolve(number, seq)

    def on_refuse(self, frame):
        number, code = frame['clientId'], frame['error']
        if self.in_flight.pop(number, None) is None:
            return
        if code == ERRORS['stale-client-id']:
            self.hold(number, 0)  # at once: sent when this step is stored [MSG-16]
        elif error_class(code) == 'retry':
            # It keeps its old client id until its turn comes, and counts as open no more.
            self.hold(number, time.monotonic() + back_off(0, frame['retryAfterMs']))
        else:
            self.store.answered(number, code)
            self.end_turn(number)
            self.events.append(('refused', {'id': number, 'error': code, 'reason': frame['reason']}))
            self.resolve(number, Refused(code, frame['retryAfterMs'], frame['reason']))

    def renumber(self, numbers):
        renumbered = self.store.renumber(numbers)
        for number, new in zip(numbers, renumbered):
            if number in self.promises:
                self.promises[new] = self.promises.pop(number)
        return renumbered

    def resolve(self, number, value):
        self.outcomes.append((self.promises.pop(number, None), value))

    # --- what comes

    def take(self, frames):
        """What one read brought: stored in one step, then told, then acknowledged [QUE-4]."""
        self.events, self.outcomes = [], []
        if not frames:
            return
        with self.store:
            for frame in frames:
                if codec.FRAMES[frame.name].get('entry'):
                    self.on_entry(frame)
                else:
                    handler = getattr(self, 'on_' + frame.name, None)
                    if handler is None:
                        raise ProtocolError('unexpected-frame', frame.name)
                    handler(frame)
        for promise, value in self.outcomes:
            if promise and not promise.done():
                promise.set_exception(value) if isinstance(value, Exception) else promise.set_result(value)
        self.acknowledge_in_time(frames)
        for kind, value in self.events:
            self.on(kind, value)
            if kind in ('message', 'change', 'operation'):
                self.store.mark_shown(value['conversation'], value['seq'])
        self.pump()

    def show_unshown(self):
        """What was stored by a process that died before it told of it; the last one may be told twice."""
        for item in self.store.unshown():
            self.on(item['kind'], item)
            self.store.mark_shown(item['conversation'], item['seq'])

    def on_entry(self, frame):
        if self.no_queue:
            return  # of a server that does not know the extension [QUE-19]
        index, cursor = frame['index'], self.store.get('cursor')
        if index <= cursor:
            return  # stored already
        if index != cursor + 1 and frame.name != 'skip':
            raise Closed(reason=f'gap: {index} behind {cursor}')  # bound again with the cursor [QUE-3]
        if frame.name != 'skip':  # a skip covers all up to its own index [QUE-12]
            getattr(self, 'entry_' + frame.name)(frame)
        self.store.set(cursor=index)
        self.unacknowledged += 1

    def acknowledge_in_time(self, frames):
        if self.unacknowledged and (self.unacknowledged >= self.welcome['window'] / 2 or any(f.name == 'done' for f in frames)):
            self.flush_cursor()  # [QUE-13]
        elif self.unacknowledged and not self.cursor_timer:
            self.cursor_timer = asyncio.get_running_loop().call_later(LIMITS['cursorDelayMs'] / 5000, self.flush_cursor)

    def flush_cursor(self):
        if self.cursor_timer:
            self.cursor_timer.cancel()
        self.cursor_timer = None
        if self.unacknowledged and self.link:
            self.unacknowledged = 0
            self.link.write(Frame('cursor', {'index': self.store.get('cursor')}))

    def entry_delivery(self, frame):
        self.entry_message(frame, frame['conversation'])

    def entry_deliveryFrom(self, frame):
        self.entry_message(frame, frame['from'])  # from is set by the server alone [MSG-10]

    def entry_message(self, frame, sender):
        data = codec.read_message_extensions(frame.extensions)
        if not frame['text'] and not frame.extensions:
            data['deleted'] = True  # [OPS-7]
        key = (frame['conversation'], sender)
        if self.end_typing(key, silently=True):  # [PRS-14]
            self.events.append(('typing-over', {'conversation': key[0], 'from': key[1]}))
        self.add_item(frame, 'message', sender, frame['text'], data)

    def add_item(self, frame, kind, sender, text, data):
        if self.store.add(frame['conversation'], frame['seq'], kind, sender, frame['time'], text, data):
            self.events.append((kind, self.store.item(frame['conversation'], frame['seq'])))

    def entry_change(self, frame):
        # One of a kind that is not known is stored and told as any other. [GRP-20]
        self.add_item(frame, 'change', frame['from'], b'', {'change': plain(frame['element'])})

    def entry_operation(self, frame):
        expires = codec.read_message_extensions(frame.extensions).get('expires')
        if self.apply_operation(frame['conversation'], frame['seq'], frame['from'], frame['time'], frame['target'], frame['kind'],
                                frame['text'], expires=expires):
            self.events.append(('operation', self.store.item(frame['conversation'], frame['seq'])))

    def apply_operation(self, conversation, seq, sender, at, target, kind, text, shown=0, expires=None):
        """To the message that it names, if that is here; of an unknown kind only the seq is stored [OPS-15]."""
        item = self.store.item(conversation, target)
        data = {'target': target, 'operation': KINDS.get(kind, kind)}
        expires = expires or (item or {}).get('expires')
        if expires:
            data['expires'] = expires  # its words go with the message's
        if not self.store.add(conversation, seq, 'operation', sender, at, text, data, shown):
            return False
        self.apply_to(item, seq, sender, at, kind, text)
        return True

    def apply_to(self, item, seq, sender, at, kind, text):
        if item is None or item['kind'] != 'message':
            return
        held = {k: v for k, v in item.items() if k not in ('conversation', 'seq', 'kind', 'from', 'time', 'text')}
        new_text = (item['text'] or '').encode()
        if kind == OPERATIONS['delete']:
            new_text, held = b'', {'deleted': True}  # with all that hung on it [OPS-7]
        elif held.get('deleted') or held.get('expired'):
            return
        elif kind == OPERATIONS['edit'] and text and seq > held.get('asOf', 0):
            new_text, held['edited'], held['asOf'] = text, at, seq  # the highest seq holds, whatever came first [OPS-5]
        elif kind == OPERATIONS['react']:
            reactions = held.setdefault('reactions', {})
            if seq > reactions.get(sender, [0])[0]:
                reactions[sender] = [seq, text.decode('utf-8', 'replace')]  # an empty one takes it away [OPS-9]
        self.store.change(item['conversation'], item['seq'], new_text, held)

    def entry_receipt(self, frame):
        mark = MARKS.get(frame['mark'])
        member = frame['member']  # empty: the other of a pair, all others of a group
        if mark and self.store.raise_watermark(frame['conversation'], member, mark, frame['seq']):
            # Read covers delivered [RCP-4]; of all in a group it does not: it leaves out who keeps its reading private [GRP-16].
            if mark == 'read' and (member or not frame['conversation'].startswith('#')):
                self.store.raise_watermark(frame['conversation'], member, 'delivered', frame['seq'])
            self.events.append(('receipt', {'conversation': frame['conversation'], 'member': member, 'mark': mark, 'seq': frame['seq']}))

    def entry_changed(self, frame):
        name = LISTS.get(frame['list'])
        self.events.append(('changed', {'list': name, 'version': frame['version']}))
        if name in LIST_KEYS and (self.store.get(name + 'Version') or 0) < frame['version']:
            self.spawn(self.sync_list(name))  # [PRF-8]

    def on_done(self, frame):
        self.events.append(('done', frame['index']))

    def on_presence(self, frame):
        state = {'user': frame['user'], 'online': frame['state'] == 1, 'lastSeen': frame['lastSeen']}
        self.presence[frame['user']] = state
        self.events.append(('presence', state))

    def on_typingFrom(self, frame):
        key = (frame['conversation'], frame['from'])
        self.end_typing(key, silently=True)
        if frame['expiresMs']:
            self.typing_now[key] = asyncio.get_running_loop().call_later(frame['expiresMs'] / 1000, self.end_typing, key)  # [PRS-14]
            self.events.append(('typing', {'conversation': key[0], 'from': key[1], 'kind': frame['kind']}))
        else:
            self.events.append(('typing-over', {'conversation': key[0], 'from': key[1]}))

    def end_typing(self, key, silently=False):
        timer = self.typing_now.pop(key, None)
        if timer:
            timer.cancel()
            if not silently:
                self.on('typing-over', {'conversation': key[0], 'from': key[1]})
        return timer is not None

    def on_decline(self, frame):
        if error_class(frame['error']) == 'retry' and frame['frame'] == codec.FRAMES['watch']['type']:
            again = [name for name in frame['names'] if name in self.watched]
            self.later(back_off(0, frame['retryAfterMs']), self.watch, again)  # [PRS-15]
        else:
            self.watched -= set(frame['names'])
        self.events.append(('decline', {'names': frame['names'], 'error': frame['error'], 'reason': frame['reason']}))

    def on_result(self, frame):
        promise = self.queries.pop(frame['id'], None)
        if promise and not promise.done():
            promise.set_result(frame['element'])

    def on_fail(self, frame):
        promise = self.queries.pop(frame['id'], None)
        if promise and not promise.done():
            promise.set_exception(Refused(frame['error'], frame['retryAfterMs'], frame['reason']))

    def spawn(self, work):
        async def guarded():
            try:
                await work
            except (Closed, Refused, asyncio.TimeoutError):
                pass  # the list is asked for again at the next change
        self.background = asyncio.create_task(guarded())

    # --- the ephemeral lane

    def ephemeral(self, name, **fields):
        if self.online.is_set():
            self.link.write(Frame(name, fields))

    def watch(self, users):
        self.watched |= set(users)
        for part in parts(sorted(users), LIMITS['listItemsMax']):
            self.ephemeral('watch', users=part)

    def rewatch(self):
        if self.watched:
            self.watch(self.watched)  # [PRS-8]

    def unwatch(self, users):
        self.watched -= set(users)
        for part in parts(sorted(users), LIMITS['listItemsMax']):
            self.presence = {user: state for user, state in self.presence.items() if user not in part}
            self.ephemeral('unwatch', users=part)

    def typing(self, conversation, kind=1):
        self.ephemeral('typing', conversation=conversation, kind=kind)

    def set_active(self, active):
        self.active = active
        if self.online.is_set():
            self.told_active = active
        self.ephemeral('activity', activity=1 if active else 2)

    # --- queries

    async def query(self, tree, tries=3, seconds=60):
        """The answer. Asked again after a lost connection, and after a refusal that may be: nothing is harmed by that."""
        for attempt in range(tries):
            await asyncio.wait_for(self.online.wait(), seconds)
            try:
                async with self.query_room:
                    if not self.link:
                        raise Closed()
                    number = next(n for n in range(1, LIMITS['queriesMax'] + 2) if n not in self.queries)
                    promise = self.queries[number] = asyncio.get_running_loop().create_future()
                    self.link.write(Frame('query', {'id': number, 'element': tree}))
                    return await asyncio.wait_for(promise, seconds)
            except (Closed, Refused) as error:
                if attempt + 1 == tries or error_class(error.code) not in ('again', 'retry'):
                    raise
                await asyncio.sleep(back_off(attempt, error.retry_after_ms))

    async def history(self, conversation, **bounds):
        """One page, which is stored too. Bounds: after, before, since, until, limit."""
        page = await self.query(element('history', with_=conversation, **bounds))
        self.store_page(page)
        return page

    def store_page(self, page):
        conversation, tail = page.get('with'), page.number('tail')
        with self.store:
            for child in page.children:
                self.store_history(conversation, child, tail)

    def store_history(self, conversation, child, tail):
        seq, body = child.number('seq'), child.first('body')
        text = body.text.encode() if body else b''
        at, sender = child.number('time'), child.get('from')
        if child.name == 'message':
            data = codec.read_message_extensions({x.number('key'): base64.b64decode(x.text) for x in child.all('x')})
            if child.get('deleted'):
                data = {'deleted': True}
            elif child.get('expires'):
                data['expires'] = child.number('expires')
            if child.get('edited') and not child.get('deleted'):
                data.update(edited=child.number('edited'), asOf=tail)  # the page knows all operations up to its tail
            reactions = {m.get('name'): [tail, r.get('text')] for r in child.all('reaction') for m in r.all('member')}
            if reactions:
                data['reactions'] = reactions
            if not self.store.add(conversation, seq, 'message', sender, at, text, data, shown=1):
                held = self.store.item(conversation, seq)
                if held['kind'] == 'message' and held.get('asOf', 0) <= tail and not held.get('deleted') and not held.get('expired'):
                    self.store.change(conversation, seq, text, data)
            for later in self.store.operations_on(conversation, seq, tail):  # they overtook the page, which has the message without them [OPS-15]
                self.apply_to(self.store.item(conversation, seq), later['seq'], later['from'], later['time'],
                              OPERATIONS.get(later['operation']), (later['text'] or '').encode())
        elif child.name == 'operation':
            data = {'target': child.number('target'), 'operation': child.get('kind')}
            if child.get('expires'):
                data['expires'] = child.number('expires')
            self.store.add(conversation, seq, 'operation', sender, at, text, data, shown=1)
        elif child.name == 'change':
            inner = next((c for c in child.children if isinstance(c, codec.Element)), None)
            self.store.add(conversation, seq, 'change', sender, at, b'', {'change': inner and plain(inner)}, shown=1)
        else:
            self.store.add(conversation, seq, child.name, sender, at, text, {}, shown=1)

    async def pages(self, name, key, /, **attributes):
        """The answer with what all its pages hold. A page without progress is the last, or it would go on for ever."""
        whole, after = None, None
        while True:
            page = await self.query(element(name, after=after, **attributes))
            if whole is None:
                whole = page
            else:
                whole.children += page.children
            items = [child for child in page.children if isinstance(child, codec.Element)]
            last = items[-1].get(key) if page.get('more') == 'true' and items else None
            if last is None or (after is not None and last <= after):
                whole.attributes.pop('more', None)
                return whole
            after = last

    async def conversations(self):
        return (await self.pages('conversations', 'with', limit=LIMITS['conversationsPageMax'])).all('conversation')

    async def sync(self):
        """The way back after too old; a crash in between begins it again [QUE-9]."""
        for entry in await self.conversations():
            conversation = entry.get('with')
            await self.fill(conversation, entry.number('tail'))
            with self.store:
                self.store.raise_watermark(conversation, self.user, 'read', entry.number('read'))
                for member in entry.all('member'):
                    name = '' if member.get('name') == conversation else member.get('name')
                    for mark in ('delivered', 'read'):
                        self.store.raise_watermark(conversation, name, mark, member.number(mark))
        with self.store:
            self.store.set(toSync=0)

    async def fill(self, conversation, tail):
        """Fetches the hole below tail, newest page first; a seq that a page passes over holds nothing for us [PRF-15]."""
        whole, before = self.store.whole_up_to(conversation), tail + 1
        while before > whole + 1:
            page = await self.history(conversation, before=before, limit=LIMITS['historyPageMax'])
            seqs = sorted({seq for seq in (child.number('seq') for child in page.children) if whole < seq < before})
            lowest = seqs[0] if seqs and page.get('more') == 'true' else whole + 1
            with self.store:
                for seq, above in zip([lowest - 1, *seqs], [*seqs, before]):
                    if above > seq + 1:
                        self.store.add_nothing(conversation, seq + 1, above - 1)
            before = lowest

    async def sync_list(self, name):
        """contacts, blocked or flags, as they are now: what changed since the version held, or the whole [PRF-7]."""
        child, key = LIST_KEYS[name]
        since = self.store.get(name + 'Version')
        whole, after, items, version = since is None, None, {}, None
        while True:
            bounds = {'after': after} if whole else {'since': since}
            page = await self.query(element(name, limit=LIMITS['listPageMax'], **bounds))
            if page.get('full') == 'true' and not whole:
                whole, items, version = True, {}, None
            if version is None or not whole:
                version = page.number('version')  # of the whole list that of its first page: what changed meanwhile comes next
            for item in page.all(child):
                rest = {k: v for k, v in item.attributes.items() if k not in (key, 'version')}
                gone = item.get('removed') == 'true' or (name == 'flags' and not rest)
                items[item.get(key)] = None if gone else rest
            if page.get('more') != 'true' or not page.all(child):
                break
            last = page.all(child)[-1]
            after, since = last.get(key), last.number('version')
        self.store.replace_list(name, items, version, whole)
        return self.store.list(name)

    # --- queries that are one line each

    async def group_create(self, group, /, *members, **attributes):
        return await self.query(element('group-create', *(element('member', name=m) for m in members), id=group, **attributes))

    async def group_change(self, group, change, /, *members, **attributes):
        inner = element(change, *(element('member', name=m) for m in members), **attributes)
        return await self.query(element('group-change', inner, id=group))

    async def group(self, group, link=None):
        return await self.pages('group', 'name', id=group, link=link)  # [GRP-24]

    async def receipts(self, conversation):
        return await self.pages('receipts', 'name', with_=conversation)  # [GRP-24]

    async def timer(self, conversation, after=None):
        """After how many milliseconds new messages disappear; with `after` that is changed [DIS-1]."""
        return (await self.ask('timer', with_=conversation, after=after)).number('after')

    async def group_join(self, group, link=None):
        return await self.query(element('group-join', id=group, link=link))

    async def ask(self, name, /, **attributes):
        return await self.query(element(name, **attributes))


def conversation_of(body):
    """Of a stanza in the outbox."""
    return body['to'] if 'to' in body else body['conversation']


def plain(tree):
    """An element as JSON holds it."""
    return [tree.name, tree.attributes, [child if isinstance(child, str) else plain(child) for child in tree.children]]


def parts(items, size):
    return [items[i:i + size] for i in range(0, len(items), size)]
