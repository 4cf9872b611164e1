-- Uses of leaked tokens, and what follows from them. A database of its own, so that a flood of
-- events never delays a decision.

CREATE TABLE events (
    id              BLOB    NOT NULL PRIMARY KEY,
    at              INTEGER NOT NULL,
    -- The tenant of the leak.
    tenant          TEXT    NOT NULL,
    type            TEXT    NOT NULL,
    action          TEXT    NOT NULL,
    leak            BLOB    NOT NULL,
    virtual_patch   BLOB,
    token           BLOB    NOT NULL,
    fingerprint     TEXT    NOT NULL,
    point           TEXT    NOT NULL,
    encodings       TEXT    NOT NULL,
    source_ip       TEXT    NOT NULL,
    peer_ip         TEXT    NOT NULL,
    forwarded_for   TEXT,
    client_cert     TEXT,
    user_agent      TEXT,
    method          TEXT    NOT NULL,
    host            TEXT    NOT NULL,
    path            TEXT    NOT NULL,
    response_status INTEGER,
    count           INTEGER NOT NULL,
    gateway         TEXT    NOT NULL,
    request_id      TEXT    NOT NULL
);

CREATE INDEX events_by_time ON events (at, id);
CREATE INDEX events_by_leak ON events (leak, at, id);
CREATE INDEX events_by_token ON events (token, at, id);
CREATE INDEX events_by_source_ip ON events (source_ip, at, id);
CREATE INDEX events_by_host ON events (host, at, id);

-- Uses by hour (hours since 1970) and action: of each leak that has the token, and of each tenant.
CREATE TABLE leak_hours (
    leak   BLOB    NOT NULL,
    hour   INTEGER NOT NULL,
    action TEXT    NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (leak, hour, action)
) WITHOUT ROWID;

CREATE TABLE tenant_hours (
    tenant TEXT    NOT NULL,
    hour   INTEGER NOT NULL,
    action TEXT    NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (tenant, hour, action)
) WITHOUT ROWID;

CREATE TABLE leak_use (
    leak          BLOB    NOT NULL PRIMARY KEY,
    last_event_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE token_use (
    token        BLOB    NOT NULL PRIMARY KEY,
    last_used_at INTEGER NOT NULL,
    -- What the upstream's answer told, and when; absent where none has told anything.
    validity     TEXT,
    validity_at  INTEGER
) WITHOUT ROWID;
