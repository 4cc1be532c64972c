//! How the relations of one schema are found among those of hundreds.

/// SQL: the oids of tables, views and sequences of the schema that `$1` names, as an array.
///
/// `pg_class` has no index by schema, so that a condition on `relnamespace` reads all relations of all tenants (650 each). That
/// a relation depends on its schema is recorded, with an index.
macro_rules! of_schema {
    () => {
        "ARRAY(SELECT objid FROM pg_depend
               WHERE refclassid = 'pg_namespace'::regclass AND refobjid = to_regnamespace($1)
                 AND classid = 'pg_class'::regclass)"
    };
}

pub(crate) use of_schema;
