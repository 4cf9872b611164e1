-- Leaks, their tokens and rules, the decisions about them, and who may decide.
--
-- Ids are UUIDv7 as 16 bytes, so that they sort by the time they were made. Times are milliseconds
-- since 1970 in UTC. No column but tokens.sealed holds a token, and that one only encrypted.

CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value BLOB NOT NULL
);

CREATE TABLE leaks (
    id               BLOB    NOT NULL PRIMARY KEY,
    tenant           TEXT    NOT NULL,
    title            TEXT    NOT NULL,
    -- The title in lower case: what the list is sorted by.
    title_order      TEXT    NOT NULL,
    -- Title and comment in lower case: what the list is searched in.
    search_text      TEXT    NOT NULL,
    -- 0 critical, 1 high, 2 medium, 3 low, 4 info
    risk             INTEGER NOT NULL,
    -- 0 open, 1 closed, 2 false_positive
    status           INTEGER NOT NULL,
    resolution       TEXT,
    -- Follows from status, rule and tokens; kept here so that the list can be narrowed by it.
    remediation      TEXT    NOT NULL,
    detected_by      TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    -- The kind of the first source.
    source_kind      TEXT    NOT NULL,
    owner            TEXT,
    contact          TEXT,
    comment          TEXT,
    token_count      INTEGER NOT NULL,
    -- Tokens of which a rule can be made.
    applicable_count INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    updated_at       INTEGER NOT NULL,
    closed_at        INTEGER
);

CREATE INDEX leaks_by_created_at ON leaks (tenant, created_at, id);
CREATE INDEX leaks_by_updated_at ON leaks (tenant, updated_at, id);
CREATE INDEX leaks_by_risk ON leaks (tenant, risk, id);
CREATE INDEX leaks_by_status ON leaks (tenant, status, id);
CREATE INDEX leaks_by_title ON leaks (tenant, title_order, id);
CREATE INDEX leaks_by_status_and_created_at ON leaks (tenant, status, created_at, id);
-- For the statistics, and for the tokens that are enforced.
CREATE INDEX leaks_counted ON leaks (tenant, status, risk, source_kind, remediation);
CREATE INDEX leaks_enforced ON leaks (status, closed_at);

-- One row for each place where a leak's tokens were seen; the one with the least seq is the first.
CREATE TABLE sources (
    seq         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    leak        BLOB    NOT NULL REFERENCES leaks (id),
    kind        TEXT    NOT NULL,
    url         TEXT,
    path        TEXT,
    commit_id   TEXT,
    line        INTEGER,
    -- The URL in lower case: what the list is searched in.
    search_text TEXT    NOT NULL,
    -- SHA-256 of the place, by which a place is known again.
    digest      BLOB    NOT NULL,
    first_at    INTEGER NOT NULL,
    last_at     INTEGER NOT NULL,
    -- How often it was reported.
    times       INTEGER NOT NULL,
    UNIQUE (leak, digest)
);

CREATE INDEX sources_by_leak ON sources (leak, seq);
CREATE INDEX sources_by_kind ON sources (kind, leak);

CREATE TABLE tokens (
    id             BLOB    NOT NULL PRIMARY KEY,
    tenant         TEXT    NOT NULL,
    fingerprint    BLOB    NOT NULL,
    masked         TEXT    NOT NULL,
    -- In bytes; absent where only the token's digest is known.
    length         INTEGER,
    kind           TEXT    NOT NULL,
    -- What a report said; what upstreams answered is with the events.
    validity       TEXT    NOT NULL,
    not_applicable TEXT,
    -- Generation of the key (1 byte), nonce (12), AES-256-GCM of text or digest and its type.
    sealed         BLOB    NOT NULL,
    created_at     INTEGER NOT NULL,
    UNIQUE (tenant, fingerprint)
);

CREATE TABLE leak_tokens (
    leak  BLOB NOT NULL REFERENCES leaks (id),
    token BLOB NOT NULL REFERENCES tokens (id),
    PRIMARY KEY (leak, token)
) WITHOUT ROWID;

CREATE INDEX leak_tokens_by_token ON leak_tokens (token, leak);

CREATE TABLE virtual_patches (
    id         BLOB    NOT NULL PRIMARY KEY,
    leak       BLOB    NOT NULL UNIQUE REFERENCES leaks (id),
    tenant     TEXT    NOT NULL,
    mode       TEXT    NOT NULL,
    scope      TEXT    NOT NULL,
    expires_at INTEGER,
    force      BOOLEAN NOT NULL,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE INDEX virtual_patches_by_tenant ON virtual_patches (tenant, id);
CREATE INDEX virtual_patches_by_end ON virtual_patches (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE history (
    id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    leak    BLOB    NOT NULL REFERENCES leaks (id),
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    comment TEXT,
    detail  TEXT
);

CREATE INDEX history_by_leak ON history (leak, id);

CREATE TRIGGER history_is_not_changed BEFORE UPDATE ON history
BEGIN SELECT RAISE(ABORT, 'history is only added to'); END;
CREATE TRIGGER history_is_not_removed BEFORE DELETE ON history
BEGIN SELECT RAISE(ABORT, 'history is only added to'); END;

CREATE TABLE comments (
    id     INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    leak   BLOB    NOT NULL REFERENCES leaks (id),
    at     INTEGER NOT NULL,
    author TEXT    NOT NULL,
    text   TEXT    NOT NULL
);

CREATE INDEX comments_by_leak ON comments (leak, id);

CREATE TABLE audit (
    id      INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    tenant  TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    actor   TEXT    NOT NULL,
    address TEXT,
    action  TEXT    NOT NULL,
    object  TEXT,
    detail  TEXT
);

CREATE INDEX audit_by_tenant ON audit (tenant, id);

CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
CREATE TRIGGER audit_is_not_removed BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;

CREATE TABLE users (
    id            BLOB    NOT NULL PRIMARY KEY,
    tenant        TEXT    NOT NULL,
    name          TEXT    NOT NULL UNIQUE,
    role          TEXT    NOT NULL,
    -- An argon2id PHC string.
    password_hash TEXT    NOT NULL,
    created_at    INTEGER NOT NULL
);

CREATE TABLE api_tokens (
    id           BLOB    NOT NULL PRIMARY KEY,
    tenant       TEXT    NOT NULL,
    name         TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    -- SHA-256 of its text.
    hash         BLOB    NOT NULL UNIQUE,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER
);

-- A revoked token's name is free again.
CREATE UNIQUE INDEX api_tokens_by_name ON api_tokens (tenant, name) WHERE revoked_at IS NULL;

-- One row at most.
CREATE TABLE bypass (
    id         INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    is_on      BOOLEAN NOT NULL,
    reason     TEXT,
    expires_at INTEGER,
    changed_by TEXT,
    changed_at INTEGER
);
