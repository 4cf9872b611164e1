-- Decisions that take two persons, and an audit log that says what was before and after.

-- What changed: a list of field, before and after, as JSON and without any token.
ALTER TABLE audit ADD COLUMN changed TEXT;

CREATE INDEX audit_by_time ON audit (at, id);
CREATE INDEX audit_by_actor ON audit (tenant, actor, id);
CREATE INDEX audit_by_action ON audit (tenant, action, id);
CREATE INDEX audit_by_object ON audit (object, id) WHERE object IS NOT NULL;

-- Whether what blocks, and what weakens a block, takes two persons.
ALTER TABLE tenants ADD COLUMN four_eyes BOOLEAN NOT NULL DEFAULT FALSE;
-- The person behind an API token: whoever made it.
ALTER TABLE api_tokens ADD COLUMN person TEXT;

-- What one person asked for and another one has to look at.
CREATE TABLE proposals (
    id          BYTEA   NOT NULL PRIMARY KEY,
    tenant      TEXT    NOT NULL,
    -- decision, four_eyes_off: to be approved; review: was done, to be acknowledged
    kind        TEXT    NOT NULL,
    leak        BYTEA   REFERENCES leaks (id),
    action      TEXT    NOT NULL,
    -- The decision as JSON.
    asked       TEXT,
    -- The same in words.
    summary     TEXT    NOT NULL,
    comment     TEXT,
    -- pending, approved, rejected, superseded, acknowledged
    state       TEXT    NOT NULL,
    -- Who asked, and the person behind that.
    proposed_by TEXT    NOT NULL,
    person      TEXT    NOT NULL,
    proposed_at BIGINT NOT NULL,
    expires_at  BIGINT,
    settled_by  TEXT,
    settled_at  BIGINT,
    settled_comment TEXT
);

CREATE INDEX proposals_by_tenant ON proposals (tenant, state, id);
CREATE INDEX proposals_of_all ON proposals (state, id);
CREATE INDEX proposals_by_leak ON proposals (leak, state);
