//! Calls as they are, page by page.

use std::vec::IntoIter;

use crate::client::Client;
use crate::cursor::Cursor;
use crate::error::Error;
use crate::v1::{Call, ListCallsRequest};

/// All calls of a filter, newest first. Pages are read as they are needed.
#[derive(Debug)]
pub struct Calls {
    client: Client,
    request: ListCallsRequest,
    page: IntoIter<Call>,
    cursor: Option<Cursor>,
    last: bool,
}

impl Calls {
    pub(crate) fn new(client: Client, request: ListCallsRequest) -> Self {
        Self { client, request, page: Vec::new().into_iter(), cursor: None, last: false }
    }

    /// The next call; `None` at the end. After an error it may be asked again.
    pub async fn next(&mut self) -> Result<Option<Call>, Error> {
        loop {
            if let Some(call) = self.page.next() {
                return Ok(Some(call));
            }
            if self.last {
                return Ok(None);
            }
            let answer = self.client.list_calls(self.request.clone()).await?;
            self.cursor.get_or_insert_with(|| Cursor::new(answer.epoch, answer.revision));
            self.last = answer.next_page_token.is_empty();
            self.request.page_token = answer.next_page_token;
            self.page = answer.calls.into_iter();
        }
    }

    /// From where to follow what has become of the calls since: the place of the first page. `None` before that.
    pub fn cursor(&self) -> Option<&Cursor> {
        self.cursor.as_ref()
    }
}
