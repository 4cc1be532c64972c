//! Every page is rendered with samples: a variable that is missing fails only then.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use domain::diagnostic::{Diagnostic, Severity};
use domain::digest::Sha256Digest;
use domain::id::{AccountId, ApiKeyId, ExportId, RequestId, TenantId};
use domain::tenant::{
    Condition, ConditionStatus, ConditionType, ProvisionStep, StepState, StepStatus, TenantPhase,
};
use domain::watch::Suspension;
use service_kit::pages::{Page, RequestContext, Shell, User};

use super::api_keys::ApiKeysPage;
use super::components::{ComponentsPage, LONG_WORD};
use super::errors::ErrorsPage;
use super::exports::{ExportRow, ExportsCard, ExportsPage};
use super::mailbox::{MailPage, MailboxPage};
use super::modules::{Finding, Head, ModulePage, ModulesPage, UploadPage};
use super::sign_in::SignInPage;
use super::signup::{BadLinkPage, CheckMailPage, ConfirmSignupPage, SignupPage};
use super::tenants::{ProgressPage, SettingsPage, TenantPage, TenantsPage};
use super::*;
use crate::db::export::{ExportKind, ExportState};
use crate::mail::local::LocalMail;
use crate::provision::{Release, VersionChange, Window};
use crate::service::api_keys::{ApiKey, Scope};
use crate::service::exports::ExportView;
use crate::service::modules::answer::VersionView;
use crate::service::modules::live::{ModuleGenerations, ModuleStatus, ReplicaState, ReplicaStatus};
use crate::service::tenants::{ManagedBy, TenantView};

static PAGES: LazyLock<Pages> = LazyLock::new(|| templates().unwrap());

fn now() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
}

/// As a visitor and as a person, left to right and right to left, whole and as a fragment.
fn contexts() -> Vec<RequestContext> {
    let visitor = RequestContext {
        now: now(),
        ..RequestContext::of_path("/tenants/acme")
    };
    let person = RequestContext {
        user: Some(User {
            name: LONG_WORD.to_owned(),
            detail: "ada@example.com".to_owned(),
        }),
        csrf: "token".to_owned(),
        direction: "rtl",
        shell: std::sync::Arc::new(Shell {
            product: "GOTRS Cloud".to_owned(),
            sign_out: "/sign-out".to_owned(),
            ..Shell::default()
        }),
        ..visitor.clone()
    };
    let fragment = RequestContext {
        fragment: Some("content".to_owned()),
        ..person.clone()
    };
    vec![visitor, person, fragment]
}

/// Renders a page in every context and checks what holds for all pages.
fn check<P: Page>(page: &P) -> String {
    let mut texts = contexts()
        .into_iter()
        .map(|context| {
            PAGES
                .try_render(page, &context)
                .unwrap_or_else(|error| panic!("{}: {}", P::TEMPLATE, service_kit::Chain(&error)))
        })
        .collect::<Vec<_>>();
    for text in &texts {
        // The Content-Security-Policy would drop them.
        for forbidden in [" style=\"", "<style", " onclick=", "javascript:"] {
            assert!(!text.contains(forbidden), "{}: {forbidden}", P::TEMPLATE);
        }
        assert!(
            !text.contains("<b>without</b>"),
            "{}: not escaped",
            P::TEMPLATE
        );
    }
    for whole in &texts[..2] {
        assert_eq!(whole.matches("<h1").count(), 1, "{}: one h1", P::TEMPLATE);
        assert_eq!(
            whole.matches("<main").count(),
            1,
            "{}: one main",
            P::TEMPLATE
        );
    }
    assert!(!texts[2].contains("<html"), "{}: a fragment", P::TEMPLATE);
    texts.remove(1)
}

fn tenant(phase: TenantPhase) -> TenantView {
    let failed = StepState::Failed {
        reason: "DatabaseAway".to_owned(),
        message: "The database does not answer. It is tried again in 8 seconds.".to_owned(),
        at: now(),
    };
    TenantView {
        id: TenantId::generate(),
        slug: "acme".parse().unwrap(),
        organization: LONG_WORD.to_owned(),
        phase,
        plan: domain::plan::Plan::Free,
        url: "http://acme.localhost:8080".to_owned(),
        hosts: vec!["acme.localhost".to_owned()],
        managed_by: ManagedBy::Console,
        generation: 3,
        observed_generation: 2,
        ready_replicas: 1,
        suspended_reason: (phase == TenantPhase::Suspended).then(|| "owner".to_owned()),
        delete_after: (phase == TenantPhase::Deleting).then(|| now() + TimeDelta::days(14)),
        created_at: now(),
        activated_at: None,
        steps: vec![
            StepStatus {
                step: ProvisionStep::Schema,
                state: StepState::Done { at: now() },
            },
            StepStatus {
                step: ProvisionStep::Roles,
                state: StepState::Running,
            },
            StepStatus {
                step: ProvisionStep::Migrations,
                state: failed,
            },
        ],
        conditions: [
            ConditionStatus::True,
            ConditionStatus::False,
            ConditionStatus::Unknown,
        ]
        .map(|status| Condition {
            kind: ConditionType::DatabaseReady,
            status,
            reason: "Because".to_owned(),
            message: "Invoice <b>without</b> an amount".to_owned(),
            observed_generation: 2,
            last_transition_time: now(),
        })
        .into(),
        modules: ModuleGenerations {
            desired_generation: 7,
            loaded_generation: Some(6),
        },
        last_export: None,
        runtime: None,
    }
}

fn export(state: ExportState) -> ExportView {
    ExportView {
        id: ExportId::generate(),
        tenant_id: TenantId::generate(),
        tenant: "acme".parse().unwrap(),
        kind: match state {
            ExportState::Ready => ExportKind::Final,
            _ => ExportKind::OnRequest,
        },
        state,
        requested_at: now(),
        started_at: Some(now()),
        finished_at: (!state.is_under_way()).then(now),
        size: (state == ExportState::Ready).then_some(3_456_789),
        sha256: (state == ExportState::Ready).then(|| Sha256Digest::of(b"rows")),
        reason: (state == ExportState::Failed).then(|| "Rows <b>without</b> room".to_owned()),
        expires_at: (state == ExportState::Ready).then(|| now() + TimeDelta::days(30)),
        removed_at: matches!(state, ExportState::Expired | ExportState::Absent).then(now),
    }
}

fn exports_card(phase: TenantPhase, exports: Vec<ExportView>) -> ExportsCard {
    ExportsCard::new(&tenant(phase), exports, 30)
}

fn tenant_page(phase: TenantPhase) -> TenantPage {
    let exports = ExportState::ALL.map(export).into();
    TenantPage::new(tenant(phase), exports_card(phase, exports))
}

#[test]
fn exports_are_shown_in_every_state() {
    let page = |exports| {
        check(&ExportsPage {
            tenant: tenant(TenantPhase::Active),
            exports: exports_card(TenantPhase::Active, exports),
        })
    };
    let nothing = page(Vec::new());
    assert!(nothing.contains("No export was made yet"));
    assert!(nothing.contains("Make export"));
    assert!(
        !nothing.contains("hx-trigger=\"every"),
        "nothing to wait for"
    );
    for state in ExportState::ALL {
        let text = page(vec![export(state)]);
        assert!(text.contains(&format!("data-export=\"{}\"", state.as_str())));
        assert_eq!(text.contains("hx-trigger=\"every"), state.is_under_way());
        assert_eq!(text.contains("Make export"), !state.is_under_way());
        assert_eq!(text.contains("/download\""), state == ExportState::Ready);
        assert_eq!(text.contains("3.4 MB"), state == ExportState::Ready);
    }
    let mut refused = exports_card(TenantPhase::Active, Vec::new());
    refused.refusal = Some("Enough".to_owned());
    let text = check(&TenantPage::new(tenant(TenantPhase::Active), refused));
    assert!(text.contains("No export was begun"));
    // Nothing can be asked for once there is nothing to come back to.
    let mut gone = tenant(TenantPhase::Deleting);
    gone.delete_after = None;
    let card = ExportsCard::new(&gone, Vec::new(), 30);
    assert!(!check(&TenantPage::new(gone, card)).contains("Make export"));
}

const PHASES: [TenantPhase; 5] = [
    TenantPhase::Pending,
    TenantPhase::Provisioning,
    TenantPhase::Active,
    TenantPhase::Suspended,
    TenantPhase::Deleting,
];

#[test]
fn pages_of_tenants_render_in_every_phase() {
    for phase in PHASES {
        let text = check(&tenant_page(phase));
        assert!(text.contains("acme.localhost"));
        check(&SettingsPage {
            grace_days: 14,
            by_owner: phase != TenantPhase::Suspended,
            wrong: Some("delete"),
            tenant: tenant(phase),
        });
    }
    check(&TenantsPage {
        tenants: Vec::new(),
        next: None,
        left_behind: vec![ExportRow::from(export(ExportState::Ready))],
    });
    let many = TenantsPage {
        tenants: (0..1_000).map(|index| tenant(PHASES[index % 5])).collect(),
        next: Some(TenantId::generate().as_uuid()),
        left_behind: Vec::new(),
    };
    assert_eq!(check(&many).matches("<tr data-row").count(), 1_000);
}

/// What the page says where the tenant has such a version.
fn runtime_page(runtime: Option<Release>) -> String {
    let tenant = TenantView {
        runtime,
        ..tenant(TenantPhase::Active)
    };
    check(&TenantPage::new(
        tenant,
        exports_card(TenantPhase::Active, Vec::new()),
    ))
}

#[test]
fn the_page_says_the_version_and_what_becomes_of_it() {
    let page = |version: Option<&str>, channel: Option<&str>, change: VersionChange| {
        let runtime = Release {
            version: version.map(str::to_owned),
            channel: channel.map(str::to_owned),
            pinned: false,
            window: None,
            change,
        };
        runtime_page(Some(runtime))
    };
    let text = page(Some("1.5.0"), Some("stable"), VersionChange::None);
    assert!(text.contains(">1.5.0<") && text.contains("Channel stable"));
    let to = || "1.6.0".to_owned();
    for (version, change, words) in [
        (
            Some("1.5.0"),
            VersionChange::UnderWay { to: to() },
            "Changing to 1.6.0",
        ),
        (
            None,
            VersionChange::UnderWay { to: to() },
            "Starting with 1.6.0",
        ),
        (
            Some("1.5.0"),
            VersionChange::AtNextStart { to: to() },
            "1.6.0 when it next starts",
        ),
        (
            Some("1.5.0"),
            VersionChange::Failed {
                version: to(),
                message: Some("annotate".to_owned()),
            },
            "1.6.0 did not get ready",
        ),
        (
            Some("1.5.0"),
            VersionChange::TakenBack { from: to() },
            "Taken back from 1.6.0",
        ),
    ] {
        let text = page(version, None, change);
        assert!(text.contains(words), "{words}");
        assert!(text.contains("With the platform"));
        // What is to be done with kubectl is for those who have it.
        assert!(!text.contains("annotate"));
    }
    let held = Release {
        version: Some("1.5.0".to_owned()),
        channel: None,
        pinned: true,
        window: Some(Window {
            days: vec!["Saturday".to_owned(), "Sunday".to_owned()],
            start: "02:00".to_owned(),
            duration: "3h".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
        }),
        change: VersionChange::None,
    };
    let text = runtime_page(Some(held));
    assert!(text.contains("Held at a version of its own"));
    assert!(text.contains("Only Saturday, Sunday from 02:00 for 3h (Europe/Berlin)"));
    // Where all have the same there is nothing to say.
    let text = runtime_page(None);
    assert!(!text.contains("Updates"));
}

#[test]
fn progress_says_every_step_and_the_way_on() {
    let text = check(&ProgressPage::new(tenant(TenantPhase::Provisioning)));
    for word in [
        "Schema",
        "Roles",
        "Migrations",
        "Administrator",
        "Server",
        "Route",
    ] {
        assert!(text.contains(word), "{word}");
    }
    assert!(text.contains("tried again in 8 seconds"));
    let ready = check(&ProgressPage::new(tenant(TenantPhase::Active)));
    assert!(ready.contains("href=\"http://acme.localhost:8080\""));
}

#[test]
fn the_fragment_of_a_progress_page_is_the_element_that_is_replaced() {
    let context = RequestContext {
        fragment: Some("progress".to_owned()),
        ..RequestContext::of_path("/tenants/acme/progress")
    };
    let page = ProgressPage::new(tenant(TenantPhase::Provisioning));
    let text = PAGES.try_render(&page, &context).unwrap();
    assert!(
        text.trim_start().starts_with("<div id=\"progress\""),
        "{text}"
    );
}

fn version(number: u32, kind: &'static str) -> VersionView {
    VersionView {
        name: "laptop".parse().unwrap(),
        version: number,
        kind,
        sha256: None,
        size: (kind != "delete").then_some(1_234),
        restored_version: (kind == "rollback").then_some(1),
        generation: 4,
        tests_skipped: true,
        created_by: AccountId::generate(),
        created_at: now(),
        diagnostics: vec![finding()],
        suspension: (kind == "put").then(suspension),
    }
}

fn suspension() -> Suspension {
    Suspension {
        reason: "its code hit limits <b>10</b> times".to_owned(),
        until: now(),
    }
}

fn finding() -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        code: "unknown-key".to_owned(),
        message: "the key \"<b>without</b>\" has no effect".to_owned(),
        help: None,
        line: 1,
        column: 1,
        length: 3,
        path: String::new(),
    }
}

fn head() -> Head {
    Head {
        slug: "acme".parse().unwrap(),
        organization: LONG_WORD.to_owned(),
    }
}

#[test]
fn pages_of_modules_render() {
    for modules in [Vec::new(), vec![version(2, "rollback"), version(1, "put")]] {
        check(&ModulesPage {
            tenant: head(),
            next: modules.first().map(|version| version.name.clone()),
            modules,
            desired_generation: 7,
            loaded_generation: None,
        });
    }
    let replica = |state| ReplicaStatus {
        instance: "acme-1".to_owned(),
        state,
        sha256: None,
        generation: 3,
        acknowledged_at: None,
        last_seen: now(),
        diagnostics: vec![finding()],
        suspension: (state == ReplicaState::Suspended).then(suspension),
    };
    for source in [None, Some("module:\n  name: laptop".into())] {
        check(&ModulePage {
            tenant: head(),
            name: "laptop".parse().unwrap(),
            warnings: vec![Finding::of("abc: 1", finding())],
            status: ModuleStatus {
                name: "laptop".parse().unwrap(),
                version: source.as_ref().map(|_| 3),
                sha256: None,
                generation: 4,
                replicas: [
                    ReplicaState::Loaded,
                    ReplicaState::Refused,
                    ReplicaState::Pending,
                    ReplicaState::Suspended,
                ]
                .map(replica)
                .into(),
            },
            source,
            versions: vec![
                version(3, "delete"),
                version(2, "rollback"),
                version(1, "put"),
            ],
            wrong: true,
        });
    }
    for is_destructive in [true, false] {
        check(&UploadPage {
            tenant: head(),
            source: "</textarea><b>without</b>".to_owned(),
            allow_destructive: is_destructive,
            findings: vec![Finding::of("abc: 1", finding())],
            banner: is_destructive.then(|| "It would lose a column.".to_owned()),
            is_destructive,
        });
    }
}

#[test]
fn pages_of_mail_and_components_render() {
    let mail = LocalMail {
        id: RequestId::generate(),
        date: now(),
        from: "GOTRS Cloud <no-reply@localhost>".to_owned(),
        to: "ada@example.com".to_owned(),
        subject: "Invoice <b>without</b> an amount".to_owned(),
        text: "Open http://localhost:8080/signup/verify?token=abc please".to_owned(),
        links: vec!["http://localhost:8080/signup/verify?token=abc".to_owned()],
    };
    let text = check(&MailPage::new(mail.clone()));
    assert!(
        text.contains("href=\"http://localhost:8080/signup/verify?token=abc\""),
        "{text}"
    );
    check(&ErrorsPage::new());
    check(&MailboxPage { mails: Vec::new() });
    check(&MailboxPage { mails: vec![mail] });
    check(&ComponentsPage::new(now(), 5));
    check(&ComponentsPage::new(now(), 1_000));
}

#[test]
fn pages_of_visitors_render() {
    for is_wrong in [false, true] {
        let wrong = || is_wrong.then(|| "Invoice <b>without</b> an amount".to_owned());
        let text = check(&SignupPage {
            organization: LONG_WORD.to_owned(),
            slug: "acme".to_owned(),
            email: "\"><b>without</b>".to_owned(),
            plan: "free".to_owned(),
            plans: signup::plans(),
            suffix: ".localhost:8080".to_owned(),
            scheme: "http",
            errors: wrong()
                .map(|text| ("slug".to_owned(), text))
                .into_iter()
                .collect(),
            banner: wrong(),
        });
        assert_eq!(text.contains("aria-invalid"), is_wrong);
        check(&CheckMailPage {
            email: "ada@example.com".to_owned(),
            local_mailbox: is_wrong,
            sent_again: is_wrong,
        });
        check(&ConfirmSignupPage {
            token: "abc".to_owned(),
            organization: "Acme <b>without</b>".to_owned(),
            url: format!("https://{LONG_WORD}.example"),
            problem: wrong(),
        });
        check(&SignInPage {
            email: "ada@example.com".to_owned(),
            next: "/tenants".to_owned(),
            problem: wrong(),
            is_unverified: is_wrong,
        });
    }
    check(&BadLinkPage {
        title: "This link has expired".to_owned(),
        detail: "Sign up again.".to_owned(),
    });
}

#[test]
fn the_page_of_keys_renders_and_shows_a_new_key_once() {
    let key = ApiKey {
        id: ApiKeyId::generate(),
        account: AccountId::generate(),
        name: LONG_WORD.to_owned(),
        prefix: "gotrs_abcdefgh".to_owned(),
        scopes: Scope::ALL.into(),
        created_at: now(),
        expires_at: Some(now() + TimeDelta::days(1)),
        last_used_at: None,
    };
    check(&ApiKeysPage::default());
    let text = check(&ApiKeysPage {
        keys: vec![key],
        scopes: api_keys::scopes(),
        secret: Some("gotrs_secret".to_owned()),
        errors: [("scopes".to_owned(), "Name at least one.".to_owned())].into(),
        banner: Some("Too many.".to_owned()),
        ..ApiKeysPage::default()
    });
    assert!(text.contains("gotrs_secret"));
}
