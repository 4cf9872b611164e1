-- Words by which leaks are found, and counts by which lists and statistics need not count.

-- Of use in SQLite alone.
ALTER TABLE leaks ADD COLUMN number BIGINT;
WITH numbered AS (SELECT id, ROW_NUMBER() OVER (ORDER BY id) AS number FROM leaks)
UPDATE leaks SET number = numbered.number FROM numbered WHERE numbered.id = leaks.id;
CREATE UNIQUE INDEX leaks_by_number ON leaks (number);

-- The kinds of all its sources: 1 for the first kind there is, 2 for the next, 4, 8 …
ALTER TABLE leaks ADD COLUMN source_kinds BIGINT NOT NULL DEFAULT 0;

-- Everything that a list can be narrowed by, in one number.
ALTER TABLE leaks ADD COLUMN facets BIGINT NOT NULL GENERATED ALWAYS AS (
    status + 4 * risk
    + 32 * CASE remediation WHEN 'none' THEN 0 WHEN 'virtual_patch' THEN 1 ELSE 2 END
    + 128 * CASE detected_by WHEN 'automatic' THEN 0 ELSE 1 END
    + 256 * CASE source_kind WHEN 'github' THEN 0 WHEN 'gitlab' THEN 1 WHEN 'gist' THEN 2
        WHEN 'pastebin' THEN 3 WHEN 'postman' THEN 4 WHEN 'package' THEN 5 WHEN 'container' THEN 6
        WHEN 'website' THEN 7 WHEN 'manual' THEN 8 ELSE 9 END
    + 4096 * source_kinds) STORED;

-- From here on, search_text has the words of title, comment, sources and comments, each once with a
-- space before it. An empty one is filled when the store is opened.
UPDATE leaks SET search_text = '';
CREATE INDEX leaks_without_words ON leaks (id) WHERE search_text = '';
-- What sources have of their own is left to processes of the version before.

ALTER TABLE leaks ADD COLUMN found_by TSVECTOR NOT NULL GENERATED ALWAYS AS (
    array_to_tsvector(array_remove(string_to_array(search_text, ' '), ''))) STORED;
-- What is added is looked through with each search until it is put in its place: at once here.
CREATE INDEX leaks_by_word ON leaks USING gin (found_by) WITH (fastupdate = off);

DROP INDEX leaks_counted;
DROP INDEX sources_by_kind;
CREATE INDEX leaks_by_facets ON leaks (tenant, facets);
CREATE INDEX leaks_by_status_and_updated_at ON leaks (tenant, status, updated_at, id);
CREATE INDEX leaks_by_status_and_risk ON leaks (tenant, status, risk, id);
CREATE INDEX leaks_by_status_and_title ON leaks (tenant, status, title_order, id);

CREATE TABLE leak_counts (
    tenant TEXT   NOT NULL,
    facets BIGINT NOT NULL,
    count  BIGINT NOT NULL,
    PRIMARY KEY (tenant, facets)
);

-- Days since 1970.
CREATE TABLE leak_days (
    tenant TEXT   NOT NULL,
    day    BIGINT NOT NULL,
    count  BIGINT NOT NULL,
    PRIMARY KEY (tenant, day)
);

CREATE TABLE token_counts (
    tenant TEXT   NOT NULL PRIMARY KEY,
    count  BIGINT NOT NULL
);

INSERT INTO leak_counts SELECT tenant, facets, COUNT(*) FROM leaks GROUP BY tenant, facets;
INSERT INTO leak_days SELECT tenant, created_at / 86400000, COUNT(*) FROM leaks GROUP BY 1, 2;
INSERT INTO token_counts SELECT tenant, COUNT(*) FROM tokens GROUP BY tenant;

CREATE FUNCTION count_leak() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO decisions.leak_days AS d VALUES (NEW.tenant, NEW.created_at / 86400000, 1)
            ON CONFLICT (tenant, day) DO UPDATE SET count = d.count + 1;
    ELSE
        UPDATE decisions.leak_counts SET count = count - 1
            WHERE tenant = OLD.tenant AND facets = OLD.facets;
    END IF;
    INSERT INTO decisions.leak_counts AS c VALUES (NEW.tenant, NEW.facets, 1)
        ON CONFLICT (tenant, facets) DO UPDATE SET count = c.count + 1;
    RETURN NULL;
END;
$$;

CREATE TRIGGER leaks_are_counted AFTER INSERT ON leaks
    FOR EACH ROW EXECUTE FUNCTION count_leak();
CREATE TRIGGER leaks_are_counted_anew AFTER UPDATE ON leaks
    FOR EACH ROW WHEN (OLD.facets <> NEW.facets) EXECUTE FUNCTION count_leak();
