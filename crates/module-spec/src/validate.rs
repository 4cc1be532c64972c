//! From the keys of a file to a [`ModuleSpec`]. Everything is looked at even where something is wrong already,
//! so that all findings come at once.

mod automation;
mod field;
mod logic;
mod screen;
mod test_case;

use domain::identifier::SqlIdent;
use domain::limits::LambdaLimits;

use crate::keys;
use crate::reader::Reader;
use crate::spec::{
    Access, Features, Field, FieldType, Menu, ModuleSpec, Operation, Permissions, Places, Portal,
    Storage,
};
use crate::text::{Text, title_case};

/// Lines per page unless the file says otherwise.
const PAGE_SIZE: u32 = 25;
/// Order in the menu unless the file says otherwise.
const MENU_ORDER: i32 = 100;
/// A managed table is `x_<module>`, and PostgreSQL has 63 characters.
const MANAGED_PREFIX: &str = "x_";

/// The whole file.
pub(crate) fn module(document: &Reader<'_>) -> Option<ModuleSpec> {
    document.one_of("api_version", &[("gotrs.io/v1", ())], "unknown-value");
    let module = document.mapping("module", &keys::MODULE);
    let managed = module
        .as_ref()
        .is_some_and(|module| module.string("storage") == Some("managed"));
    let mut places = Places::default();

    let mut fields = field::fields(document, managed, &mut places);
    let is_status =
        |field: &Field| field.column.as_str() == "valid_id" || field.name.as_str() == "valid_id";
    if managed && !fields.iter().any(is_status) {
        fields.extend(status_field(fields.len()));
    }
    let computed_fields = logic::computed_fields(document, managed, &fields);
    field::apply_rules(document, &mut fields);
    let features = features(document, managed);
    let permissions = permissions(document);
    let access = access(document);
    let ui = document.mapping("ui", &keys::UI);
    let list_columns = screen::list_columns(document, ui.as_ref(), &fields, &computed_fields);
    let form_sections = screen::form_sections(ui.as_ref(), &fields, &computed_fields);
    let row_actions = screen::row_actions(ui.as_ref());
    let filters = screen::filters(document, &fields, &mut places);
    let hooks = logic::hooks(document);
    let events = automation::events(document, &mut places);
    let schedules = automation::schedules(document, &mut places);
    let actions = automation::actions(document, &mut places);
    let views = automation::views(document, &fields, &computed_fields, &mut places);
    let testable = test_case::Testable {
        fields: &fields,
        computed: &computed_fields,
        hooks: &hooks,
        events: &events,
        actions: &actions,
        schedules: &schedules,
    };
    let tests = test_case::tests(document, testable, &mut places);
    let limits = limits(document);

    let module = module?;
    places.note(
        &module,
        &["name", "table", "storage", "default_sort", "route_prefix"],
    );
    let name: Option<domain::name::ModuleName> = module.parsed("name", "bad-name");
    let singular = module.text("singular");
    let plural = module.text("plural");
    let storage = storage(&module, name.as_ref().map(AsRef::as_ref));
    let route_prefix = route_prefix(&module);
    let read_only = module.boolean("read_only").unwrap_or(false);
    let menu = menu(&module);
    let portals = module.some_of(
        "portals",
        &[
            ("admin", Portal::Admin),
            ("agent", Portal::Agent),
            ("customer", Portal::Customer),
        ],
    );
    let parent = automation::parent(&module, &fields);
    let default_sort = screen::default_sort(&module, &fields);
    let page_size = module.count("page_size").unwrap_or(PAGE_SIZE);
    let description = module.text("description");

    let name = name?;
    let singular = singular.unwrap_or_else(|| Text::new(&title_case(name.as_str())));
    let plural = plural.unwrap_or_else(|| singular.clone());
    let permissions = if read_only {
        Permissions {
            create: false,
            update: false,
            delete: false,
            ..permissions
        }
    } else {
        permissions
    };
    Some(ModuleSpec {
        name,
        singular,
        plural,
        description,
        storage: storage?,
        route_prefix,
        read_only,
        menu,
        portals: portals.unwrap_or_else(|| vec![Portal::Admin]),
        default_sort,
        page_size,
        fields,
        computed_fields,
        features,
        permissions,
        access,
        list_columns,
        form_sections,
        row_actions,
        filters,
        hooks,
        parent,
        events,
        schedules,
        actions,
        views,
        tests,
        limits,
        places,
    })
}

impl Places {
    /// Keeps the places of what a later stage, which knows the catalogue, may find fault with.
    fn note(&mut self, reader: &Reader<'_>, keys: &[&str]) {
        self.0.insert(reader.path.clone(), reader.place);
        for key in keys.iter().filter(|key| reader.has(key)) {
            self.0.insert(reader.child_path(key), reader.place_of(key));
        }
    }
}

fn storage(module: &Reader<'_>, name: Option<&str>) -> Option<Storage> {
    let managed = module.has("storage");
    if managed {
        module.one_of("storage", &[("managed", ())], "unknown-value")?;
        let name = name?;
        let table = format!("{MANAGED_PREFIX}{name}");
        if module.has("table") && module.string("table") != Some(table.as_str()) {
            let message = format!("a managed module keeps its records in \"{table}\"");
            module.error(
                "table-of-managed",
                "table",
                message,
                Some("remove \"table\"".to_owned()),
            );
        }
        return table.parse().ok().map(Storage::Managed);
    }
    if !module.has("table") {
        let message = "a module needs \"table\" or \"storage: managed\"";
        let help = "write `storage: managed` to let the module own its table".to_owned();
        module.findings.error(
            "missing-key",
            module.place,
            &module.path,
            message,
            Some(help),
        );
        return None;
    }
    module.identifier("table").map(Storage::Table)
}

fn route_prefix(module: &Reader<'_>) -> Option<String> {
    let route = module.string("route_prefix")?.trim_end_matches('/');
    let good = route.strip_prefix("/admin/").is_some_and(|rest| {
        rest.split('/').all(|segment| {
            !segment.is_empty()
                && segment.bytes().all(|b| {
                    b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_')
                })
        })
    });
    if !good || route.len() > 200 {
        let message =
            "\"route_prefix\" must be a path under /admin/ of lower-case letters, digits, - and _";
        module.error(
            "bad-route",
            "route_prefix",
            message,
            Some("for example /admin/customer/companies".to_owned()),
        );
        return None;
    }
    Some(route.to_owned())
}

fn menu(module: &Reader<'_>) -> Menu {
    let menu = module.mapping("menu", &keys::MENU);
    let icon = menu
        .as_ref()
        .and_then(|menu| menu.word("icon"))
        .or_else(|| module.word("icon"));
    let order = menu.as_ref().and_then(|menu| menu.integer("order"));
    Menu {
        group: menu.as_ref().and_then(|menu| menu.text("group")),
        order: order
            .and_then(|order| i32::try_from(order).ok())
            .unwrap_or(MENU_ORDER),
        icon,
    }
}

fn features(document: &Reader<'_>, managed: bool) -> Features {
    let features = document.mapping("features", &keys::FEATURES);
    let on = |key: &str, otherwise: bool| {
        features
            .as_ref()
            .and_then(|features| features.boolean(key))
            .unwrap_or(otherwise)
    };
    // In a file of GOTRS what is not named is off; where the key is missing altogether, what can do no harm is on.
    let harmless = managed || features.is_none();
    Features {
        soft_delete: on("soft_delete", managed),
        search: on("search", harmless),
        import_csv: on("import_csv", false),
        export_csv: on("export_csv", harmless),
        status_toggle: on("status_toggle", managed),
        color_picker: on("color_picker", true),
    }
}

const OPERATIONS: [(&str, Operation); 4] = [
    ("view", Operation::View),
    ("create", Operation::Create),
    ("update", Operation::Update),
    ("delete", Operation::Delete),
];

fn permissions(document: &Reader<'_>) -> Permissions {
    match document.some_of("permissions", &OPERATIONS) {
        None => Permissions {
            view: true,
            create: true,
            update: true,
            delete: true,
        },
        Some(allowed) => Permissions {
            view: allowed.contains(&Operation::View),
            create: allowed.contains(&Operation::Create),
            update: allowed.contains(&Operation::Update),
            delete: allowed.contains(&Operation::Delete),
        },
    }
}

fn access(document: &Reader<'_>) -> Access {
    let Some(access) = document.mapping("access", &keys::ACCESS) else {
        return Access::default();
    };
    Access {
        view: access.words("view"),
        create: access.words("create"),
        update: access.words("update"),
        delete: access.words("delete"),
    }
}

/// `limits` wins over `lambda_config`, which is how GOTRS says the same.
fn limits(document: &Reader<'_>) -> LambdaLimits {
    let mut limits = LambdaLimits::DEFAULT;
    for (key, table) in [
        ("lambda_config", &keys::LAMBDA_CONFIG),
        ("limits", &keys::LIMITS),
    ] {
        let Some(reader) = document.mapping(key, table) else {
            continue;
        };
        let set = |key: &str, limit: &mut u32| {
            if let Some(value) = reader.count(key) {
                *limit = value;
            }
        };
        set("timeout_ms", &mut limits.wall_ms);
        set("memory_limit_mb", &mut limits.memory_mb);
        set("max_queries", &mut limits.queries);
        set("max_rows", &mut limits.rows);
    }
    limits
}

/// Every managed table has `valid_id`, so that records can be disabled; the file need not say so.
pub(crate) fn status_field(index: usize) -> Option<Field> {
    let column: SqlIdent = "valid_id".parse().ok()?;
    let lookup = crate::spec::Lookup {
        table: "valid".parse().ok()?,
        key: "id".parse().ok()?,
        display: "name".parse().ok()?,
        condition: None,
    };
    Some(Field {
        name: "valid_id".parse().ok()?,
        kind: FieldType::Select,
        column,
        label: Text::new("@common.status|Status"),
        required: false,
        unique: false,
        searchable: false,
        sortable: true,
        filterable: true,
        show_in_list: true,
        show_in_form: true,
        read_only: false,
        is_virtual: false,
        multiple: false,
        default: Some(serde_json::Value::from(1)),
        choices: Vec::new(),
        lookup: Some(lookup),
        typeahead: false,
        chip: true,
        display_map: Vec::new(),
        validation: None,
        pattern: None,
        max_length: None,
        min: None,
        max: None,
        step: None,
        rows: None,
        accept: None,
        help: None,
        placeholder: None,
        list_class: None,
        access: crate::spec::FieldAccess::default(),
        relation: None,
        indexed: false,
        precision: None,
        visible_when: None,
        required_when: None,
        index,
    })
}
