//! The cursor of providers that can be asked for what changed since an instant.

use serde::{Deserialize, Serialize};

use super::fault::Fault;

/// How long a provider's index may lag behind its records, in milliseconds. What changed within this time before a
/// pull is looked at again by the next one; its ids are the same, so it is accepted once.
const SETTLE_MS: i64 = 60_000;

/// How far a stream has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Watermark {
    /// All that changed before this has been read; milliseconds since 1970.
    pub(super) since_ms: i64,
    /// The provider's own place among what changed since, while there is more of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<String>,
}

impl Watermark {
    /// Reads a cursor; none is the beginning.
    pub(super) fn parse(cursor: Option<&str>) -> Result<Self, Fault> {
        let Some(text) = cursor else {
            return Ok(Self::default());
        };
        serde_json::from_str(text).map_err(|_| Fault::Unsupported {
            reason: "the kept cursor is not one of this stream's; pull it from the start".into(),
        })
    }

    /// The cursor to keep.
    pub(super) fn text(&self) -> String {
        serde_json::json!(self).to_string()
    }

    /// After a page in order of change whose last record changed at `last_ms`, for a provider whose pages are counted
    /// from the beginning: as soon as the instant moves, counting begins anew from there, so that records which change
    /// meanwhile cannot push others over a page's border. `after` is the provider's next page.
    pub(super) fn counted(self, last_ms: Option<i64>, after: Option<String>, now_ms: i64) -> Self {
        let last_ms = last_ms.unwrap_or(self.since_ms).max(self.since_ms);
        match after {
            None => self.finished(last_ms, now_ms),
            Some(_) if last_ms > self.since_ms => Self {
                since_ms: last_ms,
                after: None,
            },
            Some(after) => Self {
                since_ms: self.since_ms,
                after: Some(after),
            },
        }
    }

    /// After the last page.
    pub(super) fn finished(self, last_ms: i64, now_ms: i64) -> Self {
        Self {
            since_ms: last_ms.min(now_ms - SETTLE_MS).max(self.since_ms),
            after: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 10_000_000;

    #[test]
    fn counting_begins_anew_when_the_instant_moves_and_goes_on_when_it_does_not() {
        let mark = Watermark::default().counted(Some(500), Some("100".into()), NOW_MS);
        assert_eq!((mark.since_ms, mark.after.as_deref()), (500, None));
        let mark = mark.counted(Some(500), Some("100".into()), NOW_MS);
        assert_eq!((mark.since_ms, mark.after.as_deref()), (500, Some("100")));
        let mark = mark.counted(Some(700), None, NOW_MS);
        assert_eq!((mark.since_ms, mark.after.as_deref()), (700, None));
    }

    #[test]
    fn what_changed_just_now_is_looked_at_again_and_the_mark_never_goes_back() {
        let mark = Watermark::default().counted(Some(NOW_MS - 5), None, NOW_MS);
        assert_eq!(mark.since_ms, NOW_MS - SETTLE_MS);
        let same = mark.clone().counted(None, None, NOW_MS - 1_000);
        assert_eq!(same, mark);
        assert_eq!(Watermark::parse(Some(&mark.text())).unwrap(), mark);
        assert!(Watermark::parse(Some("page 3")).is_err());
    }
}
