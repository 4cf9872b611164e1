-- Lists that are sorted by the kind of the first source, and by what is in force. Both are parts of the
-- one number that leaks are narrowed by.

CREATE INDEX leaks_by_source ON leaks (tenant, ((facets >> 8) & 15), id);
CREATE INDEX leaks_by_status_and_source ON leaks (tenant, status, ((facets >> 8) & 15), id);
CREATE INDEX leaks_of_all_by_source ON leaks (((facets >> 8) & 15), id);
CREATE INDEX leaks_by_remediation ON leaks (tenant, ((facets >> 5) & 3), id);
CREATE INDEX leaks_by_status_and_remediation ON leaks (tenant, status, ((facets >> 5) & 3), id);
CREATE INDEX leaks_of_all_by_remediation ON leaks (((facets >> 5) & 3), id);
