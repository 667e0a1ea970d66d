//! What is followed, for how long it is of use, and what is left before it is begun again.

use super::*;

/// One whose own partitions have been the same for long.
fn calm(room: usize, own: &[i32]) -> Standby {
    let standby = Standby::with_room(room);
    standby.own(own.iter().copied());
    standby.kept().own_since -= CALM;
    standby
}

fn read(standby: &Standby, partition: i32, records: &[(i64, &str, Option<&str>)]) {
    for (offset, key, value) in records {
        standby.add(partition, *offset, key.as_bytes(), value.map(str::as_bytes));
    }
    standby.at_end(partition);
}

fn change(leave: &[i32], begin: Option<i32>) -> Change {
    Change { leave: leave.to_vec(), begin }
}

#[test]
fn the_last_record_of_each_key_is_the_state() {
    let mut state = Followed::default();
    assert_eq!(state.next_offset(), None);
    for (offset, key, value) in
        [(3, "a", Some("1")), (4, "b", Some("22")), (7, "a", Some("333")), (8, "b", None), (9, "c", None)]
    {
        state.add(offset, key.as_bytes(), value.map(str::as_bytes));
    }
    assert_eq!((state.next_offset(), state.len(), state.is_empty()), (Some(10), 1, false));
    assert_eq!(state.bytes, 1 + 3 + OF_A_RECORD);
    assert_eq!(state.into_records(), StateRecords::from([(b"a".to_vec(), b"333".to_vec())]));
}

#[test]
fn those_come_first_that_follow_our_own() {
    let order = |own: &[i32]| likely(6, &own.iter().copied().collect());
    assert_eq!(order(&[1, 4]), [2, 5, 0, 3]);
    assert_eq!(order(&[5]), [0, 1, 2, 3, 4]);
    assert_eq!(order(&[]), [0, 1, 2, 3, 4, 5]);
    assert!(order(&[0, 1, 2, 3, 4, 5]).is_empty());
}

#[test]
fn partitions_are_followed_one_after_the_other_once_it_is_calm() {
    let standby = calm(1_000, &[0]);
    standby.own([1]);
    assert_eq!(standby.choose(4, &BTreeSet::new()), change(&[], None), "who comes and goes");
    let standby = calm(1_000, &[1]);
    assert_eq!(standby.choose(4, &BTreeSet::new()), change(&[], Some(2)));
    let assigned = BTreeSet::from([2]);
    assert_eq!(standby.choose(4, &assigned), change(&[], None), "it is not at its end");
    read(&standby, 2, &[(0, "a", Some("1"))]);
    assert_eq!((standby.ready(), standby.choose(4, &assigned)), (1, change(&[], Some(3))));
}

#[test]
fn what_is_taken_is_left_before_it_is_begun_again() {
    let standby = calm(1_000, &[0]);
    assert_eq!(standby.choose(2, &BTreeSet::new()), change(&[], Some(1)));
    let assigned = BTreeSet::from([1]);
    read(&standby, 1, &[(4, "a", Some("1"))]);
    standby.own([0, 1]);
    let taken = standby.take(1).unwrap();
    assert_eq!((taken.next_offset(), taken.len()), (Some(5), 1));
    assert!(standby.take(1).is_none());
    assert_eq!(standby.taken(), 1);
    // Lost again before the reader has looked: it stands in the midst of the log, and is no beginning.
    standby.own([0]);
    standby.kept().own_since -= CALM;
    assert_eq!(standby.choose(2, &assigned), change(&[1], None));
    standby.add(1, 5, b"b", Some(b"2"));
    assert_eq!(standby.choose(2, &BTreeSet::new()), change(&[], Some(1)));
    assert!(standby.take(1).is_none(), "nothing was read of it");
}

#[test]
fn what_has_no_room_is_dropped_and_not_begun_again() {
    let standby = calm(2 * (OF_A_RECORD + 2), &[0]);
    for partition in [1, 2] {
        assert_eq!(standby.choose(3, &(1..partition).collect()), change(&[], Some(partition)));
        read(&standby, partition, &[(0, "a", Some("1")), (1, "a", Some("2"))]);
    }
    assert_eq!(standby.ready(), 2);
    standby.add(1, 2, b"b", Some(b"1"));
    assert_eq!(standby.choose(3, &BTreeSet::from([1, 2])), change(&[2], None));
    assert!(standby.take(2).is_none());
    assert_eq!(standby.choose(3, &BTreeSet::new()), change(&[], None), "nothing else is tried in vain");
    assert_eq!(standby.take(1).unwrap().len(), 2);
    standby.own([0, 1]);
    standby.kept().own_since -= CALM;
    assert_eq!(standby.choose(3, &BTreeSet::new()), change(&[], Some(2)), "with others of our own it is tried again");
}

/// A log may have forgotten that something is gone; who has not read for long would keep it for ever.
#[test]
fn what_was_not_read_on_for_long_is_not_gone_on_from() {
    for (by_clock, by_date_ms) in [(FRESH, 0), (Duration::ZERO, 600_000), (Duration::ZERO, -600_000)] {
        for reads_on in [false, true] {
            let standby = calm(1_000, &[0]);
            standby.choose(2, &BTreeSet::new());
            read(&standby, 1, &[(0, "a", Some("1"))]);
            age(&standby, by_clock, by_date_ms);
            if reads_on {
                // That something was gone meanwhile is no longer there to be read.
                read(&standby, 1, &[(9, "b", Some("1"))]);
                assert_eq!(standby.choose(2, &BTreeSet::from([1])), change(&[1], None));
            }
            assert!(standby.take(1).is_none(), "{by_clock:?} {by_date_ms} {reads_on}");
        }
    }
}

/// Makes what is followed older.
fn age(standby: &Standby, by_clock: Duration, by_date_ms: i64) {
    if let Some(along) = standby.kept().along.get_mut(&1) {
        along.whole_at.at -= by_clock;
        along.whole_at.time_of_day_ms -= by_date_ms;
    }
}

/// In steady traffic nobody says that an end is reached: what was read tells.
#[test]
fn what_stood_there_when_it_was_asked_is_whole_once_it_is_read() {
    let standby = calm(10_000, &[0]);
    standby.choose(2, &BTreeSet::new());
    assert_eq!(standby.unchecked(), [1]);
    standby.check(1, Moment::now(), 5);
    assert!(standby.unchecked().is_empty());
    standby.add(1, 3, b"a", Some(b"1"));
    assert_eq!(standby.ready(), 0, "one is missing");
    standby.add(1, 7, b"a", Some(b"2"));
    assert_eq!((standby.ready(), standby.unchecked()), (1, vec![1]));
    // Again and again, so that it stays of use.
    for minutes in 1..4 {
        age(&standby, FRESH / 2, 300_000);
        standby.check(1, Moment::now(), 10 * minutes);
        standby.add(1, 10 * minutes, b"a", Some(b"3"));
    }
    assert_eq!(standby.take(1).unwrap().next_offset(), Some(31));
}

#[test]
fn a_first_reading_may_take_longer() {
    for (minutes, is_usable) in [(29, true), (30, false)] {
        let standby = calm(10_000, &[0]);
        standby.choose(2, &BTreeSet::new());
        age(&standby, Duration::from_mins(minutes), 0);
        read(&standby, 1, &[(0, "a", Some("1"))]);
        assert_eq!(standby.take(1).is_some(), is_usable, "{minutes}");
    }
}

#[test]
fn without_room_nothing_is_followed() {
    let standby = Standby::default();
    assert!(!standby.has_room() && standby.take(0).is_none());
}
