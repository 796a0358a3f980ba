//! `make demo-report`: how well the shipped health definition and a learned risk foretell churn in the demo company,
//! whose causes are known.
//!
//! Half of the accounts are never learned from. Both scores are judged on that half, at moments after everything that
//! was learned from, the labels of which are over. Seeds used to tune the definition are not the one reported.

use std::path::Path;
use std::process::ExitCode;

use tenure_app::catalog::Catalog;
use tenure_app::risk::{Learned, Training, churned, learn, moments};
use tenure_core::backtest::Replay;
use tenure_core::define::SourceFile;
use tenure_core::health::score_at;
use tenure_core::id::{AccountId, Salt, SubjectId};
use tenure_core::plan::{Plan, PlanSources};
use tenure_core::snapshot::{Churn, Row, Snapshots};
use tenure_core::time::Timestamp;
use tenure_learn::measure::{roc_auc, roc_auc_interval};
use tenure_sim::demo::{Company, DemoConfig, Entries};

const HORIZON_DAYS: u32 = 60;
/// The last moments are judged, the ones before are learned from.
const JUDGED_MOMENTS: usize = 2;
const END_MS: i64 = 1_767_225_600_000;
const HEALTH_GOAL: f64 = 0.80;
const RISK_GOAL: f64 = 0.88;
const RESAMPLES: usize = 300;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (mut seed, mut account_count) = (20_260, 1_500);
    while let Some(name) = arguments.next() {
        let value: Option<u64> = arguments.next().and_then(|value| value.parse().ok());
        match (name.as_str(), value) {
            ("--seed", Some(value)) => seed = value,
            ("--accounts", Some(value)) => account_count = value as u32,
            _ => {
                eprintln!("use: demo-report [--seed N] [--accounts N]");
                return ExitCode::from(2);
            }
        }
    }
    match report(seed, account_count) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

/// Whether an account is one that may be learned from.
fn is_learned_from(account: AccountId) -> bool {
    account.0.is_multiple_of(2)
}

fn report(seed: u64, account_count: u32) -> Result<bool, String> {
    let config = DemoConfig {
        account_count,
        ..DemoConfig::ending_at(seed, END_MS)
    };
    let all = moments(Timestamp(config.start_ms), Timestamp(END_MS), HORIZON_DAYS);
    let judged = all[all.len() - JUDGED_MOMENTS..].to_vec();
    let plan = shipped_health()?;
    let told = tell(&Company::new(config), &plan, &judged);
    let risk = learned_risk(&told, &judged)?;
    println!(
        "demo company, seed {seed}, {account_count} accounts, {} entries of the log, churn within {HORIZON_DAYS} days",
        told.entry_count
    );
    let health = judge("shipped health", HEALTH_GOAL, &told.health(&judged));
    let risk = judge("learned risk", RISK_GOAL, &risk);
    Ok(health && risk)
}

/// Prints one area and whether it reaches its goal.
fn judge(what: &str, goal: f64, said: &[(f64, bool)]) -> bool {
    let (scores, labels): (Vec<f64>, Vec<bool>) = said.iter().copied().unzip();
    let area = roc_auc(&scores, &labels);
    let (low, high) = roc_auc_interval(&scores, &labels, RESAMPLES, 1);
    let churned = labels.iter().filter(|gone| **gone).count();
    let verdict = if area >= goal {
        "reached"
    } else {
        "NOT REACHED"
    };
    println!(
        "{what}: ROC-AUC {area:.3} ({low:.3} to {high:.3}) on {} accounts never learned from, {churned} of which churned; goal {goal:.2} {verdict}",
        labels.len()
    );
    area >= goal
}

struct Told {
    known: Snapshots,
    early: Snapshots,
    scores: Vec<(AccountId, Timestamp, f64)>,
    entry_count: u64,
}

/// Tells the company's life to the health definition and to the snapshots.
fn tell(company: &Company, plan: &Plan, judged: &[Timestamp]) -> Told {
    let mut entries = Entries::new(Salt([7; 32]));
    let mut replay = Replay::new(plan);
    let mut told = Told {
        known: Snapshots::new(Churn::default(), 1.0),
        early: Snapshots::new(Churn::default(), 1.0),
        scores: Vec::new(),
        entry_count: 0,
    };
    let mut due = judged.iter().copied().peekable();
    for call in company.history() {
        for entry in entries.of(&call) {
            while let Some(at) = due.next_if(|at| *at <= entry.received_at) {
                look(plan, &mut replay, at, &mut told.scores);
            }
            replay.apply(&entry, &mut |_| {});
            told.known.apply(&entry);
            if entry.received_at < judged[0]
                && entry.body.root().is_some_and(|root| is_early(root.0))
            {
                told.early.apply(&entry);
            }
            told.entry_count += 1;
        }
    }
    told
}

fn is_early(root: SubjectId) -> bool {
    root.account().is_some_and(is_learned_from)
}

fn look(
    plan: &Plan,
    replay: &mut Replay<'_>,
    at: Timestamp,
    scores: &mut Vec<(AccountId, Timestamp, f64)>,
) {
    replay.advance(at, &mut |_| {});
    for root in replay.roots() {
        let Some(id) = root.account().and_then(|state| state.id.account()) else {
            continue;
        };
        let score = score_at(plan, root, SubjectId::Account(id), at);
        scores.extend(score.map(|score| (id, at, score)));
    }
}

impl Told {
    fn judged(&self, at: Timestamp) -> Vec<Row> {
        let mut rows = self.known.rows(at);
        rows.retain(|row| !is_learned_from(row.account));
        rows
    }

    /// Low health is said to be high risk.
    fn health(&self, judged: &[Timestamp]) -> Vec<(f64, bool)> {
        let mut said = Vec::new();
        for at in judged {
            let rows = self.judged(*at);
            for (row, gone) in rows.iter().zip(churned(&rows, HORIZON_DAYS)) {
                let found = self
                    .scores
                    .iter()
                    .find(|(who, when, _)| *who == row.account && when == at);
                said.extend(found.map(|(_, _, score)| (-score, gone)));
            }
        }
        said
    }
}

/// Learns from half of the accounts, from what was known at the first judged moment, and scores the other half.
fn learned_risk(told: &Told, judged: &[Timestamp]) -> Result<Vec<(f64, bool)>, String> {
    let training = Training {
        horizon_days: HORIZON_DAYS,
        churn: Churn::default(),
    };
    let learned = learn(&told.early, judged[0], &training, None, 1);
    let model = match learned.map_err(|error| error.to_string())? {
        Learned::Model(model) => model,
        Learned::TooLittle(message) => return Err(message),
    };
    println!(
        "learned: {}, established: {}",
        model.summary().recipe,
        model.is_established()
    );
    let mut said = Vec::new();
    for at in judged {
        let rows = told.judged(*at);
        let probabilities = model
            .probabilities(&rows)
            .map_err(|error| error.to_string())?;
        said.extend(probabilities.into_iter().zip(churned(&rows, HORIZON_DAYS)));
    }
    Ok(said)
}

fn shipped_health() -> Result<Plan, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../programs/health/default.yaml");
    let text =
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let file = SourceFile {
        path: "health/default.yaml".into(),
        text,
    };
    let (catalog, _) = Catalog::default().with_files(&[file], false, 1);
    let (current, _) = catalog.parse().map_err(|found| format!("{found:?}"))?;
    let sources = PlanSources {
        version: 1,
        salt: Salt([7; 32]),
        current,
        program_versions: std::collections::BTreeMap::new(),
        retired: Vec::new(),
        paused: std::collections::BTreeSet::new(),
    };
    Plan::compile(sources).map_err(|found| format!("{found:?}"))
}
