-- Events that left the feed before a reader had them, by tenant and by the place of the last reader
-- before them: whoever stands there, or before it, has missed them.

CREATE TABLE lost_events (
    place  BIGINT  NOT NULL,
    tenant TEXT    NOT NULL,
    count  BIGINT  NOT NULL,
    PRIMARY KEY (place, tenant)
);
