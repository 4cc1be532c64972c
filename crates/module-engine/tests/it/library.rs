//! What lambdas can use.

use domain::limits::LambdaLimits;
use module_engine::dry_run::DryRunHost;
use module_engine::host::LogLevel;
use serde_json::json;

use crate::support::{item, run, run_with};

#[test]
fn values_of_every_kind_come_back() {
    for (lambda, value) in [
        ("return 'a'", json!("a")),
        ("return 1.5", json!(1.5)),
        ("return true", json!(true)),
        ("return null", json!(null)),
        ("return undefined", json!(null)),
        ("let unused = 1", json!(null)),
        ("return [1, {a: 'b'}]", json!([1, {"a": "b"}])),
        (
            "return 12345678901234567890n",
            json!("12345678901234567890"),
        ),
        ("return new Date(0)", json!("1970-01-01T00:00:00.000Z")),
        ("return 'ü€😀\\u0000'", json!("ü€😀\u{0}")),
        ("return Promise.resolve(2)", json!(2)),
        ("return (async () => { await null; return 3 })()", json!(3)),
        (
            "return {text: 'Late', tone: 'danger'}",
            json!({"text": "Late", "tone": "danger"}),
        ),
    ] {
        assert_eq!(run(lambda).unwrap(), value, "{lambda}");
    }
}

#[test]
fn a_lambda_may_be_sloppy_like_those_of_gotrs() {
    assert_eq!(
        run("total = 1; for (i = 0; i < 3; i++) total += i; return total").unwrap(),
        json!(4)
    );
    assert_eq!(run("var a = 010; return a").unwrap(), json!(8));
    assert_eq!(
        run(
            "class Wrong extends Error { constructor(t) { super(t); this.name = 'Wrong' } }\n\
                    return String(new Wrong('x'))"
        )
        .unwrap(),
        json!("Wrong: x")
    );
    assert_eq!(
        run("const o = {}; o.toString = () => 'mine'; return '' + o").unwrap(),
        json!("mine")
    );
}

#[test]
fn texts_for_people_are_formatted() {
    for (lambda, value) in [
        (
            "return formatDate('2006-01-02 15:04:05')",
            "Jan 2, 2006 3:04 PM",
        ),
        (
            "return formatDate('2024-12-31T00:30:00Z')",
            "Dec 31, 2024 12:30 AM",
        ),
        ("return formatDate('2024-12-31')", "Dec 31, 2024"),
        (
            "return formatDate(null) + formatDate('') + formatDate(undefined)",
            "---",
        ),
        ("return formatDate('soon')", "soon"),
        ("return formatNumber(1234567.891, 2)", "1,234,567.89"),
        ("return formatNumber(-1234)", "-1,234"),
        ("return formatNumber(null)", "-"),
        (
            "return html`<b title=\"${'\"'}\">${'<i>'}${html`<u>${1}</u>`}${[html`<i></i>`, '&']}</b>`",
            "<b title=\"&quot;\">&lt;i&gt;<u>1</u><i></i>&amp;</b>",
        ),
        ("return t('module.users|Users')", "module.users|Users"),
        ("return t('unknown', 'Fallback')", "Fallback"),
        ("return base64.decode(base64.encode('ü'))", "ü"),
        (
            "return crypto.sha256('abc')",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            "return crypto.hmacSha256('key', 'The quick brown fox jumps over the lazy dog')",
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8",
        ),
        (
            "return user.login + '/' + tenant.slug",
            "root@localhost/example",
        ),
        ("return now().toISOString()", "2026-01-15T12:00:00.000Z"),
    ] {
        assert_eq!(run(lambda).unwrap(), json!(value), "{lambda}");
    }
}

#[test]
fn the_same_entropy_gives_the_same_run() {
    let lambda = "return [Math.random(), Math.random(), crypto.randomUUID(), crypto.randomUUID()]";
    let first = run(lambda).unwrap();
    assert_eq!(first, run(lambda).unwrap());
    assert_ne!(first[0], first[1]);
    assert_ne!(first[2], first[3]);
    let uuid = first[2].as_str().unwrap();
    assert_eq!((uuid.len(), uuid.as_bytes()[14]), (36, b'4'), "{uuid}");
}

#[test]
fn queries_answer_with_rows_and_a_single_column_is_its_value() {
    let host = DryRunHost::new()
        .with_fixture(Some("count"), &[item(json!({"n": 3}))])
        .with_fixture(
            Some("queue"),
            &[
                item(json!({"id": 1, "name": "Raw"})),
                item(json!({"id": 2, "name": "Junk"})),
            ],
        )
        .with_fixture(Some("nothing"), &[]);
    let run = |lambda| run_with(lambda, &host, LambdaLimits::DEFAULT);
    assert_eq!(
        run("return db.query('SELECT id, name FROM queue').map(q => q.name)").unwrap(),
        json!(["Raw", "Junk"])
    );
    assert_eq!(
        run("return db.queryRow('SELECT id, name FROM queue').id").unwrap(),
        json!(1)
    );
    assert_eq!(
        run("return db.queryRow('SELECT nothing')").unwrap(),
        json!(null)
    );
    assert_eq!(
        run("return db.queryRow('SELECT count(*) AS n').n + 1").unwrap(),
        json!(4)
    );
    assert_eq!(
        run("return db.queryRow('SELECT count(*) AS n') + ' tickets'").unwrap(),
        json!("3 tickets")
    );
    assert_eq!(
        run("return `${db.queryRow('SELECT count(*) AS n')}`").unwrap(),
        json!("3")
    );
    assert_eq!(
        run("try { db.query('SELECT x FROM y') } catch (e) { return e.message }").unwrap(),
        json!("no fixture answers this query; add `rows` to the test")
    );
    assert_eq!(host.queries().len(), 7);
}

#[test]
fn logs_reach_the_host() {
    let host = DryRunHost::new();
    run_with(
        "log.warn('a', 1, {b: 2}, null); log.debug('c')",
        &host,
        LambdaLimits::DEFAULT,
    )
    .unwrap();
    assert_eq!(
        host.log_lines(),
        [
            (LogLevel::Warn, "a 1 {\"b\":2} null".to_owned()),
            (LogLevel::Debug, "c".to_owned())
        ]
    );
}
