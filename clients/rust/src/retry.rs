//! How often a request is sent again. No clock: `Client` drives it.

use std::time::Duration;

use tonic::Code;

use crate::error::{Error, ErrorKind};
use crate::follower::backoff;

const ATTEMPTS: u32 = 4;
const LONGEST: Duration = Duration::from_secs(2);

/// One request's attempts. Every request is safe to repeat, `place_call` by its request_id.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    failures: u32,
}

impl Patience {
    /// How long to wait before the request is sent again; `None`: the error stands.
    ///
    /// `proven`: a daemon has answered at this address. One that is silent now is most likely being restarted, and is
    /// waited for, as long as the request has time.
    pub(crate) fn wait(&mut self, error: &Error, proven: bool) -> Option<Duration> {
        let awaited = proven && error.kind() == ErrorKind::Unreachable;
        let again = error.code() == Code::Unavailable && (awaited || self.failures + 1 < ATTEMPTS);
        let delay = again.then(|| backoff(self.failures, LONGEST, None));
        self.failures = self.failures.saturating_add(1);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Details;

    fn failing(code: Code, reason: &str) -> Error {
        Error::new(code, "x", Details { reason: reason.to_owned(), ..Details::default() })
    }

    fn waits(error: &Error, proven: bool, most: usize) -> Vec<u64> {
        let mut patience = Patience::default();
        std::iter::from_fn(|| patience.wait(error, proven)).take(most).map(|delay| delay.as_millis() as u64).collect()
    }

    #[test]
    fn what_may_pass_is_tried_four_times() {
        for reason in ["", "DRAINING", "STORE_DOWN"] {
            assert_eq!(waits(&failing(Code::Unavailable, reason), false, 9), [100, 200, 400], "{reason}");
        }
        assert_eq!(waits(&failing(Code::Unavailable, "DRAINING"), true, 9), [100, 200, 400], "it did answer");
    }

    #[test]
    fn a_daemon_that_was_there_is_waited_for() {
        let gone = failing(Code::Unavailable, "");
        assert_eq!(waits(&gone, true, 8), [100, 200, 400, 800, 1600, 2000, 2000, 2000]);
    }

    #[test]
    fn what_does_not_pass_stands_at_once() {
        for (code, reason) in [
            (Code::InvalidArgument, "INVALID_ARGUMENT"),
            (Code::NotFound, "CALL_NOT_FOUND"),
            (Code::DeadlineExceeded, ""),
            (Code::Unknown, ""),
            (Code::Unauthenticated, "UNAUTHENTICATED"),
        ] {
            assert_eq!(waits(&failing(code, reason), true, 9), [0; 0], "{reason}");
        }
    }
}
