//! Module files that are valid by construction, over the whole format.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Map, Value, json};

/// Texts that YAML could take for something else, and others.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z][a-zA-Z ]{0,10}[a-z]",
        2 => "@[a-z]{1,4}(\\.[a-z_]{1,6}){0,2}(\\|[A-Za-z |]{0,8})?",
        3 => "[-+.0-9eExXoOb_:#~]{1,6}",
        2 => select(&["null", "~", "true", "No", "on", "y", "*", "&a", "!b", "- a", "a: b", "a #b", "'", "\"", "%", "|", "> ", " a", "a ", "<<", "=", "", "0x1f", "0o7", "+1", ".5", "1.", "1e3", ".inf", "1_000", "2026-01-31", "12:30", "[", "{", "]", "}", ",", "?", "? a", ":", "-", "@", "`", "---", "...", "\t", "\u{85}", "\u{2028}", "\u{feff}", "\u{7f}", "\u{1b}", "\u{a0}"][..]).prop_map(ToOwned::to_owned),
        3 => "(\\PC|\n|\t|𝄞|日|\r){0,12}",
        1 => "([a-z]{1,5}\n|  [a-z]{1,3}\n|\n){1,6}",
    ]
}

/// What `Reader::word` takes: trimmed, not empty, here without the words for nothing.
fn word() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9/.*-]{0,11}"
}

fn code() -> impl Strategy<Value = String> {
    prop_oneof![
        "return [a-z]{1,5};",
        "return item\\.[a-z]{1,5}( \\+ '[^'\\n\\x00-\\x1f\\x7f]{0,8}')?;",
        "(const [a-z] = [0-9]{1,3};\n|  \n|\t// \\PC{0,9}\n|    x\\(\\);\n){0,4}return 1;\n?",
        text().prop_map(|text| format!("return {};", json!(text))),
    ]
}

fn expression() -> impl Strategy<Value = String> {
    prop_oneof![
        "item\\.[a-z]{1,5} (===|>|!==) [0-9]{1,3}",
        text().prop_map(|text| format!("item.a === {}", json!(text))),
        "item.a\n  && item\\.[b-d]",
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1000..1000_i64).prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![8 => scalar(), 1 => Just(Value::Null)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map(map_key(), inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// `<<` is the merge key wherever it stands.
fn map_key() -> impl Strategy<Value = String> {
    text().prop_filter("not the merge key", |text| text != "<<")
}

fn record() -> impl Strategy<Value = Map<String, Value>> {
    btree_map(map_key(), value(), 0..3).prop_map(|map| map.into_iter().collect())
}

/// A mapping whose keys are there or not.
struct Keys(Vec<(&'static str, BoxedStrategy<Option<Value>>)>);

impl Keys {
    fn new() -> Self {
        Self(Vec::new())
    }

    fn must<T: Into<Value> + std::fmt::Debug + 'static>(
        mut self,
        key: &'static str,
        value: impl Strategy<Value = T> + 'static,
    ) -> Self {
        self.0
            .push((key, value.prop_map(|value| Some(value.into())).boxed()));
        self
    }

    fn may<T: Into<Value> + std::fmt::Debug + 'static>(
        mut self,
        key: &'static str,
        value: impl Strategy<Value = T> + 'static,
    ) -> Self {
        let value = option::weighted(0.25, value);
        self.0
            .push((key, value.prop_map(|value| value.map(Into::into)).boxed()));
        self
    }

    fn build(self) -> BoxedStrategy<Value> {
        let (names, values): (Vec<&'static str>, Vec<_>) = self.0.into_iter().unzip();
        values
            .prop_map(move |values| {
                let pairs = names.iter().zip(values);
                let written = pairs.filter_map(|(name, value)| Some(((*name).to_owned(), value?)));
                Value::Object(written.collect())
            })
            .boxed()
    }
}

fn groups() -> impl Strategy<Value = Vec<String>> {
    vec(
        text().prop_filter("a word for nothing", |text| !text.is_empty()),
        0..3,
    )
}

fn word_of(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    select(words)
}

fn some_of(words: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(words, 0..=words.len())
}

/// The names that a document refers to.
#[derive(Debug, Clone)]
struct Names {
    fields: Vec<String>,
    computed: Vec<String>,
}

impl Names {
    fn all(&self) -> Vec<String> {
        self.fields.iter().chain(&self.computed).cloned().collect()
    }
}

fn choices() -> impl Strategy<Value = Value> {
    let one = prop_oneof![
        scalar().boxed(),
        Keys::new()
            .must("value", scalar())
            .may("label", text())
            .may("group", text())
            .build(),
    ];
    vec(one, 0..4).prop_map(Value::from)
}

fn lookup(mut keys: Keys, condition: bool) -> Keys {
    keys = keys
        .must("lookup_table", select(&["queue", "users", "a_b-c"][..]))
        .may("lookup_key", select(&["id", "login"][..]))
        .may("lookup_display", select(&["name", "login"][..]));
    if condition {
        keys = keys.may("lookup_condition", select(&["valid_id = 1", "a: b"][..]));
    }
    keys
}

/// The keys that every field may have.
fn common_field() -> Keys {
    Keys::new()
        .may("db_column", Just(""))
        .may("label", text())
        .may("required", any::<bool>())
        .may("unique", any::<bool>())
        .may("searchable", any::<bool>())
        .may("sortable", any::<bool>())
        .may("show_in_list", any::<bool>())
        .may("show_in_form", any::<bool>())
        .may("readonly", any::<bool>())
        .may("virtual", any::<bool>())
        .may("widget", Just("typeahead"))
        .may("display_as", Just("chip"))
        .may(
            "display_map",
            btree_map(map_key(), text(), 0..3).prop_map(|map| {
                Value::Object(
                    map.into_iter()
                        .map(|(key, text)| (key, text.into()))
                        .collect(),
                )
            }),
        )
        .may(
            "validation",
            select(&["^[a-z]+$", "\\d{2}", "[\\w.-]", "x|y", "\\\\"][..]),
        )
        .may(
            "pattern",
            select(&["[A-Z]{2}", "\\s*a", "(?:a|b)", "a)|(b"][..3]),
        )
        .may("max_length", 1..1_000_000_i64)
        .may("rows", 1..100_i64)
        .may("accept", word())
        .may("help", text())
        .may("placeholder", text())
        .may("list_position", 0..1_000_i64)
        .may("list_class", select(&["font-mono", "w-1/2 md:flex"][..]))
        .may(
            "access",
            Keys::new()
                .may("read", groups())
                .may("write", groups())
                .build(),
        )
        .may("encrypted", Just(false))
        .may("visible_when", expression())
        .may("required_when", expression())
}

fn number() -> impl Strategy<Value = i64> {
    -1000..1000_i64
}

fn field() -> BoxedStrategy<Value> {
    let plain = common_field()
        .must(
            "type",
            word_of(&[
                "string", "text", "textarea", "notes", "email", "url", "tel", "phone", "color",
                "password",
            ]),
        )
        .may("default", text())
        .may("filterable", Just(false))
        .may("min", value())
        .build();
    let whole = common_field()
        .must("type", word_of(&["int", "integer", "number"]))
        .may(
            "default",
            prop_oneof![
                number().prop_map(Value::from),
                number().prop_map(|n| n.to_string().into())
            ],
        )
        .may("filterable", any::<bool>())
        .may("min", -2000..-1000_i64)
        .may("max", 1000..2000_i64)
        .may("step", 1..5_i64)
        .build();
    let decimal = common_field()
        .must("type", word_of(&["float", "decimal", "range"]))
        .may("default", number())
        .may("min", -2000.0..-1000.0_f64)
        .may("max", 1000.0..2000.0_f64)
        .may("step", 0.001..5.0_f64)
        .may("precision", 0..=10_i64)
        .build();
    let boolean = common_field()
        .must("type", word_of(&["bool", "boolean", "checkbox"]))
        .may(
            "default",
            prop_oneof![
                any::<bool>().prop_map(Value::from),
                Just(Value::from(1)),
                Just(Value::from("0"))
            ],
        )
        .may("filterable", any::<bool>())
        .build();
    let dated = common_field()
        .must(
            "type",
            word_of(&["date", "datetime", "datetime-local", "time"]),
        )
        .may("default", select(&["2026-01-31", "12:30", "today"][..]))
        .may("min", select(&["2026-01-31", "2026"][..]))
        .may("max", select(&["2030-01-31", "23:59"][..]))
        .build();
    let file = common_field()
        .must("type", word_of(&["file", "files", "filelist"]))
        .build();
    let chosen = common_field()
        .must("type", word_of(&["select", "radio"]))
        .must("options", choices())
        .may("multiple", any::<bool>())
        .build();
    let looked_up = lookup(common_field(), true)
        .must("type", word_of(&["select", "radio", "string", "int"]))
        .may("multiple", any::<bool>())
        .build();
    let on_delete = word_of(&["restrict", "cascade"]);
    let related = common_field()
        .must("type", word_of(&["select", "radio", "integer"]))
        .must(
            "relation",
            Keys::new()
                .must("module", select(&["users", "customer-company"][..]))
                .may("many", any::<bool>())
                .may("on_delete", on_delete)
                .build(),
        )
        .build();
    prop_oneof![3 => plain, 1 => whole, 1 => decimal, 1 => boolean, 1 => dated, 1 => file, 2 => chosen, 2 => looked_up, 1 => related].boxed()
}

fn names_in(names: Vec<String>) -> impl Strategy<Value = Vec<String>> {
    let count = names.len();
    subsequence(names, 0..=count).prop_shuffle()
}

fn ui(names: &Names) -> BoxedStrategy<Value> {
    let section = |heading: &'static str| {
        Keys::new()
            .may(heading, text())
            .may("description", text())
            .must("fields", names_in(names.computed.clone()))
            .build()
    };
    let all = Keys::new()
        .must("fields", names_in(names.fields.clone()))
        .build();
    let sections = (all, section("title"), section("name"), section("label"));
    Keys::new()
        .may("list_columns", names_in(names.all()))
        .may(
            "form_sections",
            sections.prop_map(|(all, a, b, c)| json!([a, all, b, c])),
        )
        .may(
            "actions",
            some_of(&["view", "edit", "status_toggle", "delete"]),
        )
        .build()
}

fn filters() -> BoxedStrategy<Value> {
    let base = || {
        Keys::new()
            .must("field", Just("chosen"))
            .may("type", word_of(&["select", "text", "multi_select"]))
            .may("label", text())
    };
    let one = prop_oneof![
        base().may("source", Just("field")).build(),
        base()
            .must(
                "options",
                choices().prop_filter("some", |list| list != &json!([]))
            )
            .may("source", word_of(&["options", "static"]))
            .build(),
        lookup(base(), false)
            .may("source", word_of(&["lookup", "database"]))
            .build(),
        base()
            .must(
                "query",
                select(&["SELECT id, name FROM queue", "SELECT 'a: b'\n  FROM x"][..])
            )
            .may("source", word_of(&["query", "database"]))
            .build(),
        Just(json!({"field": "day", "type": "date_range"})).boxed(),
    ];
    vec(one, 0..4).prop_map(Value::from).boxed()
}

fn automation() -> Keys {
    let event = Keys::new()
        .must(
            "on",
            prop_oneof![
                word_of(&["ticket.created", "record.saved"]).prop_map(Value::from),
                some_of(&[
                    "ticket.created",
                    "ticket.updated",
                    "ticket.state_changed",
                    "article.added",
                    "record.deleted"
                ])
                .prop_map(Value::from),
            ],
        )
        .may("when", expression())
        .must("lambda", code())
        .build();
    let schedule = Keys::new()
        .must(
            "cron",
            select(
                &[
                    "0 7 * * mon",
                    "*/15 6-8  * * 1-5",
                    "* * * * *",
                    "5,10 0 29 FEB *",
                ][..],
            ),
        )
        .may("time_zone", select(&["Europe/Berlin", "UTC"][..]))
        .must("lambda", code())
        .build();
    let action = Keys::new()
        .must("name", Just(""))
        .may("label", text())
        .may("icon", word())
        .may("confirm", text())
        .may("scope", word_of(&["row", "selection", "page"]))
        .may("access", groups())
        .must("lambda", code())
        .build();
    let list = |one: BoxedStrategy<Value>| vec(one, 0..3).prop_map(Value::from);
    Keys::new()
        .may("events", list(event))
        .may("schedules", list(schedule))
        .may("actions", list(action))
}

fn views(names: &Names) -> BoxedStrategy<Value> {
    let filters = (
        scalar(),
        vec(prop_oneof![8 => scalar(), 1 => Just(Value::Null)], 0..3),
    );
    let filters = filters
        .prop_map(|(one, many)| json!({"chosen": one, "day": many}))
        .boxed();
    let view = |columns: BoxedStrategy<Vec<String>>, kind: &'static [&'static str]| {
        Keys::new()
            .must("name", Just(""))
            .may("columns", columns)
            .may("filters", filters.clone())
            .may("sort", select(&["day", "day desc", "chosen asc"][..]))
            .may("kind", word_of(kind))
            .build()
    };
    let any_columns = names_in(names.all()).boxed();
    let first = |name: &'static str| {
        let rest = names_in(names.computed.clone());
        rest.prop_map(move |rest| std::iter::once(name.to_owned()).chain(rest).collect())
            .boxed()
    };
    let must = |view: BoxedStrategy<Value>, columns: &'static str| {
        view.prop_map(move |mut view| {
            if view.get("kind").is_some() && view.get("columns").is_none() {
                view["columns"] = json!([columns]);
            }
            view
        })
    };
    let one = prop_oneof![
        view(any_columns, &["table", "chart"]).boxed(),
        must(view(first("day"), &["calendar"]), "day").boxed(),
        must(view(first("chosen"), &["board"]), "chosen").boxed(),
    ];
    vec(one, 0..4).prop_map(Value::from).boxed()
}

fn tests() -> BoxedStrategy<Value> {
    let rows = || vec(record(), 0..3).prop_map(Value::from);
    let base = || {
        Keys::new()
            .must(
                "name",
                text().prop_filter("a word for nothing", |text| !text.is_empty()),
            )
            .may("item", record())
            .may("user", record())
            .may(
                "rows",
                prop_oneof![
                    rows().boxed(),
                    btree_map(map_key(), rows(), 0..3)
                        .prop_map(|map| Value::Object(map.into_iter().collect()))
                        .boxed(),
                ],
            )
    };
    let one = prop_oneof![
        base()
            .must("field", Just("computed_0"))
            .must("expect", value())
            .build(),
        base()
            .must("hook", Just("before_save"))
            .must("expect", value())
            .build(),
        base()
            .must("lambda", code())
            .must("expect_error", text())
            .build(),
        base()
            .must("hook", Just("before_save"))
            .must(
                "expect_failures",
                btree_map(map_key(), text(), 0..3).prop_map(|map| json!(map)),
            )
            .build(),
    ];
    vec(one, 0..3).prop_map(Value::from).boxed()
}

fn document(names: &Names) -> BoxedStrategy<Value> {
    let module = Keys::new()
        .must("name", select(&["laptop", "a-b_1"][..]))
        .may("singular", text())
        .may("plural", text())
        .may("description", text())
        .must(
            "storage",
            prop_oneof![3 => Just(json!("managed")), 2 => Just(Value::Null)],
        )
        .may("route_prefix", select(&["/admin/a", "/admin/b-1/c_d"][..]))
        .may("read_only", any::<bool>())
        .may("icon", word())
        .may(
            "default_sort",
            select(&["day", "chosen", "id", "change_time", "col_0"][..]),
        )
        .may("default_sort_dir", word_of(&["asc", "desc"]))
        .may("page_size", 1..500_i64)
        .may(
            "menu",
            Keys::new()
                .may("group", text())
                .may("order", -1000..1000_i64)
                .may("icon", word())
                .build(),
        )
        .may("portals", some_of(&["admin", "agent", "customer"]))
        .may(
            "parent",
            Just(json!({"module": "users", "field": "chosen"})),
        )
        .build();
    let fields: Vec<_> = names.fields.iter().skip(2).map(|_| field()).collect();
    let computed = Keys::new()
        .must("name", Just(""))
        .may("label", text())
        .may("show_in_list", any::<bool>())
        .may("show_in_form", any::<bool>())
        .may("list_position", 0..1000_i64)
        .must("lambda", code())
        .build();
    let computed = vec(computed, names.computed.len());
    let flag = any::<bool>;
    let features = Keys::new()
        .may("soft_delete", flag())
        .may("search", flag())
        .may("import_csv", flag())
        .may("export_csv", flag())
        .may("status_toggle", flag())
        .may("color_picker", flag())
        .build();
    let access = Keys::new()
        .may("view", groups())
        .may("create", groups())
        .may("update", groups())
        .may("delete", groups())
        .build();
    let hooks = Keys::new()
        .may("before_validate", code())
        .must("before_save", code())
        .may("after_save", code())
        .may("before_delete", code())
        .may("after_delete", code())
        .build();
    let limits = Keys::new()
        .may("timeout_ms", 1..60_000_i64)
        .may("memory_limit_mb", 1..512_i64)
        .may("max_queries", 0..10_000_i64)
        .may("max_rows", 0..1_000_000_i64)
        .build();
    let config = Keys::new()
        .may("timeout_ms", 1..60_000_i64)
        .may("memory_limit_mb", 1..512_i64)
        .build();
    let validation = Keys::new()
        .may("unique_fields", names_in(names.fields.clone()))
        .may("required_fields", names_in(names.fields.clone()))
        .build();
    automation()
        .may("api_version", Just("gotrs.io/v1"))
        .must("module", module)
        .must("fields", fields.prop_map(Value::from))
        .must("computed_fields", computed.prop_map(Value::from))
        .may("features", features)
        .may(
            "permissions",
            some_of(&["view", "create", "update", "delete"]),
        )
        .may("validation", validation)
        .may("ui", ui(names))
        .may("filters", filters())
        .may("access", access)
        .must("hooks", hooks)
        .may("views", views(names))
        .may("tests", tests())
        .may("limits", limits)
        .may("lambda_config", config)
        .build()
}

/// A module file as JSON: it has `chosen` (a select) and `day` (a date), some other fields and `computed_0` and on.
pub(crate) fn module() -> impl Strategy<Value = Value> {
    (1..5_usize, 1..3_usize, any::<Index>()).prop_flat_map(|(fields, computed, at)| {
        let own = (0..fields).map(|at| format!("field_{at}"));
        let names = Names {
            fields: ["chosen".to_owned(), "day".to_owned()]
                .into_iter()
                .chain(own)
                .collect(),
            computed: (0..computed).map(|at| format!("computed_{at}")).collect(),
        };
        let position = at.index(fields);
        document(&names).prop_map(move |mut document| {
            finish(&mut document, position);
            document
        })
    })
}

/// Gives everything its name, and the two fields that others refer to their place.
fn finish(document: &mut Value, position: usize) {
    let managed = document["module"]["storage"] == "managed";
    if !managed {
        let module = document["module"].as_object_mut().unwrap();
        module.remove("storage");
        module.insert("table".to_owned(), json!("queue"));
    }
    let fields = document["fields"].as_array_mut().unwrap();
    for (at, field) in fields.iter_mut().enumerate() {
        let field = field.as_object_mut().unwrap();
        field.insert("name".to_owned(), json!(format!("field_{at}")));
        if field.contains_key("db_column") {
            field.insert("db_column".to_owned(), json!(format!("col_{at}")));
        }
        if field.get("virtual") == Some(&json!(true)) {
            field.shift_remove("filterable");
        }
    }
    let day = json!({"name": "day", "type": "date", "index": true});
    let chosen = json!({"name": "chosen", "type": "select", "options": ["a", {"value": 2, "label": "b", "group": "c"}], "filterable": true});
    fields.insert(position, day);
    fields.insert(position, chosen);
    if document["module"].get("default_sort") == Some(&json!("col_0"))
        && (document["fields"]
            .as_array()
            .unwrap()
            .iter()
            .all(|field| field.get("db_column") != Some(&json!("col_0")))
            || document["fields"].as_array().unwrap().iter().any(|field| {
                field.get("db_column") == Some(&json!("col_0"))
                    && (field.get("virtual") == Some(&json!(true))
                        || field["relation"]["many"] == json!(true))
            }))
    {
        document["module"]
            .as_object_mut()
            .unwrap()
            .remove("default_sort");
    }
    for (list, prefix) in [
        ("computed_fields", "computed"),
        ("actions", "action"),
        ("views", "view"),
    ] {
        if let Some(entries) = document.get_mut(list).and_then(Value::as_array_mut) {
            for (at, entry) in entries.iter_mut().enumerate() {
                entry["name"] = json!(format!("{prefix}_{at}"));
            }
        }
    }
    let more = tests_of(document);
    if let Some(tests) = document.get_mut("tests").and_then(Value::as_array_mut) {
        tests.extend(more);
    }
}

/// Tests of what the module happens to have.
fn tests_of(document: &Value) -> Vec<Value> {
    let first = |list: &str| document.get(list)?.get(0);
    let with = |condition: &str| {
        let fields = document["fields"].as_array()?;
        let field = fields.iter().find(|field| field.get(condition).is_some())?;
        Some(json!({"name": condition, condition: field["name"], "expect": true}))
    };
    let mut tests = Vec::new();
    if first("actions").is_some() {
        tests.push(json!({
            "name": "an action",
            "action": "action_0",
            "items": [{"id": 1}, {}],
            "input": {"reason": ["lost", null]},
            "records": {"laptop": [{"id": 1}], "phone": []},
            "tickets": [{"id": 12, "state": "open"}],
            "expect_effects": ["notify", {"tickets.update": [12, {"state": null}]}, {"queue": "laptop.lent"}],
        }));
    }
    if let Some(on) = first("events").map(|event| &event["on"]) {
        let kind = on.get(0).unwrap_or(on);
        if kind.is_string() {
            tests.push(json!({"name": "an event", "event": kind, "expect_effects": []}));
            tests.push(
                json!({"name": "another", "event": {"name": kind, "by": "ann"}, "expect": 1}),
            );
        }
    }
    if first("schedules").is_some() {
        tests.push(json!({"name": "a schedule", "schedule": "schedules[0]", "expect": null}));
    }
    tests.extend(with("visible_when"));
    tests.extend(with("required_when"));
    tests
}
