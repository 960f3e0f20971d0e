//! hyper's timer for one connection, which keeps the runtime's timer from one request head to the
//! next: moving a deadline further away costs nothing, while making and ending a timer for each
//! request takes a lock that all threads share.

use crate::clock::Clock;
use hyper::rt::{Sleep, Timer};
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// One per connection.
#[derive(Clone)]
pub struct KeptTimer {
    clock: Clock,
    kept: Arc<Mutex<Option<Deadline>>>,
}

type Deadline = Pin<Box<tokio::time::Sleep>>;

/// A wait; its timer is given back when it ends.
struct KeptSleep {
    deadline: Option<Deadline>,
    timer: KeptTimer,
}

impl KeptTimer {
    pub fn new(clock: Clock) -> KeptTimer {
        KeptTimer {
            clock,
            kept: Arc::default(),
        }
    }
}

impl Timer for KeptTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let kept = self.kept.lock().take();
        let kept = match kept {
            Some(mut kept) => {
                kept.as_mut().reset(deadline.into());
                kept
            }
            None => Box::pin(tokio::time::sleep_until(deadline.into())),
        };
        Box::pin(KeptSleep {
            deadline: Some(kept),
            timer: self.clone(),
        })
    }

    fn now(&self) -> Instant {
        self.clock.instant().into()
    }
}

impl Sleep for KeptSleep {}

impl Future for KeptSleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.deadline {
            Some(deadline) => deadline.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}

impl Drop for KeptSleep {
    fn drop(&mut self) {
        *self.timer.kept.lock() = self.deadline.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_kept_timer_ends_at_the_deadline_that_was_set_last() {
        let timer = KeptTimer::new(Clock::system());
        let began = timer.now();
        let first = timer.sleep(Duration::from_secs(10));
        tokio::time::timeout(Duration::from_secs(1), first)
            .await
            .expect_err("nine seconds early");

        timer.sleep(Duration::from_secs(20)).await;
        timer.sleep(Duration::from_secs(5)).await;

        assert_eq!((timer.now() - began).as_secs(), 1 + 20 + 5);
    }
}
