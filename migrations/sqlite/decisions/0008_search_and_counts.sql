-- Words by which leaks are found, and counts by which lists and statistics need not count.

-- What the words are kept under: SQLite may give rows without a number of their own another one.
ALTER TABLE leaks ADD COLUMN number INTEGER;
UPDATE leaks SET number = rowid;
CREATE UNIQUE INDEX leaks_by_number ON leaks (number);

-- The kinds of all its sources: 1 for the first kind there is, 2 for the next, 4, 8 …
ALTER TABLE leaks ADD COLUMN source_kinds INTEGER NOT NULL DEFAULT 0;

-- Everything that a list can be narrowed by, in one number.
ALTER TABLE leaks ADD COLUMN facets INTEGER GENERATED ALWAYS AS (
    status + 4 * risk
    + 32 * CASE remediation WHEN 'none' THEN 0 WHEN 'virtual_patch' THEN 1 ELSE 2 END
    + 128 * CASE detected_by WHEN 'automatic' THEN 0 ELSE 1 END
    + 256 * CASE source_kind WHEN 'github' THEN 0 WHEN 'gitlab' THEN 1 WHEN 'gist' THEN 2
        WHEN 'pastebin' THEN 3 WHEN 'postman' THEN 4 WHEN 'package' THEN 5 WHEN 'container' THEN 6
        WHEN 'website' THEN 7 WHEN 'manual' THEN 8 ELSE 9 END
    + 4096 * source_kinds) VIRTUAL;

-- From here on, search_text has the words of title, comment, sources and comments, each once with a
-- space before it. An empty one is filled when the store is opened.
UPDATE leaks SET search_text = '';
CREATE INDEX leaks_without_words ON leaks (id) WHERE search_text = '';
-- What sources have of their own is left to processes of the version before.

CREATE VIRTUAL TABLE leak_words USING fts5 (
    words, content = '', columnsize = 0, detail = none, tokenize = 'ascii'
);

DROP INDEX leaks_counted;
DROP INDEX sources_by_kind;
CREATE INDEX leaks_by_facets ON leaks (tenant, facets);
CREATE INDEX leaks_by_status_and_updated_at ON leaks (tenant, status, updated_at, id);
CREATE INDEX leaks_by_status_and_risk ON leaks (tenant, status, risk, id);
CREATE INDEX leaks_by_status_and_title ON leaks (tenant, status, title_order, id);

CREATE TABLE leak_counts (
    tenant TEXT    NOT NULL,
    facets INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (tenant, facets)
) WITHOUT ROWID;

-- Days since 1970.
CREATE TABLE leak_days (
    tenant TEXT    NOT NULL,
    day    INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    PRIMARY KEY (tenant, day)
) WITHOUT ROWID;

CREATE TABLE token_counts (
    tenant TEXT    NOT NULL PRIMARY KEY,
    count  INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO leak_counts SELECT tenant, facets, COUNT(*) FROM leaks GROUP BY tenant, facets;
INSERT INTO leak_days SELECT tenant, created_at / 86400000, COUNT(*) FROM leaks GROUP BY 1, 2;
INSERT INTO token_counts SELECT tenant, COUNT(*) FROM tokens GROUP BY tenant;

CREATE TRIGGER leaks_are_counted AFTER INSERT ON leaks
BEGIN
    INSERT INTO leak_counts VALUES (new.tenant, new.facets, 1)
        ON CONFLICT (tenant, facets) DO UPDATE SET count = count + 1;
    INSERT INTO leak_days VALUES (new.tenant, new.created_at / 86400000, 1)
        ON CONFLICT (tenant, day) DO UPDATE SET count = count + 1;
    INSERT INTO leak_words (rowid, words) VALUES (new.number, new.search_text);
END;
CREATE TRIGGER leaks_are_counted_anew AFTER UPDATE ON leaks WHEN old.facets <> new.facets
BEGIN
    UPDATE leak_counts SET count = count - 1 WHERE tenant = old.tenant AND facets = old.facets;
    INSERT INTO leak_counts VALUES (new.tenant, new.facets, 1)
        ON CONFLICT (tenant, facets) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER leaks_are_found_anew AFTER UPDATE OF search_text ON leaks
    WHEN old.search_text <> new.search_text
BEGIN
    INSERT INTO leak_words (leak_words, rowid, words)
        VALUES ('delete', old.number, old.search_text);
    INSERT INTO leak_words (rowid, words) VALUES (new.number, new.search_text);
END;
