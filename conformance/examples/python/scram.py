"""SCRAM-SHA-256 as a client needs it (RFC 5802, RFC 7677).

-PLUS is left out: Python's ssl module has no access to the TLS exporter (RFC 9266), so the gs2 flag is n, as a browser's [SCR-2].
A client that could bind to the channel and was not offered -PLUS would send y [SCR-3].
"""

import base64
import hashlib
import hmac
import os
import secrets

from codec import LIMITS, prepare_password


class ScramError(Exception):
    """The server did not prove that it knows the password, or asks for what a client refuses."""


def digest(key, data):
    return hmac.digest(key, data, 'sha256')


def salted(password, salt, iterations):
    if not LIMITS['scramIterationsMin'] <= iterations <= LIMITS['scramIterationsMax']:
        raise ScramError(f'{iterations} iterations')  # [SCR-5]
    prepared = prepare_password(password)
    if prepared is None:
        raise ScramError('this password can not be used')
    return hashlib.pbkdf2_hmac('sha256', prepared.encode('utf-8'), salt, iterations)


def keys(salted_password):
    """ClientKey, StoredKey, ServerKey."""
    client = digest(salted_password, b'Client Key')
    return client, hashlib.sha256(client).digest(), digest(salted_password, b'Server Key')


def verifier(password, iterations, salt=None):
    """What register carries in the place of the password [INV-3]."""
    salt = salt or os.urandom(16)
    _, stored, server = keys(salted(password, salt, iterations))
    return {'salt': salt, 'iterations': iterations, 'storedKey': stored, 'serverKey': server}


class Exchange:
    """client-first, then client-final for a server-first, then the check of server-final."""

    def __init__(self, user, password, nonce=None, gs2='n,,', binding=b''):
        self.password, self.gs2, self.binding = password, gs2, binding
        self.nonce = nonce or base64.b64encode(secrets.token_bytes(24)).decode()
        self.bare = f'n={user},r={self.nonce}'  # names hold neither comma nor equals sign

    def first(self):
        return (self.gs2 + self.bare).encode()

    def final(self, server_first):
        try:
            text = server_first.decode('ascii')
            parts = dict(part.split('=', 1) for part in text.split(','))
            nonce, salt, iterations = parts['r'], base64.b64decode(parts['s'], validate=True), int(parts['i'])
        except (ValueError, KeyError):
            raise ScramError('server-first can not be read') from None
        if 'm' in parts or len(nonce) <= len(self.nonce) or not nonce.startswith(self.nonce):
            raise ScramError('this is not the answer to our nonce')
        client, stored, server = keys(salted(self.password, salt, iterations))
        channel = base64.b64encode(self.gs2.encode() + self.binding).decode()
        without_proof = f'c={channel},r={nonce}'
        message = f'{self.bare},{text},{without_proof}'.encode()
        self.signature = digest(server, message)
        proof = bytes(a ^ b for a, b in zip(client, digest(stored, message)))
        return f'{without_proof},p={base64.b64encode(proof).decode()}'.encode()

    def check(self, server_final):
        """Nothing that follows is trusted before this [SCR-4]."""
        expected = b'v=' + base64.b64encode(self.signature)
        if not hmac.compare_digest(server_final.split(b',')[0], expected):
            raise ScramError('somebody else answered: the signature is wrong')
