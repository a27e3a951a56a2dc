"""Byte pipes for frames: TCP, TLS, and WebSocket over either (RFC 6455, the little of it that a client needs)."""

import asyncio
import base64
import hashlib
import os
import re
import ssl
from urllib.parse import urlsplit

from codec import LIMITS, REGISTRY, Malformed

CONNECT_SECONDS = 15
READ_BYTES = 65536


class NoChatServer(Exception):
    """Something answered, but it speaks another protocol. Coming back changes nothing."""


def tls_context(ca=None, websocket=False):
    context = ssl.create_default_context(cafile=ca)  # verifies chain and name [FRM-16]
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(['http/1.1' if websocket else REGISTRY['alpn']])  # [FRM-13]
    return context  # Python sends no early data [FRM-14]


def is_private(url):
    """Whether nobody on the way can listen: TLS, or this machine [TOK-8]."""
    parts = urlsplit(url)
    host = parts.hostname or ''
    return parts.scheme in ('tls', 'wss') or host in ('localhost', '::1') or host.startswith('127.')


def is_host(text):
    """Whether it is `host:port` and nothing else: no scheme, path or user that another program would read into it."""
    match = re.fullmatch(r'(?:\[[0-9A-Fa-f:.]+\]|[^][:/?#@%\\\s]+):([0-9]{1,5})', text)
    return match is not None and 1 <= int(match[1]) <= 65535


async def connect(url, ca=None):
    parts = urlsplit(url)
    if parts.scheme not in REGISTRY['ports']:
        raise ValueError(f'{url}: tcp://, tls://, ws:// or wss://')
    port = parts.port or REGISTRY['ports'][parts.scheme]
    websocket = parts.scheme in ('ws', 'wss')
    tls = tls_context(ca, websocket) if parts.scheme in ('tls', 'wss') else None
    reader, writer = await asyncio.wait_for(asyncio.open_connection(parts.hostname, port, ssl=tls), CONNECT_SECONDS)
    if not websocket:
        return Stream(reader, writer)
    try:
        await asyncio.wait_for(upgrade(reader, writer, parts, port), CONNECT_SECONDS)
    except BaseException:
        writer.transport.abort()
        raise
    return WebSocket(reader, writer)


class Stream:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def read(self):
        """Some bytes; none when the peer has ended its side."""
        return await self.reader.read(READ_BYTES)

    def is_gone(self):
        return self.writer.transport.is_closing()

    def write(self, data):
        self.writer.write(data)

    async def drain(self):
        await self.writer.drain()  # the transport's back-pressure [FLW-1]

    def end(self, code):
        """Ends our side; TLS has no half-closed state in Python, so there the whole of it."""
        if self.writer.can_write_eof():
            self.writer.write_eof()
        else:
            self.writer.close()

    def abort(self):
        self.writer.transport.abort()


async def upgrade(reader, writer, parts, port):
    key = base64.b64encode(os.urandom(16)).decode()
    host = f'[{parts.hostname}]' if ':' in parts.hostname else parts.hostname
    writer.write((f'GET {parts.path or "/"} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
                  f'Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n'
                  f'Sec-WebSocket-Protocol: {REGISTRY["subprotocol"]}\r\n\r\n').encode())  # no extension is offered [FRM-15]
    head = (await reader.readuntil(b'\r\n\r\n')).decode('latin-1').split('\r\n')
    headers = {k.strip().lower(): v.strip() for k, v in (line.split(':', 1) for line in head[1:] if ':' in line)}
    accept = base64.b64encode(hashlib.sha1((key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest()).decode()
    if head[0].split(' ')[1:2] == ['503']:
        raise ConnectionError(head[0])
    if (head[0].split(' ')[1:2] != ['101'] or headers.get('sec-websocket-accept') != accept
            or headers.get('sec-websocket-protocol') != REGISTRY['subprotocol'] or 'sec-websocket-extensions' in headers):
        raise NoChatServer(head[0])  # [FRM-12]


def masked(data, mask):
    size = len(data)
    pad = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(data, 'big') ^ int.from_bytes(pad, 'big')).to_bytes(size, 'big')


class WebSocket(Stream):
    TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
    MESSAGE_MAX = LIMITS['frameBytesMax'] + 8  # [FRM-20]

    def write(self, data):
        # Frames may share a message, and a message holds whole ones: what is written at once is far below its limit.
        if len(data) > self.MESSAGE_MAX:
            raise ValueError('too much for one message')
        self.send(self.BINARY, data)

    def send(self, opcode, data):
        size, mask = len(data), os.urandom(4)
        head = bytes([0x80 | opcode])
        if size < 126:
            head += bytes([0x80 | size])
        elif size < 65536:
            head += b'\xfe' + size.to_bytes(2, 'big')
        else:
            head += b'\xff' + size.to_bytes(8, 'big')
        self.writer.write(head + mask + masked(data, mask))

    async def read(self):
        """One whole message; none at the end."""
        message, started = b'', False
        while True:
            try:
                first, second = await self.reader.readexactly(2)
                opcode, size = first & 15, second & 127
                if size > 125:
                    size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), 'big')
                if first & 0x70 or second & 0x80 or len(message) + size > self.MESSAGE_MAX:
                    self.abort()
                    return b''
                data = await self.reader.readexactly(size)
            except asyncio.IncompleteReadError:
                return b''
            if opcode == self.PING:
                self.send(self.PONG, data)
            elif opcode == self.CLOSE:
                return b''
            elif opcode != self.PONG:
                if opcode == self.TEXT:
                    raise Malformed('a text message')  # [FRM-12]
                message += data
                if first & 0x80:
                    if not message:
                        raise Malformed('an empty message')  # [FRM-12]
                    return message

    def end(self, code):
        self.send(self.CLOSE, (4000 + code).to_bytes(2, 'big'))  # [CLS-6]
