//! The JSON Schema of the format, for editors; made from the key tables.

use serde_json::{Map, Value, json};

use crate::keys::{self, Shape, Table};

/// The JSON Schema (draft 2020-12) of a module file, published at `/schema/module.json`.
pub fn json_schema() -> Value {
    let mut definitions = Map::new();
    for table in keys::ALL.iter().skip(1) {
        definitions.insert(definition_name(table), table_schema(table));
    }
    let mut schema = table_schema(&keys::DOCUMENT);
    if let Some(object) = schema.as_object_mut() {
        object.insert(
            "$schema".to_owned(),
            json!("https://json-schema.org/draft/2020-12/schema"),
        );
        object.insert("title".to_owned(), json!("GOTRS Cloud module"));
        object.insert("$defs".to_owned(), Value::Object(definitions));
    }
    schema
}

fn definition_name(table: &Table) -> String {
    table.title.replace("[]", "").replace('.', "_")
}

fn table_schema(table: &Table) -> Value {
    let described = |key: &keys::Key| {
        let mut schema = shape_schema(key.shape);
        if let Some(object) = schema.as_object_mut() {
            let note = table
                .not_supported_yet(key.name)
                .map(|instead| format!(" Not supported yet: {instead}."))
                .unwrap_or_default();
            object.insert(
                "description".to_owned(),
                json!(format!("{}{note}", key.doc)),
            );
        }
        (key.name.to_owned(), schema)
    };
    let properties: Map<String, Value> = table.keys.iter().map(described).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": table.required,
        "additionalProperties": false,
    })
}

fn shape_schema(shape: Shape) -> Value {
    let words: Vec<&str> = shape.words().iter().map(|(word, _)| *word).collect();
    let scalar = json!(["string", "number", "boolean"]);
    let reference =
        |table: &Table| json!({ "$ref": format!("#/$defs/{}", definition_name(table)) });
    match shape {
        Shape::Text => json!({ "type": scalar }),
        Shape::Identifier => {
            json!({ "type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_-]*$", "maxLength": 63 })
        }
        Shape::FieldName
        | Shape::ActionName
        | Shape::Lambda
        | Shape::Expression
        | Shape::Cron
        | Shape::Sql => {
            json!({ "type": "string" })
        }
        Shape::Pattern => json!({ "type": "string", "format": "regex" }),
        Shape::Boolean => json!({ "type": "boolean" }),
        Shape::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::Number => json!({ "type": "number" }),
        Shape::OneOf(_) => json!({ "enum": words }),
        Shape::Texts | Shape::FieldNames => json!({ "type": "array", "items": { "type": scalar } }),
        Shape::Events => {
            let one = json!({ "enum": words });
            json!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
        Shape::Event => {
            let name = json!({ "enum": words });
            let details =
                json!({ "type": "object", "properties": { "name": name }, "required": ["name"] });
            json!({ "anyOf": [name, details] })
        }
        Shape::SomeOf(_) => json!({ "type": "array", "items": { "enum": words } }),
        Shape::Any => json!({}),
        Shape::TextMap => json!({ "type": "object", "additionalProperties": { "type": scalar } }),
        Shape::Choices => {
            json!({ "type": "array", "items": { "anyOf": [{ "type": scalar }, reference(&keys::CHOICE)] } })
        }
        Shape::Fixtures => {
            let rows = json!({ "type": "array", "items": { "type": "object" } });
            json!({ "anyOf": [rows, { "type": "object", "additionalProperties": rows }] })
        }
        Shape::Rows => json!({ "type": "array", "items": { "type": "object" } }),
        Shape::RowsByModule => {
            let rows = json!({ "type": "array", "items": { "type": "object" } });
            json!({ "type": "object", "additionalProperties": rows })
        }
        Shape::Calls => {
            let calls = json!({
                "type": "object",
                "propertyNames": { "enum": words },
                "minProperties": 1,
                "maxProperties": 1,
            });
            json!({ "type": "array", "items": { "anyOf": [{ "enum": words }, calls] } })
        }
        Shape::Mapping(table) => reference(table),
        Shape::List(table) => json!({ "type": "array", "items": reference(table) }),
    }
}
