//! `gotrs module test` and `gotrs module run` as people and CI call them: the built program, its output and its exit code.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use quick_xml::Reader;
use quick_xml::events::Event;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const GOOD: &str = "\
module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}
fields:
  - {name: serial, type: string}
computed_fields:
  - name: shout
    lambda: |
      log.info('asked for ' + item.serial);
      return '<b onclick=x>' + item.serial.toUpperCase() + '</b>';
  - name: tickets
    lambda: return db.queryRow('SELECT count(*) AS n FROM ticket WHERE serial = $1', item.serial).n;
hooks:
  before_save: |
    if (!item.serial) fail('serial', 'is missing');
    item.by = user === null ? 'nobody' : user.login;
tests:
  - {name: it shouts, item: {serial: abc}, field: shout, expect: <b onclick=x>ABC</b>}
  - {name: nothing to shout, item: {}, field: shout, expect_error: toUpperCase}
  - {name: three tickets, item: {serial: a}, rows: [{n: 3}], field: tickets, expect: 3}
";

fn gotrs(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gotrs"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_remove("GOTRS_OUTPUT")
        .stdin(Stdio::null());
    command
}

fn folder_with(source: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("laptop.yaml"), source).unwrap();
    folder
}

/// Runs it to its end: exit code, standard output and standard error.
fn ended(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = gotrs(folder, arguments).output().unwrap();
    (
        status.code().unwrap(),
        String::from_utf8(stdout).unwrap(),
        String::from_utf8(stderr).unwrap(),
    )
}

#[test]
fn passing_tests_are_0_failing_ones_1_and_a_filter_for_nothing_2() {
    let folder = folder_with(GOOD);
    let (code, out, err) = ended(folder.path(), &["module", "test", "laptop.yaml"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains("ok   it shouts") && out.contains("3 tests passed"),
        "{out}"
    );
    assert!(out.contains("info: asked for abc"), "{out}");

    let arguments = ["module", "test", "laptop.yaml", "--filter", "FIELD TICKETS"];
    let (code, out, _) = ended(folder.path(), &arguments);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("1 passed, 2 left out by the filter"), "{out}");

    let arguments = ["module", "test", "laptop.yaml", "--filter", "elephants"];
    let (code, _, err) = ended(folder.path(), &arguments);
    assert_eq!((code, err.contains("elephants")), (2, true), "{err}");

    let broken = GOOD.replace("expect: <b onclick=x>ABC</b>", "expect: XYZ");
    let folder = folder_with(&broken.replace("expect_error: toUpperCase", "expect: 1"));
    let (code, out, _) = ended(folder.path(), &["module", "test", ".", "--jobs", "2"]);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("test at ./laptop.yaml:16:12"), "{out}");
    // The second one threw: both places are told.
    assert!(out.contains("thrown at ./laptop.yaml:8:"), "{out}");
    assert!(out.contains("2 of 3 tests failed"), "{out}");

    let folder = folder_with(&GOOD.replace("type: string", "type: strng"));
    let (code, out, _) = ended(folder.path(), &["module", "test", "laptop.yaml"]);
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("laptop.yaml:3:26") && out.contains("1 file could not be tested"),
        "{out}"
    );
}

#[test]
fn programs_get_one_document() {
    let folder = folder_with(&GOOD.replace("expect: 3", "expect: 4"));
    let arguments = ["module", "test", "laptop.yaml", "--output", "json"];
    let (code, out, _) = ended(folder.path(), &arguments);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, 1);
    assert_eq!(document["ok"], false);
    assert_eq!(
        (&document["passed"], &document["failed"]),
        (&2.into(), &1.into())
    );
    let test = &document["files"][0]["tests"][2];
    assert_eq!(test["name"], "three tickets");
    assert_eq!(test["line"], 18);
    assert_eq!(test["message"], "expected 4, got 3");
}

/// Every element with its attributes, and every text, as an XML parser sees them.
fn parsed(xml: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut reader = Reader::from_str(xml);
    let mut found = Vec::new();
    loop {
        match reader.read_event().unwrap() {
            Event::Start(element) | Event::Empty(element) => {
                let name = String::from_utf8(element.name().as_ref().to_vec()).unwrap();
                let attributes = element
                    .attributes()
                    .map(|attribute| {
                        let attribute = attribute.unwrap();
                        let raw = std::str::from_utf8(&attribute.value).unwrap();
                        (
                            String::from_utf8(attribute.key.as_ref().to_vec()).unwrap(),
                            quick_xml::escape::unescape(raw).unwrap().into_owned(),
                        )
                    })
                    .collect();
                found.push((name, attributes));
            }
            Event::Eof => return found,
            _ => {}
        }
    }
}

#[test]
fn junit_is_xml_whatever_is_in_names_and_messages() {
    let name = "a <b> & \\\"c\\\" 'd' ]]> \\n é \\u0007";
    let source = GOOD
        .replace("name: it shouts", &format!("name: \"{name}\""))
        .replace("expect: 3", "expect: \"<&>\"");
    let folder = folder_with(&source);
    std::fs::write(folder.path().join("wrong.yaml"), "module: [").unwrap();
    let arguments = ["module", "test", ".", "--junit", "report.xml"];
    let (code, out, err) = ended(folder.path(), &arguments);
    assert_eq!(code, 1, "{out}{err}");
    let xml = std::fs::read_to_string(folder.path().join("report.xml")).unwrap();
    let elements = parsed(&xml);
    let of = |element: &str, attribute: &str| -> Vec<String> {
        elements
            .iter()
            .filter(|(name, _)| name == element)
            .flat_map(|(_, attributes)| attributes)
            .filter(|(key, _)| key == attribute)
            .map(|(_, value)| value.clone())
            .collect()
    };
    assert_eq!(of("testsuites", "tests"), ["4"]);
    assert_eq!(of("testsuites", "failures"), ["1"]);
    assert_eq!(of("testsuites", "errors"), ["1"]);
    assert_eq!(of("testsuite", "name"), ["laptop", "./wrong.yaml"]);
    // What XML cannot hold at all is replaced; everything else comes back as it was.
    assert_eq!(
        of("testcase", "name")[0],
        "a <b> & \"c\" 'd' ]]> \n é \u{fffd}"
    );
    assert_eq!(of("testcase", "classname")[0], "laptop");
    assert_eq!(of("failure", "message"), ["expected \"<&>\", got 3"]);
    assert_eq!(of("error", "type"), ["module-invalid"]);

    let arguments = [
        "module",
        "test",
        "laptop.yaml",
        "--junit",
        "no/such/folder/report.xml",
    ];
    let (code, _, err) = ended(folder.path(), &arguments);
    assert_eq!((code, err.contains("no/such/folder")), (2, true), "{err}");
}

#[test]
fn a_watch_tests_again_on_save_and_ends_cleanly() {
    let folder = folder_with(GOOD);
    let mut child = gotrs(folder.path(), &["module", "test", "laptop.yaml", "--watch"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = |text: &str| {
        lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains(text))
            .unwrap_or_else(|| panic!("the output ended without {text:?}"))
    };
    until("3 tests passed");
    std::fs::write(
        folder.path().join("laptop.yaml"),
        GOOD.replace("expect: 3", "expect: 4"),
    )
    .unwrap();
    until("1 of 3 tests failed");
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn one_lambda_can_be_tried_out() {
    let folder = folder_with(GOOD);
    let run = |arguments: &[&str]| {
        let mut all = vec!["module", "run", "laptop.yaml"];
        all.extend_from_slice(arguments);
        ended(folder.path(), &all)
    };
    let (code, out, _) = run(&["--lambda", "shout", "--item", "{\"serial\": \"abc\"}"]);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("value   \"<b onclick=x>ABC</b>\""), "{out}");
    assert!(out.contains("html    <b>ABC</b>"), "{out}");
    assert!(out.contains("log     info: asked for abc"), "{out}");
    assert!(
        out.contains("of 5000 ms") && out.contains("0 of 50 queries"),
        "{out}"
    );

    // It throws: the place in the file, with a caret.
    let (code, out, _) = run(&["--lambda", "shout", "--item", "{}"]);
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("error[lambda-threw]") && out.contains("laptop.yaml:8:"),
        "{out}"
    );
    assert!(
        out.contains('^') && out.contains("log     info: asked for null"),
        "{out}"
    );

    std::fs::write(folder.path().join("item.json"), "{\"serial\": \"x\"}").unwrap();
    std::fs::write(
        folder.path().join("rows.json"),
        "{\"FROM ticket\": [{\"n\": 7}]}",
    )
    .unwrap();
    let (code, out, _) = run(&[
        "--lambda",
        "tickets",
        "--item",
        "@item.json",
        "--rows",
        "rows.json",
        "--output",
        "json",
    ]);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &document["value"]), (0, &7.into()), "{out}");
    assert_eq!(document["queries"].as_array().unwrap().len(), 1);

    let (code, out, _) = run(&[
        "--hook",
        "before_save",
        "--item",
        "{\"serial\": \"x\"}",
        "--user",
        "{\"login\": \"ann\"}",
        "--output",
        "json",
    ]);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &document["item"]["by"]), (0, &"ann".into()), "{out}");
    let (code, out, _) = run(&["--lambda", "before_save", "--user", "null"]);
    assert_eq!(code, 1, "a record that the hook refuses: {out}");
    assert!(out.contains("fails   serial: is missing"), "{out}");

    // A test brings its own record and rows.
    let (code, out, _) = run(&["--lambda", "three tickets"]);
    assert_eq!((code, out.contains("value   3")), (0, true), "{out}");

    for (arguments, text) in [
        (
            &["--lambda", "nothing"][..],
            "the computed fields shout, tickets",
        ),
        (&[], "the hooks before_save"),
        (&["--lambda", "shout", "--item", "[1]"], "--item"),
        (
            &["--lambda", "shout", "--item", "@nowhere.json"],
            "nowhere.json",
        ),
        (&["--lambda", "shout", "--user", "{\"nick\": 1}"], "nick"),
        (&["--hook", "sometimes"], "before_validate"),
    ] {
        let (code, _, err) = run(arguments);
        assert_eq!(
            (code, err.contains(text)),
            (2, true),
            "{arguments:?}: {err}"
        );
    }
}

/// What is wrong with the format hides nothing of what is wrong with the code, nor the other way round.
#[test]
fn one_check_finds_wrong_values_and_wrong_code() {
    let broken = GOOD
        .replace(
            "{name: serial, type: string}",
            "{name: serial, type: strong}",
        )
        .replace(".toUpperCase() +", ".toUpperCase( +");
    let folder = folder_with(&broken);
    let (code, said, _) = ended(folder.path(), &["module", "check", "laptop.yaml"]);
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("error[unknown-type]"), "{said}");
    assert!(said.contains("error[lambda-syntax]"), "{said}");
    assert!(
        said.contains("--> laptop.yaml:8:"),
        "the file's line: {said}"
    );
}

const PARTLY: &str = "\
module: {name: desk, storage: managed}
fields:
  - {name: title, type: string}
computed_fields:
  - name: state
    lambda: |
      if (item.title === 'gone')
        return 'gone';
      const days = item.days > 1 ? item.days + ' days' : 'today';
      return days;
hooks:
  before_save: |
    if (!item.title) fail('title', 'is missing');
tests:
  - {name: today, field: state, item: {title: a, days: 0}, expect: today}
";

#[test]
fn coverage_names_the_lines_of_the_file_that_no_test_ran() {
    let folder = folder_with(PARTLY);
    let test = |arguments: &[&str]| {
        let mut all = vec!["module", "test", "laptop.yaml", "--coverage"];
        all.extend_from_slice(arguments);
        ended(folder.path(), &all)
    };
    let (code, out, err) = test(&[]);
    assert_eq!(code, 0, "{out}{err}");
    let table: Vec<&str> = out
        .lines()
        .skip_while(|line| !line.starts_with("Lines of lambdas"))
        .skip(1)
        .take_while(|line| !line.is_empty())
        .collect();
    assert_eq!(
        table,
        [
            "  laptop.yaml              60.0 %  3 of 5",
            "    computed field state   75.0 %  3 of 4      not 8; partly 9",
            "    hook before_save        0.0 %  0 of 1      not 13",
        ],
        "{out}"
    );

    let (code, out, _) = test(&["--fail-under", "60.1", "--coverage-file", "lcov.info"]);
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("the tests ran 3 of 5 lines of lambdas: 60 % is less than 60.1 %"),
        "{out}"
    );
    let written = std::fs::read_to_string(folder.path().join("lcov.info")).unwrap();
    let expected = "TN:\nSF:laptop.yaml\nFN:7,computed field state\nFN:13,hook before_save\n\
                    FNDA:1,computed field state\nFNDA:0,hook before_save\nFNF:2\nFNH:1\n\
                    DA:7,1\nDA:8,0\nDA:9,1\nDA:10,1\nDA:13,0\nLF:5\nLH:3\nend_of_record\n";
    assert_eq!(written, expected);

    let (code, out, _) = test(&[
        "--fail-under",
        "60",
        "--output",
        "json",
        "--coverage-file",
        "c.json",
        "--coverage-format",
        "json",
    ]);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &document["ok"]), (0, &true.into()), "{out}");
    let coverage = &document["coverage"];
    assert_eq!(
        coverage["lines"],
        serde_json::json!({"total": 5, "covered": 3, "percent": 60.0})
    );
    let line = &coverage["files"][0]["lambdas"][0]["each"][2];
    assert_eq!(
        *line,
        serde_json::json!({"line": 9, "runs": 1, "missed_columns": [36]})
    );
    let written = std::fs::read_to_string(folder.path().join("c.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), *coverage);

    let (code, out, _) = test(&["--fail-under", "80", "--output", "json"]);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &document["ok"]), (1, &false.into()), "{out}");

    for arguments in [&["--fail-under", "101"][..], &["--coverage-format", "json"]] {
        let (code, _, err) = test(arguments);
        assert_eq!(code, 2, "{arguments:?}: {err}");
    }
    let (code, _, err) = ended(
        folder.path(),
        &["module", "test", "laptop.yaml", "--fail-under", "8"],
    );
    assert_eq!((code, err.contains("--coverage")), (2, true), "{err}");

    // How tests end is not told by the code with counters: places are those of the file.
    let folder = folder_with(&PARTLY.replace("{title: a, days: 0}", "null"));
    let wrong = PARTLY.replace("item.title === 'gone'", "item.title.first.letter");
    std::fs::write(folder.path().join("laptop.yaml"), wrong).unwrap();
    let arguments = ["module", "test", "laptop.yaml"];
    let (_, plain, _) = ended(folder.path(), &arguments);
    let (code, out, _) = ended(folder.path(), &[&arguments[..], &["--coverage"]].concat());
    let thrown = |out: &str| {
        out.lines()
            .find(|line| line.contains("thrown at"))
            .map(str::to_owned)
    };
    assert_eq!((code, thrown(&plain)), (1, thrown(&out)), "{out}");
    assert!(
        thrown(&out).is_some_and(|line| line.contains("laptop.yaml:7:")),
        "{out}"
    );
}

const ACTING: &str = "\
module: {name: desk, storage: managed}
fields:
  - {name: title, type: string, visible_when: item.open}
events:
  - on: ticket.created
    when: item.urgent
    lambda: |
      tickets.update(item.id, {state: event.state});
      return 'moved';
schedules:
  - cron: 0 7 * * *
    lambda: |
      return [schedule, user, records('desk').find({where: {title: 'a'}}).length];
actions:
  - name: tell
    scope: selection
    lambda: |
      for (const one of items) notify({to: 'ann', subject: one.title, text: input.text});
      return items.length;
tests:
  - name: an urgent ticket
    event: {name: ticket.created, state: open}
    item: {id: 7, urgent: true}
    tickets: [{id: 7}]
    expect_effects: [tickets.update: [7, {state: open}]]
";

#[test]
fn every_kind_of_lambda_can_be_tried_out() {
    let folder = folder_with(ACTING);
    let run = |arguments: &[&str]| {
        let mut all = vec!["module", "run", "laptop.yaml"];
        all.extend_from_slice(arguments);
        ended(folder.path(), &all)
    };
    std::fs::write(folder.path().join("tickets.json"), "[{\"id\": 7}]").unwrap();
    let urgent = "{\"id\": 7, \"urgent\": true}";
    let calm = "{\"id\": 7}";
    let open = "{\"state\": \"open\"}";
    let given = ["--tickets", "@tickets.json", "--event", open, "--item"];
    let of = |name: &'static str, item: &'static str| {
        [&["--lambda", name][..], &given, &[item]].concat()
    };
    for (arguments, text) in [
        (
            of("ticket.created", urgent),
            "does    tickets.update(7, {\"state\":\"open\"})",
        ),
        (
            of("ticket.created", calm),
            "value   nothing ran: no `when` holds",
        ),
        (of("events[0].lambda", calm), "value   \"moved\""),
        (of("events[0].when", urgent), "value   true"),
        (of("events[0].when", calm), "value   false"),
        (vec!["--lambda", "an urgent ticket"], "value   \"moved\""),
        (
            vec![
                "--lambda",
                "fields[0].visible_when",
                "--item",
                "{\"open\": 1}",
            ],
            "value   true",
        ),
        (
            vec![
                "--lambda",
                "tell",
                "--item",
                "{\"title\": \"a\"}",
                "--input",
                "{\"text\": \"b\"}",
            ],
            "does    notify({\"to\":[\"ann\"],\"subject\":\"a\",\"text\":\"b\",\"ticket\":null})",
        ),
        (
            vec![
                "--lambda",
                "0 7 * * *",
                "--records",
                "{\"desk\": [{\"title\": \"a\"}]}",
            ],
            "reads   records(\"desk\").find({\"where\":{\"title\":{\"eq\":\"a\"}},\"order\":[],\"limit\":null})",
        ),
        (vec!["--lambda", "schedules[0].lambda"], "1 of 50 effects"),
    ] {
        let (code, out, err) = run(&arguments);
        assert_eq!(
            (code, out.contains(text)),
            (0, true),
            "{arguments:?}: {out}{err}"
        );
    }
    let arguments = [
        "--lambda",
        "actions[0].lambda",
        "--items",
        "[{\"title\": \"a\"}, {\"title\": \"b\"}]",
        "--input",
        "{\"text\": \"c\"}",
        "--output",
        "json",
    ];
    let (code, out, _) = run(&arguments);
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &document["value"]), (0, &2.into()), "{out}");
    let effect = &document["effects"][1];
    assert_eq!(
        (&effect["call"], &effect["arguments"][0]["subject"]),
        (&"notify".into(), &"b".into())
    );

    // What there is, by the name or path that runs it.
    let (code, _, err) = run(&[]);
    for text in [
        "the actions tell",
        "the schedules 0 7 * * *",
        "the events ticket.created (events[0].lambda)",
        "the conditions of events ticket.created (events[0].when)",
        "the visible_when of title (fields[0].visible_when)",
        "the tests \"an urgent ticket\"",
    ] {
        assert_eq!((code, err.contains(text)), (2, true), "{text}: {err}");
    }
    for (flag, value) in [
        ("--items", "{}"),
        ("--input", "[]"),
        ("--event", "1"),
        ("--records", "{\"desk\": 1}"),
        ("--tickets", "{}"),
    ] {
        let (code, _, err) = run(&["--lambda", "tell", flag, value]);
        assert_eq!((code, err.contains(flag)), (2, true), "{flag}: {err}");
    }
}
