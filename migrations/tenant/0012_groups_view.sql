-- Up to 6.0 `permission_groups` was called `groups`. Reports and programs of that time read and write through this view;
-- ids still come from the table's own sequence.

CREATE VIEW groups AS
SELECT id, name, comments, valid_id, create_time, create_by, change_time, change_by
FROM permission_groups;

COMMENT ON VIEW groups IS 'Name of permission_groups up to OTRS 6.0; can be written like the table itself.';
