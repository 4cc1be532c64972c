use super::*;

fn readable() -> Readable {
    let mut readable = Readable::of_schema("t_own")
        .with("queue", &["id", "name", "valid_id", "comments"])
        .with(
            "ticket",
            &["id", "title", "queue_id", "user_id", "create_time"],
        )
        .with("t", &["id", "a", "b", "c", "doc"]);
    readable.insert(
        "users",
        Relation {
            columns: ["id", "login", "valid_id"].map(str::to_owned).to_vec(),
            has_hidden: true,
        },
    );
    readable
}

fn printed(sql: &str) -> Result<String, String> {
    check_query(sql, &readable())
        .map(|checked| checked.text().to_owned())
        .map_err(|refusal| refusal.to_string())
}

fn condition(sql: &str) -> Result<String, String> {
    check_condition(sql, "queue", &readable())
        .map(|checked| checked.text().to_owned())
        .map_err(|refusal| refusal.to_string())
}

#[test]
fn reading_passes_and_is_printed_anew() {
    for (sql, expected) in [
        (
            "select id, NAME from queue where valid_id = 1 order by name",
            r#"SELECT "id", "name" FROM "queue" WHERE "valid_id" = 1 ORDER BY "name""#,
        ),
        (
            "SELECT count(*) AS n FROM ticket WHERE queue_id = $1",
            r#"SELECT count(*) AS "n" FROM "ticket" WHERE "queue_id" = $1"#,
        ),
        (
            "WITH a AS (SELECT 1 AS x) SELECT x FROM a;",
            r#"WITH "a" AS (SELECT 1 AS "x") SELECT "x" FROM "a""#,
        ),
        (
            "SELECT a /* ; DROP */ FROM t -- x",
            r#"SELECT "a" FROM "t""#,
        ),
        ("SELECT 'it''s', 'a''''b'", "SELECT 'it''s', 'a''''b'"),
        (r"SELECT 'a\b''c'", r"SELECT E'a\\b''c'"),
        (r"SELECT E'a\\b\'c'", r"SELECT E'a\\b''c'"),
        ("SELECT - -1, 1.5e3", "SELECT - - 1, 1.5e3"),
        ("SELECT 1 AS \"select\"", "SELECT 1 AS \"select\""),
    ] {
        assert_eq!(printed(sql).as_deref(), Ok(expected), "{sql}");
    }
    assert_eq!(
        condition("valid_id = 1 AND queue.name <> ''").as_deref(),
        Ok(r#""valid_id" = 1 AND "queue"."name" <> ''"#)
    );
}

/// What authors may write; each of them is read again as it was printed.
#[test]
fn the_sql_of_reports_passes() {
    for sql in [
        "SELECT q.name, count(t.id) FROM queue q LEFT JOIN ticket t ON t.queue_id = q.id GROUP BY q.name HAVING count(t.id) > 0",
        "SELECT name FROM queue UNION ALL SELECT title FROM ticket ORDER BY name LIMIT 5 OFFSET 2",
        "(SELECT 1 AS x) UNION SELECT 2 INTERSECT SELECT 3 EXCEPT (VALUES (4))",
        "SELECT DISTINCT ON (queue_id) queue_id, title FROM ticket ORDER BY queue_id, create_time DESC NULLS LAST",
        "SELECT DISTINCT ON (n) name AS n, id FROM queue GROUP BY n, id",
        "SELECT count(DISTINCT queue_id), sum(id) FILTER (WHERE id > 3), array_agg(title ORDER BY id DESC) FROM ticket",
        "SELECT row_number() OVER (PARTITION BY queue_id ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), lag(id) OVER w FROM ticket WINDOW w AS (ORDER BY id)",
        "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY id) FROM ticket",
        "SELECT CASE WHEN valid_id = 1 THEN 'yes' ELSE 'no' END, CASE valid_id WHEN 1 THEN 2 END FROM queue",
        "SELECT id FROM queue WHERE name LIKE 'a%' ESCAPE '!' OR name NOT ILIKE $1 OR name SIMILAR TO 'x' AND NOT valid_id IS NULL",
        "SELECT id FROM queue WHERE id IN (1, 2) AND id NOT IN (SELECT queue_id FROM ticket) AND id BETWEEN 1 AND 2 AND id = ANY ($1) AND id <> ALL (ARRAY[1, 2])",
        "SELECT EXISTS (SELECT 1 FROM ticket WHERE queue_id = q.id) FROM queue q WHERE NOT EXISTS (SELECT FROM users)",
        "SELECT id::text, CAST(id AS numeric(10, 2)), '2024-01-01'::date, DATE '2024-01-01', now() - INTERVAL '1 day', INTERVAL '1' YEAR FROM queue",
        "SELECT extract(epoch FROM create_time), create_time AT TIME ZONE 'UTC', current_date, current_timestamp, date_trunc('day', create_time) FROM ticket",
        "SELECT substring(title FROM 1 FOR 3), substring(title, 2), substr(title, 1, 2), trim(both ' ' from title), trim(title), position('a' in title), overlay(title placing 'x' from 1 for 2) FROM ticket",
        "SELECT ceil(1.5), floor(1.5), coalesce(name, ''), greatest(1, 2), nullif(1, 2), left(name, 3), right(name, 1) FROM queue",
        "SELECT a.id FROM queue a, LATERAL (SELECT count(*) AS n FROM ticket WHERE queue_id = a.id) b WHERE b.n > 0",
        "SELECT e.value, e.ordinality FROM t, jsonb_array_elements(doc) WITH ORDINALITY e",
        "SELECT x FROM unnest(ARRAY[1, 2]) AS u (x), unnest($1::integer[]) AS y",
        "SELECT doc -> 'a' ->> 'b', doc #>> '{a,b}', doc @> '{}', doc ? 'a' FROM t",
        "SELECT (ARRAY[[1, 2], [3, 4]])[1][2], (array_agg(id))[1:2] FROM queue",
        "SELECT ARRAY(SELECT id FROM queue)",
        "SELECT id FROM queue JOIN users USING (id) NATURAL JOIN ticket CROSS JOIN t",
        "SELECT name, count(*) FROM queue GROUP BY GROUPING SETS ((name), ()), ROLLUP (valid_id), CUBE (id)",
        "SELECT json_agg(q), count(q.*), q FROM queue q GROUP BY q",
        "SELECT * FROM queue",
        "SELECT q.*, users.login FROM queue q, users",
        "SELECT name AS n FROM queue ORDER BY n",
        "WITH a (x) AS MATERIALIZED (SELECT id FROM queue), b AS (SELECT x + 1 AS y FROM a) SELECT b.y, c.x FROM b JOIN a c ON c.x = b.y",
        "SELECT count FROM (SELECT count(*) FROM ticket) d",
        "SELECT d.case, d.id, d.\"?column?\" FROM (SELECT CASE WHEN true THEN 1 END, id::text, 1 + 1 FROM queue) d",
        "SELECT column2 FROM (VALUES (1, 'a'), (2, 'b')) v",
        "SELECT v.n FROM (VALUES (1), (2)) AS v (n)",
        "SELECT count(*) FROM t_own.queue WHERE t_own.queue.id = 1 AND queue.name = ''",
        "SELECT id FROM queue FETCH FIRST 3 ROWS ONLY",
        "SELECT name COLLATE \"C\" FROM queue WHERE name ~* '^a' AND (id, valid_id) = (1, 2) AND ROW(1, 2) = (id, valid_id)",
        "SELECT true IS NOT FALSE, NULL IS DISTINCT FROM 1, 7 % 2, 2 ^ 3, 1 << 2, 5 # 1, ~ 1",
        "SELECT lpad(id::text, 8, '0'), rpad(name, 1000), format('%s of %1$s, %I %L, 100 %%', name, id), format('nothing') FROM queue",
        "SELECT id FROM queue WHERE id IN (WITH x AS (SELECT id FROM ticket) SELECT id FROM x)",
        "SELECT string_agg(DISTINCT name, ', ' ORDER BY name), concat_ws('-', 1, 2) FROM queue",
        "SELECT (SELECT max(id) FROM ticket t WHERE t.queue_id = queue.id) FROM queue",
        "SELECT x FROM (SELECT a AS x FROM t) s WHERE s.x = 1",
        "VALUES (1, 'a'), (2, 'b')",
    ] {
        printed(sql).unwrap_or_else(|refusal| panic!("{sql}\n{refusal}"));
    }
}

#[test]
fn everything_else_is_refused() {
    for sql in [
        "",
        ";",
        "DELETE FROM ticket",
        "SELECT 1; DELETE\tFROM ticket",
        "SELECT 1 SELECT 2",
        "SELECT 1 INTO x",
        "SELECT id FROM t FOR UPDATE",
        "SELECT id FROM (SELECT id FROM t FOR SHARE) a",
        "WITH d AS (DELETE FROM t RETURNING id) SELECT id FROM d",
        "SELECT pg_sleep(10)",
        "SELECT pg_catalog.pg_sleep(10)",
        "SELECT pg_catalog.lower('A')",
        "SELECT \"pg_sleep\"(10)",
        "SELECT set_config('statement_timeout','0',false)",
        "SELECT 1 FROM pg_roles",
        "SELECT 1 FROM \"pg_authid\"",
        "SELECT 1 FROM information_schema.tables",
        "SELECT 1 FROM gotrs_credential",
        "WITH pg_roles AS (SELECT 1) SELECT 1 FROM pg_roles",
        "SELECT lo_create(1)",
        "SELECT schema_to_xml('x', true, true, '')",
        "SELECT generate_series(1, 1000000000)",
        "SELECT 1 FROM generate_series(1, 1000000000)",
        "SELECT pg_advisory_lock(1)",
        "NOTIFY x",
        "COPY t TO '/tmp/x'",
        "EXPLAIN SELECT 1",
        "VALUES (1); SELECT 2",
        "SET ROLE postgres",
        "TABLE t",
        "SELECT id FROM t UNION TABLE t",
        "SELECT 'pg_authid'::regclass",
        "SELECT CAST('x' AS \"regclass\")",
        "SELECT 'x'::name",
        "SELECT U&\"\\0070g_sleep\"(1)",
        "SELECT U&'\\0070'",
        "SELECT N'a'",
        "SELECT X'70'",
        "SELECT B'1'",
        "SELECT $$a$$",
        "SELECT $1a",
        "SELECT $0",
        "SELECT ?",
        "SELECT :a",
        "SELECT @a",
        "DO $$ BEGIN END $$",
        "SELECT nextval('ticket_id_seq')",
        "SELECT current_user",
        "SELECT user",
        "SELECT current_setting('a')",
        "SELECT 1\0",
        "SELECT 1 AS \"a\"\"b\"",
        "SELECT 1 AS \"\"",
        "WITH RECURSIVE a AS (SELECT 1 AS n) SELECT n FROM a",
        "SELECT 1 OPERATOR(pg_catalog.+) 1",
        "SELECT id FROM queue TABLESAMPLE SYSTEM (1)",
        "SELECT (q).name FROM queue q",
        "SELECT q.row_to_json FROM queue q",
        "SELECT (d.x).pg_sleep FROM (SELECT q AS x FROM queue q) d",
        "SELECT count(VARIADIC ARRAY[1])",
        "SELECT id FROM queue ORDER BY id USING <",
        "SELECT xmlelement(name a, login) FROM users",
        "SELECT max(a) FROM ROWS FROM (unnest($1)) AS t (a)",
        "SELECT 'a'::char(1000000)",
        "SELECT * EXCEPT (id) FROM queue",
        "SELECT 1 AS x QUALIFY x = 1",
        "FROM queue",
    ] {
        assert!(printed(sql).is_err(), "{sql} passed as {:?}", printed(sql));
    }
    for sql in [
        "",
        "1 = 1; DROP TABLE x",
        "1 = 1) OR (valid_id IS NULL",
        "1 = 1 ORDER BY 1",
        "id IN (DELETE FROM t RETURNING id)",
        "pg_sleep(1) IS NULL",
        "title = 'of another table'",
    ] {
        assert!(
            condition(sql).is_err(),
            "{sql} passed as {:?}",
            condition(sql)
        );
    }
    assert!(printed(&format!("SELECT '{}'", "x".repeat(30_000))).is_err());
    assert!(check_condition("1 = 1", "pg_class", &readable()).is_err());
}

#[test]
fn only_relations_and_columns_that_may_be_read_are_known() {
    for (sql, message) in [
        (
            "SELECT 1 FROM quueue",
            "there is no table quueue that a lambda may read; did you mean queue? (line 1, column 15 of the statement)",
        ),
        (
            "SELECT id,\n  nam FROM queue",
            "there is no column nam that a lambda may read; did you mean name? (line 2, column 3 of the statement)",
        ),
        (
            "SELECT q.nmae FROM queue q",
            "q has no column nmae that a lambda may read; did you mean name? (line 1, column 10 of the statement)",
        ),
        (
            "SELECT queue.name FROM queue q",
            "nothing is called queue here (line 1, column 8 of the statement)",
        ),
        (
            "SELECT pw FROM users",
            "there is no column pw that a lambda may read (line 1, column 8 of the statement)",
        ),
        (
            "SELECT * FROM users",
            "users has columns that a lambda may not read: name those that are wanted, of id, login, valid_id",
        ),
        (
            "SELECT u FROM users u",
            "u has columns that a lambda may not read: name those that are wanted, of id, login, valid_id (line 1, column 8 of the statement)",
        ),
        (
            "SELECT title FROM t_other.ticket",
            "there is no schema t_other that a lambda may read (line 1, column 19 of the statement)",
        ),
        (
            "SELECT lowr('A')",
            "the function lowr cannot be used; did you mean lower? (line 1, column 8 of the statement)",
        ),
        (
            "SELECT id\nFROM queue WHERE",
            "this is not SQL that is understood: Expected: an expression, found: EOF",
        ),
        (
            "SELECT 1; SELECT 2",
            "exactly one SELECT is possible here (line 1, column 11 of the statement)",
        ),
    ] {
        assert_eq!(printed(sql), Err(message.to_owned()), "{sql}");
    }
    for sql in [
        "SELECT u.* FROM users u",
        "SELECT json_agg(u) FROM users u",
        "SELECT count(u.*) FROM users u",
        "SELECT id FROM users WHERE pw LIKE 'M%'",
        "SELECT id FROM users ORDER BY pw",
        "SELECT u.id FROM users u JOIN t ON u.pw = t.a",
        "SELECT c FROM users AS u (a, b, c)",
        "SELECT login FROM users JOIN t USING (pw)",
        "SELECT tableoid FROM queue",
        // Each query has its own names.
        "SELECT q.id FROM (SELECT id FROM queue q) d",
        "SELECT 1 FROM queue q, (SELECT q.id) d",
        "WITH a AS (SELECT x FROM b), b AS (SELECT 1 AS x) SELECT 1 FROM a",
        "WITH a AS (SELECT id FROM a) SELECT 1 FROM a",
        "SELECT id FROM (WITH a AS (SELECT 1 AS x) SELECT 1 AS id FROM a) d, a",
        "SELECT name AS n FROM queue WHERE n = 'a'",
        "SELECT id FROM queue UNION SELECT id FROM ticket ORDER BY title",
        "SELECT name FROM (VALUES (1)) v (n)",
    ] {
        assert!(printed(sql).is_err(), "{sql} passed as {:?}", printed(sql));
    }
    let error = check_query("SELECT 1 FROM x_new", &readable()).unwrap_err();
    assert!(error.is_unknown_name());
    let error = check_query("SELECT pg_sleep(1)", &readable()).unwrap_err();
    assert!(!error.is_unknown_name());
}

#[test]
fn parameters_are_cast_from_text() {
    let types = ["int4".to_owned(), "varchar".to_owned()];
    let sql = "SELECT a FROM t WHERE a = $1 AND b = $2 AND c = '$1'";
    assert_eq!(
        check_query(sql, &readable())
            .unwrap()
            .with_casts(&types)
            .as_deref(),
        Ok(
            r#"SELECT "a" FROM "t" WHERE "a" = CAST(CAST($1 AS text) AS "int4") AND "b" = CAST(CAST($2 AS text) AS "varchar") AND "c" = '$1'"#
        )
    );
    let listed = check_query("SELECT a FROM t WHERE a = ANY ($1)", &readable()).unwrap();
    assert_eq!(
        listed.with_casts(&["int4[]".to_owned()]).as_deref(),
        Ok(r#"SELECT "a" FROM "t" WHERE "a" = ANY (CAST(CAST($1 AS text) AS "int4"[]))"#)
    );
    let three = check_query("SELECT $3", &readable()).unwrap();
    assert!(three.with_casts(&types).is_err());
}

/// With casts, as without, a text ends where it ended for its author.
#[test]
fn quotes_inside_of_texts_stay_inside() {
    for sql in [
        "SELECT 'it''s'",
        "SELECT 'a'' || pg_sleep(10) --'",
        "SELECT 'a'''' || pg_sleep(10) --', $1",
        r"SELECT '\'' || pg_sleep(10) --'",
        r"SELECT E'\\'' || pg_sleep(10) --'",
    ] {
        let checked = check_query(sql, &readable()).unwrap();
        let cast = checked.with_casts(&["text".to_owned()]).unwrap();
        for text in [checked.text(), &cast] {
            let words = Tokenizer::new(&PostgreSqlDialect {}, text)
                .tokenize()
                .unwrap();
            let is_call =
                |token: &Token| matches!(token, Token::Word(word) if word.value == "pg_sleep");
            assert!(!words.iter().any(is_call), "{text}");
        }
    }
}

#[test]
fn texts_that_grow_by_a_number_are_bounded() {
    for sql in [
        "SELECT lpad(name, 1001) FROM queue",
        "SELECT rpad('a', 1000000000)",
        "SELECT \"lpad\"('a', 1000000000)",
        "SELECT lpad('a', 10 * 100000000)",
        "SELECT lpad('a', id) FROM queue",
        "SELECT lpad('a', (9999999))",
        "SELECT lpad('a', 1e9)",
        "SELECT lpad('a', $1)",
        "SELECT lpad('a')",
        "SELECT lpad('a', 10::int)",
        "SELECT 1 FROM lpad('a', 1000000000)",
        "SELECT 1 FROM lpad()",
        "SELECT format('%1000000000s', 'x')",
        "SELECT format('%-1000000000s', 'x')",
        "SELECT format('%*s', 1000000000, 'x')",
        "SELECT format('%1$*2$s', 'x', 1000000000)",
        "SELECT format('%1$1000000000s', 'x')",
        "SELECT format(E'%1\\0600000000s', 'x')",
        "SELECT format('%', 'x')",
        "SELECT format('%1', 'x')",
        "SELECT format('%1' || '000000000s', 'x')",
        "SELECT format(name, 'x') FROM queue",
        "SELECT format($1, 'x')",
        "SELECT format(VARIADIC '{a}'::text[])",
    ] {
        assert!(printed(sql).is_err(), "{sql}");
    }
}

/// Threads of lambdas have 2 MiB, of which the sandbox may be using half.
#[test]
fn deep_and_long_statements_do_not_overflow_a_small_stack() {
    let thread = std::thread::Builder::new().stack_size(768 * 1024);
    let checked = thread.spawn(|| {
        for (head, part, tail) in [
            ("1", "+1", ""),
            ("1", "||1", ""),
            ("1", "::int", ""),
            ("1", " ISNULL", ""),
            ("1", " IS NULL", ""),
            ("a", " COLLATE \"C\"", ""),
            ("a", "->1", ""),
            ("a", "[1]", ""),
            ("a", ".b", ""),
            ("", "- ", "1"),
            ("", "NOT ", "true"),
            ("1", " OR a = 1", ""),
            ("1", " BETWEEN 1 AND 2", ""),
            ("1", " IN (1)", ""),
            ("a", " AT TIME ZONE 'x'", ""),
            ("1", " LIKE 'a'", ""),
            ("", "(", "1"),
            ("", "coalesce(", "1"),
            ("", "CASE WHEN 1=1 THEN ", "1"),
            ("", "ARRAY[", "1"),
            ("1::int", "[]", ""),
            ("", "(SELECT ", "1"),
            ("1", ",1", ""),
            ("1", " UNION SELECT 1", ""),
            ("1", " UNION SELECT 1 INTERSECT SELECT 2", ""),
            ("1 FROM t", " JOIN t b ON 1=1", ""),
            ("1 FROM t", ", LATERAL (SELECT 1) b", ""),
            ("1", " FROM (SELECT 1", ""),
        ] {
            for times in [10, 45, 300, 490, 900, 1_990, 3_000, 6_000] {
                let text = format!("{head}{}{tail}", part.repeat(times));
                // What matters is that an answer comes at all.
                let query = printed(&format!("SELECT {text}"));
                let condition = condition(&text);
                assert!(
                    times < 6_000 || query.is_err() && condition.is_err(),
                    "{part}"
                );
            }
        }
        let sum = |times| format!("SELECT 1{}", "+1".repeat(times));
        printed(&sum(900)).unwrap();
        assert!(printed(&sum(1_100)).is_err());
        let list = |times| format!("SELECT 1 WHERE 1 IN (1{})", ",1".repeat(times));
        printed(&list(1_900)).unwrap();
        assert!(printed(&list(2_000)).is_err());
    });
    checked.unwrap().join().unwrap();
}

proptest::proptest! {
    #[test]
    fn checking_never_panics(sql in "\\PC{0,80}") {
        let _ = printed(&sql);
        let _ = condition(&sql);
    }

    /// Pieces of SQL in any order: what passes prints the same again.
    #[test]
    fn what_passes_passes_again(parts in proptest::collection::vec(
        proptest::sample::select(vec![
            "SELECT", "FROM", "queue", "q", ".", "id", "name", ",", "(", ")", "'a'", "1", "-", "+", "::", "text", "NOT", "IN",
            "JOIN", "ON", "WHERE", "AND", "=", "count", "*", "$1", "AS", "ORDER BY", "UNION", "WITH", "CASE", "WHEN", "THEN", "END", "[",
            "]", "ARRAY", "VALUES", "LATERAL", "E'\\\\'", "''''", "lower", "LIMIT", "IS NULL", "BETWEEN", "~", "@", "#",
        ]), 1..14,
    )) {
        let sql = format!("SELECT {}", parts.join(" "));
        if let Ok(text) = printed(&sql) {
            proptest::prop_assert_eq!(printed(&text), Ok(text.clone()));
        }
    }
}
