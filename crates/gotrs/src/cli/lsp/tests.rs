use std::io::Cursor;

use serde_json::json;

use super::*;

fn stream(messages: &[Value]) -> Cursor<Vec<u8>> {
    let mut bytes = Vec::new();
    for message in messages {
        framing::write(&mut bytes, message.to_string().as_bytes()).unwrap();
    }
    Cursor::new(bytes)
}

#[test]
fn how_it_ends_depends_on_how_the_editor_ends_it() {
    let initialize = json!({"id": 1, "method": "initialize", "params": {}});
    let shutdown = json!({"id": 2, "method": "shutdown"});
    let exit = json!({"method": "exit"});
    let end = |messages: &[Value]| serve(stream(messages), &mut Vec::new());
    assert!(matches!(
        end(&[initialize.clone(), shutdown.clone(), exit.clone()]),
        Ok(Ending::Orderly)
    ));
    assert!(matches!(
        end(&[initialize.clone(), exit]),
        Ok(Ending::Abrupt)
    ));
    assert!(matches!(
        end(&[initialize.clone(), shutdown]),
        Ok(Ending::Orderly)
    ));
    assert!(matches!(end(&[initialize]), Err(ServeError::Closed)));
    let garbage = serve(Cursor::new(b"hello\n".to_vec()), &mut Vec::new());
    assert!(matches!(garbage, Err(ServeError::Read(_))));
}

#[test]
fn an_editor_that_is_gone_ends_it() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let initialize = json!({"id": 1, "method": "initialize"});
    assert!(matches!(
        serve(stream(&[initialize]), &mut Gone),
        Err(ServeError::Write(_))
    ));
}
