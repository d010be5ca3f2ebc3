-- Who may deliver what.
CREATE TABLE gateway (gateway_id TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE gateway_meter (
  meter_id TEXT PRIMARY KEY,
  gateway_id TEXT NOT NULL REFERENCES gateway,
  period_s INTEGER NOT NULL CHECK (period_s > 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE gateway_contract (
  gateway_id TEXT NOT NULL REFERENCES gateway,
  contract TEXT NOT NULL,
  PRIMARY KEY (gateway_id, contract)
) STRICT, WITHOUT ROWID;

-- What was accepted: the message as it came is the evidence. Times are microseconds since 1970.
CREATE TABLE inbox (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  message_id TEXT NOT NULL UNIQUE,
  content_digest BLOB NOT NULL,
  message BLOB NOT NULL,
  sender TEXT NOT NULL,
  signer TEXT NOT NULL,
  signer_fingerprint BLOB NOT NULL,
  contract TEXT NOT NULL,
  taf INTEGER NOT NULL,
  meter_id TEXT NOT NULL,
  metering_point_id TEXT NOT NULL,
  period_start INTEGER NOT NULL,
  period_end INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  received_at INTEGER NOT NULL,
  readings INTEGER NOT NULL,
  stored INTEGER NOT NULL,
  registers INTEGER NOT NULL
) STRICT;

-- Derived registers, each as often as it was stated differently. A value is decimal text (it needs 65 bits), empty where there is none.
CREATE TABLE register_value (
  gateway_id TEXT NOT NULL,
  contract TEXT NOT NULL,
  obis TEXT NOT NULL,
  period_start INTEGER NOT NULL,
  period_end INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  meter_id TEXT NOT NULL,
  taf INTEGER NOT NULL,
  raw TEXT NOT NULL,
  scaler INTEGER NOT NULL,
  unit INTEGER NOT NULL,
  gateway_status INTEGER NOT NULL,
  inputs TEXT NOT NULL,
  message INTEGER NOT NULL REFERENCES inbox,
  UNIQUE (gateway_id, contract, obis, period_start, period_end, created_at, raw, scaler, unit, gateway_status)
) STRICT;
CREATE INDEX register_value_of_meter ON register_value (meter_id, period_end);

-- Values that came although others stood already.
CREATE TABLE finding (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  found_at INTEGER NOT NULL,
  kind TEXT NOT NULL,
  meter_id TEXT NOT NULL,
  obis TEXT NOT NULL,
  target INTEGER NOT NULL,
  revision INTEGER NOT NULL,
  message INTEGER NOT NULL REFERENCES inbox
) STRICT;

-- The newest refused messages and connections. The number counts all there ever were.
CREATE TABLE refusal (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  refused_at INTEGER NOT NULL,
  peer TEXT NOT NULL,
  code TEXT NOT NULL,
  digest BLOB
) STRICT;
