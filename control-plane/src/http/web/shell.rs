//! The frame around the console's pages.

use service_kit::pages::{Density, NavItem, NavSection, Shell};

use crate::app::AppState;

const PRODUCT: &str = "GOTRS Cloud";

/// For everybody.
pub(super) fn visitor(state: &AppState) -> Shell {
    Shell {
        product: PRODUCT.to_owned(),
        home: "/".to_owned(),
        density: Density::Comfortable,
        nav: development(state).into_iter().collect(),
        ..Shell::default()
    }
}

/// For people who are signed in.
pub(super) fn member(state: &AppState) -> Shell {
    let main = NavSection {
        title: String::new(),
        items: vec![
            NavItem::new("Tenants", "/tenants", "building-2"),
            NavItem::new("API keys", "/api-keys", "key-round"),
        ],
    };
    Shell {
        home: "/tenants".to_owned(),
        create: "/signup".to_owned(),
        sign_out: "/sign-out".to_owned(),
        nav: std::iter::once(main).chain(development(state)).collect(),
        ..visitor(state)
    }
}

/// What only machines of developers have.
fn development(state: &AppState) -> Option<NavSection> {
    state.mailer.local_mailbox().map(|_| NavSection {
        title: "Development".to_owned(),
        items: vec![
            NavItem::new("Mail", "/dev/mail", "mail"),
            NavItem::new("Components", "/dev/components", "component"),
        ],
    })
}
