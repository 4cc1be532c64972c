//! The module as a whole.

use std::collections::BTreeMap;

use domain::diagnostic::{Diagnostic, Severity};
use domain::identifier::SqlIdent;
use domain::limits::LambdaLimits;
use domain::name::ModuleName;
use serde::Serialize;

use super::automation::{Action, EventHandler, Parent, Schedule, View};
use super::field::{Field, FieldName, ManagedColumn};
use super::getters;
use super::logic::{ComputedField, Hook, Hooks, TestCase, TestTarget};
use super::screen::{Filter, FormSection, ListColumn, RowAction, Sort};
use crate::lambda::Lambda;
use crate::text::Text;

/// Where records live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// A table of the helpdesk, which the module uses as it is.
    Table(SqlIdent),
    /// A table of the module's own, `x_<module>`, made and migrated from its fields.
    Managed(SqlIdent),
}

/// What a module lets people do at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Permissions {
    /// See records.
    pub view: bool,
    /// Add records.
    pub create: bool,
    /// Change records.
    pub update: bool,
    /// Delete or disable records.
    pub delete: bool,
}

/// Something that can be done with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// See them.
    View,
    /// Add one.
    Create,
    /// Change one.
    Update,
    /// Delete or disable one.
    Delete,
}

impl Permissions {
    /// Whether `operation` is allowed.
    pub const fn allows(self, operation: Operation) -> bool {
        match operation {
            Operation::View => self.view,
            Operation::Create => self.create,
            Operation::Update => self.update,
            Operation::Delete => self.delete,
        }
    }
}

/// Which groups or roles may do what; an empty list leaves it to the portal's own rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    pub(crate) view: Vec<String>,
    pub(crate) create: Vec<String>,
    pub(crate) update: Vec<String>,
    pub(crate) delete: Vec<String>,
}

impl Access {
    /// The groups or roles of which one is needed for `operation`; empty means that none is asked for.
    pub fn groups(&self, operation: Operation) -> &[String] {
        match operation {
            Operation::View => &self.view,
            Operation::Create => &self.create,
            Operation::Update => &self.update,
            Operation::Delete => &self.delete,
        }
    }
}

/// What the screen offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Features {
    /// Deleting sets `valid_id` to 2 instead.
    pub soft_delete: bool,
    /// There is a search box.
    pub search: bool,
    /// Records can be brought in from CSV.
    pub import_csv: bool,
    /// Records can be exported.
    pub export_csv: bool,
    /// Records can be enabled and disabled from the list.
    pub status_toggle: bool,
    /// Colour fields have a picker.
    pub color_picker: bool,
}

/// Where the module stands in the menu.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Menu {
    pub(crate) group: Option<Text>,
    pub(crate) order: i32,
    pub(crate) icon: Option<String>,
}

getters!(Menu {
    /// The heading it stands under.
    group: Option<&Text> = |this| this.group.as_ref();
    /// Its place among the others; smaller is higher, 100 unless told.
    order: i32 = |this| this.order;
    /// Name of its icon.
    icon: Option<&str> = |this| this.icon.as_deref();
});

/// Whose pages show the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Portal {
    /// Administration.
    Admin,
    /// Agents.
    Agent,
    /// Customers.
    Customer,
}

impl Portal {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Agent => "agent",
            Self::Customer => "customer",
        }
    }
}

impl AsRef<str> for Portal {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

/// A place in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) length: u32,
}

impl Place {
    /// For findings about the file as a whole.
    pub(crate) const WHOLE_FILE: Self = Self {
        line: 0,
        column: 0,
        length: 0,
    };

    pub(crate) fn new(line: usize, column: usize, length: usize) -> Self {
        let small = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self {
            line: small(line),
            column: small(column),
            length: small(length.max(1)),
        }
    }
}

/// Places by path. Two modules that say the same are equal wherever they say it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places(pub(crate) BTreeMap<String, Place>);

impl PartialEq for Places {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// A valid module. Two are equal when they say the same, wherever in their files they say it.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleSpec {
    pub(crate) name: ModuleName,
    pub(crate) singular: Text,
    pub(crate) plural: Text,
    pub(crate) description: Option<Text>,
    pub(crate) storage: Storage,
    pub(crate) route_prefix: Option<String>,
    pub(crate) read_only: bool,
    pub(crate) menu: Menu,
    pub(crate) portals: Vec<Portal>,
    pub(crate) default_sort: Option<Sort>,
    pub(crate) page_size: u32,
    pub(crate) fields: Vec<Field>,
    pub(crate) computed_fields: Vec<ComputedField>,
    pub(crate) features: Features,
    pub(crate) permissions: Permissions,
    pub(crate) access: Access,
    pub(crate) list_columns: Vec<ListColumn>,
    pub(crate) form_sections: Vec<FormSection>,
    pub(crate) row_actions: Vec<RowAction>,
    pub(crate) filters: Vec<Filter>,
    pub(crate) hooks: Hooks,
    pub(crate) parent: Option<Parent>,
    pub(crate) events: Vec<EventHandler>,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) actions: Vec<Action>,
    pub(crate) views: Vec<View>,
    pub(crate) tests: Vec<TestCase>,
    pub(crate) limits: LambdaLimits,
    pub(crate) places: Places,
}

getters!(ModuleSpec {
    /// Identity and URL segment.
    name: &ModuleName = |this| &this.name;
    /// One record.
    singular: &Text = |this| &this.singular;
    /// Several records; the title of the list and of the menu entry.
    plural: &Text = |this| &this.plural;
    /// A sentence about it.
    description: Option<&Text> = |this| this.description.as_ref();
    /// Where records live.
    storage: &Storage = |this| &this.storage;
    /// A second path for its pages, such as `/admin/customer/companies`.
    route_prefix: Option<&str> = |this| this.route_prefix.as_deref();
    /// Whether nothing can be changed through it.
    read_only: bool = |this| this.read_only;
    /// Where it stands in the menu.
    menu: &Menu = |this| &this.menu;
    /// Whose pages show it.
    portals: &[Portal] = |this| &this.portals;
    /// What a list is sorted by until the reader chooses.
    default_sort: Option<&Sort> = |this| this.default_sort.as_ref();
    /// Lines per page.
    page_size: u32 = |this| this.page_size;
    /// Fields in the order of the file.
    fields: &[Field] = |this| &this.fields;
    /// Computed fields in the order of the file, which is the order in which they run.
    computed_fields: &[ComputedField] = |this| &this.computed_fields;
    /// What the screen offers.
    features: Features = |this| this.features;
    /// What is allowed at all; with `read_only` only `view`.
    permissions: Permissions = |this| this.permissions;
    /// Who may do it.
    access: &Access = |this| &this.access;
    /// Columns of the list in their order.
    list_columns: &[ListColumn] = |this| &this.list_columns;
    /// Parts of the form in their order; at least one.
    form_sections: &[FormSection] = |this| &this.form_sections;
    /// What can be done from a line of the list.
    row_actions: &[RowAction] = |this| &this.row_actions;
    /// Filters above the list.
    filters: &[Filter] = |this| &this.filters;
    /// Code at certain moments.
    hooks: &Hooks = |this| &this.hooks;
    /// The module on whose pages its records are listed.
    parent: Option<&Parent> = |this| this.parent.as_ref();
    /// Code that runs after something has happened.
    events: &[EventHandler] = |this| &this.events;
    /// Code that runs at certain times.
    schedules: &[Schedule] = |this| &this.schedules;
    /// Buttons that run code.
    actions: &[Action] = |this| &this.actions;
    /// Other ways to look at the records.
    views: &[View] = |this| &this.views;
    /// The author's tests.
    tests: &[TestCase] = |this| &this.tests;
    /// What its lambdas ask for; the plan's ceiling still applies.
    limits: LambdaLimits = |this| this.limits;
});

impl ModuleSpec {
    /// The table that holds the records.
    pub const fn table(&self) -> &SqlIdent {
        match &self.storage {
            Storage::Table(table) | Storage::Managed(table) => table,
        }
    }

    /// Whether the module owns its table.
    pub const fn is_managed(&self) -> bool {
        matches!(self.storage, Storage::Managed(_))
    }

    /// A field by its name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name.as_str() == name)
    }

    /// A computed field by its name.
    pub fn computed_field(&self, name: &str) -> Option<&ComputedField> {
        self.computed_fields
            .iter()
            .find(|field| field.name.as_str() == name)
    }

    /// The name of what a column of the list shows.
    pub fn column_name(&self, column: ListColumn) -> Option<&str> {
        let name = match column {
            ListColumn::Field(at) => &self.fields.get(at)?.name,
            ListColumn::Computed(at) => &self.computed_fields.get(at)?.name,
        };
        Some(name.as_str())
    }

    /// The name of the field that a list is sorted by; the column itself when no field has it.
    pub fn sorted_by<'s>(&'s self, sort: &'s Sort) -> &'s str {
        self.fields
            .iter()
            .find(|field| !field.is_virtual && field.column == sort.column)
            .map_or(sort.column.as_str(), |field| field.name.as_str())
    }

    /// Everything that runs in the sandbox, with its path in the file.
    pub fn lambdas(&self) -> impl Iterator<Item = &Lambda> {
        let computed = self.computed_fields.iter().map(ComputedField::lambda);
        let hooks = self.hooks.iter().map(|(_, lambda): (Hook, &Lambda)| lambda);
        let tests = self.tests.iter().filter_map(|test| match test.target() {
            TestTarget::Lambda(lambda) => Some(&**lambda),
            _ => None,
        });
        let fields = self
            .fields
            .iter()
            .flat_map(|field| field.visible_when.iter().chain(&field.required_when));
        let events = self
            .events
            .iter()
            .flat_map(|event| event.when.iter().chain([&event.lambda]));
        let schedules = self.schedules.iter().map(Schedule::lambda);
        let actions = self.actions.iter().map(Action::lambda);
        let own = fields.chain(events).chain(schedules).chain(actions);
        computed.chain(hooks).chain(own).chain(tests)
    }

    /// The same module with other code in its lambdas, where `rewrite` gives some: for tools that look into what runs. Lines of errors
    /// stay those of the file as long as the other code keeps its lines. `rewrite` sees the lambdas in the order of
    /// [`ModuleSpec::lambdas`].
    #[must_use]
    pub fn with_code(&self, mut rewrite: impl FnMut(&Lambda) -> Option<String>) -> Self {
        let mut other = self.clone();
        for lambda in other.lambdas_mut() {
            if let Some(code) = rewrite(lambda) {
                lambda.set_source(&code);
            }
        }
        other
    }

    fn lambdas_mut(&mut self) -> impl Iterator<Item = &mut Lambda> {
        let computed = self
            .computed_fields
            .iter_mut()
            .map(|field| &mut field.lambda);
        let hooks = self.hooks.0.iter_mut().map(|(_, lambda)| lambda);
        let tests = self
            .tests
            .iter_mut()
            .filter_map(|test| match &mut test.target {
                TestTarget::Lambda(lambda) => Some(&mut **lambda),
                _ => None,
            });
        let fields = self.fields.iter_mut().flat_map(|field| {
            field
                .visible_when
                .iter_mut()
                .chain(&mut field.required_when)
        });
        let events = self
            .events
            .iter_mut()
            .flat_map(|event| event.when.iter_mut().chain([&mut event.lambda]));
        let schedules = self
            .schedules
            .iter_mut()
            .map(|schedule| &mut schedule.lambda);
        let actions = self.actions.iter_mut().map(|action| &mut action.lambda);
        let own = fields.chain(events).chain(schedules).chain(actions);
        computed.chain(hooks).chain(own).chain(tests)
    }

    /// The columns that a managed table needs beside the audit columns; empty for other storage.
    pub fn managed_columns(&self) -> Vec<ManagedColumn> {
        if !self.is_managed() {
            return Vec::new();
        }
        self.fields
            .iter()
            .filter(|field| {
                !field.is_virtual && !Field::AUDIT_COLUMNS.contains(&field.column.as_str())
            })
            .map(|field| ManagedColumn {
                name: field.column.as_str().to_owned(),
                sql_type: field.sql_type(),
                required: field.required,
                unique: field.unique,
                secret: field.is_secret(),
            })
            .collect()
    }

    /// A finding of a later stage (a missing table, a wrong column) at the place where the file says so: at `path`
    /// or, when nothing is written there, at the nearest thing around it.
    pub fn finding_at(
        &self,
        path: &str,
        severity: Severity,
        code: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Diagnostic {
        let place = self.place(path);
        Diagnostic {
            severity,
            code: code.to_owned(),
            message: message.into(),
            help,
            line: place.line,
            column: place.column,
            length: place.length,
            path: path.to_owned(),
        }
    }

    fn place(&self, path: &str) -> Place {
        let mut path = path;
        loop {
            if let Some(place) = self.places.0.get(path) {
                return *place;
            }
            // `fields[2].db_column` that is not written: its name says the column.
            let parent = path.rfind(['.', '[']).and_then(|at| path.get(..at));
            let Some(parent) = parent else {
                return Place::WHOLE_FILE;
            };
            if let Some(place) = self.places.0.get(&format!("{parent}.name")) {
                return *place;
            }
            path = parent;
        }
    }

    /// Looks a name up among fields and computed fields.
    pub fn has_name(&self, name: &FieldName) -> bool {
        self.field(name.as_str()).is_some() || self.computed_field(name.as_str()).is_some()
    }
}
