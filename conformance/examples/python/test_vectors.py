"""Every vector of conformance/vectors against the codec and SCRAM."""

import base64
import json
import pathlib
import unittest

import codec
import scram
from codec import Decoder, Element, Frame

VECTORS = pathlib.Path(__file__).resolve().parents[2] / 'vectors'


def load(name):
    return json.loads((VECTORS / f'{name}.json').read_text('utf-8'))


def tree(data):
    return Element(data['name'], data['attributes'], [c if isinstance(c, str) else tree(c) for c in data['children']])


def from_fields(name, fields):
    """Bytes, texts and elements as the codec has them."""
    kinds = {f['name']: f['type'] for f in codec.FRAMES[name]['fields']}
    return {k: bytes.fromhex(v) if kinds[k] in ('bytes', 'text') else tree(v) if kinds[k] == 'element' else v
            for k, v in fields.items()}


def run(pieces, limit):
    """What a stream in these pieces comes to: its frames and the error that ended it."""
    decoder, frames = Decoder(limit), []
    try:
        for piece in pieces:
            for frame in decoder.feed(piece):
                frames.append(frame)
    except codec.ProtocolError as error:
        return frames, error.code
    return frames, None


def cuts(data):
    yield [data]
    yield [data[i:i + 1] for i in range(len(data))]
    step = max(1, len(data) // 300)  # every place of a short frame, some of a long one
    for i in range(1, len(data), step):
        yield [data[:i], data[i:]]


class Codec(unittest.TestCase):
    vectors = load('codec')

    def test_valid(self):
        for vector in self.vectors['valid']:
            with self.subTest(vector['name']):
                data = bytes.fromhex(vector['hex'])
                frame = Frame(vector['frame'], from_fields(vector['frame'], vector['fields']),
                              {e['key']: bytes.fromhex(e['hex']) for e in vector['extensions']})
                self.assertEqual(codec.encode(frame), data)
                for pieces in cuts(data):
                    self.assertEqual(run(pieces, 65536), ([frame], None))

    def test_valid_cut_short(self):
        for vector in self.vectors['valid']:
            if vector['extensions']:
                continue
            with self.subTest(vector['name']):
                data = bytes.fromhex(vector['hex'])
                size, start = codec.read_uint(data, 0)
                for end in range(1, size, max(1, size // 200)):
                    body = data[start:start + end]
                    self.assertEqual(run([codec.sized(body)], 65536), ([], 200))

    def test_invalid(self):
        for vector in self.vectors['invalid']:
            with self.subTest(vector['name']):
                for pieces in cuts(bytes.fromhex(vector['hex'])):
                    self.assertEqual(run(pieces, vector.get('frameBytesMax', 65536)), ([], vector['error']))

    def test_acceptable(self):
        for vector in self.vectors['acceptable']:
            with self.subTest(vector['name']):
                for pieces in cuts(bytes.fromhex(vector['hex'])):
                    frames, error = run(pieces, 65536)
                    self.assertIsNone(error)
                    self.assertEqual([frame.name for frame in frames], vector['frames'])
                    if 'refused-as-stanza' in vector['flags']:
                        self.assertTrue(codec.FRAMES[frames[0].name]['stanza'])


class Elements(unittest.TestCase):
    vectors = load('elements')

    def test_valid(self):
        for vector in self.vectors['valid']:
            with self.subTest(vector['name']):
                self.assertEqual(codec.write_element(tree(vector['tree'])).hex(), vector['hex'])
                self.assertEqual(codec.read_element(bytes.fromhex(vector['hex'])), tree(vector['tree']))

    def test_invalid(self):
        for vector in self.vectors['invalid']:
            with self.subTest(vector['name']), self.assertRaises(codec.Malformed):
                codec.read_element(bytes.fromhex(vector['hex']))

    def test_node_limit(self):
        limit = codec.LIMITS['elementNodesMax']
        for children, ok in ((limit - 1, True), (limit, False)):
            data = codec.write_element(Element('a', {}, [Element('b')] * children))
            if ok:
                codec.read_element(data)
            else:
                self.assertRaises(codec.Malformed, codec.read_element, data)


class Words(unittest.TestCase):
    def check(self, vectors, function):
        for vector in vectors:
            with self.subTest(vector['name']):
                self.assertEqual(function(vector['input']), vector['result'])

    def test_addresses(self):
        vectors = load('addresses')
        self.check(vectors['names'], codec.normalize_name)
        self.check(vectors['conversations'], codec.normalize_conversation)
        self.check(vectors['fullAddresses'], codec.normalize_full)

    def test_texts(self):
        for vector in load('text')['texts']:
            with self.subTest(vector['name']):
                self.assertEqual(codec.check_text(bytes.fromhex(vector['hex'])), vector['result'])

    def test_passwords(self):
        self.check(load('text')['passwords'], codec.prepare_password)


class Errors(unittest.TestCase):
    vectors = load('errors')

    def test_frames(self):
        for vector in self.vectors['errors'] + self.vectors['unknown']:
            for carried in vector['frames']:
                with self.subTest(vector['name'], frame=carried['frame']):
                    frame = Frame(carried['frame'], from_fields(carried['frame'], carried['fields']), {})
                    self.assertEqual(codec.encode(frame).hex(), carried['hex'])
                    self.assertEqual(run([bytes.fromhex(carried['hex'])], 65536), ([frame], None))


class Dictionary(unittest.TestCase):
    def test_words(self):
        for vector in load('tokens')['dictionary']:
            with self.subTest(vector['name']):
                self.assertEqual(codec.write_element(Element(vector['name'])).hex(), vector['asName'])
                self.assertEqual(codec.write_element(Element('x', {'a': vector['name']})).hex(), vector['asValue'])
                for spelled in vector['spelledOut']:
                    self.assertRaises(codec.Malformed, codec.read_element, bytes.fromhex(spelled))


class Attachments(unittest.TestCase):
    """[BLB-11] [FRM-7]"""
    ID, OTHER = 'ab' * 32, 'cd' * 32

    def read(self, *attachments, name='attachments'):
        data = codec.write_element(Element(name, {}, [Element('attachment', a, []) for a in attachments]))
        return codec.read_message_extensions({codec.EXTENSIONS['attachment']: data})

    def test_what_a_message_carries(self):
        beach = {'id': self.ID, 'type': 'image/jpeg', 'size': '7', 'name': 'beach.jpg', 'width': '4', 'thumbnail': 'true', 'else': 'x'}
        film = {'id': self.OTHER, 'type': 'video/mp4', 'size': '9', 'preview': self.ID}
        self.assertEqual(self.read(beach, film), {'attachments': [
            {'id': self.ID, 'type': 'image/jpeg', 'size': 7, 'name': 'beach.jpg', 'width': 4, 'thumbnail': True, 'else': 'x'},
            {'id': self.OTHER, 'type': 'video/mp4', 'size': 9, 'preview': self.ID, 'thumbnail': False}]})

    def test_what_breaks_its_form_can_not_be_shown(self):
        good = {'id': self.ID, 'type': 'image/jpeg', 'size': '7'}
        for bad in ({'id': 'x'}, {'size': '0'}, {'size': 'x'}, {'name': '../x'}, {'name': ''}, {'name': 'a\nb'}, {'preview': self.OTHER}):
            with self.subTest(bad):
                self.assertEqual(self.read({**good, **bad}), {'unreadable': True})
        for bad in ((), (good, good), ({'id': self.ID, 'size': '7'},), [{**good, 'id': f'{i:064x}'} for i in range(11)]):
            self.assertEqual(self.read(*bad), {'unreadable': True})
        self.assertEqual(self.read(good, name='files'), {'unreadable': True})
        self.assertEqual(codec.read_message_extensions({codec.EXTENSIONS['attachment']: b'\0'}), {'unreadable': True})

    def test_other_critical_extensions(self):
        self.assertEqual(codec.read_message_extensions({codec.EXTENSIONS['encrypted']: b''}), {'unreadable': True})
        self.assertEqual(codec.read_message_extensions({1001: b''}), {})


class Scram(unittest.TestCase):
    def test_exchanges(self):
        for v in load('scram')['exchanges']:
            with self.subTest(v['name']):
                binding = bytes.fromhex(v.get('bindingData', ''))
                exchange = scram.Exchange(v['user'], v['password'], v['clientNonce'],
                                          'p=tls-exporter,,' if binding else 'n,,', binding)
                self.assertEqual(exchange.first().decode(), v['clientFirst'])
                self.assertEqual(exchange.final(v['serverFirst'].encode()).decode(), v['clientFinal'])
                exchange.check(v['serverFinal'].encode())
                self.assertRaises(scram.ScramError, exchange.check, b'v=' + base64.b64encode(bytes(32)))

    def test_iterations_out_of_bounds(self):
        exchange = scram.Exchange('user', 'pencil', 'abc')
        for i in (0, 4095, 10000001):
            self.assertRaises(scram.ScramError, exchange.final, f'r=abcdef,s=AAAA,i={i}'.encode())

    def test_a_foreign_nonce(self):
        exchange = scram.Exchange('user', 'pencil', 'abc')
        for text in ('r=abc,s=AAAA,i=4096', 'r=xabcdef,s=AAAA,i=4096', 'm=1,r=abcdef,s=AAAA,i=4096', 'r=abcdef', ''):
            self.assertRaises(scram.ScramError, exchange.final, text.encode())


if __name__ == '__main__':
    unittest.main()
