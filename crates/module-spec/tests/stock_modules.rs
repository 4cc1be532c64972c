//! The modules that every helpdesk starts with load without a finding.

use std::collections::BTreeSet;
use std::path::Path;

use module_spec::{parse, render_text};

#[test]
fn every_stock_module_loads_without_a_finding() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modules");
    let mut names = BTreeSet::new();
    let mut complaints = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let source = std::fs::read_to_string(&path).unwrap();
        let (spec, findings) = parse(&source);
        complaints.push_str(&render_text(&file, &source, &findings));
        if let Some(spec) = spec {
            assert_eq!(format!("{}.yaml", spec.name()), file);
            assert!(
                spec.menu().group().is_some(),
                "{file}: no group of the menu"
            );
            assert!(spec.description().is_some(), "{file}: no description");
            names.insert(spec.name().to_string());
        }
    }
    assert!(complaints.is_empty(), "{complaints}");
    for name in [
        "auto_response",
        "calendar",
        "customer_company",
        "customer_user",
        "groups",
        "link_type",
        "mail_account",
        "priority",
        "queue",
        "roles",
        "salutation",
        "service",
        "signature",
        "sla",
        "standard_template",
        "state",
        "system_address",
        "type",
        "users",
        "valid",
    ] {
        assert!(names.contains(name), "{name} is missing");
    }
}
