-- So many leaks, most of them open, made by the database itself in an empty store.
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {LEAKS})
INSERT INTO leaks (id, tenant, title, title_order, search_text, risk, status, remediation,
    detected_by, kind, source_kind, token_count, applicable_count, created_at, updated_at,
    closed_at, source_kinds, number)
SELECT unhex(printf('%032x', i)), 'default', 'leak number' || i, 'leak number' || i,
    ' leak number' || i || ' https git example team' || (i * 7919 % 1000) || ' repo' || (i * 104729 % 20000)
        || CASE WHEN i % 3 = 0 THEN ' key' ELSE ' token' END,
    (i * 31) % 5, CASE WHEN i % 5000 = 7 THEN 2 WHEN i % 5 = 0 THEN 1 ELSE 0 END,
    CASE WHEN i % 5 <> 0 AND i % 5000 <> 7 AND i % 11 = 3 THEN 'virtual_patch' ELSE 'none' END,
    CASE WHEN i % 13 = 0 THEN 'manual' ELSE 'automatic' END, 'github_pat',
    CASE WHEN i % 997 = 5 THEN 'postman' WHEN i % 4 = 1 THEN 'gitlab' ELSE 'github' END, 1, 1,
    (strftime('%s', 'now') - 80 * 86400) * 1000 + i * 6000,
    (strftime('%s', 'now') - 80 * 86400) * 1000 + (i * 7 % 1000003) * 6000,
    NULL,
    CASE WHEN i % 997 = 5 THEN 16 WHEN i % 4 = 1 THEN 2 ELSE 1 END,
    i
FROM n;
INSERT INTO sources (leak, kind, url, search_text, digest, first_at, last_at, times)
SELECT id, source_kind, 'https://git.example/' || number, '', id, created_at, created_at, 1 FROM leaks;
INSERT INTO tokens (id, tenant, fingerprint, masked, length, kind, validity, sealed, created_at)
SELECT id, 'default', unhex(printf('%032x', number * 1000003 % 4294967291)), 'ghp_...', 40,
    'github_pat', 'unknown', x'00', created_at FROM leaks;
INSERT INTO leak_tokens (leak, token) SELECT id, id FROM leaks;
INSERT INTO token_counts VALUES ('default', {LEAKS});
