use axum::Router;
use axum::response::IntoResponse as _;
use axum::routing::post;
use serde_json::Value;
use service_kit::{Problem, Tasks};

use super::*;
use crate::cli::output::Format;
use crate::cli::output::tests::captured;

async fn server(tasks: &Tasks) -> String {
    service_kit::telemetry::install_tls_provider();
    let router = Router::new().route(
        "/v1/sessions",
        post(|axum::Json(input): axum::Json<Value>| async move {
            if input == json!({"email": "ann@acme.example", "password": "correct horse"}) {
                let tokens = json!({"access_token": "a", "refresh_token": "r", "expires_in": 900});
                (http::StatusCode::CREATED, axum::Json(tokens)).into_response()
            } else {
                Problem::unauthorized()
                    .with_detail("The address or the password is wrong.")
                    .into_response()
            }
        }),
    );
    let listener = service_kit::http::bind(([127, 0, 0, 1], 0).into())
        .await
        .unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    service_kit::http::serve(tasks, "fake", listener, router);
    url
}

fn args(url: &str, password_file: Option<PathBuf>) -> LoginArgs {
    LoginArgs {
        url: Some(url.to_owned()),
        email: Some("ann@acme.example".to_owned()),
        password: password_file.is_none().then(|| "wrong".into()),
        password_file,
        output: OutputArgs {
            output: Format::Text,
        },
    }
}

#[tokio::test]
async fn a_sign_in_is_remembered_and_a_wrong_password_is_not() {
    let tasks = Tasks::new();
    let url = server(&tasks).await;
    let folder = tempfile::tempdir().unwrap();
    let file = CredentialsFile::in_folder(folder.path());
    let (mut output, ..) = captured(Format::Text);
    let error = sign_in(args(&url, None), &file, &mut output)
        .await
        .unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("password is wrong"), "{error}");
    assert!(file.current_server().unwrap().is_none());

    let password = folder.path().join("password");
    std::fs::write(&password, "correct horse\n").unwrap();
    let (mut output, out, _) = captured(Format::Text);
    let verdict = sign_in(args(&url, Some(password)), &file, &mut output)
        .await
        .unwrap();
    assert_eq!(verdict, Verdict::Good);
    assert_eq!(
        out.text(),
        format!("Signed in at {url} as ann@acme.example\n")
    );
    assert_eq!(file.current_server().unwrap(), Some(url.clone()));
    assert_eq!(
        file.find(&url)
            .unwrap()
            .unwrap()
            .refresh_token
            .expose_secret(),
        "r"
    );
    tasks.shut_down(std::time::Duration::from_secs(5)).await;
}
