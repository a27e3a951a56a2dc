"""What a device must remember, in one SQLite file.

Every step that has to be atomic is one transaction, synced when it ends: `with store:` is such a step.
"""

import json
import sqlite3
import time

TABLES = '''
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value);
CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, frame TEXT NOT NULL, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS refused (id INTEGER, frame TEXT NOT NULL, body TEXT NOT NULL, error INTEGER NOT NULL, time INTEGER);
CREATE TABLE IF NOT EXISTS log (conversation TEXT, seq INTEGER, kind TEXT NOT NULL, sender TEXT, time INTEGER, text BLOB, data TEXT,
  shown INTEGER NOT NULL, PRIMARY KEY (conversation, seq)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unshown ON log (shown) WHERE shown = 0;
CREATE INDEX IF NOT EXISTS expiring ON log (json_extract(data, '$.expires')) WHERE json_extract(data, '$.expires') > 0;
CREATE TABLE IF NOT EXISTS watermarks (conversation TEXT, member TEXT, mark TEXT, seq INTEGER,
  PRIMARY KEY (conversation, member, mark)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lists (list TEXT, name TEXT, item TEXT, PRIMARY KEY (list, name)) WITHOUT ROWID;
'''
KEPT = {'queueEpoch': 0, 'cursor': 0, 'outboxEpoch': 0, 'nextId': 1, 'token': b'', 'toSync': 0}


class Store:
    def __init__(self, path):
        self.db = sqlite3.connect(path, isolation_level=None)
        # One process has a device's state; two would close each other's sessions. [OPN-7]
        self.db.executescript('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;' + TABLES)
        self.depth = 0

    def __enter__(self):
        if self.depth == 0:
            self.db.execute('BEGIN IMMEDIATE')
        self.depth += 1

    def __exit__(self, kind, *_):
        self.depth -= 1
        if self.depth == 0:
            self.db.execute('COMMIT' if kind is None else 'ROLLBACK')

    def close(self):
        self.db.close()

    def one(self, sql, *values):
        row = self.db.execute(sql, values).fetchone()
        return row and row[0]

    def get(self, key):
        found = self.one('SELECT value FROM meta WHERE key = ?', key)
        return KEPT.get(key) if found is None else found

    def set(self, **values):
        self.db.executemany('INSERT OR REPLACE INTO meta VALUES (?, ?)', values.items())

    # --- outbox

    def take_id(self):
        number = self.get('nextId')
        self.set(nextId=number + 1)
        return number

    def put_out(self, frame, body):
        """Stanza, client id and next id in one step, before it is first sent [MSG-12]."""
        with self:
            number = self.take_id()
            self.db.execute('INSERT INTO outbox VALUES (?, ?, ?)', (number, frame, json.dumps(body)))
        return number

    def next_out(self, behind):
        row = self.db.execute('SELECT id, frame, body FROM outbox WHERE id > ? ORDER BY id LIMIT 1', (behind,)).fetchone()
        return row and (row[0], row[1], json.loads(row[2]))

    def out(self, number):
        row = self.db.execute('SELECT frame, body FROM outbox WHERE id = ?', (number,)).fetchone()
        return row and (row[0], json.loads(row[1]))

    def waiting(self, conversation):
        """Client ids of what the outbox has for it, in order."""
        rows = self.db.execute("SELECT id FROM outbox WHERE coalesce(json_extract(body, '$.to'), json_extract(body, '$.conversation')) = ? "
                               'ORDER BY id', (conversation,))
        return [row[0] for row in rows]

    def renumber(self, numbers):
        """New client ids take the place of the old ones in one step [MSG-16]."""
        with self:
            renumbered = [self.take_id() for _ in numbers]
            self.db.executemany('UPDATE outbox SET id = ? WHERE id = ?', zip(renumbered, numbers))
        return renumbered

    def answered(self, number, error=0):
        with self:
            if error:
                self.db.execute('INSERT INTO refused SELECT id, frame, body, ?, ? FROM outbox WHERE id = ?',
                                (error, int(time.time() * 1000), number))
            self.db.execute('DELETE FROM outbox WHERE id = ?', (number,))

    # --- the logs of conversations

    def item(self, conversation, seq):
        row = self.db.execute('SELECT kind, sender, time, text, data FROM log WHERE conversation = ? AND seq = ?',
                              (conversation, seq)).fetchone()
        return row and as_item(conversation, seq, *row)

    def items(self, conversation):
        rows = self.db.execute('SELECT seq, kind, sender, time, text, data FROM log WHERE conversation = ? ORDER BY seq',
                               (conversation,))
        return [as_item(conversation, *row) for row in rows]

    def operations_on(self, conversation, target, behind):
        """Those of a message with a seq above this one."""
        rows = self.db.execute("SELECT seq, kind, sender, time, text, data FROM log WHERE conversation = ? AND seq > ? AND kind = 'operation' "
                               "AND json_extract(data, '$.target') = ? ORDER BY seq", (conversation, behind, target))
        return [as_item(conversation, *row) for row in rows]

    def add(self, conversation, seq, kind, sender, time, text, data, shown=0):
        """True where it was not there: whatever told of a seq first, it counts once [MSG-18]."""
        done = self.db.execute('INSERT OR IGNORE INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
                               (conversation, seq, kind, sender, time, text, json.dumps(data), shown))
        return done.rowcount > 0

    def change(self, conversation, seq, text, data):
        self.db.execute('UPDATE log SET text = ?, data = ? WHERE conversation = ? AND seq = ?',
                        (text, json.dumps(data), conversation, seq))

    def unshown(self):
        rows = self.db.execute('SELECT conversation, seq, kind, sender, time, text, data FROM log WHERE shown = 0 '
                               'ORDER BY time, conversation, seq')
        return [as_item(*row) for row in rows]

    def mark_shown(self, conversation, seq):
        self.db.execute('UPDATE log SET shown = 1 WHERE conversation = ? AND seq = ?', (conversation, seq))

    def expire(self, now):
        """Drops what has expired by this time of the server's clock; (conversation, seq) of each message [DIS-8]."""
        rows = self.db.execute("SELECT conversation, seq, kind, data FROM log WHERE json_extract(data, '$.expires') > 0 "
                               "AND json_extract(data, '$.expires') <= ? ORDER BY conversation, seq", (now,)).fetchall()
        if rows:
            with self:
                for conversation, seq, _, data in rows:
                    kept = {key: value for key, value in json.loads(data).items() if key in ('target', 'operation')}
                    self.change(conversation, seq, b'', {**kept, 'expired': True})
        return [(conversation, seq) for conversation, seq, kind, _ in rows if kind == 'message']

    def add_nothing(self, conversation, first, last):
        """What a page passed over, as one row, however many seqs it is."""
        while first <= last and not self.add(conversation, first, 'nothing', None, 0, b'', {'to': last}, shown=1):
            first += 1  # it holds something, from when there was something

    def whole_up_to(self, conversation):
        """The highest seq stored without a hole."""
        whole = 0
        for seq, to in self.db.execute("SELECT seq, json_extract(data, '$.to') FROM log WHERE conversation = ? ORDER BY seq", (conversation,)):
            if seq > whole + 1:
                break
            whole = max(whole, to or seq)
        return whole

    def unread(self, conversation, user):
        """Messages of others above one's own read watermark; operations, changes and what is gone do not count [RCP-8]."""
        return self.one("SELECT count(*) FROM log WHERE conversation = ? AND kind = 'message' AND sender <> ? AND seq > ? "
                        "AND coalesce(json_extract(data, '$.deleted'), json_extract(data, '$.expired'), 0) = 0",
                        conversation, user, self.watermark(conversation, user, 'read'))

    def watermark(self, conversation, member, mark):
        return self.one('SELECT seq FROM watermarks WHERE conversation = ? AND member = ? AND mark = ?',
                        conversation, member, mark) or 0

    def shown_watermark(self, conversation, member, mark):
        """No further than messages exist [RCP-9]."""
        tail = self.one('SELECT max(seq) FROM log WHERE conversation = ?', conversation) or 0
        return min(tail, self.watermark(conversation, member, mark))

    def raise_watermark(self, conversation, member, mark, seq):
        """It never falls [RCP-9]."""
        if seq <= self.watermark(conversation, member, mark):
            return False
        self.db.execute('INSERT OR REPLACE INTO watermarks VALUES (?, ?, ?, ?)', (conversation, member, mark, seq))
        return True

    # --- contacts, blocked, flags

    def replace_list(self, name, items, version, whole):
        with self:
            if whole:
                self.db.execute('DELETE FROM lists WHERE list = ?', (name,))
            for key, attributes in items.items():
                if attributes is None:
                    self.db.execute('DELETE FROM lists WHERE list = ? AND name = ?', (name, key))
                else:
                    self.db.execute('INSERT OR REPLACE INTO lists VALUES (?, ?, ?)', (name, key, json.dumps(attributes)))
            self.set(**{name + 'Version': version})

    def list(self, name):
        rows = self.db.execute('SELECT name, item FROM lists WHERE list = ? ORDER BY name', (name,))
        return {key: json.loads(item) for key, item in rows}


def as_item(conversation, seq, kind, sender, time, text, data):
    return {'conversation': conversation, 'seq': seq, 'kind': kind, 'from': sender, 'time': time,
            'text': None if text is None else text.decode('utf-8', 'replace'), **json.loads(data)}
