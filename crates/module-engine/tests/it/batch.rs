//! Computed fields for a page of rows at once.

use domain::limits::LambdaLimits;
use module_engine::call::{CellError, Item};
use module_engine::compiled::Columns;
use module_engine::dry_run::DryRunHost;
use module_engine::error::InvokeError;
use serde_json::{Value, json};

use crate::support::{item, module};

const INVOICES: &str = "
module: {name: invoice, singular: Invoice, plural: Invoices, storage: managed}
fields:
- {name: net, type: decimal}
- {name: rate, type: decimal}
- {name: text, type: string}
computed_fields:
- {name: tax, lambda: \"return item.net * item.rate\"}
- {name: gross, lambda: \"return item.net + item.tax\"}
- {name: whole, lambda: \"return JSON.stringify(item)\"}
- {name: risky, lambda: \"if (item.net > 1) throw new TypeError('too much'); return 'fine'\"}
- {name: count, lambda: \"seen = typeof seen === 'undefined' ? 1 : seen + 1; return seen\"}
- {name: large, lambda: \"return 'x'.repeat(70000)\"}
- {name: deep, lambda: \"let v = 1; for (let i = 0; i < 33; i++) v = [v]; return v\"}
";

fn rows() -> Vec<Item> {
    vec![
        item(json!({"net": 1, "rate": 0.5, "text": "a"})),
        item(json!({"net": 2, "rate": 0.5, "text": "b"})),
    ]
}

fn values(fields: &[&str]) -> Vec<Vec<Value>> {
    module(INVOICES)
        .computed_fields(&rows(), fields, &DryRunHost::new(), LambdaLimits::DEFAULT)
        .unwrap()
        .into_iter()
        .map(|cells| {
            cells
                .into_iter()
                .map(|cell| cell.unwrap().into_raw())
                .collect()
        })
        .collect()
}

#[test]
fn fields_come_in_the_order_asked_for_and_see_those_above_them() {
    assert_eq!(
        values(&["gross", "tax"]),
        [[json!(1.5), json!(0.5)], [json!(3), json!(1)]]
    );
    // `tax` is computed although nobody asked for it.
    assert_eq!(values(&["gross"]), [[json!(1.5)], [json!(3)]]);
}

#[test]
fn only_the_columns_that_are_read_are_copied() {
    let module = module(INVOICES);
    assert_eq!(
        module.columns(&["tax"]),
        Columns::Named(vec!["net".to_owned(), "rate".to_owned()])
    );
    assert_eq!(
        module.columns(&["gross"]),
        Columns::Named(vec!["net".to_owned(), "rate".to_owned()])
    );
    assert_eq!(module.columns(&["count"]), Columns::Named(Vec::new()));
    assert_eq!(module.columns(&["whole"]), Columns::All);
}

#[test]
fn a_field_that_uses_the_whole_item_sees_everything() {
    let cells = values(&["whole"]);
    let first: Value = serde_json::from_str(cells[0][0].as_str().unwrap()).unwrap();
    assert_eq!(
        first,
        json!({"net": 1, "rate": 0.5, "text": "a", "tax": 0.5, "gross": 1.5})
    );
}

#[test]
fn a_row_that_fails_leaves_the_others_alone() {
    let cells = module(INVOICES)
        .computed_fields(
            &rows(),
            &["risky", "tax"],
            &DryRunHost::new(),
            LambdaLimits::DEFAULT,
        )
        .unwrap();
    assert_eq!(cells[0][0].as_ref().unwrap().raw(), &json!("fine"));
    match &cells[1][0] {
        Err(CellError::Script(error)) => {
            assert_eq!(error.message, "TypeError: too much");
            let position = error.position.as_ref().unwrap();
            assert_eq!(
                (position.lambda.as_str(), position.line),
                ("computed_fields[3].lambda", 11)
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(cells[1][1].as_ref().unwrap().raw(), &json!(1));
}

#[test]
fn what_one_row_leaves_behind_the_next_does_not_find() {
    assert_eq!(values(&["count"]), [[json!(1)], [json!(1)]]);
}

#[test]
fn a_result_over_its_limit_is_an_error_of_its_cell() {
    let cells = module(INVOICES)
        .computed_fields(
            &rows(),
            &["large", "deep", "tax"],
            &DryRunHost::new(),
            LambdaLimits::DEFAULT,
        )
        .unwrap();
    let texts: Vec<String> = cells[0]
        .iter()
        .filter_map(|cell| cell.as_ref().err())
        .map(ToString::to_string)
        .collect();
    assert_eq!(texts.len(), 2);
    assert!(
        texts[0].starts_with("returned more than 65536 bytes (computed_fields[5].lambda, line 13"),
        "{texts:?}"
    );
    assert!(
        texts[1].starts_with("returned more than 32 levels of nesting"),
        "{texts:?}"
    );
    assert!(cells[0][2].is_ok());
}

#[test]
fn no_rows_no_fields_and_unknown_fields() {
    let (module, host) = (module(INVOICES), DryRunHost::new());
    assert!(
        module
            .computed_fields(&[], &["tax"], &host, LambdaLimits::DEFAULT)
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        module
            .computed_fields(&rows(), &[], &host, LambdaLimits::DEFAULT)
            .unwrap(),
        [vec![], vec![]]
    );
    let error = module
        .computed_fields(&rows(), &["taxes"], &host, LambdaLimits::DEFAULT)
        .unwrap_err();
    assert!(matches!(error, InvokeError::Unknown { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "the module invoice has no computed field \"taxes\""
    );
}
