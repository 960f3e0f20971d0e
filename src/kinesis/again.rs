//! A future that is polled again at once when it wakes itself. hyper does so twice for every
//! body: by way of the runtime's queue each of them wakes an idle worker, and may move the
//! connection there.

use futures_util::task::AtomicWaker;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Polls in a row before others get their turn.
const IN_A_ROW_MAX: usize = 8;

/// Nobody polls: whoever wakes the future wakes its task.
const IDLE: u8 = 0;
const POLLING: u8 = 1;
/// It was woken while it was polled.
const WOKEN: u8 = 2;

/// The future, to be awaited in place of what it was made of.
pub struct Again<F> {
    future: Pin<Box<F>>,
    wakes: Arc<Wakes>,
    waker: Waker,
}

#[derive(Default)]
struct Wakes {
    state: AtomicU8,
    task: AtomicWaker,
}

impl<F: Future> Again<F> {
    pub fn new(future: F) -> Again<F> {
        let wakes = Arc::<Wakes>::default();
        Again {
            future: Box::pin(future),
            waker: wakes.clone().into(),
            wakes,
        }
    }

    pub fn future(&mut self) -> Pin<&mut F> {
        self.future.as_mut()
    }
}

impl<F: Future> Future for Again<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Again {
            future,
            wakes,
            waker,
        } = &mut *self;
        wakes.task.register(cx.waker());
        for _ in 0..IN_A_ROW_MAX {
            wakes.state.store(POLLING, Ordering::SeqCst);
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker)) {
                return Poll::Ready(output);
            }
            if wakes.state.swap(IDLE, Ordering::SeqCst) == POLLING {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let told = self
            .state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| {
                (state != IDLE).then_some(WOKEN)
            });
        if told.is_err() {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::future::poll_fn;

    /// Wakes itself so many times, then waits to be woken by somebody else.
    fn waking(times: usize) -> impl Future<Output = ()> {
        let mut polls = 0;
        poll_fn(move |cx| {
            polls += 1;
            if polls <= times {
                cx.waker().wake_by_ref();
            }
            match polls > times {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
    }

    #[test]
    fn a_future_that_wakes_itself_is_polled_again_without_its_task() {
        assert_eq!(Again::new(waking(3)).now_or_never(), Some(()));
    }

    #[tokio::test]
    async fn one_that_goes_on_waking_itself_lets_others_have_their_turn_and_is_not_forgotten() {
        let mut again = Again::new(waking(10 * IN_A_ROW_MAX));
        assert_eq!((&mut again).now_or_never(), None);
        again.await;
    }

    #[tokio::test]
    async fn a_wake_from_elsewhere_arrives() {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let waiting = tokio::spawn(Again::new(receiver));
        tokio::task::yield_now().await;

        sender.send(7).expect("somebody waits");

        assert_eq!(waiting.await.expect("no panic"), Ok(7));
    }
}
