//! LeaveGroup, and requests whose connection went away.

use super::member::Wait;
use super::state::{Group, Moment, Refusal, Ticket};
use crate::store::Name;

/// Who leaves: a member, or by its instance id alone a static one (an administrator's removal).
#[derive(Clone, Debug)]
pub struct Leaver {
    pub member: Name,
    pub instance: Option<Name>,
}

impl Group {
    pub fn leave(&mut self, leaver: &Leaver, now: Moment) -> Result<(), Refusal> {
        if leaver.instance.is_none() && self.pending.remove(&leaver.member).is_some() {
            self.complete_join_if_ready(now);
            return Ok(());
        }
        let id = match &leaver.instance {
            Some(instance) if leaver.member.is_empty() => {
                let holder = self.statics.get(instance);
                holder.cloned().ok_or(Refusal::UnknownMember)?
            }
            Some(_) | None => leaver.member.clone(),
        };
        let instance = leaver.instance.as_deref();
        self.check_member(&id, instance)?;
        self.remove(&id);
        self.rebalance(now);
        Ok(())
    }

    /// Nobody waits for this request's answer any more. A dynamic member in its first join goes:
    /// it would be a ghost that holds the others up (spec §5, trap 18). Anybody else has a
    /// session's time to come back.
    pub fn cancel(&mut self, ticket: Ticket, now: Moment) {
        self.returned.retain(|(returned, _)| *returned != ticket);
        let is_it = |wait: Wait| wait == Wait::Join(ticket) || wait == Wait::Sync(ticket);
        let Some(member) = self.members.values_mut().find(|m| is_it(m.waits_for)) else {
            return;
        };
        member.waits_for = Wait::Nothing;
        member.seen = now;
        if member.is_new && member.instance.is_none() {
            let id = member.id.clone();
            self.remove(&id);
            self.rebalance(now);
        }
    }
}
