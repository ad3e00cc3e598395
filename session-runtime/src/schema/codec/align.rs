//! Matches the elements of an edited list with the stored ones.
//!
//! Only the texts before and after the edit are known. An element with the same text is the same element. A new text in
//! the place of one that is gone is an edit in place. So are several new texts between two elements that stay, if they
//! replace as many old ones. All elements behind one that was inserted or moved count as removed and appended: ids are in
//! the order of the list, and there is no id between two others.
//!
//! ```text
//! stored    a b c      a b c       a b c      a b c
//! edited    a x c      b c d       a x b c    c a b
//! kept      a x c      b c         a          c
//! new                      d         x b c      a b
//! ```

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

/// Returns the stored elements that are kept, by their index: the first one is the first element of the edited list, and
/// so on. The remaining elements of the edited list are new. Without `edits`, only equal texts match.
pub(super) fn kept(stored: &[Cow<'_, str>], edited: &[String], edits: bool) -> Vec<usize> {
    let same = stored.iter().zip(edited).take_while(|(stored, edited)| stored == edited).count();
    if edits && are_edited_in_place(&stored[same..], &edited[same..]) {
        return (0..stored.len()).collect();
    }
    let mut walk = Walk { kept: (0..same).collect(), next: same, stored: stored.len(), edits };
    if same < stored.len() && same < edited.len() {
        let matches = Matches::of(&stored[same..], &edited[same..], same);
        walk.run(&matches);
    }
    walk.kept
}

/// Returns whether every element was kept or edited in place: no text that was replaced occurs among the new ones.
fn are_edited_in_place(stored: &[Cow<'_, str>], edited: &[String]) -> bool {
    let Some((first, appended)) = edited.split_at_checked(stored.len()) else { return false };
    let (gone, new): (HashSet<&str>, Vec<&String>) =
        stored.iter().zip(first).filter(|(stored, edited)| stored != edited).map(|(a, b)| (&**a, b)).unzip();
    !new.into_iter().chain(appended).any(|text| gone.contains(text.as_str()))
}

/// Elements with equal texts: the first with the first, the second with the second, and so on.
struct Matches {
    /// Stored element for each edited one.
    of_edited: Vec<Option<usize>>,
    /// True for each stored element that is somewhere in the edited list.
    is_there: Vec<bool>,
    first: usize,
}

impl Matches {
    fn of(stored: &[Cow<'_, str>], edited: &[String], first: usize) -> Self {
        let mut places: HashMap<&str, VecDeque<usize>> = HashMap::new();
        for (at, text) in stored.iter().enumerate() {
            places.entry(text).or_default().push_back(first + at);
        }
        let of_edited: Vec<_> = edited.iter().map(|text| places.get_mut(text.as_str())?.pop_front()).collect();
        let mut is_there = vec![false; stored.len()];
        of_edited.iter().flatten().for_each(|at| is_there[*at - first] = true);
        Self { of_edited, is_there, first }
    }

    /// Returns whether none of these stored elements is in the edited list.
    fn are_gone(&self, stored: std::ops::Range<usize>) -> bool {
        stored.into_iter().all(|at| !self.is_there[at - self.first])
    }
}

struct Walk {
    kept: Vec<usize>,
    /// First stored element that is not passed yet.
    next: usize,
    /// Number of stored elements.
    stored: usize,
    edits: bool,
}

impl Walk {
    fn run(&mut self, matches: &Matches) {
        let mut changed = 0;
        for at in &matches.of_edited {
            match at {
                None => changed += 1,
                Some(at) if *at >= self.next && self.pass(changed, *at, matches) => {
                    self.kept.push(*at);
                    (self.next, changed) = (*at + 1, 0);
                }
                // It has moved, or something was inserted before it.
                Some(_) => return,
            }
        }
        self.finish(changed, matches);
    }

    /// Passes the stored elements before `at`. They were either all edited in place or all removed; false otherwise.
    fn pass(&mut self, changed: usize, at: usize, matches: &Matches) -> bool {
        let between = self.next..at;
        let are_edits = self.edits && changed == between.len() && matches.are_gone(between.clone());
        if are_edits {
            self.kept.extend(between);
        }
        are_edits || changed == 0
    }

    /// Passes the last stored elements, behind which others may have been appended.
    fn finish(&mut self, changed: usize, matches: &Matches) {
        let last = self.next..self.stored;
        if self.edits && changed >= last.len() && matches.are_gone(last.clone()) {
            self.kept.extend(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stored: &str, edited: &str, expected: &[usize]) {
        let edited: Vec<String> = edited.chars().map(String::from).collect();
        let texts: Vec<Cow<'_, str>> = stored.chars().map(String::from).map(Cow::Owned).collect();
        assert_eq!(kept(&texts, &edited, true), expected, "{stored} to {}", edited.concat());
    }

    #[test]
    fn an_element_that_is_still_there_is_kept() {
        check("", "ab", &[]);
        check("ab", "", &[]);
        check("abc", "abc", &[0, 1, 2]);
        check("abc", "abcd", &[0, 1, 2]);
        check("abc", "bcd", &[1, 2]);
        check("abcde", "bd", &[1, 3]);
        check("aab", "ab", &[0, 2]);
    }

    #[test]
    fn an_element_that_is_edited_in_place_is_kept() {
        check("abc", "axc", &[0, 1, 2]);
        check("abc", "xyz", &[0, 1, 2]);
        check("abc", "xyzd", &[0, 1, 2]);
        check("abc", "xbc", &[0, 1, 2]);
        check("abcd", "xbd", &[0, 1, 3]);
        check("abb", "bbb", &[0, 1, 2]);
    }

    #[test]
    fn an_element_that_moved_or_follows_an_inserted_one_is_new() {
        check("abc", "xabc", &[]);
        check("abc", "axbc", &[0]);
        check("abc", "cab", &[2]);
        check("abc", "cba", &[2]);
        check("abcd", "bcda", &[1, 2, 3]);
        check("ab", "xba", &[]);
    }

    /// It is unknown which elements were edited. A wrong guess could drop an edit with the element of another.
    #[test]
    fn fewer_elements_than_before_are_no_edits() {
        check("abc", "xc", &[]);
        check("abc", "ax", &[0]);
    }

    #[test]
    fn a_list_that_was_set_has_no_edits() {
        let edited = ["a", "x", "c"].map(String::from);
        let stored = ["a", "b", "c"].map(Cow::Borrowed);
        assert_eq!(kept(&stored, &edited, false), [0]);
        assert_eq!(kept(&stored, &edited[..1], false), [0]);
    }
}
