//! The composition root: store, node, mail and router, put together from the settings.

mod connectors;
mod disk;
pub(crate) mod logs;
mod mail;
mod metrics;
mod private;
mod routes;
mod sealing;
mod setup;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use metrics_exporter_prometheus::PrometheusHandle;
use tenure_app::clock::Clock;
use tenure_app::dispatch::DispatchSettings;
use tenure_app::node::{Node, Parts};
use tenure_core::time::Timestamp;
use tenure_store::Store;
use tenure_store_sqlite::{Options, SqliteStore};
use tokio::net::TcpListener;

use crate::settings::Settings;
pub(crate) use disk::{free_bytes, readable_bytes};
pub(crate) use mail::check_mail;

/// How long requests under way may take when the server stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the metrics recorder is tidied.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The machine's clock.
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(jiff::Timestamp::now().as_millisecond())
    }
}

/// A server that has opened its data and its port.
pub(crate) struct Server {
    node: Arc<Node>,
    listener: std::net::TcpListener,
    metrics: PrometheusHandle,
    limits: tenure_api::ingest::IngestLimits,
    flow: tenure_api::FlowLimits,
    public_url: Option<String>,
    setup: Option<tenure_api::SetUp>,
    data: PathBuf,
}

impl Server {
    /// Opens a data folder and starts the node's threads.
    pub(crate) fn open(data: &Path, settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self> {
        let listen = settings.text("listen").unwrap_or_default();
        let listener = std::net::TcpListener::bind(listen)
            .with_context(|| format!("cannot listen on {listen}; is another server running there? name another address with --listen"))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let public_url = settings.text("public_url").map_or_else(
            || format!("http://{address}"),
            |url| url.trim_end_matches('/').to_owned(),
        );
        let metrics = metrics::install()?;
        let store = SqliteStore::open(data, Options::default())
            .with_context(|| format!("cannot open {}", data.display()))?;
        let store: Arc<dyn Store> = Arc::new(store);
        let node = Node::start(Parts {
            store,
            clock,
            email: mail::transport(data, settings, &public_url)?,
            dispatch: DispatchSettings {
                public_url: public_url.clone(),
                from: settings.text("from").map(str::to_owned),
                tracking: settings.is_on("tracking"),
                threads: settings.number("smtp_connections_max") as usize,
                retry_delay_ms: settings.number("send_retry_delay_ms") as i64,
                dkim: mail::dkim(settings)?,
                webhooks: mail::webhooks(settings)?,
                webhook_transport: None,
            },
            cached_subjects: settings.number("cached_subjects_max") as usize,
        })?;
        node.unlock(sealing::key(settings, data)?);
        connectors::use_secrets(&node, data)?;
        if let Some(folder) = settings.path("bounces_dir") {
            // It ends by itself when the node stops.
            drop(node.watch_reports(folder)?);
        }
        // It ends by itself when the node stops.
        drop(node.watch_for_alerts(mail::alerts(settings)?)?);
        let limits = tenure_api::ingest::IngestLimits {
            event_bytes: settings.number("event_bytes_max") as usize,
            batch_bytes: settings.number("batch_bytes_max") as usize,
            batch_events: settings.number("batch_events_max") as usize,
        };
        let flow = tenure_api::FlowLimits {
            client_rate_per_second: settings.number("api_client_rate_max") as u32,
            client_burst: settings.number("api_client_burst_max") as u32,
            customer_concurrency: settings.number("api_customer_requests_max") as u32,
        };
        let public_url = settings.text("public_url").map(str::to_owned);
        Ok(Self {
            node,
            listener,
            metrics,
            limits,
            flow,
            public_url,
            setup: None,
            data: data.to_owned(),
        })
    }

    /// Address under which it listens on this machine.
    pub(crate) fn url(&self) -> String {
        self.listener
            .local_addr()
            .map(|address| format!("http://{address}"))
            .unwrap_or_default()
    }

    /// Lets the first user be made with a one-time code, if nobody can sign in yet; answers what to tell the operator.
    pub(crate) fn offer_setup(&mut self) -> Result<Option<String>> {
        let url = self.public_url.clone().unwrap_or_else(|| self.url());
        let offered = setup::offer(self.node.access(), &self.data, &url)?;
        Ok(offered.map(|(setup, told)| {
            self.setup = Some(setup);
            told
        }))
    }

    /// The node behind it.
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    /// Serves until `stop` is ready, then stops accepting, finishes requests and commits, stores all states.
    pub(crate) fn run(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        let node = Arc::clone(&self.node);
        let served = runtime.block_on(self.serve(stop));
        runtime.shutdown_timeout(DRAIN_TIMEOUT);
        node.stop();
        served
    }

    async fn serve(self, stop: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let upkeep = self.metrics.clone();
        let data = self.data.clone();
        tokio::spawn(async move {
            loop {
                metrics::disk(&data);
                upkeep.run_upkeep();
                tokio::time::sleep(UPKEEP_INTERVAL).await;
            }
        });
        let router = routes::router(
            &self.node,
            (self.limits, self.flow),
            self.public_url.as_deref(),
            self.metrics,
            (&self.data, self.setup),
        );
        let (begin, begun) = tokio::sync::oneshot::channel();
        let stopping = async move {
            stop.await;
            tracing::info!("stopping");
            // Nobody listens any more when serving ended by itself.
            let _ = begin.send(());
        };
        let serving = axum::serve(
            listener,
            router.into_make_service_with_connect_info::<std::net::SocketAddr>(),
        )
        .with_graceful_shutdown(stopping);
        let too_late = async {
            if begun.await.is_ok() {
                tokio::time::sleep(DRAIN_TIMEOUT).await;
            } else {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            served = serving => served.context("serving failed"),
            () = too_late => {
                tracing::warn!("requests were cut off: they took too long to finish");
                Ok(())
            }
        }
    }
}

/// Ready when the process is asked to stop (SIGTERM, SIGINT).
pub(crate) async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "signals cannot be received; end the process to stop");
            std::future::pending::<()>().await;
        }
    }
}
