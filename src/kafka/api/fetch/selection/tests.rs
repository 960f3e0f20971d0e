//! What waits takes no more memory than it is charged for.

use super::*;
use crate::config::KafkaConfig;
use crate::kafka::budget::Budget;

#[test]
fn five_thousand_fetches_of_a_hundred_partitions_may_wait_by_default() {
    let topic = TopicRef::Name(TopicName(text("a-name-of-thirty-two-characters-")));
    let topic = Arc::new(topic);
    let mut selection = Selection {
        topic_bytes: topic_bytes(&topic),
        ..Selection::default()
    };
    for place in 0..100 {
        let asked = FetchPartition::default();
        let source = Err(Code::UnknownTopicOrPartition);
        selection.put(place, Slot::new(&topic, &asked, source));
    }
    let budget = Budget::new(KafkaConfig::default().decode_bytes_max);

    let bytes = 2048 + selection.bytes();
    let parked: Vec<_> = (0..5000).map(|_| budget.parked(bytes)).collect();

    assert!(parked.iter().all(Option::is_some), "{bytes} bytes each");
}
