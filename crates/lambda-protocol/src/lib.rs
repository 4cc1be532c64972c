//! What `module-engine` and `lambda-worker` say to each other over the worker's only file descriptor, a stream socket.
//!
//! Each message is a frame: one byte that says what it is, the length of its content as four bytes, and the content. Numbers are
//! little-endian. First the worker says that it is locked ([`Kind::Ready`]) or why it is not ([`Kind::Failed`]); then it is sent
//! one [`Kind::Request`], asks the host as often as it is allowed to ([`Kind::Call`], [`Kind::Answer`]), and ends with
//! [`Kind::Reply`]. The contents of calls, answers and replies are those of the WebAssembly guest.
//!
//! The engine believes nothing that comes from a worker: kinds out of turn and lengths beyond its own limits end it.

#![warn(missing_docs)]

/// Bytes before the content of a frame.
pub const HEADER_BYTES: usize = 5;
/// Bytes before the request in a [`Kind::Request`].
pub const TERMS_BYTES: usize = 36;
/// Bytes before the request in a [`Kind::Call`]: the number of the operation.
pub const OPERATION_BYTES: usize = 4;

/// How a worker ends when its memory is used up.
pub const EXIT_MEMORY: i32 = 90;
/// How a worker ends that met a bug of its own.
pub const EXIT_PANIC: i32 = 91;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The worker is locked and waits for its request; one byte says how far Landlock holds ([`Landlock`]).
    Ready,
    /// The worker cannot lock itself or start; the content says why.
    Failed,
    /// [`Terms`], then the request.
    Request,
    /// The number of an operation (four bytes), then its request.
    Call,
    /// The host's answer to the call before it.
    Answer,
    /// The reply; its first letter says what it is, as in the guest.
    Reply,
}

impl Kind {
    const ALL: [(u8, Self); 6] = [
        (b'k', Self::Ready),
        (b'f', Self::Failed),
        (b'q', Self::Request),
        (b'c', Self::Call),
        (b'a', Self::Answer),
        (b'r', Self::Reply),
    ];

    const fn letter(self) -> u8 {
        match self {
            Self::Ready => b'k',
            Self::Failed => b'f',
            Self::Request => b'q',
            Self::Call => b'c',
            Self::Answer => b'a',
            Self::Reply => b'r',
        }
    }
}

/// The beginning of a frame; `None` when its content is longer than four bytes can say.
pub fn header(kind: Kind, length: usize) -> Option<[u8; HEADER_BYTES]> {
    let [a, b, c, d] = u32::try_from(length).ok()?.to_le_bytes();
    Some([kind.letter(), a, b, c, d])
}

/// Reads the beginning of a frame; `None` when there is no such kind.
pub fn read_header(header: [u8; HEADER_BYTES]) -> Option<(Kind, usize)> {
    let [letter, a, b, c, d] = header;
    let (_, kind) = Kind::ALL.into_iter().find(|(known, _)| *known == letter)?;
    let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
    Some((kind, length))
}

/// How far the kernel's Landlock holds the worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Landlock {
    /// Everything that we know how to forbid is forbidden.
    Full,
    /// An older kernel: files are out of reach, the rest is left to seccomp.
    Partial,
    /// A kernel without it: all is left to seccomp.
    None,
}

impl Landlock {
    /// As it stands in [`Kind::Ready`] and in logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Partial => "partial",
            Self::None => "none",
        }
    }

    /// Reads [`Landlock::as_str`].
    pub fn from_bytes(text: &[u8]) -> Option<Self> {
        [Self::Full, Self::Partial, Self::None]
            .into_iter()
            .find(|known| known.as_str().as_bytes() == text)
    }
}

/// What one request may use. The worker keeps to it so that it can say where a lambda was; what holds it there is the engine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// The time that lambdas see, in microseconds since 1970.
    pub now_micros: f64,
    /// Time until the end.
    pub wall_micros: u64,
    /// Processor time until the end.
    pub cpu_micros: u64,
    /// Memory, with what the worker itself has taken.
    pub memory_bytes: u64,
    /// Depth of calls.
    pub stack_bytes: u32,
}

impl Terms {
    /// As they stand before the request.
    pub fn to_bytes(self) -> [u8; TERMS_BYTES] {
        let mut bytes = [0; TERMS_BYTES];
        let fields = self
            .now_micros
            .to_le_bytes()
            .into_iter()
            .chain(self.wall_micros.to_le_bytes())
            .chain(self.cpu_micros.to_le_bytes())
            .chain(self.memory_bytes.to_le_bytes())
            .chain(self.stack_bytes.to_le_bytes());
        for (byte, field) in bytes.iter_mut().zip(fields) {
            *byte = field;
        }
        bytes
    }

    /// Splits the content of a [`Kind::Request`]; `None` when it is too short.
    pub fn split(content: &[u8]) -> Option<(Self, &[u8])> {
        let (now, rest) = content.split_first_chunk()?;
        let (wall, rest) = rest.split_first_chunk()?;
        let (cpu, rest) = rest.split_first_chunk()?;
        let (memory, rest) = rest.split_first_chunk()?;
        let (stack, request) = rest.split_first_chunk()?;
        let terms = Self {
            now_micros: f64::from_le_bytes(*now),
            wall_micros: u64::from_le_bytes(*wall),
            cpu_micros: u64::from_le_bytes(*cpu),
            memory_bytes: u64::from_le_bytes(*memory),
            stack_bytes: u32::from_le_bytes(*stack),
        };
        Some((terms, request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (letter, kind) in Kind::ALL {
            let header = header(kind, 0x0102_0304).unwrap();
            assert_eq!(header, [letter, 4, 3, 2, 1]);
            assert_eq!(read_header(header), Some((kind, 0x0102_0304)));
        }
        assert_eq!(read_header(*b"x\0\0\0\0"), None);
        assert_eq!(header(Kind::Call, usize::MAX), None);
        let terms = Terms {
            now_micros: 1.5e15,
            wall_micros: 1,
            cpu_micros: 2,
            memory_bytes: 3,
            stack_bytes: 4,
        };
        let content = [&terms.to_bytes()[..], b"{}"].concat();
        assert_eq!(Terms::split(&content), Some((terms, &b"{}"[..])));
        assert_eq!(Terms::split(&content[..TERMS_BYTES - 1]), None);
    }

    #[test]
    fn landlock_is_said_in_words() {
        for known in [Landlock::Full, Landlock::Partial, Landlock::None] {
            assert_eq!(Landlock::from_bytes(known.as_str().as_bytes()), Some(known));
        }
        assert_eq!(Landlock::from_bytes(b""), None);
    }
}
