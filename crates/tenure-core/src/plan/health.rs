//! Health among the conditions of a plan.

use crate::define::Audience;
use crate::expr::Scope;
use crate::health::{Health, HealthDef, expressions, in_order};
use crate::lang::canonical;

use super::conditions::{
    ConditionIndex, ConditionSet, Gathered, TrackedCondition, User, audience_of, stable_hash,
};

use crate::define::Place;
use crate::expr::Expr;
use crate::health::HealthField;

impl ConditionSet {
    /// Tracks the health of an audience, after what it rests on. `None` if nothing defines it.
    pub(super) fn health(&mut self, audience: Audience) -> Option<ConditionIndex> {
        if let Some(known) = self.healths.iter().find(|one| one.audience == audience) {
            return Some(known.condition);
        }
        let definitions = in_order(&self.definitions.health, audience);
        let first = definitions.first()?.clone();
        self.report_second_default(&definitions);
        self.open.push(open_name(audience));
        let mut gathered = Gathered::default();
        for def in &definitions {
            let user = User {
                audience,
                always: true,
                program: None,
                place: &def.place,
            };
            for expr in expressions(def) {
                self.gather(expr, user, &mut gathered);
            }
        }
        self.open.pop();
        let key = stable_hash(&written(audience, &definitions));
        let condition = ConditionIndex(self.conditions.len() as u32);
        self.conditions.push(TrackedCondition {
            key,
            audience,
            text: format!("health: {}", first.name).into(),
            expr: Expr::Known(Box::new(Expr::Health(Scope::Own, HealthField::Score))),
            always: true,
            programs: Vec::new(),
            reads: gathered.reads,
            needs: gathered.needs,
        });
        self.healths.push(Health {
            audience,
            condition,
            key,
            definitions,
        });
        Some(condition)
    }

    fn report_second_default(&mut self, definitions: &[HealthDef]) {
        let everybody = definitions.iter().filter(|def| def.when.is_none());
        let places: Vec<Place> = everybody.skip(1).map(|def| def.place.clone()).collect();
        for place in places {
            self.report(
                Some(&place),
                "second-default-health",
                "two health definitions of this audience apply to everybody".into(),
                "give all but one a `when`; the first that applies counts",
            );
        }
    }

    /// What a condition that asks for health reads.
    pub(super) fn gather_health(&mut self, scope: Scope, user: User<'_>, out: &mut Gathered) {
        let audience = audience_of(user.audience, scope);
        if self.open.contains(&open_name(audience)) {
            self.report(
                Some(user.place),
                "health-circle",
                "health rests on itself here".into(),
                "take `health` out of what its own components and `when` read",
            );
            return;
        }
        let Some(index) = self.health(audience) else {
            let help = match audience {
                Audience::Account => {
                    "write a definition that begins with `health: NAME`, or put a trait of this name into backticks"
                }
                Audience::Person => {
                    "write a `health: NAME` with `audience: person`, or ask for the account's: `account.health`"
                }
            };
            let whose = match audience {
                Audience::Account => "accounts",
                Audience::Person => "people",
            };
            self.report(
                Some(user.place),
                "no-health",
                format!("nothing defines the health of {whose}"),
                help,
            );
            return;
        };
        if audience == user.audience {
            out.reads.conditions.push(index);
        } else {
            out.reads.account = true;
            out.reads.account_conditions.push(index);
        }
        self.inherit(index, out);
    }
}

/// How health stands among the names of what is being compiled; no segment has this name.
fn open_name(audience: Audience) -> String {
    format!("health:{audience:?}")
}

/// Everything the evaluation depends on, as text.
fn written(audience: Audience, definitions: &[HealthDef]) -> String {
    let mut out = format!("health|{audience:?}");
    for def in definitions {
        out.push_str(&format!("|{}|{:?}", def.name, def.zones));
        if let Some(when) = &def.when {
            out.push_str("|when ");
            out.push_str(&canonical(&when.expr));
        }
        for part in &def.components {
            let value = canonical(&part.value.expr);
            out.push_str(&format!(
                "|{}|{value}|{:?}",
                part.weight,
                part.curve.points()
            ));
        }
    }
    out
}
