use std::sync::Arc;

use tokio_stream::StreamExt;

use super::*;
use crate::fairness::Activity;

const BLOCK: usize = 10 << 20;

fn person(name: &str, organisation: &str) -> Reader {
    let (certificate, organisation) = (name.as_bytes().to_vec(), organisation.to_owned());
    Reader { certificate, organisation, is_node: false }
}

fn share(budget: &Budget, reader: &Reader) -> Share {
    budget.share(reader, &Arc::default())
}

#[tokio::test]
async fn a_hundred_unread_streams_of_a_person_hold_one_share_and_leave_the_rest_to_others() {
    let budget = Budget::default();
    let idle = person("idle", "A");
    let streams: Vec<_> = (0..100).map(|_| share(&budget, &idle)).collect();
    let held: Vec<Taken> = streams.iter().filter_map(|share| share.try_take(BLOCK)).collect();
    assert_eq!(held.len(), 2, "two blocks of 10 MiB fit into 24 MiB");
    assert!(streams[99].try_take(100).is_some(), "small blocks flow on");
    assert!(share(&budget, &person("other", "A")).try_take(BLOCK).is_some());
    drop((streams, held));
    share(&budget, &person("last", "A"));
    assert!(budget.people() <= 1, "readers that left are forgotten");
}

#[tokio::test]
async fn an_organisations_people_leave_half_to_others_and_all_people_leave_the_nodes_theirs() {
    let budget = Budget::default();
    let take = |organisation: &'static str| {
        let readers =
            (0..100).map(move |name| person(&format!("{organisation}{name}"), organisation));
        readers.filter_map(|reader| share(&budget, &reader).try_take(BLOCK)).collect::<Vec<_>>()
    };
    let (of_a, of_b, of_c) = (take("A"), take("B"), take("C"));
    assert_eq!((of_a.len(), of_b.len(), of_c.len()), (4, 4, 1), "48 MiB each, 96 MiB in all");
    let peer = Reader { is_node: true, ..person("peer", "A") };
    assert!(share(&budget, &peer).try_take(BLOCK).is_some());
}

#[tokio::test]
async fn a_message_is_charged_until_the_reader_asks_for_the_next() {
    let budget = Budget::default();
    let (sender, mut stream, progress) = ahead::<u32>(None);
    let share = budget.share(&person("reader", "A"), &progress);
    let free = share.free();
    for message in [1, 2] {
        let taken = share.try_take(BLOCK).expect("free");
        sender.send((Ok(message), taken)).await.expect("open");
        if message == 1 {
            assert_eq!(stream.next().await.expect("a message").expect("good"), 1);
        }
    }
    assert!(sender.try_reserve().is_err(), "one block waits beyond the first");
    assert!(share.try_take(BLOCK).is_none());
    assert_eq!(stream.next().await.expect("a message").expect("good"), 2);
    drop(share.take(BLOCK).await);
    drop(stream);
    assert_eq!(share.free(), free, "a reader that leaves holds nothing");
}

#[tokio::test]
async fn where_others_wait_a_reader_that_takes_nothing_is_cut_and_one_that_reads_is_not() {
    let budget = Budget::default();
    let mut idle = Vec::new();
    let connections: Vec<_> = (0..4).map(|_| Connection(Arc::new(Activity::new()))).collect();
    for (index, connection) in connections.iter().enumerate() {
        let (sender, stream, progress) = ahead::<u32>(Some(connection.clone()));
        let organisation = if index < 2 { "A" } else { "B" };
        let share = budget.share(&person(&index.to_string(), organisation), &progress);
        while let Some(taken) = share.try_take(12 << 20) {
            idle.push((taken, share.free(), sender.clone()));
        }
        std::mem::forget(stream);
        if index == 0 {
            tokio::time::sleep(STALLED).await;
        }
    }
    let waiting = share(&budget, &person("waiting", "C"));
    let wait = tokio::time::timeout(Duration::from_millis(200), waiting.take(BLOCK));
    assert!(wait.await.is_err(), "all is held");
    let cut = |connection: &Connection| {
        let activity = Arc::clone(&connection.0);
        async move { tokio::time::timeout(Duration::from_millis(1), activity.cut()).await.is_ok() }
    };
    assert!(cut(&connections[0]).await, "it has taken nothing for {STALLED:?}");
    assert!(!cut(&connections[1]).await, "it may still be reading");
}
