-- Uses by hour and by all that they are put together by: few rows where the same clients come again, so
-- that what many uses have in common is told without reading each. They go with the events of their hour.
CREATE TABLE client_hours (
    -- Hours since 1970.
    hour            BIGINT  NOT NULL,
    token           BYTEA   NOT NULL,
    leak            BYTEA   NOT NULL,
    source_ip       TEXT COLLATE "C" NOT NULL,
    host            TEXT COLLATE "C" NOT NULL,
    action          TEXT    NOT NULL,
    -- 0: no answer came.
    response_status BIGINT  NOT NULL,
    -- The tenant of the leak.
    tenant          TEXT    NOT NULL,
    -- The token's, as events have it.
    fingerprint     TEXT    NOT NULL,
    count           BIGINT  NOT NULL,
    first_at        BIGINT  NOT NULL,
    last_at         BIGINT  NOT NULL,
    PRIMARY KEY (hour, token, leak, source_ip, host, action, response_status)
);

CREATE INDEX client_hours_by_token ON client_hours (token, hour, source_ip);
CREATE INDEX client_hours_by_leak ON client_hours (leak, hour);

-- One tenant's events by client or host are found without a look at those of the others.
CREATE INDEX events_by_tenant_and_source_ip ON events (tenant, source_ip, at, id);
CREATE INDEX events_by_tenant_and_host ON events (tenant, host, at, id);

-- Whoever writes events counts them, processes of the version before too. Those that were there are counted
-- below: none is written between the two, since the trigger's lock is held until both are done.
CREATE FUNCTION count_events() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO events.client_hours AS h
    SELECT at / 3600000, token, leak, source_ip, host, action, COALESCE(response_status, 0), MIN(tenant),
    MIN(fingerprint), CAST(SUM(count) AS BIGINT), MIN(at), MAX(at)
    FROM added GROUP BY 1, 2, 3, 4, 5, 6, 7
    ON CONFLICT (hour, token, leak, source_ip, host, action, response_status) DO UPDATE SET
        count = h.count + excluded.count,
        first_at = LEAST(h.first_at, excluded.first_at),
        last_at = GREATEST(h.last_at, excluded.last_at);
    RETURN NULL;
END;
$$;

CREATE TRIGGER events_are_counted AFTER INSERT ON events REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION count_events();

INSERT INTO client_hours
SELECT at / 3600000, token, leak, source_ip, host, action, COALESCE(response_status, 0), MIN(tenant),
    MIN(fingerprint), CAST(SUM(count) AS BIGINT), MIN(at), MAX(at)
FROM events GROUP BY 1, 2, 3, 4, 5, 6, 7;
