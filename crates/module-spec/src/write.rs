//! From a [`ModuleSpec`] back to a file.

mod emit;

use serde_json::{Map, Value, json};

use crate::lambda::Lambda;
use crate::pattern::Pattern;
use crate::reader::MAX_LIST;
use crate::spec::{
    Access, Action, Choice, EventHandler, Expectation, Features, Field, FieldType, Filter,
    FilterSource, ListColumn, Lookup, ModuleSpec, Operation, Permissions, Relation, TestCase,
    TestTarget, View, plain_text,
};
use crate::text::Text;
use crate::validate::status_field;

/// A file that says what `spec` says: [`crate::parse`] makes an equal module of it. What the author's file left to a rule
/// (labels, the order of the list) is written out where it would not come out the same by itself; comments, anchors and
/// the order of keys are not kept.
///
/// A file that is near the limits of the format may exceed them in this longer form.
///
/// ```
/// let file = "module: {name: laptop, storage: managed}\nfields: [{name: serial, type: string}]\n";
/// let spec = module_spec::parse(file).0.unwrap();
/// let written = module_spec::to_yaml(&spec);
/// assert_eq!(module_spec::parse(&written).0, Some(spec));
/// ```
pub fn to_yaml(spec: &ModuleSpec) -> String {
    emit::emit(&document(spec))
}

/// A mapping in the making: what is nothing is left out.
#[derive(Default)]
struct Keys(Map<String, Value>);

impl Keys {
    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn option(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    fn text(&mut self, key: &str, text: Option<&Text>) {
        self.option(key, text.map(Text::written));
    }

    /// A flag that is off where nothing is written.
    fn flag(&mut self, key: &str, on: bool) {
        if on {
            self.set(key, true);
        }
    }

    fn list(&mut self, key: &str, items: impl IntoIterator<Item = impl Into<Value>>) {
        let items: Vec<Value> = items.into_iter().map(Into::into).collect();
        if !items.is_empty() {
            self.set(key, items);
        }
    }

    fn lambda(&mut self, key: &str, lambda: &Lambda) {
        self.set(key, lambda.source());
    }

    fn expression(&mut self, key: &str, lambda: Option<&Lambda>) {
        self.option(
            key,
            lambda.map(|lambda| lambda.expression().unwrap_or_else(|| lambda.source())),
        );
    }

    fn mapping(&mut self, key: &str, keys: Self) {
        if !keys.0.is_empty() {
            self.set(key, keys.0);
        }
    }

    fn lookup(&mut self, lookup: &Lookup) {
        self.set("lookup_table", lookup.table.as_str());
        self.set("lookup_key", lookup.key.as_str());
        self.set("lookup_display", lookup.display.as_str());
        self.option("lookup_condition", lookup.condition.as_deref());
    }
}

fn document(spec: &ModuleSpec) -> Map<String, Value> {
    let mut keys = Keys::default();
    keys.set("api_version", "gotrs.io/v1");
    keys.set("module", module(spec).0);
    keys.set("fields", fields(spec));
    let computed = spec.computed_fields.iter().map(|field| {
        let mut keys = Keys::default();
        keys.set("name", field.name.as_str());
        keys.set("label", field.label.written());
        keys.set("show_in_list", field.show_in_list);
        keys.set("show_in_form", field.show_in_form);
        keys.lambda("lambda", &field.lambda);
        keys.0
    });
    keys.list("computed_fields", computed);
    keys.set("features", features(spec.features));
    keys.set("permissions", permissions(spec.permissions));
    keys.set("ui", ui(spec).0);
    let written = spec.filters.iter().filter(|filter| filter.index.is_some());
    keys.list("filters", written.map(|filter| self::filter(filter).0));
    keys.mapping("access", access(&spec.access));
    let mut hooks = Keys::default();
    for (hook, lambda) in spec.hooks.iter() {
        hooks.lambda(hook.as_str(), lambda);
    }
    keys.mapping("hooks", hooks);
    keys.list(
        "events",
        spec.events.iter().map(|event| self::event(event).0),
    );
    let schedules = spec.schedules.iter().map(|schedule| {
        let mut keys = Keys::default();
        keys.set("cron", schedule.cron.as_str());
        keys.set("time_zone", schedule.time_zone);
        keys.lambda("lambda", &schedule.lambda);
        keys.0
    });
    keys.list("schedules", schedules);
    keys.list(
        "actions",
        spec.actions.iter().map(|action| self::action(action).0),
    );
    keys.list(
        "views",
        spec.views.iter().map(|view| self::view(spec, view).0),
    );
    keys.list("tests", spec.tests.iter().map(|test| self::test(test).0));
    keys.set(
        "limits",
        json!({
            "timeout_ms": spec.limits.wall_ms,
            "memory_limit_mb": spec.limits.memory_mb,
            "max_queries": spec.limits.queries,
            "max_rows": spec.limits.rows,
        }),
    );
    keys.0
}

fn module(spec: &ModuleSpec) -> Keys {
    let mut keys = Keys::default();
    keys.set("name", spec.name.as_str());
    keys.set("singular", spec.singular.written());
    keys.set("plural", spec.plural.written());
    keys.text("description", spec.description.as_ref());
    if spec.is_managed() {
        keys.set("storage", "managed");
    } else {
        keys.set("table", spec.table().as_str());
    }
    keys.option("route_prefix", spec.route_prefix.as_deref());
    keys.flag("read_only", spec.read_only);
    let mut menu = Keys::default();
    menu.text("group", spec.menu.group.as_ref());
    menu.set("order", spec.menu.order);
    menu.option("icon", spec.menu.icon.as_deref());
    keys.mapping("menu", menu);
    let portals = spec.portals.iter().map(|portal| portal.as_str());
    keys.set("portals", portals.collect::<Vec<_>>());
    if let Some(parent) = &spec.parent {
        keys.set(
            "parent",
            json!({ "module": parent.module.as_str(), "field": parent.field.as_str() }),
        );
    }
    if let Some(sort) = &spec.default_sort {
        keys.set("default_sort", spec.sorted_by(sort));
        keys.set("default_sort_dir", sort.order.as_str());
    }
    keys.set("page_size", spec.page_size);
    keys
}

/// Without the status field that every managed module gets by itself.
fn fields(spec: &ModuleSpec) -> Vec<Value> {
    let own = match spec.fields.split_last() {
        Some((last, others))
            if spec.is_managed()
                && !others.is_empty()
                && status_field(others.len()).as_ref() == Some(last) =>
        {
            others
        }
        _ => spec.fields.as_slice(),
    };
    own.iter()
        .map(|field| Value::Object(self::field(field, spec.is_managed()).0))
        .collect()
}

fn field(field: &Field, managed: bool) -> Keys {
    let mut keys = Keys::default();
    keys.set("name", field.name.as_str());
    keys.set("type", field.kind.as_str());
    if field.column.as_str() != field.name.as_str() {
        keys.set("db_column", field.column.as_str());
    }
    keys.set("label", field.label.written());
    keys.flag("required", field.required);
    keys.flag("unique", field.unique);
    // In a managed module they are on where the type allows it; elsewhere it depends on what other fields say.
    for (key, value) in [
        ("searchable", field.searchable),
        ("sortable", field.sortable),
        ("show_in_list", field.show_in_list),
        ("show_in_form", field.show_in_form),
    ] {
        if !managed || !value {
            keys.set(key, value);
        }
    }
    keys.flag("filterable", field.filterable);
    keys.flag("readonly", field.read_only);
    // A relation to many records has no column in any case.
    let by_relation = field.relation.as_ref().is_some_and(Relation::many);
    keys.flag("virtual", field.is_virtual && !by_relation);
    keys.option("default", field.default.clone());
    let chooses = matches!(field.kind, FieldType::Select | FieldType::Radio);
    if !field.choices.is_empty() || chooses && field.lookup.is_none() && field.relation.is_none() {
        keys.set("options", choices(&field.choices));
    }
    if let Some(lookup) = &field.lookup {
        keys.lookup(lookup);
    }
    keys.flag("multiple", field.multiple);
    keys.option("widget", field.typeahead.then_some("typeahead"));
    keys.option("display_as", field.chip.then_some("chip"));
    let map = field.display_map.iter();
    keys.mapping(
        "display_map",
        Keys(
            map.map(|(value, text)| (value.clone(), text.written().into()))
                .collect(),
        ),
    );
    keys.option("validation", field.validation.as_ref().map(Pattern::as_str));
    keys.option("pattern", field.pattern.as_ref().map(Pattern::as_str));
    keys.option("max_length", field.max_length);
    keys.option("min", field.min.clone());
    keys.option("max", field.max.clone());
    keys.option("step", field.step);
    keys.option("rows", field.rows);
    keys.option("accept", field.accept.as_deref());
    keys.text("help", field.help.as_ref());
    keys.text("placeholder", field.placeholder.as_ref());
    keys.option("list_class", field.list_class.as_deref());
    let mut access = Keys::default();
    access.list("read", field.access.read.iter().map(String::as_str));
    access.list("write", field.access.write.iter().map(String::as_str));
    keys.mapping("access", access);
    if let Some(relation) = &field.relation {
        keys.set(
            "relation",
            json!({
                "module": relation.module.as_str(),
                "many": relation.many,
                "on_delete": relation.on_delete.as_str(),
            }),
        );
    }
    keys.flag("index", field.indexed);
    keys.option("precision", field.precision);
    keys.expression("visible_when", field.visible_when.as_ref());
    keys.expression("required_when", field.required_when.as_ref());
    keys
}

fn choices(choices: &[Choice]) -> Vec<Value> {
    let written = |choice: &Choice| {
        // A number with decimals can be spelled in several ways; written alone, its label would be this writer's.
        let is_its_label =
            !choice.value.is_f64() && choice.label == Text::new(&plain_text(&choice.value));
        let value = choice.value.clone();
        if is_its_label && choice.group.is_none() {
            return value;
        }
        let mut keys = Keys::default();
        keys.set("value", value);
        keys.set("label", choice.label.written());
        keys.text("group", choice.group.as_ref());
        Value::Object(keys.0)
    };
    choices.iter().map(written).collect()
}

fn features(features: Features) -> Value {
    json!({
        "soft_delete": features.soft_delete,
        "search": features.search,
        "import_csv": features.import_csv,
        "export_csv": features.export_csv,
        "status_toggle": features.status_toggle,
        "color_picker": features.color_picker,
    })
}

fn permissions(permissions: Permissions) -> Vec<Value> {
    let allowed = [
        ("view", permissions.view),
        ("create", permissions.create),
        ("update", permissions.update),
        ("delete", permissions.delete),
    ];
    allowed
        .into_iter()
        .filter(|(_, is_allowed)| *is_allowed)
        .map(|(word, _)| word.into())
        .collect()
}

fn access(access: &Access) -> Keys {
    let mut keys = Keys::default();
    for (key, operation) in [
        ("view", Operation::View),
        ("create", Operation::Create),
        ("update", Operation::Update),
        ("delete", Operation::Delete),
    ] {
        keys.list(key, access.groups(operation).iter().map(String::as_str));
    }
    keys
}

fn ui(spec: &ModuleSpec) -> Keys {
    let mut keys = Keys::default();
    keys.set("list_columns", column_names(spec, &spec.list_columns));
    // The one more that there can be holds what the others leave over, which it will do again.
    let sections = spec.form_sections.iter().take(MAX_LIST).map(|section| {
        let mut keys = Keys::default();
        keys.text("title", section.title.as_ref());
        keys.text("description", section.description.as_ref());
        let columns = section.entries.iter().map(|entry| entry.column());
        let names = column_names(spec, &columns.collect::<Vec<_>>());
        keys.set("fields", names);
        keys.0
    });
    keys.list("form_sections", sections);
    let actions = spec.row_actions.iter().map(|action| action.as_str());
    keys.set("actions", actions.collect::<Vec<_>>());
    keys
}

fn column_names(spec: &ModuleSpec, columns: &[ListColumn]) -> Vec<Value> {
    let names = columns
        .iter()
        .filter_map(|column| spec.column_name(*column));
    names.map(Value::from).collect()
}

fn filter(filter: &Filter) -> Keys {
    let mut keys = Keys::default();
    keys.set("field", filter.field.as_str());
    keys.set("type", filter.kind.as_str());
    keys.set("label", filter.label.written());
    match &filter.source {
        FilterSource::Field => keys.set("source", "field"),
        FilterSource::Choices(options) => {
            keys.set("source", "options");
            keys.set("options", choices(options));
        }
        FilterSource::Lookup(lookup) => {
            keys.set("source", "lookup");
            keys.lookup(lookup);
        }
        FilterSource::Query(query) => {
            keys.set("source", "query");
            keys.set("query", query.as_str());
        }
    }
    keys
}

fn event(event: &EventHandler) -> Keys {
    let mut keys = Keys::default();
    let on = event.on.iter().map(|kind| kind.as_str());
    keys.set("on", on.collect::<Vec<_>>());
    keys.expression("when", event.when.as_ref());
    keys.lambda("lambda", &event.lambda);
    keys
}

fn action(action: &Action) -> Keys {
    let mut keys = Keys::default();
    keys.set("name", action.name.as_str());
    keys.set("label", action.label.written());
    keys.option("icon", action.icon.as_deref());
    keys.text("confirm", action.confirm.as_ref());
    keys.set("scope", action.scope.as_str());
    keys.list("access", action.access.iter().map(String::as_str));
    keys.lambda("lambda", &action.lambda);
    keys
}

fn view(spec: &ModuleSpec, view: &View) -> Keys {
    let mut keys = Keys::default();
    keys.set("name", view.name.as_str());
    keys.set("kind", view.kind.as_str());
    keys.list("columns", column_names(spec, &view.columns));
    let mut filters = Keys::default();
    for filter in &view.filters {
        if let Some(field) = spec.fields.get(filter.field_index) {
            filters.set(field.name.as_str(), filter.values.clone());
        }
    }
    keys.mapping("filters", filters);
    if let Some(sort) = &view.sort {
        keys.set(
            "sort",
            format!("{} {}", spec.sorted_by(sort), sort.order.as_str()),
        );
    }
    keys
}

fn test(test: &TestCase) -> Keys {
    let mut keys = Keys::default();
    keys.set("name", test.name.as_str());
    match &test.target {
        TestTarget::Field(name) => keys.set("field", name.as_str()),
        TestTarget::Hook(hook) => keys.set("hook", hook.as_str()),
        TestTarget::Event { kind, details } => {
            let mut event = Keys::default();
            event.set("name", kind.as_str());
            event.0.extend(details.clone());
            keys.set("event", event.0);
        }
        TestTarget::Action(name) => keys.set("action", name.as_str()),
        TestTarget::Schedule(index) => keys.set("schedule", format!("schedules[{index}]")),
        TestTarget::VisibleWhen(name) => keys.set("visible_when", name.as_str()),
        TestTarget::RequiredWhen(name) => keys.set("required_when", name.as_str()),
        TestTarget::Lambda(lambda) => keys.lambda("lambda", lambda),
    }
    let rows = |rows: &[Map<String, Value>]| {
        let rows = rows.iter().cloned().map(Value::Object);
        rows.collect::<Vec<Value>>()
    };
    keys.mapping("item", Keys(test.item.clone()));
    keys.list("items", rows(&test.items));
    keys.mapping("input", Keys(test.input.clone()));
    keys.mapping("user", Keys(test.user.clone()));
    let mut records = Keys::default();
    for (module, of_module) in &test.records {
        records.set(module, rows(of_module));
    }
    keys.mapping("records", records);
    keys.list("tickets", rows(&test.tickets));
    match test.fixtures.as_slice() {
        [only] if only.contains.is_none() => keys.set("rows", rows(&only.rows)),
        several => {
            let mut by_text = Keys::default();
            for fixture in several {
                let text = fixture.contains.as_deref().unwrap_or_default();
                by_text.set(text, rows(&fixture.rows));
            }
            keys.mapping("rows", by_text);
        }
    }
    match &test.outcome {
        Some(Expectation::Value(value)) => keys.set("expect", value.clone()),
        Some(Expectation::Error(text)) => keys.set("expect_error", text.as_str()),
        None => {}
    }
    if let Some(failures) = &test.failures {
        let mut texts = Keys::default();
        for (field, text) in failures {
            texts.set(field, text.as_str());
        }
        keys.set("expect_failures", texts.0);
    }
    if let Some(effects) = &test.effects {
        let calls = effects
            .iter()
            .map(|call| json!({ call.name: call.arguments }));
        keys.set("expect_effects", calls.collect::<Vec<Value>>());
    }
    keys
}
