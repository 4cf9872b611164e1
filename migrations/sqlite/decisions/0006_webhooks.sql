-- Where a tenant's administrators have its events, audit entries and notifications sent.
CREATE TABLE webhooks (
    id         BLOB    NOT NULL PRIMARY KEY,
    tenant     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    format     TEXT    NOT NULL,
    -- What is sent, with commas between.
    feeds      TEXT    NOT NULL,
    -- What people see of the address.
    shown_url  TEXT    NOT NULL,
    -- The address and the secret, encrypted: either of them lets others send.
    sealed     BLOB    NOT NULL,
    enabled    BOOLEAN NOT NULL,
    created_by TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    UNIQUE (tenant, name)
);

CREATE INDEX webhooks_by_tenant ON webhooks (tenant, id);
