-- What a leak's state is known by, calls that may be sent again, modes of single tokens, and a risk
-- that follows from what is known.

-- Grows with every change of the leak: what `If-Match` is compared with.
ALTER TABLE leaks ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
-- When its tokens became public, where that was said.
ALTER TABLE leaks ADD COLUMN exposed_at BIGINT;
-- The level that a person has set, and the one that follows from what is known; risk is the one that
-- counts.
ALTER TABLE leaks ADD COLUMN risk_set BIGINT;
ALTER TABLE leaks ADD COLUMN risk_computed BIGINT NOT NULL DEFAULT 1;
-- Of the kinds of its sources, the one that weighs most.
ALTER TABLE leaks ADD COLUMN risk_source TEXT NOT NULL DEFAULT 'other';
-- When the computed level is to be looked at again though nothing else changes.
ALTER TABLE leaks ADD COLUMN risk_due_at BIGINT;
-- What the events told of its tokens, as far as it is in the computed level.
ALTER TABLE leaks ADD COLUMN first_used_at BIGINT;
ALTER TABLE leaks ADD COLUMN use_validity TEXT NOT NULL DEFAULT 'unknown';

-- Until now every level was one that somebody had set. What is due is computed little by little.
UPDATE leaks SET risk_set = risk, risk_computed = risk, risk_source = source_kind, risk_due_at = 0;

CREATE INDEX leaks_by_risk_due ON leaks (risk_due_at) WHERE risk_due_at IS NOT NULL;

-- The mode of single tokens of a leak, where it is not the patch's.
CREATE TABLE token_modes (
    leak  BYTEA NOT NULL REFERENCES leaks (id),
    token BYTEA NOT NULL REFERENCES tokens (id),
    -- block, monitoring, none
    mode  TEXT NOT NULL,
    PRIMARY KEY (leak, token)
);

CREATE INDEX token_modes_by_token ON token_modes (token);

-- Calls that were made with an Idempotency-Key, for a day.
CREATE TABLE repeatable_calls (
    tenant  TEXT    NOT NULL,
    -- Keyed digests: of the key and whose it is, and of the call with its body.
    key     BYTEA    NOT NULL,
    request BYTEA    NOT NULL,
    at      BIGINT NOT NULL,
    -- The call that this is a part of.
    part_of BYTEA,
    -- Whether the answer is known; else it was cut off.
    is_done BOOLEAN NOT NULL,
    -- What it was about.
    leak    BYTEA,
    -- The answer as JSON; of a call that is not done, the leaks that it is about.
    answer  TEXT,
    PRIMARY KEY (tenant, key)
);

CREATE INDEX repeatable_calls_by_time ON repeatable_calls (at);
CREATE INDEX repeatable_calls_by_part ON repeatable_calls (part_of, tenant);
