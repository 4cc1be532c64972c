use clap::Parser;

use super::*;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    config: ControlPlaneConfig,
}

const GOOD: &[&str] = &[
    "control-plane",
    "--database-url=postgres://localhost/x",
    "--secret-key=0123456789abcdef0123456789abcdef",
    "--mailbox=/tmp/mail",
];

fn parse(extra: &[&str]) -> ControlPlaneConfig {
    Cli::try_parse_from(GOOD.iter().chain(extra))
        .unwrap()
        .config
}

#[test]
fn addresses_follow_from_the_public_url() {
    let acme = "acme".parse().unwrap();
    let settings = parse(&[]).settings().unwrap();
    assert_eq!(
        settings.public_url.join("/signup"),
        "http://localhost:8080/signup"
    );
    assert_eq!(
        settings.tenant_urls.url(&acme),
        "http://acme.localhost:8080"
    );
    let settings = parse(&[
        "--public-url=https://console.example.com/",
        "--base-domain=Example.com",
    ])
    .settings()
    .unwrap();
    assert_eq!(settings.public_url.origin(), "https://console.example.com");
    assert_eq!(settings.tenant_urls.url(&acme), "https://acme.example.com");
    assert_eq!(settings.tenant_urls.host(&acme), "acme.example.com");
    let settings = parse(&["--tenant-scheme=https", "--tenant-port=443"])
        .settings()
        .unwrap();
    assert_eq!(settings.tenant_urls.url(&acme), "https://acme.localhost");
}

#[test]
fn each_wrong_value_names_its_variable_and_an_example() {
    for (flag, variable, problem) in [
        (
            "--public-url=localhost:8080",
            "GOTRS_PUBLIC_URL",
            "does not begin with http",
        ),
        (
            "--public-url=http://x/console",
            "GOTRS_PUBLIC_URL",
            "has a path",
        ),
        ("--public-url=http://a b", "GOTRS_PUBLIC_URL", "not a URL"),
        (
            "--base-domain=localhost:8080",
            "GOTRS_BASE_DOMAIN",
            "not a domain name without port",
        ),
        (
            "--tenant-scheme=ftp",
            "GOTRS_TENANT_SCHEME",
            "neither http nor https",
        ),
    ] {
        let error = parse(&[flag]).settings().unwrap_err().to_string();
        assert!(
            error.contains(variable) && error.contains(problem),
            "{flag}: {error}"
        );
        assert!(
            error.contains("an example of a good value"),
            "{flag}: {error}"
        );
    }
}

#[test]
fn missing_and_weak_secrets_are_named() {
    let config = Cli::try_parse_from(["control-plane"]).unwrap().config;
    let errors = [
        config.database_url().unwrap_err().to_string(),
        config.keys().unwrap_err().to_string(),
        config.settings().unwrap_err().to_string(),
    ];
    assert!(
        errors[0].contains("GOTRS_DATABASE_URL is not set"),
        "{}",
        errors[0]
    );
    assert!(
        errors[1].contains("GOTRS_SECRET_KEY is not set"),
        "{}",
        errors[1]
    );
    assert!(
        errors[2].contains("GOTRS_SMTP_URL is not set"),
        "{}",
        errors[2]
    );
    let weak = Cli::try_parse_from(["control-plane", "--secret-key=short"])
        .unwrap()
        .config;
    let error = weak.keys().unwrap_err().to_string();
    assert!(
        error.contains("GOTRS_SECRET_KEY is 5 bytes long"),
        "{error}"
    );
}
