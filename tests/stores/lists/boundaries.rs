//! Single cases: one millisecond before and after a deadline, on nodes whose clocks differ; what restarts a period, what
//! removes an expired value; programs that do not know the attribute.

use session_runtime::store::MemoryStore;

use super::*;

#[derive(Session)]
#[session(key = "pay", version = 1)]
struct Pay {
    #[session(expires_after = "10m")]
    code: Option<u32>,
    #[session(merge = reject, expires_after = "10m")]
    step: u32,
    #[session(merge = sum, expires_after = "10m")]
    tries: u32,
    #[session(merge = with = longer, expires_after = "10m", default = "none".to_owned())]
    name: String,
    #[session(merge = append(max = 3), expires_after = "10m")]
    notices: Vec<String>,
    other: u32,
}

/// The same schema as a program has it that knows no expiry.
#[derive(Session)]
#[session(key = "pay", version = 1)]
struct PayWithout {
    code: Option<u32>,
    #[session(merge = append(max = 3))]
    notices: Vec<String>,
    other: u32,
}

#[expect(clippy::needless_pass_by_value, reason = "the signature of a merge function")]
fn longer(base: &String, theirs: &String, ours: String) -> String {
    format!("{base}|{theirs}|{ours}")
}

const PERIOD: i64 = 600_000;

/// The rules that hold in every store.
pub(super) async fn hold_in(store: Arc<dyn Store>) {
    reads_as_its_default(&store).await;
    merges_as_absent(&store).await;
    refuses_what_was_set_anew(&store).await;
    without_the_attribute(&store).await;
    left_behind(&store).await;
    pop_and_push(&store).await;
}

fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

/// One store, and a node on it for each clock.
struct Fleet {
    store: Arc<dyn Store>,
    clock: ManualClock,
    cookie: String,
    key: SessionKey,
}

impl Fleet {
    /// Begins with a session in memory.
    async fn new() -> Self {
        Self::on(&memory()).await
    }

    /// Begins with a session that holds each value, set at the same moment.
    async fn on(store: &Arc<dyn Store>) -> Self {
        let (store, clock) = (Arc::clone(store), clock());
        let sessions = program::<Pay>(&store, &clock);
        let visit = sessions.open([]);
        {
            let mut pay = visit.write::<Pay>().await.unwrap();
            pay.set_code(7312);
            pay.set_step(2);
            pay.set_tries(5);
            pay.set_name("ann".to_owned());
            pay.notices_mut().push("Hello.".to_owned());
        }
        let finished = visit.finish(200).await;
        let cookie = finished.cookie.header().unwrap().split(';').next().unwrap().to_owned();
        Self { store, clock, cookie, key: visit.key().unwrap() }
    }

    /// A node whose clock is this far from the time at which the values were set.
    fn node(&self, millis: i64) -> Sessions {
        program::<Pay>(&self.store, &self.at(millis))
    }

    fn at(&self, millis: i64) -> ManualClock {
        let clock = ManualClock::new();
        clock.set(Timestamp::from_millis(self.clock.timestamp().as_millis() + millis));
        clock
    }

    fn visit(&self, millis: i64) -> Visit {
        self.node(millis).open([self.cookie.as_str()])
    }

    async fn text(&self, name: &str) -> Option<String> {
        let loaded = self.store.load(self.key, &Wanted::all(), self.clock.timestamp()).await.unwrap().unwrap();
        loaded.record.values.get(name).map(str::to_owned)
    }

    async fn elements(&self) -> usize {
        let loaded = self.store.load(self.key, &Wanted::all(), self.clock.timestamp()).await.unwrap().unwrap();
        loaded.record.values.prefix("pay.notices/").len()
    }
}

fn program<S: session_runtime::Schemas>(store: &Arc<dyn Store>, clock: &ManualClock) -> Sessions {
    Sessions::builder().store(Arc::clone(store)).clock(clock.clone()).schemas::<S>().build().unwrap()
}

async fn done(visit: Visit) {
    let error = visit.finish(200).await.error;
    assert!(error.is_none(), "{error:?}");
}

/// C108: a deadline counts to the millisecond.
#[tokio::test]
async fn a_value_reads_as_its_default_from_the_millisecond_of_its_deadline() {
    reads_as_its_default(&memory()).await;
}

async fn reads_as_its_default(store: &Arc<dyn Store>) {
    let fleet = Fleet::on(store).await;
    for (millis, is_live) in [(0, true), (PERIOD - 1, true), (PERIOD, false), (PERIOD + 1, false)] {
        let visit = fleet.visit(millis);
        let pay = visit.read::<Pay>().await.unwrap();
        let expected = if is_live { (Some(7312), 2, 5, "ann", 1) } else { (None, 0, 0, "none", 0) };
        let shown = (*pay.code(), *pay.step(), *pay.tries(), pay.name().as_str(), pay.notices().len());
        assert_eq!(shown, expected, "{millis}");
        let job = fleet.node(millis).read::<Pay>(&fleet.key).await.unwrap().unwrap();
        assert_eq!((*job.code(), job.notices().len()), (expected.0, expected.4));
    }
}

/// C108: the request on the slow node sees the value, and the one on the fast node does not. Each merges with what it sees.
#[tokio::test]
async fn an_expired_value_merges_as_an_absent_one_on_nodes_whose_clocks_differ() {
    merges_as_absent(&memory()).await;
}

async fn merges_as_absent(store: &Arc<dyn Store>) {
    for (slow, fast) in [(PERIOD - 1, PERIOD), (PERIOD, PERIOD + 1), (PERIOD - 2, PERIOD - 1)] {
        let fleet = Fleet::on(store).await;
        let is_live = |millis: i64| millis < PERIOD;
        let (first, second) = (fleet.visit(slow), fleet.visit(fast));
        {
            let mut one = first.write::<Pay>().await.unwrap();
            let mut two = second.write::<Pay>().await.unwrap();
            *one.tries_mut() += 1;
            *two.tries_mut() += 10;
            one.name_mut().push('1');
            two.name_mut().push('2');
        }
        done(first).await;
        done(second).await;
        // The first request has set it anew, so the second merges its own base with that.
        let begin = |millis| if is_live(millis) { 5 } else { 0 };
        let tries = begin(slow) + 1 + 10;
        let named = |millis| if is_live(millis) { "ann" } else { "none" };
        let name = format!("{}|{}1|{}2", named(fast), named(slow), named(fast));
        let visit = fleet.visit(fast);
        let pay = visit.read::<Pay>().await.unwrap();
        assert_eq!((*pay.tries(), pay.name().as_str()), (tries, name.as_str()), "{slow} {fast}");
    }
}

/// C108: an expired value is no conflict, and a new one is.
#[tokio::test]
async fn a_rejecting_field_refuses_what_was_set_anew_and_not_what_has_expired() {
    refuses_what_was_set_anew(&memory()).await;
}

async fn refuses_what_was_set_anew(store: &Arc<dyn Store>) {
    for (millis, set_anew, refused) in [
        (PERIOD - 1, true, true),
        (PERIOD, true, true),
        (PERIOD - 1, false, false),
        (PERIOD, false, false),
        (PERIOD + 1, false, false),
    ] {
        let fleet = Fleet::on(store).await;
        let visit = fleet.visit(millis);
        *visit.write::<Pay>().await.unwrap().step_mut() += 1;
        let other = fleet.visit(millis);
        {
            let mut pay = other.write::<Pay>().await.unwrap();
            if set_anew { pay.set_step(9) } else { pay.set_other(9) }
        }
        done(other).await;
        let error = visit.finish(200).await.error.map(|error| error.kind());
        assert_eq!(error, refused.then_some(ErrorKind::Rejected), "{millis} {set_anew}");
        if !refused {
            let step = if millis < PERIOD { "3" } else { "1" };
            assert_eq!(fleet.text("pay.step").await.as_deref(), Some(step));
        }
    }
}

/// The same value under a new deadline is no conflict of a rejecting field.
#[tokio::test]
async fn a_period_that_another_request_has_restarted_is_no_conflict() {
    let fleet = Fleet::new().await;
    let (visit, other) = (fleet.visit(7), fleet.visit(8));
    *visit.write::<Pay>().await.unwrap().step_mut() += 1;
    other.write::<Pay>().await.unwrap().set_step(2);
    done(other).await;
    done(visit).await;
    assert_eq!(fleet.text("pay.step").await.as_deref(), Some("3"));
}

#[tokio::test]
async fn setting_an_equal_value_restarts_its_period_and_an_edit_without_change_does_not() {
    let fleet = Fleet::new().await;
    let visit = fleet.visit(100);
    {
        let mut pay = visit.write::<Pay>().await.unwrap();
        *pay.code_mut() = Some(7312);
        pay.update(|_| ());
    }
    let before = fleet.text("pay.code~").await;
    done(visit).await;
    assert_eq!(fleet.text("pay.code~").await, before);
    let visit = fleet.visit(200);
    visit.write::<Pay>().await.unwrap().set_code(7312);
    done(visit).await;
    for (millis, code) in [(PERIOD + 199, Some(7312)), (PERIOD + 200, None)] {
        assert_eq!(*fleet.visit(millis).read::<Pay>().await.unwrap().code(), code, "{millis}");
    }
    // By a job, and under a guard that saves.
    let set = |pay: &mut PayMut| pay.set_code(7312);
    fleet.node(300).update::<Pay, _>(&fleet.key, set).await.unwrap();
    assert_eq!(*fleet.visit(PERIOD + 299).read::<Pay>().await.unwrap().code(), Some(7312));
    let visit = fleet.visit(400);
    let mut pay = visit.write::<Pay>().await.unwrap();
    pay.set_code(7312);
    pay.save().await.unwrap();
    assert_eq!(*fleet.visit(PERIOD + 399).read::<Pay>().await.unwrap().code(), Some(7312));
    pay.update_now(|pay| pay.set_code(7312)).await.unwrap();
}

#[tokio::test]
async fn a_write_to_another_field_leaves_an_expired_value_and_one_to_it_removes_it() {
    let clear: fn(&mut PayMut) = PayMut::clear_code;
    let take: fn(&mut PayMut) = |pay| assert_eq!(pay.take_code(), None);
    let set: fn(&mut PayMut) = |pay| pay.set_code(1);
    for (change, left) in [(clear, None), (take, None), (set, Some("1"))] {
        let fleet = Fleet::new().await;
        let visit = fleet.visit(PERIOD);
        visit.write::<Pay>().await.unwrap().set_other(1);
        done(visit).await;
        assert_eq!(fleet.text("pay.code").await.as_deref(), Some("7312"));
        assert_eq!(fleet.elements().await, 1);
        let visit = fleet.visit(PERIOD);
        {
            let mut pay = visit.write::<Pay>().await.unwrap();
            change(&mut pay);
            pay.notices_mut().push("Bye.".to_owned());
        }
        done(visit).await;
        assert_eq!(fleet.text("pay.code").await.as_deref(), left);
        assert_eq!(fleet.text("pay.code~").await.is_some(), left.is_some());
        assert_eq!(fleet.elements().await, 1);
        assert_eq!(*fleet.visit(PERIOD).read::<Pay>().await.unwrap().notices(), ["Bye."]);
    }
}

/// A removal rests on the expired deadline: another request may have set a new value meanwhile.
#[tokio::test]
async fn clearing_an_expired_value_removes_no_new_one() {
    let fleet = Fleet::new().await;
    let (visit, other) = (fleet.visit(PERIOD), fleet.visit(PERIOD));
    visit.write::<Pay>().await.unwrap().clear_code();
    other.write::<Pay>().await.unwrap().set_code(7312);
    done(other).await;
    done(visit).await;
    assert_eq!(*fleet.visit(PERIOD).read::<Pay>().await.unwrap().code(), Some(7312));
}

#[tokio::test]
async fn a_second_guard_sees_what_the_first_has_set_over_an_expired_value() {
    let fleet = Fleet::new().await;
    let visit = fleet.visit(PERIOD);
    visit.write::<Pay>().await.unwrap().set_code(7312);
    assert_eq!(*visit.read::<Pay>().await.unwrap().code(), Some(7312));
    assert_eq!(visit.write::<Pay>().await.unwrap().take_code(), Some(7312));
    assert_eq!(*visit.read::<Pay>().await.unwrap().code(), None);
    done(visit).await;
    assert_eq!(fleet.text("pay.code").await, None);
}

/// C106: a program without the attribute neither revives nor removes what one with it has stored.
#[tokio::test]
async fn a_program_that_knows_no_expiry_neither_revives_nor_removes_a_value() {
    without_the_attribute(&memory()).await;
}

async fn without_the_attribute(store: &Arc<dyn Store>) {
    let fleet = Fleet::on(store).await;
    let without = |millis: i64| program::<PayWithout>(&fleet.store, &fleet.at(millis)).open([fleet.cookie.as_str()]);
    // It reads all values, writes beside them, and the deadline stays.
    let visit = without(PERIOD);
    assert_eq!(*visit.read::<PayWithout>().await.unwrap().code(), Some(7312));
    visit.write::<PayWithout>().await.unwrap().set_other(3);
    done(visit).await;
    assert_eq!(*fleet.visit(PERIOD).read::<Pay>().await.unwrap().code(), None);
    // A value that it sets has no deadline, whatever stands beside it.
    let visit = without(PERIOD);
    visit.write::<PayWithout>().await.unwrap().set_code(1);
    done(visit).await;
    assert_eq!(*fleet.visit(PERIOD).read::<Pay>().await.unwrap().code(), Some(1));
    assert_eq!(*fleet.visit(9 * PERIOD).read::<Pay>().await.unwrap().code(), Some(1));
    // The next write of a program with the attribute gives it one.
    let visit = fleet.visit(PERIOD);
    visit.write::<Pay>().await.unwrap().set_code(1);
    done(visit).await;
    assert_eq!(*fleet.visit(2 * PERIOD).read::<Pay>().await.unwrap().code(), None);
    // The time of an element is in its id, which both write.
    let visit = without(PERIOD);
    visit.write::<PayWithout>().await.unwrap().notices_mut().push("New.".to_owned());
    done(visit).await;
    assert_eq!(*fleet.visit(PERIOD).read::<Pay>().await.unwrap().notices(), ["New."]);
}

/// C141: a program without the attribute stored the same value again, or removed it and stored it later. The new program
/// then met the old deadline, which fitted again.
#[tokio::test]
async fn a_deadline_of_an_earlier_value_counted_for_an_equal_one() {
    left_behind(&memory()).await;
}

async fn left_behind(store: &Arc<dyn Store>) {
    let other: fn(&mut PayWithoutMut) = |pay| pay.set_code(1);
    let clear: fn(&mut PayWithoutMut) = PayWithoutMut::clear_code;
    for change in [other, clear] {
        let fleet = Fleet::on(store).await;
        for change in [change, |pay| pay.set_code(7312)] {
            let visit = program::<PayWithout>(&fleet.store, &fleet.at(1)).open([fleet.cookie.as_str()]);
            change(&mut visit.write::<PayWithout>().await.unwrap());
            done(visit).await;
            assert_eq!(fleet.text("pay.code~").await, None);
        }
        assert_eq!(*fleet.visit(PERIOD).read::<Pay>().await.unwrap().code(), Some(7312));
        assert_eq!(*fleet.visit(PERIOD).read::<Pay>().await.unwrap().step(), 0, "other deadlines stay");
    }
}

/// C142: only the texts before and after a guard are known. Another text in the place of the last one is an edit of that
/// element: it keeps its time, and is dropped with an element that another request has removed.
#[tokio::test]
async fn a_pop_and_a_push_under_one_guard_edit_the_last_element() {
    pop_and_push(&memory()).await;
}

/// Replaces the last notice, under one guard or under two.
async fn replace_last(visit: &Visit, guards: usize) {
    let mut pay = visit.write::<Pay>().await.unwrap();
    assert_eq!(pay.notices_mut().pop().as_deref(), Some("Hello."));
    if guards == 2 {
        drop(pay);
        pay = visit.write::<Pay>().await.unwrap();
    }
    pay.notices_mut().push("Bye.".to_owned());
}

async fn pop_and_push(store: &Arc<dyn Store>) {
    for (guards, is_new) in [(1, false), (2, true)] {
        // The period of the element that was there, or one of its own.
        let fleet = Fleet::on(store).await;
        let visit = fleet.visit(PERIOD / 2);
        replace_last(&visit, guards).await;
        done(visit).await;
        assert_eq!(*fleet.visit(PERIOD - 1).read::<Pay>().await.unwrap().notices(), ["Bye."]);
        assert_eq!(fleet.visit(PERIOD).read::<Pay>().await.unwrap().notices().len(), usize::from(is_new), "{guards}");
        // Another request takes the element meanwhile.
        let fleet = Fleet::on(store).await;
        let (visit, taking) = (fleet.visit(1), fleet.visit(1));
        replace_last(&visit, guards).await;
        assert_eq!(taking.write::<Pay>().await.unwrap().take_notices(), ["Hello."]);
        done(taking).await;
        done(visit).await;
        assert_eq!(fleet.elements().await, usize::from(is_new), "{guards}");
    }
}

#[tokio::test]
async fn a_damaged_deadline_is_none_and_the_next_write_repairs_it() {
    use session_runtime::patch::Patch;
    let fleet = Fleet::new().await;
    for damaged in ["7", "null", "{\"at\":0}", "not json"] {
        let patch = Patch::on_generation(0).set([("pay.code~", damaged)]);
        fleet.store.patch(fleet.key, patch, fleet.clock.timestamp()).await.unwrap();
        assert_eq!(*fleet.visit(9 * PERIOD).read::<Pay>().await.unwrap().code(), Some(7312));
    }
    let visit = fleet.visit(0);
    visit.write::<Pay>().await.unwrap().set_code(7312);
    done(visit).await;
    assert_eq!(*fleet.visit(PERIOD).read::<Pay>().await.unwrap().code(), None);
}

#[tokio::test]
async fn an_element_that_is_edited_in_place_keeps_its_id_and_its_time() {
    let fleet = Fleet::new().await;
    let (edit, other_edit, taken) = (fleet.visit(10), fleet.visit(20), fleet.visit(30));
    edit.write::<Pay>().await.unwrap().notices_mut()[0].push_str(" You.");
    other_edit.write::<Pay>().await.unwrap().notices_mut()[0].push_str(" All.");
    assert_eq!(taken.write::<Pay>().await.unwrap().take_notices(), ["Hello."]);
    done(edit).await;
    done(other_edit).await;
    assert_eq!(*fleet.visit(30).read::<Pay>().await.unwrap().notices(), ["Hello. All."], "the later save wins");
    assert_eq!((fleet.elements().await, fleet.visit(PERIOD).read::<Pay>().await.unwrap().notices().len()), (1, 0));
    let late = fleet.visit(40);
    late.write::<Pay>().await.unwrap().notices_mut()[0].push('!');
    done(taken).await;
    done(late).await;
    assert_eq!(fleet.elements().await, 0, "the edit of an element that was removed is dropped");
}

/// The ids are in order although the second node is behind.
#[tokio::test]
async fn elements_of_nodes_whose_clocks_differ_are_in_the_order_of_their_pushes() {
    let fleet = Fleet::new().await;
    for (millis, notice) in [(-5_000, "A"), (7_000, "B"), (-9_000, "C")] {
        let visit = fleet.visit(millis);
        visit.write::<Pay>().await.unwrap().notices_mut().push(notice.to_owned());
        done(visit).await;
    }
    assert_eq!(*fleet.visit(0).read::<Pay>().await.unwrap().notices(), ["A", "B", "C"]);
}

#[tokio::test]
async fn an_id_that_is_none_is_named_without_its_text() {
    use session_runtime::patch::Patch;
    let fleet = Fleet::new().await;
    let patch = Patch::on_generation(0).set([("pay.notices/secret-id", "\"secret\"")]);
    fleet.store.patch(fleet.key, patch, fleet.clock.timestamp()).await.unwrap();
    let visit = fleet.visit(0);
    let error = visit.read::<Pay>().await.err().unwrap();
    assert_eq!((error.kind(), error.field()), (ErrorKind::Undecodable, Some("notices")));
    assert!(!format!("{error} {error:?}").contains("secret"));
}
