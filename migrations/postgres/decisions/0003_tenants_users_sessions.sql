-- Tenants, what users need to sign in, their sessions, and what lists over all tenants are read by.

CREATE TABLE tenants (
    -- What every other table names the tenant by; it never changes.
    id         TEXT    NOT NULL PRIMARY KEY,
    title      TEXT    NOT NULL,
    created_at BIGINT  NOT NULL
);

INSERT INTO tenants (id, title, created_at)
VALUES ('default', 'Default', CAST(EXTRACT(EPOCH FROM now()) * 1000 AS BIGINT));

ALTER TABLE users ADD COLUMN disabled_at BIGINT;
ALTER TABLE users ADD COLUMN last_sign_in_at BIGINT;
-- Who the user is at an identity provider; such a user has no password (an empty hash).
ALTER TABLE users ADD COLUMN issuer TEXT;
ALTER TABLE users ADD COLUMN subject TEXT;

CREATE UNIQUE INDEX users_by_identity ON users (issuer, subject) WHERE issuer IS NOT NULL;
CREATE INDEX users_by_tenant ON users (tenant, id);

CREATE TABLE sessions (
    -- SHA-256 of its id, which only the browser has.
    hash         BYTEA   NOT NULL PRIMARY KEY,
    user_id      BYTEA   NOT NULL REFERENCES users (id),
    created_at   BIGINT  NOT NULL,
    last_seen_at BIGINT  NOT NULL,
    expires_at   BIGINT  NOT NULL
);

CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_last_seen ON sessions (last_seen_at);

-- The bypass switch of single tenants; the table bypass has that of the whole installation.
CREATE TABLE tenant_bypass (
    tenant     TEXT    NOT NULL PRIMARY KEY,
    is_on      BOOLEAN NOT NULL,
    reason     TEXT,
    expires_at BIGINT,
    changed_by TEXT,
    changed_at BIGINT
);

CREATE INDEX leaks_of_all_by_created_at ON leaks (created_at, id);
CREATE INDEX leaks_of_all_by_updated_at ON leaks (updated_at, id);
CREATE INDEX leaks_of_all_by_risk ON leaks (risk, id);
CREATE INDEX leaks_of_all_by_status ON leaks (status, id);
CREATE INDEX leaks_of_all_by_title ON leaks (title_order, id);
