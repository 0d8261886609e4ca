//! Which instance of a plugin runs: one alone, the most specific.

use crate::uuid::Uuid;

/// What an instance is set on. Several at once mean: where all of them hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Scope {
    pub route: Option<Uuid>,
    pub service: Option<Uuid>,
    /// Set on the consumer whose row holds it.
    pub consumer: bool,
    pub group: Option<Uuid>,
}

/// A place in Kong's table of precedence; the smallest runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank(u8);

impl Scope {
    /// The rank among the instances that apply. An instance on a consumer and on a group at once ranks by its
    /// consumer: it can only apply to that one.
    #[must_use]
    pub fn rank(&self) -> Rank {
        let group = self.group.is_some() && !self.consumer;
        Rank(
            match (
                self.route.is_some(),
                self.service.is_some(),
                self.consumer,
                group,
            ) {
                (true, true, true, _) => 0,
                (true, true, false, true) => 1,
                (true, false, true, _) => 2,
                (false, true, true, _) => 3,
                (true, false, false, true) => 4,
                (false, true, false, true) => 5,
                (true, true, false, false) => 6,
                (false, false, true, _) => 7,
                (false, false, false, true) => 8,
                (true, false, false, false) => 9,
                (false, true, false, false) => 10,
                (false, false, false, false) => 11,
            },
        )
    }

    /// Whether the instance applies on this route and its service. Whose it is was decided by where it was found.
    #[must_use]
    pub fn covers(&self, route: Uuid, service: Option<Uuid>) -> bool {
        self.route.is_none_or(|own| own == route)
            && (self.service.is_none() || self.service == service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "R+S+C" and so on, as a scope.
    fn scope(text: &str) -> Scope {
        let has = |letter| text.contains(letter);
        let id = Uuid([7; 16]);
        Scope {
            route: has('R').then_some(id),
            service: has('S').then_some(id),
            consumer: has('C'),
            group: has('G').then_some(id),
        }
    }

    #[test]
    fn ranks_are_kongs_table() {
        let table = [
            "R+S+C", "R+S+G", "R+C", "S+C", "R+G", "S+G", "R+S", "C", "G", "R", "S", "",
        ];
        for (place, text) in (0..).zip(table) {
            assert_eq!(scope(text).rank(), Rank(place), "{text}");
        }
    }

    #[test]
    fn an_instance_covers_only_what_it_is_set_on() {
        let (here, there) = (Uuid([7; 16]), Uuid([8; 16]));
        assert!(scope("").covers(there, None));
        assert!(scope("R").covers(here, None));
        assert!(!scope("R").covers(there, Some(here)));
        assert!(scope("S").covers(there, Some(here)));
        assert!(!scope("S").covers(here, Some(there)));
        assert!(!scope("S").covers(here, None));
        assert!(!scope("R+S").covers(here, Some(there)));
    }
}
