//! What a person sees when everything is up.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

pub(super) struct Summary<'a> {
    pub(super) address: SocketAddr,
    pub(super) data: &'a Path,
    /// Named when it is not in the data folder.
    pub(super) cluster: Option<&'a Path>,
    pub(super) took: Duration,
    pub(super) demo: bool,
}

/// Prints it; log lines go to standard error, so this alone is on standard output.
pub(super) fn print(summary: &Summary<'_>) -> anyhow::Result<()> {
    std::io::stdout()
        .write_all(render(summary).as_bytes())
        .context("printing the summary")
}

fn render(summary: &Summary<'_>) -> String {
    let url = console_url(summary.address.port());
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        writeln!(text, "  {label:<9}{value}").unwrap_or_default();
    };
    line("Console", &url);
    line("Mail", &format!("{url}/dev/mail"));
    line("Tenants", &url.replacen("://", "://<slug>.", 1));
    line("Data", &summary.data.display().to_string());
    if let Some(cluster) = summary.cluster
        && !cluster.starts_with(summary.data)
    {
        line("", &format!("{} (PostgreSQL)", cluster.display()));
    }
    line(
        "Log",
        "standard error of this process; less of it with --log warn",
    );
    line(
        "Demo",
        if summary.demo {
            "is being made; its address and login follow"
        } else {
            "gotrs up --demo"
        },
    );
    line("Stop", "Ctrl-C");
    format!(
        "\nGOTRS Cloud is ready ({:.1} s).\n\n{text}\n",
        summary.took.as_secs_f64()
    )
}

/// The name of this machine that browsers also use for tenants.
pub(super) fn console_url(port: u16) -> String {
    match port {
        80 => "http://localhost".to_owned(),
        port => format!("http://localhost:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newcomer_is_told_where_everything_is() {
        let text = render(&Summary {
            address: "127.0.0.1:8080".parse().unwrap(),
            data: Path::new("/srv/gotrs/data"),
            cluster: Some(Path::new("/var/lib/gotrs/abc/postgres")),
            took: Duration::from_millis(1_234),
            demo: false,
        });
        insta::assert_snapshot!(text, @r"

        GOTRS Cloud is ready (1.2 s).

          Console  http://localhost:8080
          Mail     http://localhost:8080/dev/mail
          Tenants  http://<slug>.localhost:8080
          Data     /srv/gotrs/data
                   /var/lib/gotrs/abc/postgres (PostgreSQL)
          Log      standard error of this process; less of it with --log warn
          Demo     gotrs up --demo
          Stop     Ctrl-C
        ");
    }
}
