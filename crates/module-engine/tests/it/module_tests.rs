//! The tests that authors write.

use module_engine::module_tests::run_tests;

use crate::support::module;

const YAML: &str = "
module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}
fields:
- {name: serial, type: string}
computed_fields:
- {name: badge, lambda: \"log.info('asked'); return {text: item.serial, tone: db.queryRow('SELECT tone FROM x').tone}\"}
hooks:
  before_save: \"if (!item.serial) fail('serial', 'is missing'); item.by = user.login\"
tests:
- {name: passes, field: badge, item: {serial: A}, rows: [{tone: info}], expect: {text: A, tone: info}}
- {name: passes with less, field: badge, item: {serial: A}, rows: [{tone: info}], expect: {text: A}}
- {name: fails, field: badge, item: {serial: A}, rows: [{tone: info}], expect: {text: B}}
- {name: no fixture, field: badge, item: {serial: A}, expect: {text: A}}
- {name: hook refuses, hook: before_save, item: {}, expect_error: is missing}
- {name: hook changes, hook: before_save, item: {serial: A}, user: {login: ann}, expect: {by: ann}}
- {name: own lambda, lambda: \"return 1 + 1\", expect: 2}
- {name: wrong error, lambda: \"throw new Error('a')\", expect_error: b}
- {name: no error, lambda: \"return 1\", expect_error: b}
";

#[test]
fn each_test_says_what_it_expected() {
    let outcomes = run_tests(&module(YAML));
    let failures: Vec<(&str, Option<&str>)> = outcomes
        .iter()
        .map(|outcome| {
            (
                outcome.name.as_str(),
                outcome
                    .failure
                    .as_ref()
                    .map(|failure| failure.message.as_str()),
            )
        })
        .collect();
    assert_eq!(
        failures,
        [
            ("passes", None),
            ("passes with less", None),
            (
                "fails",
                Some("expected {\"text\":\"B\"}, got {\"text\":\"A\",\"tone\":\"info\"}")
            ),
            (
                "no fixture",
                Some("Error: no fixture answers this query; add `rows` to the test")
            ),
            ("hook refuses", None),
            ("hook changes", None),
            ("own lambda", None),
            (
                "wrong error",
                Some("expected an error with \"b\", got: Error: a")
            ),
            ("no error", Some("expected an error with \"b\", got 1")),
        ]
    );
    assert_eq!(outcomes[0].log.len(), 1);
    let place = outcomes[3]
        .failure
        .as_ref()
        .unwrap()
        .position
        .as_ref()
        .unwrap();
    assert_eq!(
        (place.lambda.as_str(), place.line),
        ("computed_fields[0].lambda", 6)
    );
}

const ACTING: &str = "
module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}
fields:
- {name: serial, type: string, visible_when: \"{a: item.shown}.a\", required_when: item.lent && user.login === 'ann'}
hooks:
  before_save: \"if (!item.serial) fail('serial', 'is missing'); if (item.lent) { fail('lent', 'must not be'); fail('all of it') }\"
events:
- {on: [ticket.created, article.added], when: item.urgent, lambda: \"tickets.addNote(item.id, event.name + ' by ' + event.by); return 'first'\"}
- {on: ticket.created, lambda: \"queue('laptop.asked', {id: item.id}, {delay_seconds: 60}); return 'second'\"}
schedules:
- cron: 0 7 * * *
  lambda: |
    const lent = records('laptop').find({where: {lent: true}});
    for (const one of lent) records('laptop').update(one.id, {asked: schedule});
    if (user === null) notify({to: 'group:desk', subject: 'lent', text: String(lent.length)});
    return lent.length
actions:
- {name: lend, scope: selection, lambda: \"for (const one of items) tickets.update(one.ticket, {state: input.state}); return items.length\"}
- {name: count, scope: page, lambda: \"return items.length\"}
- {name: broken, lambda: \"tickets.update(item.id, {state: 'open'}); throw new Error('half-way')\"}
tests:
- name: both handlers
  event: {name: ticket.created, by: bob}
  item: {id: 12, urgent: true}
  tickets: [{id: 12}]
  expect: second
  expect_effects:
  - tickets.addNote: [12, ticket.created by bob]
  - queue: [laptop.asked, {id: 12}]
- {name: nobody wants it, event: article.added, item: {id: 12}, expect: null, expect_effects: []}
- name: schedule
  schedule: 0 7 * * *
  records: {laptop: [{id: 1, lent: true}, {id: 2, lent: false}, {id: A-1, lent: true}]}
  expect: 2
  expect_effects:
  - records.update: [laptop, 1, {asked: 'schedules[0]'}]
  - records.update: [laptop, A-1]
  - notify: {to: group:desk, text: '2'}
- {name: somebody is signed in, schedule: 0 7 * * *, user: {login: ann}, records: {laptop: []}, expect_effects: []}
- {name: several, action: lend, items: [{ticket: 1}, {ticket: 2}], input: {state: open}, tickets: [{id: 1}, {id: 2}],
   expect: 2, expect_effects: [{tickets.update: [1, {state: open}]}, {tickets.update: ['2']}]}
- {name: one is several too, action: lend, item: {ticket: 1}, tickets: [{id: 1}], expect_effects: [tickets.update]}
- {name: a page has no records, action: count, item: {id: 1}, expect: 0}
- {name: what was done before an error, action: broken, item: {id: 1}, tickets: [{id: 1}], expect_error: half-way, expect_effects: [tickets.update: 1]}
- {name: shown, visible_when: serial, item: {shown: 1}, expect: true}
- {name: hidden, visible_when: serial, item: {}, expect: false}
- {name: needed, required_when: serial, item: {lent: true}, user: {login: ann}, expect: true}
- {name: failures, hook: before_save, item: {lent: true}, expect_failures: {serial: missing, lent: must not, '': all}}
- {name: no failures, hook: before_save, item: {serial: A}, expect_failures: {}}
";

#[test]
fn everything_with_a_lambda_can_be_tested() {
    let outcomes = run_tests(&module(ACTING));
    assert_eq!(outcomes.len(), 13);
    for outcome in outcomes {
        assert!(outcome.passed(), "{}: {:?}", outcome.name, outcome.failure);
    }
}

#[test]
fn what_was_done_or_refused_and_not_expected_is_told() {
    let wrong = [
        (
            "event: ticket.created, item: {id: 12}, expect_effects: []",
            "expected 0 calls and no more, got also queue(\"laptop.asked\", {\"id\":12}, {\"delay_seconds\":60})",
        ),
        (
            "event: ticket.created, item: {id: 12}, expect_effects: [queue: laptop.asked, notify]",
            "expected call 2 to be notify(), but there were only 1",
        ),
        (
            "event: ticket.created, item: {id: 12}, expect_effects: [queue: [laptop.asked, {id: 13}]]",
            "expected call 1 to be queue(\"laptop.asked\", {\"id\":13}), got queue(\"laptop.asked\", {\"id\":12}, {\"delay_seconds\":60})",
        ),
        (
            "event: ticket.created, item: {id: 12, urgent: 1}, expect_effects: []",
            "Error: tickets.addNote: there is no ticket 12",
        ),
        (
            "action: broken, item: {id: 1}, tickets: [{id: 1}], expect_effects: [tickets.update]",
            "Error: half-way",
        ),
        (
            "action: broken, item: {id: 1}, tickets: [{id: 1}], expect_error: half-way, expect_effects: [tickets.update: [1, {state: new}]]",
            "expected call 1 to be tickets.update(1, {\"state\":\"new\"}), got tickets.update(1, {\"state\":\"open\"})",
        ),
        (
            "schedule: 0 7 * * *, records: {laptop: [{id: 1, lent: true}]}, expect_effects: [records.create: laptop]",
            "expected call 1 to be records.create(\"laptop\"), got records(\"laptop\").update(1, {\"asked\":\"schedules[0]\"})",
        ),
        (
            "visible_when: serial, expect: true",
            "expected true, got false",
        ),
        (
            "required_when: serial, item: {lent: true}, user: {login: ann}, expect_error: x",
            "expected an error with \"x\", got true",
        ),
        (
            "hook: before_save, item: {}, expect_failures: {lent: must not}",
            "expected \"lent\" to fail with \"must not\", but what failed is serial: is missing",
        ),
        (
            "hook: before_save, item: {serial: A}, expect_failures: {'': all}",
            "expected the record as a whole to fail with \"all\", but nothing failed",
        ),
        (
            "hook: before_save, item: {}, expect_failures: {serial: too long}",
            "expected \"serial\" to fail with \"too long\", got: is missing",
        ),
        (
            "hook: before_save, item: {lent: true}, expect_failures: {serial: missing, lent: must}",
            "the record as a whole failed too: all of it",
        ),
    ];
    let mut source = ACTING.split_once("tests:\n").unwrap().0.to_owned() + "tests:\n";
    for (at, (test, _)) in wrong.iter().enumerate() {
        source.push_str(&format!("- {{name: \"{at}\", {test}}}\n"));
    }
    let outcomes = run_tests(&module(&source));
    for (outcome, (test, message)) in outcomes.iter().zip(wrong) {
        let found = outcome
            .failure
            .as_ref()
            .map(|failure| failure.message.as_str());
        assert_eq!(found, Some(message), "{test}");
    }
    assert_eq!(outcomes.len(), wrong.len());
}

/// A condition is an expression in the file and a function body in the sandbox.
#[test]
fn conditions_may_begin_with_a_brace_and_may_be_undefined() {
    for (condition, item, holds) in [
        ("{a: item.x}.a > 1", "{x: 2}", true),
        ("{a: item.x}.a > 1", "{x: 1}", false),
        ("{}", "{}", true),
        ("item.gone", "{}", false),
        ("item.gone // a comment", "{}", false),
        ("(() => {})()", "{}", false),
        ("[item.x].includes(2)", "{x: 2}", true),
    ] {
        let source = format!(
            "module: {{name: m, storage: managed}}\nfields:\n- {{name: a, type: string, visible_when: '{condition}'}}\n\
             tests:\n- {{name: t, visible_when: a, item: {item}, expect: {holds}}}\n"
        );
        let outcomes = run_tests(&module(&source));
        assert!(
            outcomes[0].passed(),
            "{condition}: {:?}",
            outcomes[0].failure
        );
    }
}
