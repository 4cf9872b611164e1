-- Uses of leaked tokens, and what follows from them. A schema of its own, beside that of the
-- decisions.

CREATE TABLE events (
    id              BYTEA   NOT NULL PRIMARY KEY,
    at              BIGINT  NOT NULL,
    -- The tenant of the leak.
    tenant          TEXT    NOT NULL,
    type            TEXT    NOT NULL,
    action          TEXT    NOT NULL,
    leak            BYTEA   NOT NULL,
    virtual_patch   BYTEA,
    token           BYTEA   NOT NULL,
    fingerprint     TEXT    NOT NULL,
    point           TEXT    NOT NULL,
    encodings       TEXT    NOT NULL,
    source_ip       TEXT COLLATE "C" NOT NULL,
    peer_ip         TEXT    NOT NULL,
    forwarded_for   TEXT,
    client_cert     TEXT,
    user_agent      TEXT,
    method          TEXT    NOT NULL,
    host            TEXT COLLATE "C" NOT NULL,
    path            TEXT    NOT NULL,
    response_status BIGINT,
    count           BIGINT  NOT NULL,
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
    leak   BYTEA   NOT NULL,
    hour   BIGINT  NOT NULL,
    action TEXT    NOT NULL,
    count  BIGINT  NOT NULL,
    PRIMARY KEY (leak, hour, action)
);

CREATE TABLE tenant_hours (
    tenant TEXT    NOT NULL,
    hour   BIGINT  NOT NULL,
    action TEXT    NOT NULL,
    count  BIGINT  NOT NULL,
    PRIMARY KEY (tenant, hour, action)
);

CREATE TABLE leak_use (
    leak          BYTEA   NOT NULL PRIMARY KEY,
    last_event_at BIGINT  NOT NULL
);

CREATE TABLE token_use (
    token        BYTEA   NOT NULL PRIMARY KEY,
    last_used_at BIGINT  NOT NULL,
    -- What the upstream's answer told, and when; absent where none has told anything.
    validity     TEXT,
    validity_at  BIGINT
);
