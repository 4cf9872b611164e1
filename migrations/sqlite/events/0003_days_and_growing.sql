-- Uses by day (days since 1970), which are kept when hours and events are gone.
CREATE TABLE leak_days (
    leak   BLOB    NOT NULL,
    day    INTEGER NOT NULL,
    action TEXT    NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (leak, day, action)
) WITHOUT ROWID;

CREATE TABLE tenant_days (
    tenant TEXT    NOT NULL,
    day    INTEGER NOT NULL,
    action TEXT    NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (tenant, day, action)
) WITHOUT ROWID;

-- The hours have been counted from the first event on, and none was ever removed.
INSERT INTO leak_days (leak, day, action, count)
SELECT leak, hour / 24, action, SUM(count) FROM leak_hours GROUP BY leak, hour / 24, action;
INSERT INTO tenant_days (tenant, day, action, count)
SELECT tenant, hour / 24, action, SUM(count) FROM tenant_hours GROUP BY tenant, hour / 24, action;

CREATE INDEX leak_days_by_day ON leak_days (day);
CREATE INDEX tenant_days_by_day ON tenant_days (day);
CREATE INDEX leak_hours_by_hour ON leak_hours (hour);
CREATE INDEX tenant_hours_by_hour ON tenant_hours (hour);

-- Events whose count still grows, so that a kill does not lose what was counted: each goes into
-- events when it is done, or when whoever counted it is gone.
CREATE TABLE growing_events (
    id      BLOB    NOT NULL PRIMARY KEY,
    -- As JSON.
    event   TEXT    NOT NULL,
    held_at INTEGER NOT NULL
);

-- The event of the token's first use; absent of tokens that were used before this was written down.
ALTER TABLE token_use ADD COLUMN first_event BLOB;
