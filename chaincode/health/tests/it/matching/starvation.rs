//! P4: nobody waits for ever, whoever else comes.

use super::{
    Batch, assign, class,
    instances::{demand, id, rng, supply},
    score,
};

const ROUND_SECONDS: i64 = 6 * 3600;

/// A request that everyone else is preferred to, among ever new urgent ones that fit better, one slot a round.
#[test]
fn p4_the_least_urgent_request_is_served_within_the_bound_under_endless_urgent_demand() {
    let mut rng = rng(21);
    let doctor = id(&mut rng);
    let mut ideal = demand(&mut rng, &[]);
    let mut slot = supply(&mut rng, std::slice::from_ref(&doctor));
    (slot.start, slot.end, slot.load) = (0, 1800, 0);
    ideal.periods[0].start = 0;
    (ideal.specialty, ideal.mode, ideal.excluded) = (slot.specialties[0], slot.mode, vec![]);
    ideal.languages = slot.languages.clone();
    ideal.pay = super::Pay::Insurance { insurance: slot.in_network[0].clone() };
    (ideal.prefs, ideal.seen) = (vec![doctor.clone()], vec![doctor]);
    let mut poor = ideal.clone();
    (poor.urgency, poor.prefs, poor.seen, poor.languages) = (4, vec![], vec![], vec![]);
    assert!(score(&ideal, &slot).unwrap().total() > score(&poor, &slot).unwrap().total());

    let created = |request: &super::Demand, now: i64| now - i64::try_from(request.waited).unwrap();
    let mut queue = vec![(0_i64, poor.clone())];
    let overdue_at = i64::try_from(class::target(4) * 5).unwrap();
    let closed_at = overdue_at + i64::try_from(class::OVERDUE_SECONDS).unwrap();
    let (mut rounds_after, mut ahead_then) = (0, None);
    for round in 0_i64.. {
        let now = round * ROUND_SECONDS;
        // Two new urgent requests each round, one slot: the queue grows without end.
        for _ in 0..2 {
            let mut urgent = ideal.clone();
            (urgent.id, urgent.urgency) = (id(&mut rng), 1);
            queue.push((now, urgent));
        }
        if now >= closed_at && ahead_then.is_none() {
            let due = |(at, request): &(i64, super::Demand)| {
                let urgency = i64::from(request.urgency);
                at + i64::try_from(class::target(request.urgency)).unwrap() * (urgency + 1)
            };
            ahead_then = Some(queue.iter().filter(|r| due(r) < closed_at).count());
        }
        let demands: Vec<_> = queue
            .iter()
            .map(|(at, request)| {
                let mut request = request.clone();
                request.waited = u64::try_from(now - at).unwrap();
                assert_eq!(created(&request, now), *at);
                request
            })
            .collect();
        // The most overdue ones are enough to decide a single slot; a batch takes the oldest first, too.
        let batch = Batch::new(demands.into_iter().take(60).collect(), vec![slot.clone()]);
        let solution = assign(&batch);
        let served = solution.slots.iter().position(Option::is_some).unwrap();
        let served = batch.demands()[served].id.clone();
        queue.retain(|(_, request)| request.id != served);
        rounds_after += usize::from(ahead_then.is_some());
        if served == poor.id {
            break;
        }
        assert!(ahead_then.is_none_or(|ahead| rounds_after <= ahead), "round {round}");
    }
    let ahead = ahead_then.unwrap();
    println!("served {rounds_after} rounds after the queue ahead was closed with {ahead} in it");
    assert!(rounds_after <= ahead && ahead > 10);
}
