//! Messages on a stream: headers, an empty line, and as many bytes as `Content-Length` says.

use std::io::{self, BufRead, Read as _, Write};

/// The longest body. A module file is at most 1 MiB, and JSON may write a character as six.
pub(super) const MAX_BODY: u64 = 4 * 1024 * 1024;
/// What all headers of a message may take; the protocol knows two short ones.
const MAX_HEADERS: u64 = 4 * 1024;

/// Why no message could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadMessageError {
    #[error("reading failed")]
    Read(#[source] io::Error),
    #[error("the input ended in the middle of a message")]
    Cut,
    #[error("expected a header such as `Content-Length: 123`, found \"{0}\"")]
    NotAHeader(String),
    #[error("the headers of a message are longer than {MAX_HEADERS} bytes")]
    LongHeaders,
    #[error("a message has no header `Content-Length`")]
    NoLength,
    #[error("a message has two headers `Content-Length`")]
    TwoLengths,
    #[error("`Content-Length: {0}` is not a number of bytes")]
    BadLength(String),
    #[error("a message has {0} bytes; at most {MAX_BODY} are read")]
    LongBody(u64),
}

/// The body of the next message; nothing where the input ends between two.
pub(super) fn read(input: &mut impl BufRead) -> Result<Option<Vec<u8>>, ReadMessageError> {
    let Some(length) = read_headers(input)? else {
        return Ok(None);
    };
    let mut body = Vec::new();
    input
        .take(length)
        .read_to_end(&mut body)
        .map_err(ReadMessageError::Read)?;
    match u64::try_from(body.len()) {
        Ok(read) if read == length => Ok(Some(body)),
        _ => Err(ReadMessageError::Cut),
    }
}

/// Reads up to the empty line: the length of the body.
fn read_headers(input: &mut impl BufRead) -> Result<Option<u64>, ReadMessageError> {
    let mut input = input.take(MAX_HEADERS);
    let mut length = None;
    let mut begun = false;
    loop {
        let mut line = Vec::new();
        input
            .read_until(b'\n', &mut line)
            .map_err(ReadMessageError::Read)?;
        if line.last() != Some(&b'\n') {
            return match (begun || !line.is_empty(), input.limit()) {
                (false, _) => Ok(None),
                (true, 0) => Err(ReadMessageError::LongHeaders),
                (true, _) => Err(ReadMessageError::Cut),
            };
        }
        begun = true;
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if line.is_empty() {
            return length.map(Some).ok_or(ReadMessageError::NoLength);
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| ReadMessageError::NotAHeader(excerpt(line)))?;
        if name.eq_ignore_ascii_case("content-length") {
            if length.is_some() {
                return Err(ReadMessageError::TwoLengths);
            }
            length = Some(body_length(value.trim())?);
        }
    }
}

fn body_length(value: &str) -> Result<u64, ReadMessageError> {
    // `parse` would take a sign.
    if !value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ReadMessageError::BadLength(excerpt(value)));
    }
    match value.parse() {
        Ok(length) if length <= MAX_BODY => Ok(length),
        Ok(length) => Err(ReadMessageError::LongBody(length)),
        Err(_) => Err(ReadMessageError::BadLength(excerpt(value))),
    }
}

/// The beginning, without what a terminal would obey.
fn excerpt(text: &str) -> String {
    const SHOWN: usize = 60;
    let text = crate::cli::output::clean(text);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// Writes a message.
pub(super) fn write(output: &mut impl Write, body: &[u8]) -> io::Result<()> {
    write!(output, "Content-Length: {}\r\n\r\n", body.len())?;
    output.write_all(body)?;
    output.flush()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut stream = Vec::new();
        let bodies = ["{}", "", "{\"a\": \"ü\\n\"}", &"x".repeat(100_000)];
        for body in bodies {
            write(&mut stream, body.as_bytes()).unwrap();
        }
        let mut input = Cursor::new(stream);
        for body in bodies {
            assert_eq!(read(&mut input).unwrap().unwrap(), body.as_bytes());
        }
        assert!(read(&mut input).unwrap().is_none());
    }

    #[test]
    fn other_headers_and_any_case_are_fine() {
        let text =
            "Content-Type: application/vscode-jsonrpc; charset=utf-8\r\ncontent-length:2\r\n\r\n{}";
        let body = read(&mut text.as_bytes()).unwrap().unwrap();
        assert_eq!(body, b"{}");
    }

    #[test]
    fn what_is_no_message_is_told_and_never_held() {
        let long = format!("X: {}\r\n", "y".repeat(10_000));
        for (text, said) in [
            ("hello\r\n", "found \"hello\""),
            ("\u{1b}[2J\n", "found \"\u{fffd}[2J\""),
            ("hel", "in the middle"),
            ("Content-Length: 5\r\n\r\n{}", "in the middle"),
            ("Content-Length: 5\r\n", "in the middle"),
            ("Content-Type: x\r\n\r\n", "no header `Content-Length`"),
            ("\r\n", "no header `Content-Length`"),
            ("Content-Length: +5\r\n\r\n", "+5"),
            ("Content-Length: -5\r\n\r\n", "-5"),
            ("Content-Length:\r\n\r\n", "not a number"),
            (
                "Content-Length: 99999999999999999999999\r\n\r\n",
                "not a number",
            ),
            ("Content-Length: 4194305\r\n\r\n", "at most 4194304"),
            (
                "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
                "two headers",
            ),
            (&long, "longer than"),
        ] {
            let error = read(&mut text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end_in_a_message_or_an_error(bytes: Vec<u8>) {
            let mut input = Cursor::new(bytes);
            while let Ok(Some(_)) = read(&mut input) {}
        }
    }
}
