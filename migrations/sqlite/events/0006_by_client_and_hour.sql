-- Uses by hour and by all that they are put together by: few rows where the same clients come again, so
-- that what many uses have in common is told without reading each. They go with the events of their hour.
CREATE TABLE client_hours (
    -- Hours since 1970.
    hour            INTEGER NOT NULL,
    token           BLOB    NOT NULL,
    leak            BLOB    NOT NULL,
    source_ip       TEXT    NOT NULL,
    host            TEXT    NOT NULL,
    action          TEXT    NOT NULL,
    -- 0: no answer came.
    response_status INTEGER NOT NULL,
    -- The tenant of the leak.
    tenant          TEXT    NOT NULL,
    -- The token's, as events have it.
    fingerprint     TEXT    NOT NULL,
    count           INTEGER NOT NULL,
    first_at        INTEGER NOT NULL,
    last_at         INTEGER NOT NULL,
    PRIMARY KEY (hour, token, leak, source_ip, host, action, response_status)
) WITHOUT ROWID;

CREATE INDEX client_hours_by_token ON client_hours (token, hour, source_ip);
CREATE INDEX client_hours_by_leak ON client_hours (leak, hour);

-- One tenant's events by client or host are found without a look at those of the others.
CREATE INDEX events_by_tenant_and_source_ip ON events (tenant, source_ip, at, id);
CREATE INDEX events_by_tenant_and_host ON events (tenant, host, at, id);

-- Whoever writes an event counts it, processes of the version before too.
CREATE TRIGGER events_are_counted AFTER INSERT ON events
BEGIN
    INSERT INTO client_hours VALUES (new.at / 3600000, new.token, new.leak, new.source_ip, new.host,
        new.action, COALESCE(new.response_status, 0), new.tenant, new.fingerprint, new.count, new.at, new.at)
    ON CONFLICT (hour, token, leak, source_ip, host, action, response_status) DO UPDATE SET
        count = count + excluded.count,
        first_at = MIN(first_at, excluded.first_at),
        last_at = MAX(last_at, excluded.last_at);
END;

INSERT INTO client_hours
SELECT at / 3600000, token, leak, source_ip, host, action, COALESCE(response_status, 0), MIN(tenant),
    MIN(fingerprint), SUM(count), MIN(at), MAX(at)
FROM events GROUP BY 1, 2, 3, 4, 5, 6, 7;
