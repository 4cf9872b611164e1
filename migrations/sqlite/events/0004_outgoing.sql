-- What goes out of the program: the order in which events were stored, how far each reader of it
-- has come, what could not be delivered, and what was notified.

CREATE TABLE event_feed (
    seq    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    event  BLOB    NOT NULL,
    tenant TEXT    NOT NULL
);

CREATE TABLE notifications (
    seq    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id     BLOB    NOT NULL UNIQUE,
    at     INTEGER NOT NULL,
    tenant TEXT    NOT NULL,
    kind   TEXT    NOT NULL,
    leak   BLOB,
    -- As JSON.
    body   TEXT    NOT NULL
);

CREATE INDEX notifications_by_tenant ON notifications (tenant, seq);
CREATE INDEX notifications_by_time ON notifications (tenant, at);

-- When somebody was last notified of a thing.
CREATE TABLE notified (
    tenant  TEXT    NOT NULL,
    kind    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (tenant, kind, subject)
);

-- One row for each reader: a sink, or what notifies.
CREATE TABLE cursors (
    reader        TEXT    NOT NULL PRIMARY KEY,
    events        INTEGER NOT NULL,
    -- The id of a row of the audit log, which is in the database of decisions.
    audit         INTEGER NOT NULL,
    notifications INTEGER NOT NULL,
    -- Which process reads, and until when no other one does.
    holder        TEXT    NOT NULL,
    held_until    INTEGER NOT NULL,
    delivered_at  INTEGER,
    -- Why the last delivery failed; absent where it did not.
    error         TEXT
);

CREATE TABLE dead_letters (
    id       BLOB    NOT NULL PRIMARY KEY,
    reader   TEXT    NOT NULL,
    -- Absent: of all tenants.
    tenant   TEXT,
    at       INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    error    TEXT    NOT NULL,
    -- How many entries, and these as JSON.
    count    INTEGER NOT NULL,
    entries  TEXT    NOT NULL
);

CREATE INDEX dead_letters_by_reader ON dead_letters (reader, id);
CREATE INDEX dead_letters_by_tenant ON dead_letters (tenant, id);
