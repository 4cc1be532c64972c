use std::collections::BTreeMap;

use super::*;
use crate::data::Column;

fn ident(name: &str) -> SqlIdent {
    name.parse().unwrap()
}

fn table() -> TableModel {
    let column = |(name, type_name): (&str, &str)| {
        let column = Column {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            max_length: None,
            nullable: true,
            has_default: false,
        };
        (name.to_owned(), column)
    };
    TableModel {
        name: ident("x_laptop"),
        columns: [
            ("id", "int8"),
            ("serial", "varchar"),
            ("price", "numeric"),
            ("bought", "date"),
        ]
        .map(column)
        .into(),
        key: Some(ident("id")),
        constraints: BTreeMap::new(),
    }
}

fn shown(statement: &Statement) -> String {
    format!("{}\n{:?}", statement.text, statement.binds)
}

#[test]
fn a_list_is_one_statement_with_everything_bound() {
    let outputs = [("serial", "serial"), ("price", "cost")].map(|(column, name)| Output {
        column: ident(column),
        name: name.to_owned(),
    });
    let conditions = [
        Condition::Search(
            vec![ident("serial"), ident("price")],
            "50%_\\'; DROP".to_owned(),
        ),
        Condition::Is(ident("id"), "7".to_owned()),
        Condition::Key(ident("id"), "7".to_owned()),
        Condition::OneOf(ident("serial"), vec!["a".to_owned(), "b".to_owned()]),
        Condition::From(ident("bought"), "2026-01-01".to_owned()),
        Condition::Until(ident("bought"), "2026-01-31".to_owned()),
    ];
    let order = ident("price");
    let statement = select(
        &table(),
        &ident("id"),
        &outputs,
        &conditions,
        Some((&order, SortOrder::Desc)),
        Some((25, 50)),
    );
    insta::assert_snapshot!(shown(&statement));
    insta::assert_snapshot!(shown(&count(&table(), &conditions)));
}

#[test]
fn writing_casts_to_the_types_of_the_columns() {
    let assignments =
        [("serial", Some("a'b")), ("price", None)].map(|(column, value)| Assignment {
            column: ident(column),
            value: value.map(str::to_owned),
        });
    let key = ident("id");
    let texts = [
        insert(&table(), &key, &assignments),
        insert(&table(), &key, &[]),
        update(&table(), &key, "7; DROP TABLE x", &assignments),
        delete(&table(), &key, "7"),
        author_rows("SELECT 1", vec![Some("x".to_owned())], 11),
        distinct(&ident("x_laptop"), &ident("serial"), 100),
        statement_timeout(250),
    ];
    insta::assert_snapshot!(texts.iter().map(shown).collect::<Vec<_>>().join("\n"));
}

#[test]
fn what_cannot_be_a_key_names_no_record() {
    let table = table();
    for id in ["7", "-1", "9223372036854775807"] {
        assert!(table.is_possible_key(id), "{id}");
    }
    for id in [
        "",
        "x",
        "7 ",
        "007",
        "+7",
        "1.0",
        "7; DROP TABLE x",
        "9223372036854775808",
        "\0",
    ] {
        assert!(!table.is_possible_key(id), "{id}");
    }
}
