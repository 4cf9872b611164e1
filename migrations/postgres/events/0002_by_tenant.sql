-- One tenant's events are listed without reading those of the others.
CREATE INDEX events_by_tenant ON events (tenant, at, id);
