//! A reader's place in the event log, to be stored and resumed from.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// The last revision that was read, and the log's epoch. As text, both ways: `epoch:revision`.
///
/// ```
/// let cursor: agentic::Cursor = "5f0c2a19d3b84e67:1042".parse()?;
/// assert_eq!((cursor.revision, cursor.to_string().as_str()), (1042, "5f0c2a19d3b84e67:1042"));
/// # Ok::<(), agentic::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The name of the log.
    pub epoch: String,
    /// The place in it.
    pub revision: i64,
}

impl Cursor {
    /// The cursor behind `revision` of the log `epoch`.
    pub fn new(epoch: impl Into<String>, revision: i64) -> Self {
        Self { epoch: epoch.into(), revision }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.revision)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        parse(text).ok_or_else(|| {
            Error::refused(format!("a cursor is epoch:revision, for example 5f0c2a19d3b84e67:1042; not {text:?}"))
        })
    }
}

fn parse(text: &str) -> Option<Cursor> {
    let (epoch, digits) = text.split_once(':')?;
    let canonical = digits == "0" || !digits.starts_with('0');
    if epoch.is_empty() || epoch.contains(char::is_whitespace) || !canonical {
        return None;
    }
    // Not parse() alone, which takes "+1".
    let revision = digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok())??;
    Some(Cursor::new(epoch, revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["e:0", "5f0c2a19d3b84e67:1042", "e:9223372036854775807"] {
            assert_eq!(text.parse::<Cursor>().unwrap().to_string(), text);
        }
        assert_eq!(" e:7\n".parse::<Cursor>().unwrap(), Cursor::new("e", 7), "as a file has it");
    }

    #[test]
    fn anything_else_is_an_error_that_shows_the_form() {
        for text in ["", "7", "e", "e:", ":7", "e:-1", "e:+1", "e:07", "e:1:2", "e e:1", "e:9223372036854775808"] {
            let error = text.parse::<Cursor>().unwrap_err();
            assert!(error.to_string().contains("epoch:revision"), "{text:?}: {error}");
        }
    }
}
