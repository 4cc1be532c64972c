//! Everything in a module that runs, by the names that people call it.

use module_engine::trial::Target;
use module_spec::{Lambda, ModuleSpec};

/// A piece of code of a module.
#[derive(Debug, Clone)]
pub(super) struct Piece<'a> {
    /// Where it stands.
    pub(super) lambda: &'a Lambda,
    /// How it is run.
    pub(super) target: Target<'a>,
    /// What it is, such as `computed field`.
    pub(super) kind: Kind,
    /// Its name among those of its kind.
    pub(super) name: String,
}

/// What a piece of code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    ComputedField,
    Hook,
    Action,
    Schedule,
    Event,
    When,
    VisibleWhen,
    RequiredWhen,
}

impl Kind {
    /// All of them, in the order in which they are listed.
    pub(super) const ALL: [Self; 8] = [
        Self::ComputedField,
        Self::Hook,
        Self::Action,
        Self::Schedule,
        Self::Event,
        Self::When,
        Self::VisibleWhen,
        Self::RequiredWhen,
    ];

    /// As it stands before a name.
    const fn one(self) -> &'static str {
        match self {
            Self::ComputedField => "computed field",
            Self::Hook => "hook",
            Self::Action => "action",
            Self::Schedule => "schedule",
            Self::Event => "event",
            Self::When => "when of event",
            Self::VisibleWhen => "visible_when of",
            Self::RequiredWhen => "required_when of",
        }
    }

    /// As it stands before several names.
    pub(super) const fn several(self) -> &'static str {
        match self {
            Self::ComputedField => "computed fields",
            Self::Hook => "hooks",
            Self::Action => "actions",
            Self::Schedule => "schedules",
            Self::Event => "events",
            Self::When => "conditions of events",
            Self::VisibleWhen => "visible_when of",
            Self::RequiredWhen => "required_when of",
        }
    }

    /// Whether the name alone says which piece is meant; of the others, the path in the file does.
    pub(super) const fn goes_by_name(self) -> bool {
        matches!(
            self,
            Self::ComputedField | Self::Hook | Self::Action | Self::Schedule
        )
    }
}

impl Piece<'_> {
    /// In words.
    pub(super) fn title(&self) -> String {
        format!("{} {}", self.kind.one(), self.name)
    }
}

/// The pieces of code of a module, those in tests not among them.
pub(super) fn pieces(spec: &ModuleSpec) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut add = |kind, lambda, target, name: &str| {
        pieces.push(Piece {
            lambda,
            target,
            kind,
            name: name.to_owned(),
        });
    };
    for field in spec.computed_fields() {
        let target = Target::Field(field.name());
        add(
            Kind::ComputedField,
            field.lambda(),
            target,
            field.name().as_str(),
        );
    }
    for (hook, lambda) in spec.hooks().iter() {
        add(Kind::Hook, lambda, Target::Hook(hook), hook.as_str());
    }
    for action in spec.actions() {
        let target = Target::Action(action);
        add(
            Kind::Action,
            action.lambda(),
            target,
            action.name().as_str(),
        );
    }
    for schedule in spec.schedules() {
        let target = Target::schedule(schedule.lambda());
        add(
            Kind::Schedule,
            schedule.lambda(),
            target,
            schedule.cron().as_str(),
        );
    }
    for handler in spec.events() {
        let kinds: Vec<&str> = handler.on().iter().map(|kind| kind.as_str()).collect();
        let name = kinds.join(", ");
        if let Some(when) = handler.when() {
            add(Kind::When, when, Target::Condition(when), &name);
        }
        if let Some(&first) = handler.on().first() {
            let target = Target::Handler(handler.lambda(), first);
            add(Kind::Event, handler.lambda(), target, &name);
        }
    }
    for field in spec.fields() {
        for (kind, condition) in [
            (Kind::VisibleWhen, field.visible_when()),
            (Kind::RequiredWhen, field.required_when()),
        ] {
            if let Some(condition) = condition {
                let target = Target::Condition(condition);
                add(kind, condition, target, field.name().as_str());
            }
        }
    }
    pieces
}
