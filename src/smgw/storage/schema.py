"""The journal's tables as numbered migrations: entry N brings a file from version N to N + 1. An entry never changes once released."""

_APPEND_ONLY = """
CREATE TRIGGER {table}_no_update BEFORE UPDATE ON {table} BEGIN SELECT RAISE(ABORT, 'append only'); END;
CREATE TRIGGER {table}_no_delete BEFORE DELETE ON {table} BEGIN SELECT RAISE(ABORT, 'append only'); END;
"""


def _append_only(*tables: str) -> str:
    return "".join(_APPEND_ONLY.format(table=table) for table in tables)


_FIRST = """
-- One row a hash chain: how many rows it has and the hash of the last one.
CREATE TABLE heads (
  id INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  scope TEXT NOT NULL,
  length INTEGER NOT NULL,
  hash BLOB NOT NULL,
  UNIQUE (kind, scope)
) STRICT;

-- One row a register of a meter, so that a reading names both in one octet or two.
CREATE TABLE series (
  id INTEGER PRIMARY KEY,
  meter_id TEXT NOT NULL,
  obis BLOB NOT NULL CHECK (length(obis) = 6),
  UNIQUE (meter_id, obis)
) STRICT;

-- Times are microseconds since 1970. A value beyond 64 bits is a blob of nine octets, big-endian, signed.
CREATE TABLE readings (
  sequence INTEGER PRIMARY KEY,
  series INTEGER NOT NULL REFERENCES series,
  target_time INTEGER NOT NULL,
  capture_time INTEGER NOT NULL,
  raw ANY CHECK (typeof(raw) IN ('null', 'integer', 'blob')),
  scaler INTEGER NOT NULL,
  unit INTEGER NOT NULL,
  gateway_status INTEGER NOT NULL,
  meter_status INTEGER NOT NULL,
  signature BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX readings_by_time ON readings (series, target_time);

CREATE TABLE registers (
  sequence INTEGER PRIMARY KEY,
  profile_id TEXT NOT NULL,
  period_end INTEGER NOT NULL,
  record BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX registers_by_time ON registers (profile_id, period_end);

CREATE TABLE log_entries (
  head INTEGER NOT NULL REFERENCES heads,
  number INTEGER NOT NULL,
  time INTEGER NOT NULL,
  body BLOB NOT NULL,
  hash BLOB NOT NULL,
  PRIMARY KEY (head, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX log_entries_by_time ON log_entries (head, time);

CREATE TABLE profiles (
  sequence INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  profile_id TEXT NOT NULL,
  version INTEGER NOT NULL,
  installed_at INTEGER NOT NULL,
  body BLOB NOT NULL,
  document BLOB NOT NULL,
  hash BLOB NOT NULL,
  UNIQUE (kind, profile_id, version)
) STRICT;

-- The body is given up once the receipt is stored; its SHA-256 stays.
CREATE TABLE outbox (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  message_id TEXT NOT NULL UNIQUE,
  partner_id TEXT NOT NULL,
  profile_id TEXT NOT NULL,
  body BLOB NOT NULL,
  body_hash BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  last_code TEXT NOT NULL,
  last_attempt_at INTEGER,
  receipt BLOB,
  acknowledged_at INTEGER
) STRICT;
CREATE INDEX outbox_pending ON outbox (number) WHERE acknowledged_at IS NULL;
CREATE TRIGGER outbox_no_early_delete BEFORE DELETE ON outbox WHEN old.acknowledged_at IS NULL
BEGIN SELECT RAISE(ABORT, 'not acknowledged'); END;

CREATE TABLE state (
  key TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
""" + _append_only("series", "readings", "registers", "log_entries", "profiles")

_SEALS = """
-- What the gateway signed of its chains: the record names chain, length and hash, and stands in a chain of its own.
CREATE TABLE seals (
  sequence INTEGER PRIMARY KEY,
  chain TEXT NOT NULL,
  scope TEXT NOT NULL,
  length INTEGER NOT NULL,
  record BLOB NOT NULL,
  signature BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX seals_by_chain ON seals (chain, scope, length);
""" + _append_only("seals")

_CUTS = """
-- A cut says that the rows of one chain up to a number were deleted, and with which hash the chain goes on. It is stored before the rows
-- go, in the same transaction: the rules below let nothing go that no cut covers. What is never deleted is not among the kinds.
CREATE TABLE cuts (
  sequence INTEGER PRIMARY KEY,
  kind TEXT NOT NULL CHECK (kind IN ('readings', 'registers', 'system', 'consumer')),
  scope TEXT NOT NULL,
  number INTEGER NOT NULL,
  removed INTEGER NOT NULL CHECK (removed > 0),
  row_hash BLOB NOT NULL CHECK (length(row_hash) = 32),
  time INTEGER NOT NULL,
  signer BLOB NOT NULL,
  signature BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX cuts_by_chain ON cuts (kind, scope, number);
""" + _append_only("cuts")

_DELETION = """
DROP TRIGGER readings_no_delete;
CREATE TRIGGER readings_no_delete BEFORE DELETE ON readings
WHEN NOT EXISTS (SELECT 1 FROM cuts WHERE kind = 'readings' AND scope = '' AND number >= old.sequence)
BEGIN SELECT RAISE(ABORT, 'append only'); END;

DROP TRIGGER registers_no_delete;
CREATE TRIGGER registers_no_delete BEFORE DELETE ON registers
WHEN NOT EXISTS (SELECT 1 FROM cuts WHERE kind = 'registers' AND scope = '' AND number >= old.sequence)
BEGIN SELECT RAISE(ABORT, 'append only'); END;

DROP TRIGGER log_entries_no_delete;
CREATE TRIGGER log_entries_no_delete BEFORE DELETE ON log_entries
WHEN NOT EXISTS (
  SELECT 1 FROM heads JOIN cuts ON cuts.kind = heads.kind AND cuts.scope = heads.scope
  WHERE heads.id = old.head AND cuts.number >= old.number
)
BEGIN SELECT RAISE(ABORT, 'append only'); END;
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _SEALS, _CUTS + _DELETION)
SCHEMA_VERSION = len(MIGRATIONS)
