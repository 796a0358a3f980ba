//! Connectors against local stand-ins: real HTTP servers in this process, made from what each provider publishes of its
//! API, that check credentials, paths and bodies, page, limit and fail as they are told. All pass one suite.

mod harness;
mod hubspot;
mod intercom;
mod klaviyo;
mod marketo;
mod salesforce;
mod segment;
mod server;
mod signed_webhook;
mod slack;
mod twilio;
mod zendesk;
