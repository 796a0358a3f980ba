//! What customer-success systems ask and tell about one customer (an account, by the id they
//! know it by): triggers, results of programs, recoveries, risk, opportunity.
//!
//! Nothing here is estimated: what is not known is absent, with the reason beside it.

mod campaign;
mod known;
mod opportunity;
mod performance;
mod recovery;
mod risk;
mod trigger;
mod usage;

use tenure_core::id::{AccountId, SubjectId};
use tenure_core::subject::SubjectState;

use crate::error::AppError;
use crate::node::Node;
use crate::query::Query;

pub use campaign::{Campaign, Targets};
pub use known::Known;
pub use opportunity::Opportunity;
pub use performance::{Arm, Group, Performance, StepResult};
pub(crate) use performance::{arm_name, read_all};
pub use recovery::{Recovery, RecoveryOutcome, RecoveryState, StartRecovery, Week};
pub use risk::{LearnedRisk, Reason, Recommended, Risk, RiskOrigin, Standing};
pub use trigger::{Considered, Trigger, TriggerKind, Triggered};

impl Node {
    /// A customer by the id its sender uses.
    pub fn customer(&self, external_id: &str) -> Result<(AccountId, SubjectState), AppError> {
        let query = Query::new(self.store().as_ref(), self.salt());
        let account = query.account_named(external_id);
        let state = query.subject(SubjectId::Account(account))?;
        let state = state.ok_or_else(|| AppError::NotFound {
            what: "customer",
            name: external_id.to_owned(),
        })?;
        Ok((account, state))
    }
}
