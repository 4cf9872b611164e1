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
    count           INTEGER NOT NULL,
    first_at        INTEGER NOT NULL,
    last_at         INTEGER NOT NULL,
    PRIMARY KEY (hour, token, leak, source_ip, host, action, response_status)
) WITHOUT ROWID;

CREATE INDEX client_hours_by_token ON client_hours (token, hour, source_ip);

INSERT INTO client_hours
SELECT at / 3600000, token, leak, source_ip, host, action, COALESCE(response_status, 0), MIN(tenant),
    SUM(count), MIN(at), MAX(at)
FROM events GROUP BY 1, 2, 3, 4, 5, 6, 7;
