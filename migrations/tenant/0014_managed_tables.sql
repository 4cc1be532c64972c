-- Tables that belong to modules (`storage: managed`). The runtime's role can create nothing: it calls the function
-- below, which runs with the rights of the schema's owner and therefore believes nothing that it is told.

CREATE TABLE gotrs_managed_table (
    module text NOT NULL,
    table_name text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT gotrs_managed_table_pkey PRIMARY KEY (module),
    CONSTRAINT gotrs_managed_table_table_name UNIQUE (table_name)
);

CREATE TABLE gotrs_managed_column (
    table_name text NOT NULL,
    name text NOT NULL,
    type text NOT NULL,
    required boolean NOT NULL,
    is_unique boolean NOT NULL,
    secret boolean NOT NULL,
    in_use boolean NOT NULL DEFAULT true,
    CONSTRAINT gotrs_managed_column_pkey PRIMARY KEY (table_name, name),
    CONSTRAINT gotrs_managed_column_table_name
        FOREIGN KEY (table_name) REFERENCES gotrs_managed_table (table_name) ON UPDATE CASCADE ON DELETE CASCADE
);
COMMENT ON COLUMN gotrs_managed_column.required IS 'What the form demands; columns stay nullable, so that a field can be added to a table with rows.';
COMMENT ON COLUMN gotrs_managed_column.in_use IS 'False once the module no longer names the field; the column and its values stay.';
COMMENT ON COLUMN gotrs_managed_column.secret IS 'Never readable by tenant code. Stays true for ever: old values do not become public.';

-- The PostgreSQL type of a column type that modules may ask for; null when there is none.
CREATE FUNCTION gotrs_managed_type(type text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CASE type
    WHEN 'text' THEN 'text'
    WHEN 'smallint' THEN 'smallint'
    WHEN 'integer' THEN 'integer'
    WHEN 'bigint' THEN 'bigint'
    WHEN 'numeric' THEN 'numeric'
    WHEN 'double' THEN 'double precision'
    WHEN 'boolean' THEN 'boolean'
    WHEN 'date' THEN 'date'
    WHEN 'time' THEN 'time(0) without time zone'
    WHEN 'timestamp' THEN 'timestamp(0) without time zone'
    WHEN 'timestamptz' THEN 'timestamp with time zone'
    WHEN 'uuid' THEN 'uuid'
    WHEN 'bytea' THEN 'bytea'
    WHEN 'jsonb' THEN 'jsonb'
END;

-- Makes or widens the table of one module.
--
--   module   its name; the table is called x_<module>
--   columns  [{"name": "serial_number", "type": "text", "required": true, "secret": false}, ...]
--            name      a letter or underscore, then letters, digits, underscores and hyphens, at most 63;
--                      not id, valid_id, create_time, create_by, change_time, change_by: those are always there
--            type      text, smallint, integer, bigint, numeric, double, boolean, date, time, timestamp, timestamptz,
--                      uuid, bytea, jsonb
--            required  remembered only: the form demands it, the column stays nullable; optional, false
--            unique    no two rows may have the same value; optional, false
--            secret    never readable by tenant code; optional, false
--   answer   {"table": "x_laptop", "created": true, "added": ["serial_number"]}
--
-- Never drops or narrows: a column that is no longer named stays and may be empty; another type is an error
-- (datatype_mismatch). Wrong arguments are invalid_parameter_value. Repeating a call changes nothing. Calls for the same
-- module wait for each other.
--
-- Whoever provisions a schema must pin search_path on this function to it and may then grant EXECUTE.
CREATE FUNCTION gotrs_apply_managed_table(module text, columns jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
DECLARE
    max_columns CONSTANT integer := 200;
    audit CONSTANT text[] := ARRAY['id', 'valid_id', 'create_time', 'create_by', 'change_time', 'change_by'];
    wanted_table text := 'x_' || module;
    is_new boolean := false;
    added text[] := ARRAY[]::text[];
    entry jsonb;
    entry_key text;
    wanted record;
    present record;
    reader text := current_schema() || '_lambda';
BEGIN
    IF module IS NULL OR module !~ '^[a-z][a-z0-9_-]{0,49}$' THEN
        RAISE EXCEPTION 'module name % is not allowed', coalesce(quote_literal(left(module, 80)), 'null')
            USING ERRCODE = 'invalid_parameter_value',
                  HINT = 'Lower-case letters, digits, underscores and hyphens, starting with a letter, at most 50.';
    END IF;
    IF columns IS NULL OR jsonb_typeof(columns) <> 'array' THEN
        RAISE EXCEPTION 'columns of module % are not a list', module USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF jsonb_array_length(columns) > max_columns THEN
        RAISE EXCEPTION 'module % has % columns; at most % are possible', module, jsonb_array_length(columns), max_columns
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR entry IN SELECT value FROM jsonb_array_elements(columns) LOOP
        IF jsonb_typeof(entry) <> 'object'
           OR jsonb_typeof(entry -> 'name') IS DISTINCT FROM 'string'
           OR jsonb_typeof(entry -> 'type') IS DISTINCT FROM 'string'
           OR coalesce(jsonb_typeof(entry -> 'required'), 'boolean') <> 'boolean'
           OR coalesce(jsonb_typeof(entry -> 'unique'), 'boolean') <> 'boolean'
           OR coalesce(jsonb_typeof(entry -> 'secret'), 'boolean') <> 'boolean' THEN
            RAISE EXCEPTION 'a column of module % is not understood: %', module, left(entry::text, 200)
                USING ERRCODE = 'invalid_parameter_value',
                      HINT = 'A column is {"name": text, "type": text, "required": boolean, "unique": boolean, "secret": boolean}.';
        END IF;
        FOR entry_key IN SELECT jsonb_object_keys(entry) LOOP
            IF entry_key NOT IN ('name', 'type', 'required', 'unique', 'secret') THEN
                RAISE EXCEPTION 'a column of module % has an unknown key %', module, quote_literal(left(entry_key, 80))
                    USING ERRCODE = 'invalid_parameter_value';
            END IF;
        END LOOP;
        IF entry ->> 'name' !~ '^[A-Za-z_][A-Za-z0-9_-]{0,62}$' THEN
            RAISE EXCEPTION 'column name % of module % is not allowed', quote_literal(left(entry ->> 'name', 80)), module
                USING ERRCODE = 'invalid_parameter_value',
                      HINT = 'Letters, digits, underscores and hyphens, not starting with a digit or hyphen, at most 63.';
        END IF;
        IF lower(entry ->> 'name') = ANY (audit)
           OR entry ->> 'name' IN ('tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid') THEN
            RAISE EXCEPTION 'column name % of module % is taken: every table has it', quote_literal(entry ->> 'name'), module
                USING ERRCODE = 'invalid_parameter_value';
        END IF;
        IF gotrs_managed_type(entry ->> 'type') IS NULL THEN
            RAISE EXCEPTION 'type % of column % of module % is not allowed',
                quote_literal(left(entry ->> 'type', 80)), entry ->> 'name', module
                USING ERRCODE = 'invalid_parameter_value',
                      HINT = 'One of text, smallint, integer, bigint, numeric, double, boolean, date, time, timestamp, '
                             'timestamptz, uuid, bytea, jsonb.';
        END IF;
    END LOOP;
    IF EXISTS (SELECT FROM jsonb_array_elements(columns) AS c GROUP BY c ->> 'name' HAVING count(*) > 1) THEN
        RAISE EXCEPTION 'module % names a column twice', module USING ERRCODE = 'invalid_parameter_value';
    END IF;

    PERFORM pg_advisory_xact_lock(hashtextextended('gotrs_managed_table ' || current_schema() || ' ' || module, 0));

    IF to_regclass(format('%I.%I', current_schema(), wanted_table)) IS NULL THEN
        EXECUTE format(
            'CREATE TABLE %1$I.%2$I ('
            'id bigserial NOT NULL, '
            'valid_id smallint NOT NULL DEFAULT 1, '
            'create_time timestamp(0) NOT NULL, '
            'create_by integer NOT NULL, '
            'change_time timestamp(0) NOT NULL, '
            'change_by integer NOT NULL, '
            'PRIMARY KEY (id), '
            'FOREIGN KEY (valid_id) REFERENCES %1$I.valid (id), '
            'FOREIGN KEY (create_by) REFERENCES %1$I.users (id), '
            'FOREIGN KEY (change_by) REFERENCES %1$I.users (id))',
            current_schema(), wanted_table);
        INSERT INTO gotrs_managed_table (module, table_name) VALUES (module, wanted_table);
        is_new := true;
    ELSIF NOT EXISTS (SELECT FROM gotrs_managed_table t WHERE t.table_name = wanted_table) THEN
        RAISE EXCEPTION 'table % exists but is not a module''s', wanted_table USING ERRCODE = 'duplicate_table';
    END IF;

    FOR wanted IN
        SELECT c ->> 'name' AS name, c ->> 'type' AS type, gotrs_managed_type(c ->> 'type') AS sql_type,
               coalesce((c -> 'required')::boolean, false) AS required,
               coalesce((c -> 'unique')::boolean, false) AS is_unique,
               coalesce((c -> 'secret')::boolean, false) AS secret
        FROM jsonb_array_elements(columns) WITH ORDINALITY AS list (c, position)
        ORDER BY position
    LOOP
        SELECT format_type(a.atttypid, a.atttypmod) AS sql_type INTO present
        FROM pg_attribute a
        WHERE a.attrelid = format('%I.%I', current_schema(), wanted_table)::regclass
          AND a.attname = wanted.name AND a.attnum > 0 AND NOT a.attisdropped;
        IF NOT FOUND THEN
            EXECUTE format('ALTER TABLE %I.%I ADD COLUMN %I %s',
                           current_schema(), wanted_table, wanted.name, wanted.sql_type);
            added := added || wanted.name;
        ELSIF present.sql_type <> wanted.sql_type THEN
            RAISE EXCEPTION 'column % of module % holds %; it cannot become %',
                wanted.name, module, present.sql_type, wanted.sql_type
                USING ERRCODE = 'datatype_mismatch',
                      HINT = 'Give the field another name (a new column); the old column keeps its values.';
        END IF;
        INSERT INTO gotrs_managed_column AS c (table_name, name, type, required, is_unique, secret)
        VALUES (wanted_table, wanted.name, wanted.type, wanted.required, wanted.is_unique, wanted.secret)
        ON CONFLICT ON CONSTRAINT gotrs_managed_column_pkey DO UPDATE
        SET required = excluded.required, is_unique = excluded.is_unique,
            secret = c.secret OR excluded.secret, in_use = true
        WHERE (c.required, c.is_unique, c.secret, c.in_use)
              IS DISTINCT FROM (excluded.required, excluded.is_unique, c.secret OR excluded.secret, true);
    END LOOP;
    UPDATE gotrs_managed_column c SET in_use = false
    WHERE c.table_name = wanted_table AND c.in_use
      AND NOT EXISTS (SELECT FROM jsonb_array_elements(columns) AS e WHERE e ->> 'name' = c.name);

    PERFORM gotrs_managed_table_settle(wanted_table, reader);
    IF cardinality(added) > 0 AND NOT is_new THEN
        UPDATE gotrs_managed_table t SET changed_at = now() WHERE t.table_name = wanted_table;
    END IF;
    RETURN jsonb_build_object('table', wanted_table, 'created', is_new, 'added', to_jsonb(added));
END
$function$;

-- The second half of the function above: unique columns and the rights of tenant code, each only where something differs.
CREATE FUNCTION gotrs_managed_table_settle(wanted_table text, reader text) RETURNS void
LANGUAGE plpgsql
AS $function$
DECLARE
    relation regclass := format('%I.%I', current_schema(), wanted_table)::regclass;
    reader_exists boolean := EXISTS (SELECT FROM pg_roles WHERE rolname = reader);
    present record;
    index_name text;
BEGIN
    FOR present IN
        SELECT a.attname AS name, a.attnum AS number, coalesce(c.is_unique AND c.in_use, false) AS wanted_unique,
               -- What is not ours and not in the list was added by hand: nobody said that it may be read.
               coalesce(c.secret, a.attname NOT IN (
                   'id', 'valid_id', 'create_time', 'create_by', 'change_time', 'change_by')) AS secret
        FROM pg_attribute a
        LEFT JOIN gotrs_managed_column c ON c.table_name = wanted_table AND c.name = a.attname
        WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    LOOP
        -- A column keeps its number for ever; a name made of the column's could be too long.
        index_name := format('gotrs_unique_%s_%s', relation::oid, present.number);
        IF present.wanted_unique THEN
            BEGIN
                EXECUTE format('CREATE UNIQUE INDEX IF NOT EXISTS %I ON %s (%I)', index_name, relation, present.name);
            EXCEPTION WHEN unique_violation THEN
                RAISE EXCEPTION 'column % of table % has the same value in several rows; it cannot become unique',
                    present.name, wanted_table
                    USING ERRCODE = 'invalid_parameter_value', HINT = 'Change the repeated values first.';
            END;
        ELSIF to_regclass(format('%I.%I', current_schema(), index_name)) IS NOT NULL THEN
            EXECUTE format('DROP INDEX %I.%I', current_schema(), index_name);
        END IF;
        IF reader_exists AND present.secret AND has_column_privilege(reader, relation, present.number, 'SELECT') THEN
            EXECUTE format('REVOKE SELECT (%I) ON %s FROM %I', present.name, relation, reader);
        ELSIF reader_exists AND NOT present.secret
              AND NOT has_column_privilege(reader, relation, present.number, 'SELECT') THEN
            EXECUTE format('GRANT SELECT (%I) ON %s TO %I', present.name, relation, reader);
        END IF;
    END LOOP;
END
$function$;

REVOKE ALL ON FUNCTION gotrs_managed_type(text) FROM PUBLIC;
REVOKE ALL ON FUNCTION gotrs_apply_managed_table(text, jsonb) FROM PUBLIC;
REVOKE ALL ON FUNCTION gotrs_managed_table_settle(text, text) FROM PUBLIC;
