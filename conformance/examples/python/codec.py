"""Frames, elements, addresses and texts: bytes in, plain Python values out.

The codec is generic. Types, fields, limits, errors and tokens come from spec/protocol.json, so that nothing is written twice.
It judges form alone; what a number means is for those who use it.
"""

import json
import pathlib
import re
import unicodedata
from dataclasses import dataclass, field

REGISTRY = json.loads((pathlib.Path(__file__).resolve().parents[3] / 'spec' / 'protocol.json').read_text('utf-8'))
LIMITS = {limit['name']: limit['value'] for limit in REGISTRY['limits']}
ERRORS = {error['name']: error['code'] for error in REGISTRY['errors']}
ERROR_NAMES = {code: name for name, code in ERRORS.items()}
FRAMES = {frame['name']: frame for frame in REGISTRY['frames']}
TYPES = {frame['type']: frame for frame in REGISTRY['frames']}
EXTENSIONS = {extension['name']: extension['key'] for extension in REGISTRY['extensions']}
TOKENS = {word: number for number, word in enumerate(REGISTRY['tokens'], 3)}
WORDS = {number: word for word, number in TOKENS.items()}
UINT_MAX = LIMITS['uintMax']


class ProtocolError(Exception):
    """The peer broke a rule: the connection is closed with this code."""

    def __init__(self, name, reason=''):
        super().__init__(f'{name}: {reason}' if reason else name)
        self.code = ERRORS[name]
        self.reason = reason


class Malformed(ProtocolError):
    def __init__(self, reason=''):
        super().__init__('malformed-frame', reason)


@dataclass
class Frame:
    name: str
    fields: dict
    extensions: dict = field(default_factory=dict)  # key: bytes

    def __getitem__(self, name):
        return self.fields[name]


@dataclass
class Element:
    name: str
    attributes: dict = field(default_factory=dict)  # values are text; numbers are their decimal digits
    children: list = field(default_factory=list)    # of Element and str

    def get(self, name, default=None):
        return self.attributes.get(name, default)

    def number(self, name, default=0):
        return int(self.attributes.get(name, default))

    def all(self, name):
        return [child for child in self.children if isinstance(child, Element) and child.name == name]

    def first(self, name):
        return next(iter(self.all(name)), None)

    @property
    def text(self):
        return ''.join(child for child in self.children if isinstance(child, str))


def element(name, /, *children, **attributes):
    """Element from Python values: None is left out, and an underscore stands for a hyphen or, at the end, for nothing."""
    def value(v):
        return {True: 'true', False: 'false'}[v] if isinstance(v, bool) else str(v)
    return Element(name, {k.rstrip('_').replace('_', '-'): value(v) for k, v in attributes.items() if v is not None},
                   [child for child in children if child != ''])


# --- writing

def uint(n):
    if not 0 <= n <= UINT_MAX:
        raise ValueError(f'{n} is no uint')
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def sized(data):
    return uint(len(data)) + data


def string(text):
    if '\0' in text:
        raise ValueError('U+0000 in a string')  # [FRM-9]
    return sized(text.encode('utf-8'))


def write_field(kind, value):
    if kind == 'uint':
        return uint(value)
    if kind == 'int':
        return uint(2 * value if value >= 0 else -2 * value - 1)  # [FRM-18]
    if kind == 'time':
        return value.to_bytes(6, 'big')
    if kind == 'string':
        return string(value)
    if kind in ('bytes', 'text'):
        return sized(value.encode('utf-8') if isinstance(value, str) else value)
    if kind == 'element':
        return sized(write_element(value))
    if len(value) > LIMITS['listItemsMax']:
        raise ValueError('too many items')  # [FRM-17]
    return uint(len(value)) + b''.join(write_field(kind[:-2], item) for item in value)


def encode(frame):
    """Bytes of a frame, its length included [FRM-1]."""
    spec = FRAMES[frame.name]
    body = uint(spec['type']) + b''.join(write_field(f['type'], frame[f['name']]) for f in spec['fields'])
    body += b''.join(uint(key) + sized(frame.extensions[key]) for key in sorted(frame.extensions))  # [FRM-8]
    return sized(body)


NUMBER = re.compile(r'(0|[1-9][0-9]{0,15})\Z', re.ASCII)
NAME = re.compile(r'[A-Za-z_][A-Za-z0-9._-]{0,63}\Z')  # [ELM-7]


def write_item(text, is_name=False):
    if text in TOKENS:
        return uint(TOKENS[text])
    if not is_name and NUMBER.match(text) and int(text) <= UINT_MAX:
        return b'\1' + uint(int(text))  # [ELM-2]
    return b'\0' + string(text)


def write_element(tree):
    if not NAME.match(tree.name) or not all(NAME.match(name) for name in tree.attributes):
        raise ValueError('a name breaks the rules')
    out = [write_item(tree.name, True), uint(len(tree.attributes))]
    for name in sorted(tree.attributes):  # names are ASCII, so this is the order of bytes [ELM-4]
        out += [write_item(name, True), write_item(tree.attributes[name])]
    out.append(uint(len(tree.children)))
    for child in tree.children:
        out.append(write_item(child) if isinstance(child, str) else b'\2' + write_element(child))
    return b''.join(out)


# --- reading

class Reader:
    """A cursor over the bytes of one body; whatever would leave them is malformed [FRM-4]."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def uint(self):
        value, end = read_uint(self.data, self.at) or (None, None)
        if value is None:
            raise Malformed('ends within a number')
        self.at = end
        return value

    def take(self, size):
        if size > len(self.data) - self.at:
            raise Malformed('ends within a field')
        self.at += size
        return self.data[self.at - size:self.at]

    def string(self):
        try:
            text = self.take(self.uint()).decode('utf-8')  # strict: no overlong forms, no surrogates [FRM-9]
        except UnicodeDecodeError:
            raise Malformed('a string is not UTF-8') from None
        if '\0' in text:
            raise Malformed('U+0000 in a string')
        return text

    def field(self, kind):
        if kind == 'uint':
            return self.uint()
        if kind == 'int':
            n = self.uint()
            return -(n + 1) // 2 if n & 1 else n // 2
        if kind == 'time':
            return int.from_bytes(self.take(6), 'big')
        if kind == 'string':
            return self.string()
        if kind in ('bytes', 'text'):
            return self.take(self.uint())  # a text is judged with its stanza [MSG-8]
        if kind == 'element':
            return read_element(self.take(self.uint()))
        count = self.uint()
        if count > LIMITS['listItemsMax']:
            raise Malformed('a list is too long')  # [FRM-17]
        return [self.field(kind[:-2]) for _ in range(count)]


def read_uint(data, at):
    """(value, end), or None where the number is not there yet; an error is one as soon as it can be seen [FRM-2]."""
    value = 0
    for i in range(LIMITS['uintBytesMax']):
        if at + i >= len(data):
            return None
        byte = data[at + i]
        value |= (byte & 127) << 7 * i
        if value > UINT_MAX or (byte == 0 and i > 0):
            raise Malformed('no shortest number up to 2^53 - 1')
        if byte < 128:
            return value, at + i + 1
    raise Malformed('a number of nine bytes')


def read_item(reader, is_name=False, is_child=False, depth=1, budget=None):
    tag = reader.uint()
    if tag == 0:
        text = reader.string()
        if text in TOKENS or (not is_name and NUMBER.match(text) and int(text) <= UINT_MAX):
            raise Malformed('another spelling')  # [ELM-2]
    elif tag == 1 and not is_name:
        text = str(reader.uint())
    elif tag == 2 and is_child:
        return read_tree(reader, depth + 1, budget)
    elif tag in WORDS:
        text = WORDS[tag]
    else:
        raise Malformed('no such item')
    if is_name and not NAME.match(text):
        raise Malformed('a name breaks the rules')  # [ELM-7]
    return text


def read_tree(reader, depth, budget):
    if depth > LIMITS['elementDepthMax']:  # before it descends [ELM-3]
        raise Malformed('too deep')
    spend(budget)
    tree = Element(read_item(reader, is_name=True))
    count, last = reader.uint(), ''
    if count > LIMITS['elementAttributesMax']:
        raise Malformed('too many attributes')
    for _ in range(count):
        name = read_item(reader, is_name=True)
        if name <= last:
            raise Malformed('attributes out of order')  # [ELM-4]
        last = name
        tree.attributes[name] = read_item(reader)
    for _ in range(reader.uint()):  # the budget ends this, whatever the number says
        child = read_item(reader, is_child=True, depth=depth, budget=budget)
        if isinstance(child, str):
            spend(budget)
            if not child or (tree.children and isinstance(tree.children[-1], str)):
                raise Malformed('an empty text, or two that are neighbours')  # [ELM-5]
        tree.children.append(child)
    return tree


def spend(budget):
    budget[0] -= 1
    if budget[0] < 0:
        raise Malformed('too many nodes')


def read_element(data):
    reader = Reader(data)
    tree = read_tree(reader, 1, [LIMITS['elementNodesMax']])
    if reader.at < len(data):
        raise Malformed('an element does not fill its field')  # [ELM-8]
    return tree


def decode(body):
    """The frame of a body, or None for one that may be ignored [FRM-6]."""
    reader = Reader(body)
    kind = reader.uint()
    spec = TYPES.get(kind)
    if spec is None:
        if kind % 2:
            return None
        raise ProtocolError('unsupported-frame', f'type {kind}')
    frame = Frame(spec['name'], {f['name']: reader.field(f['type']) for f in spec['fields']})
    last = -1
    while reader.at < len(body):
        key = reader.uint()
        if key <= last or len(frame.extensions) == LIMITS['extensionsMax']:
            raise Malformed('extensions out of order, or too many')  # [FRM-8]
        last = key
        frame.extensions[key] = reader.take(reader.uint())
    # All extensions are checked for their form first: malformed comes before critical. [FRM-7]
    if unknown_critical(frame) and not spec.get('stanza') and not spec.get('entry'):
        raise ProtocolError('unsupported-critical-extension')
    return frame


def unknown_critical(frame):
    return any(key % 2 == 0 for key in frame.extensions)  # version 1 defines one of messages alone


class Decoder:
    """Cuts a stream into frames, however the transport cut it [FRM-5]."""

    def __init__(self, limit):
        self.limit, self.buffer = limit, bytearray()

    def feed(self, data):
        """Frames that are whole now. A generator: those before a fault are handed on first."""
        self.buffer += data  # memory for what came, never for what a length announces [FRM-19]
        while self.buffer:
            length = self.length()
            if length is None:
                return
            size, start = length
            if len(self.buffer) < start + size:
                return
            body = bytes(self.buffer[start:start + size])
            del self.buffer[:start + size]
            frame = decode(body)
            if frame is not None:
                yield frame

    def length(self):
        # The bits so far are a lower bound: refused without waiting for the rest of the length, in whatever form. [FRM-3]
        bits = 0
        for i, byte in enumerate(self.buffer[:8]):
            bits += (byte & 127) << 7 * i
            if bits > self.limit:
                raise ProtocolError('frame-too-large')
            if byte < 128:
                break
        found = read_uint(self.buffer, 0)
        if found is not None and found[0] == 0:
            raise Malformed('a frame of length 0')  # [FRM-11]
        return found


# --- addresses, texts, passwords

ADDRESS_NAME = re.compile(r'[a-z0-9][a-z0-9._-]{0,63}\Z')  # [ADR-1]
FOLD = str.maketrans('ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz')


def normalize_name(text):
    """A user name or device id in its normal form, or None [ADR-2]."""
    text = text.translate(FOLD)
    return text if ADDRESS_NAME.match(text) else None


def normalize_conversation(text):
    name = normalize_name(text[1:] if text.startswith('#') else text)
    return name and ('#' + name if text.startswith('#') else name)


def normalize_full(text):
    parts = [normalize_name(part) for part in text.split('/')]
    return '/'.join(parts) if len(parts) == 2 and all(parts) else None


def check_text(data):
    """0, or the code with which a server would refuse this text [MSG-7] [MSG-8]."""
    try:
        text = data.decode('utf-8')
    except UnicodeDecodeError:
        return ERRORS['malformed-text']
    if '\0' in text:
        return ERRORS['malformed-text']
    return ERRORS['text-too-long'] if len(text) > LIMITS['textCharactersMax'] else 0


def prepare_password(text):
    """What goes into SCRAM, or None where it is refused [ADR-6]."""
    text = ''.join(' ' if unicodedata.category(c) == 'Zs' else c for c in text)
    text = unicodedata.normalize('NFC', text)
    if any(unicodedata.category(c) in ('Cc', 'Cs') for c in text):
        return None
    return text if 0 < len(text.encode('utf-8')) <= LIMITS['passwordBytesMax'] else None


# --- extensions of messages

def message_extensions(reply=0, mentions=(), forwarded=0):
    """Reply, mention and forwarded, as bytes by key [OPS-16] [OPS-17] [OPS-18]."""
    found = {}
    if reply:
        found[EXTENSIONS['reply']] = uint(reply)
    if mentions:
        found[EXTENSIONS['mention']] = b''.join(string(name) for name in mentions)
    if forwarded:
        found[EXTENSIONS['forwarded']] = uint(min(forwarded, LIMITS['forwardsMax']))
    return found


def read_message_extensions(extensions):
    """The same, read. A part that has not its form tells nothing: the text counts all the same."""
    found = {}
    for name in ('reply', 'mention', 'forwarded', 'expires'):
        data = extensions.get(EXTENSIONS[name])
        if data is None:
            continue
        try:
            reader = Reader(data)
            if name == 'mention':
                found[name] = []
                while reader.at < len(data):
                    found[name].append(reader.string())
            else:
                found[name] = reader.uint()
        except Malformed:
            found.pop(name, None)
    attachments = read_attachments(extensions.get(EXTENSIONS['attachment']))
    if attachments:
        found['attachments'] = attachments
    if attachments is None or any(key % 2 == 0 and key != EXTENSIONS['attachment'] for key in extensions):
        found['unreadable'] = True  # applied, and shown as something that can't be shown [FRM-7]
    return found


def read_attachments(data):
    """What a message carries, as the attributes that are there, numbers as such; none for most. None: it has not its form [BLB-11]."""
    if data is None:
        return []
    try:
        root = read_element(data)
        found = [read_attachment(child) for child in root.all('attachment')]
    except (Malformed, ProtocolError, ValueError, KeyError):
        return None
    ids = {attachment['id'] for attachment in found}
    whole = root.name == 'attachments' and len(ids) == len(found)
    previews = all(a.get('preview') in ids - {a['id']} for a in found if 'preview' in a)
    return found if whole and previews and 1 <= len(found) <= LIMITS['attachmentsMax'] else None


def read_attachment(node):
    """Raises ValueError or KeyError for what breaks the form."""
    name = node.get('name')
    if not re.fullmatch('[0-9a-f]{64}', node.attributes['id']) or (name is not None and not is_file_name(name)):
        raise ValueError('no attachment')
    found = dict(node.attributes)
    for number in ('size', 'width', 'height', 'duration'):
        if number in found:
            found[number] = int(found[number])
            if found[number] < 1:
                raise ValueError(f'{number} is 1 or more')
    return {**found, 'size': found['size'], 'type': found['type'], 'thumbnail': found.get('thumbnail') == 'true'}


def is_file_name(name):
    """Whether it is a name and no path. Where it is saved, more is taken out of it [BLB-11]."""
    return name not in ('', '.', '..') and not re.search('[/\\\\\x00-\x1f\x7f-\x9f]', name) and \
        len(name.encode('utf-8')) <= LIMITS['attachmentNameBytesMax']
