"""An adapter for the conformance suite of chatd: replace what says TODO by calls of your client.

    chat-conformance client state/messages/a-message-comes --trace -- python3 adapter.py

It reads one JSON object a line from stdin and answers each with one line on stdout; logs belong on stderr. What a command means is told
in conformance/README.md. It runs as it is: a command that is still to do fails with its TODO, one that is not here is unsupported.
"""

import json
import sys

# What your client can do, by the names in conformance/cases/features.json. Begin with these four; add others as they work:
# 'markRead', 'operations', 'typing', 'presence', 'background', 'clock', 'groups', 'sync', 'history', 'disconnect', 'unread', 'websocket', 'stop'
FEATURES = ['start', 'connect', 'send', 'dump']


class Todo(Exception):
    pass


class Refused(Exception):
    """The client itself refuses something: raise it with the name of the error, such as 'text-too-long'."""


class Adapter:
    def __init__(self):
        self.client = None

    def start(self, server, user, device, password, storage):
        # Open what the client keeps in the folder `storage`: after a kill what was there goes on. Nothing connects yet.
        # self.client = Client(server, user, device, password, storage)
        raise Todo('start: make your client, with its storage in the folder that is given')

    def connect(self):
        # Let it connect and stay connected, in a thread or task of its own, and return at once.
        raise Todo('connect: let your client connect in the background, and reconnect by the rules of the protocol')

    def send(self, to, text):
        # Return when the message is on stable storage, connected or not.
        raise Todo('send: put the message into the outbox of your client')

    def dump(self):
        # What a person would see now, of a client that was restarted too. Messages stand in the order in which they are shown.
        raise Todo('dump: say what your client shows')
        # return {
        #     'state': 'online',  # idle, connecting, waiting, online, stopped
        #     'error': '',  # why it stopped: the name of the error
        #     'messages': [{'conversation': 'bob', 'seq': 1, 'from': 'bob', 'text': 'good night'}],
        #     'outbox': [{'to': 'bob', 'text': 'not acked yet'}],
        #     'refused': [{'to': 'bob', 'text': 'never', 'error': 'no-such-user'}],
        # }

    # Later, each with its feature:
    # def markRead(self, conversation, seq): ...
    # def history(self, conversation): ...
    # def stop(self): ...  # forget the case without a word; saves the start of a process for each case


def answer(adapter, request):
    name = request.pop('do')
    if name == 'features':
        return {'features': FEATURES, 'name': 'my client'}
    command = None if name.startswith('_') else getattr(adapter, name, None)
    if not callable(command):
        return {'unsupported': True}
    try:
        return command(**request) or {}
    except Refused as error:
        return {'refused': str(error)}
    except Todo as error:
        return {'error': f'TODO {error}'}
    except Exception as error:
        return {'error': f'{type(error).__name__}: {error}'}


def main():
    adapter = Adapter()
    for line in sys.stdin:
        request = json.loads(line)
        number = request.pop('id')
        print(json.dumps({'id': number, **answer(adapter, request)}), flush=True)


main()
