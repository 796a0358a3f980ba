//! Telling people's opens and clicks from those of machines.
//!
//! Security gateways fetch every link of a mail before anybody reads it, and mail programs fetch images in advance.
//! Such traffic is stored as what it is, and must move no score, segment or subscription. The rules are heuristics on
//! purpose simple enough to be explained to whoever asks why a click did not count.

use serde::{Deserialize, Serialize};

/// A request within this time of delivery is a machine's: nobody opens, reads and clicks that fast.
pub const INSTANT_MS: u64 = 10_000;
/// All links of a message within this time of one another are a machine's.
pub const SWEEP_MS: u64 = 10_000;
/// Fewest links for which "all of them" says anything.
pub const SWEEP_LINKS_MIN: usize = 3;
/// How far around a touch of the hidden link all traffic of that source is a machine's.
pub const HIDDEN_WINDOW_MS: u64 = 10 * 60_000;

/// Parts of user agents, in lower case, that no browser of a person sends.
const MACHINE_AGENTS: [&str; 30] = [
    "barracuda",
    "proofpoint",
    "mimecast",
    "safelinks",
    "symantec",
    "messagelabs",
    "forcepoint",
    "trendmicro",
    "cloudmark",
    "fireeye",
    "zscaler",
    "urldefense",
    "bitdefender",
    "sophos",
    "microsoft office protocol discovery",
    "bingpreview",
    "slackbot",
    "skypeuripreview",
    "whatsapp",
    "telegrambot",
    "facebookexternalhit",
    "headlesschrome",
    "phantomjs",
    "python-requests",
    "python-urllib",
    "go-http-client",
    "curl/",
    "wget/",
    "okhttp",
    "java/",
];
/// Words that a program uses of itself.
const BOT_WORDS: [&str; 4] = ["bot/", "bot;", "crawler", "spider"];
/// User agents that fetch images in advance for a person: Gmail's and Yahoo's image proxies.
const PREFETCH_AGENTS: [&str; 3] = ["googleimageproxy", "ggpht.com", "yahoomailproxy"];

/// Which of a message's addresses was requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum HitKind {
    /// The pixel.
    Open,
    /// A link.
    Click {
        /// Which one, from 0.
        link_index: usize,
    },
    /// The link that people cannot see.
    Hidden,
}

/// A request as the server saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation<'a> {
    /// What was requested.
    pub kind: HitKind,
    /// HTTP method.
    pub method: &'a str,
    /// User-Agent header, empty if there was none.
    pub user_agent: &'a str,
    /// Who asked, as an opaque word: for example a keyed hash of the IP address.
    pub source: &'a str,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// An earlier request of the same message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// What was requested.
    pub kind: HitKind,
    /// Who asked.
    pub source: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}

/// What is known of a message when a request for it comes in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MessageTraffic {
    /// When the server accepted it, in milliseconds since 1970.
    pub delivered_at_ms: Option<u64>,
    /// How many links it has.
    pub link_count: usize,
    /// Earlier requests, in any order.
    pub hits: Vec<Hit>,
}

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "by")]
pub enum Verdict {
    /// A person, as far as one can tell.
    Human,
    /// A mail program on behalf of a person who may or may not look. Says that the mailbox works, not that it was read.
    Prefetch {
        /// Why it is taken for that.
        why: Evidence,
    },
    /// A machine.
    Machine {
        /// Why it is taken for that.
        why: Evidence,
        /// Indexes into the traffic's hits of earlier requests that turn out to be the machine's too.
        also: Vec<usize>,
    },
}

/// Why a request is not taken for a person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Not a GET.
    Method,
    /// A known gateway, bot or script.
    KnownAgent,
    /// No User-Agent at all.
    NoAgent,
    /// The hidden link, now or shortly before, from the same source.
    HiddenLink,
    /// Too soon after delivery.
    Instant,
    /// All links of the message within seconds.
    AllLinks,
    /// An image proxy.
    ImageProxy,
    /// Apple Mail Privacy Protection, which loads images when mail arrives, under a bare `Mozilla/5.0`.
    ApplePrivacy,
}

/// Judges one request by itself and by what happened to the message before.
pub fn classify(seen: &Observation<'_>, traffic: &MessageTraffic) -> Verdict {
    if seen.kind == HitKind::Hidden {
        return machine(
            Evidence::HiddenLink,
            near_hits(seen, traffic, HIDDEN_WINDOW_MS),
        );
    }
    let agent = seen.user_agent.trim().to_ascii_lowercase();
    if !seen.method.eq_ignore_ascii_case("GET") {
        return machine(Evidence::Method, Vec::new());
    }
    if seen.kind == HitKind::Open
        && let Some(why) = prefetch(&agent)
    {
        return Verdict::Prefetch { why };
    }
    if agent.is_empty() {
        return machine(Evidence::NoAgent, Vec::new());
    }
    if MACHINE_AGENTS
        .iter()
        .chain(&BOT_WORDS)
        .any(|word| agent.contains(word))
        || agent.ends_with("bot")
    {
        return machine(Evidence::KnownAgent, Vec::new());
    }
    let touched_hidden = traffic.hits.iter().any(|hit| {
        hit.kind == HitKind::Hidden
            && hit.source == seen.source
            && is_near(hit.at_ms, seen.at_ms, HIDDEN_WINDOW_MS)
    });
    if touched_hidden {
        return machine(Evidence::HiddenLink, Vec::new());
    }
    let swept = sweep(seen, traffic);
    if !swept.is_empty() {
        return machine(Evidence::AllLinks, swept);
    }
    let is_instant = traffic
        .delivered_at_ms
        .is_some_and(|delivered_at_ms| seen.at_ms < delivered_at_ms.saturating_add(INSTANT_MS));
    if is_instant {
        return machine(Evidence::Instant, Vec::new());
    }
    Verdict::Human
}

fn machine(why: Evidence, also: Vec<usize>) -> Verdict {
    Verdict::Machine { why, also }
}

fn prefetch(agent: &str) -> Option<Evidence> {
    if PREFETCH_AGENTS.iter().any(|word| agent.contains(word)) {
        return Some(Evidence::ImageProxy);
    }
    (agent == "mozilla/5.0").then_some(Evidence::ApplePrivacy)
}

/// The clicks that together with this one touch all links within seconds; empty if they do not.
///
/// Sources are not compared: gateways spread their requests over many addresses.
fn sweep(seen: &Observation<'_>, traffic: &MessageTraffic) -> Vec<usize> {
    let HitKind::Click { link_index } = seen.kind else {
        return Vec::new();
    };
    if traffic.link_count < SWEEP_LINKS_MIN {
        return Vec::new();
    }
    let near: Vec<(usize, usize)> = traffic
        .hits
        .iter()
        .enumerate()
        .filter(|(_, hit)| is_near(hit.at_ms, seen.at_ms, SWEEP_MS))
        .filter_map(|(index, hit)| match hit.kind {
            HitKind::Click { link_index } => Some((index, link_index)),
            _ => None,
        })
        .collect();
    let mut links: Vec<usize> = near.iter().map(|(_, link)| *link).collect();
    links.push(link_index);
    links.sort_unstable();
    links.dedup();
    if links.len() < traffic.link_count {
        return Vec::new();
    }
    near.into_iter().map(|(index, _)| index).collect()
}

fn near_hits(seen: &Observation<'_>, traffic: &MessageTraffic, window_ms: u64) -> Vec<usize> {
    traffic
        .hits
        .iter()
        .enumerate()
        .filter(|(_, hit)| hit.source == seen.source && is_near(hit.at_ms, seen.at_ms, window_ms))
        .map(|(index, _)| index)
        .collect()
}

fn is_near(left_ms: u64, right_ms: u64, window_ms: u64) -> bool {
    left_ms.abs_diff(right_ms) <= window_ms
}
