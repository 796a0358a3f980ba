//! Flow control of the JSON API: a token bucket per client, and a bound on requests at once per
//! customer. Both live in memory of bounded size and are told in `RateLimit` headers
//! (draft-ietf-httpapi-ratelimit-headers).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;

use crate::ApiState;
use crate::problem::{Code, Problem};

/// How many clients and customers are remembered at once, each.
const MAX_KEYS: usize = 10_000;

/// Limits on requests to the JSON API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowLimits {
    /// Requests a second of one client, on average.
    pub client_rate_per_second: u32,
    /// Requests of one client at a stroke.
    pub client_burst: u32,
    /// Requests at once about one customer.
    pub customer_concurrency: u32,
}

impl Default for FlowLimits {
    fn default() -> Self {
        Self {
            client_rate_per_second: 500,
            client_burst: 2_000,
            customer_concurrency: 10,
        }
    }
}

/// Who asks how much.
pub(crate) struct Flow {
    limits: FlowLimits,
    buckets: Mutex<HashMap<[u8; 32], Bucket>>,
    customers: Arc<Mutex<HashMap<String, u32>>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    filled_at: Instant,
}

/// What a client has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Quota {
    is_allowed: bool,
    remaining: u32,
    /// Seconds until there is a token, or (when allowed) until the bucket is full.
    reset_seconds: u32,
}

/// A request about a customer that is under way.
struct Seat {
    customers: Arc<Mutex<HashMap<String, u32>>>,
    customer: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut customers = self.customers.lock();
        if let Some(count) = customers.get_mut(&self.customer) {
            *count -= 1;
            if *count == 0 {
                customers.remove(&self.customer);
            }
        }
    }
}

impl Flow {
    pub(crate) fn new(limits: FlowLimits) -> Self {
        Self {
            limits,
            buckets: Mutex::default(),
            customers: Arc::default(),
        }
    }

    /// Takes a token of a client.
    fn take(&self, client: [u8; 32], now: Instant) -> Quota {
        let rate = f64::from(self.limits.client_rate_per_second.max(1));
        let burst = f64::from(self.limits.client_burst.max(1));
        let mut buckets = self.buckets.lock();
        if buckets.len() >= MAX_KEYS && !buckets.contains_key(&client) {
            // A bucket that is full again says nothing; when all are in use, one more client is
            // let through rather than an old one forgotten.
            buckets.retain(|_, bucket| bucket.level(rate, burst, now) < burst);
            if buckets.len() >= MAX_KEYS {
                return Quota {
                    is_allowed: true,
                    remaining: 0,
                    reset_seconds: 1,
                };
            }
        }
        let bucket = buckets.entry(client).or_insert(Bucket {
            tokens: burst,
            filled_at: now,
        });
        let level = bucket.level(rate, burst, now);
        let is_allowed = level >= 1.0;
        let left = if is_allowed { level - 1.0 } else { level };
        *bucket = Bucket {
            tokens: left,
            filled_at: now,
        };
        let missing = if is_allowed { burst - left } else { 1.0 - left };
        Quota {
            is_allowed,
            remaining: left as u32,
            reset_seconds: (missing / rate).ceil().max(1.0) as u32,
        }
    }

    /// A place for a request about a customer, if one is free.
    fn seat(&self, customer: String) -> Option<Seat> {
        let mut customers = self.customers.lock();
        let count = customers.get(&customer).copied().unwrap_or(0);
        if count >= self.limits.customer_concurrency {
            return None;
        }
        customers.insert(customer.clone(), count + 1);
        Some(Seat {
            customers: Arc::clone(&self.customers),
            customer,
        })
    }

    fn describe(&self, quota: Quota, headers: &mut HeaderMap) {
        let limits = &self.limits;
        let window = limits
            .client_burst
            .div_ceil(limits.client_rate_per_second.max(1));
        let policy = format!("\"client\";q={};w={}", limits.client_burst, window.max(1));
        let left = format!("\"client\";r={};t={}", quota.remaining, quota.reset_seconds);
        for (name, text) in [("ratelimit-policy", policy), ("ratelimit", left)] {
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}

impl Bucket {
    fn level(&self, rate: f64, burst: f64, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.filled_at);
        (self.tokens + passed.as_secs_f64() * rate).min(burst)
    }
}

/// The customer that a path is about, if it is about one.
fn customer_of(route: &str, path: &str) -> Option<String> {
    let scoped = route.contains("/{customer_id}") || route.contains("/accounts/{account}");
    if !scoped {
        return None;
    }
    let place = route
        .split('/')
        .position(|part| part == "{customer_id}" || part == "{account}")?;
    path.split('/').nth(place).map(str::to_owned)
}

/// Lets a request through, or answers 429 with when to come back.
pub(super) async fn control(
    State(state): State<ApiState>,
    request: Request,
    next: Next,
) -> Response {
    let flow = Arc::clone(&state.flow);
    let client = client_of(&request);
    let quota = flow.take(client, Instant::now());
    let mut response = if quota.is_allowed {
        admit(&flow, request, next).await
    } else {
        let detail = "this client has asked more often than it may";
        Problem::new(Code::RateLimited, detail)
            .retry_after(quota.reset_seconds)
            .into_response()
    };
    flow.describe(quota, response.headers_mut());
    response
}

async fn admit(flow: &Flow, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>();
    let customer = route.and_then(|route| customer_of(route.as_str(), request.uri().path()));
    let Some(customer) = customer else {
        return next.run(request).await;
    };
    let Some(_seat) = flow.seat(customer) else {
        let detail = format!(
            "{} requests about this customer are under way",
            flow.limits.customer_concurrency
        );
        return Problem::new(Code::RateLimited, detail).into_response();
    };
    next.run(request).await
}

/// A client is known by its token, of which only the hash is kept.
fn client_of(request: &Request) -> [u8; 32] {
    let token = request.headers().get(header::AUTHORIZATION);
    let token = token.map_or(&[][..], HeaderValue::as_bytes);
    *blake3::hash(token).as_bytes()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn flow() -> Flow {
        Flow::new(FlowLimits {
            client_rate_per_second: 2,
            client_burst: 4,
            customer_concurrency: 2,
        })
    }

    #[test]
    fn a_client_may_ask_in_a_burst_and_then_at_its_rate_and_others_are_not_touched() {
        let flow = flow();
        let now = Instant::now();
        let allowed = |client: u8, at| flow.take([client; 32], at).is_allowed;
        assert_eq!(
            [0; 6].map(|_| allowed(1, now)),
            [true, true, true, true, false, false]
        );
        assert!(allowed(2, now));
        assert_eq!(flow.take([1; 32], now).reset_seconds, 1);
        let later = now + Duration::from_secs(1);
        assert_eq!([0; 3].map(|_| allowed(1, later)), [true, true, false]);
    }

    #[test]
    fn clients_without_number_do_not_grow_the_memory() {
        let flow = flow();
        let now = Instant::now();
        for number in 0..u32::try_from(MAX_KEYS + 100).unwrap() {
            let mut client = [0; 32];
            client[..4].copy_from_slice(&number.to_be_bytes());
            assert!(flow.take(client, now).is_allowed);
        }
        assert_eq!(flow.buckets.lock().len(), MAX_KEYS);
        let later = now + Duration::from_secs(10);
        assert!(flow.take([9; 32], later).is_allowed);
        assert_eq!(flow.buckets.lock().len(), 1, "full buckets are let go of");
    }

    #[test]
    fn a_customer_has_so_many_seats_and_gets_them_back() {
        let flow = flow();
        let seats = [flow.seat("acme".into()), flow.seat("acme".into())];
        assert!(seats.iter().all(Option::is_some));
        assert!(flow.seat("acme".into()).is_none());
        assert!(flow.seat("other".into()).is_some());
        drop(seats);
        assert!(flow.seat("acme".into()).is_some());
        assert!(flow.customers.lock().is_empty());
    }

    #[test]
    fn a_path_about_a_customer_names_it() {
        let customer = |route, path| customer_of(route, path);
        assert_eq!(
            customer(
                "/api/v1/cs-retention/risk/{customer_id}",
                "/api/v1/cs-retention/risk/acme"
            )
            .as_deref(),
            Some("acme")
        );
        assert_eq!(
            customer(
                "/api/v1/accounts/{account}/timeline",
                "/api/v1/accounts/acc_1/timeline"
            )
            .as_deref(),
            Some("acc_1")
        );
        assert_eq!(
            customer("/api/v1/people/{person}", "/api/v1/people/x"),
            None
        );
    }
}
