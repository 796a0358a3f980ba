//! What humans do to tasks.

use tenure_core::id::TaskId;
use tenure_core::time::Timestamp;
use tenure_store::Batch;
use tenure_store::batch::TaskUpdate;
use tenure_store::row::Task;

use crate::error::AppError;
use crate::node::Node;

/// What a human does to a task.
#[derive(Debug, Clone, PartialEq)]
pub enum TaskAct {
    /// It is somebody else's from now on; `None` is nobody's.
    Assign(Option<Box<str>>),
    /// It rests until then; `None` ends a rest.
    Snooze(Option<Timestamp>),
    /// It is due at another time.
    Due(Option<Timestamp>),
    /// It is done, and what came of it.
    Complete(Option<Box<str>>),
    /// It is open again.
    Reopen,
}

impl Node {
    /// A task.
    pub fn task(&self, id: TaskId) -> Result<Task, AppError> {
        let found = self.store().task(id)?;
        found.ok_or_else(|| AppError::NotFound {
            what: "task",
            name: id.to_string(),
        })
    }

    /// Does things to a task, all at once; answers how it stands then.
    pub fn act_on_task(&self, id: TaskId, acts: &[TaskAct]) -> Result<Task, AppError> {
        let _one_at_a_time = self.tasks.lock();
        let mut task = self.task(id)?;
        for act in acts {
            self.apply(&mut task, act)?;
        }
        let update = TaskUpdate {
            id,
            owner: task.owner.clone(),
            due_at: task.due_at,
            snoozed_until: task.snoozed_until,
            completed_at: task.completed_at,
            outcome: task.outcome.clone(),
        };
        let batch = Batch {
            task_updates: vec![update],
            ..Batch::default()
        };
        self.writer().commit(batch, Vec::new())?;
        Ok(task)
    }

    fn apply(&self, task: &mut Task, act: &TaskAct) -> Result<(), AppError> {
        match act {
            TaskAct::Assign(owner) => task.owner.clone_from(owner),
            TaskAct::Snooze(until) => {
                if task.completed_at.is_some() {
                    return Err(AppError::Conflict(
                        "the task is completed; reopen it before it can rest".into(),
                    ));
                }
                task.snoozed_until = *until;
            }
            TaskAct::Due(at) => task.due_at = *at,
            TaskAct::Complete(outcome) => {
                task.completed_at = Some(self.now());
                task.outcome.clone_from(outcome);
                task.snoozed_until = None;
            }
            TaskAct::Reopen => (task.completed_at, task.outcome) = (None, None),
        }
        Ok(())
    }
}
