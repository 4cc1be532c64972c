//! What an engine says that cannot have its workers.

use std::path::Path;

use module_engine::config::{ExecutorChoice, SandboxArgs};
use module_engine::engine::{Engine, EngineOptions};

fn start_error(program: &Path) -> String {
    let options = EngineOptions {
        sandbox: SandboxArgs {
            lambda_executor: ExecutorChoice::Process,
            lambda_worker: Some(program.to_owned()),
        },
        ..EngineOptions::default()
    };
    Engine::new(options).unwrap_err().to_string()
}

#[test]
fn a_missing_program_is_named_with_what_to_do() {
    let error = start_error(Path::new("/nowhere/lambda-worker"));
    assert!(
        error.contains("/nowhere/lambda-worker is missing"),
        "{error}"
    );
    assert!(error.contains("GOTRS_LAMBDA_WORKER"), "{error}");
}

#[test]
fn another_program_is_not_taken_for_a_worker() {
    let error = start_error(Path::new("/bin/true"));
    assert!(error.contains("/bin/true does not start"), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("lambda-worker");
    std::fs::write(&text, "not a program").unwrap();
    let error = start_error(&text);
    assert!(error.contains("Permission denied"), "{error}");
}

#[test]
fn without_a_name_the_program_beside_this_one_is_meant() {
    let options = EngineOptions {
        sandbox: SandboxArgs {
            lambda_executor: ExecutorChoice::Process,
            lambda_worker: None,
        },
        ..EngineOptions::default()
    };
    // Test programs lie in a folder below it, so there is none.
    let error = Engine::new(options).unwrap_err().to_string();
    let here = std::env::current_exe().unwrap();
    let expected = here.with_file_name("lambda-worker");
    assert!(
        error.contains(&format!("{} is missing", expected.display())),
        "{error}"
    );
}
