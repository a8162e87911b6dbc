//! From the many windows that a cascade passes to the few places that they mean.

use crate::cascade::Hit;

/// Windows that mean the same place: their mean, and how many they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Side of the square.
    pub size: f32,
    /// How many windows.
    pub count: usize,
    /// The sum of their margins.
    pub margin: f32,
}

impl Group {
    /// The share of the smaller square that both cover.
    fn overlap(&self, other: &Self) -> f32 {
        let side = |one: f32, one_size: f32, other: f32, other_size: f32| {
            ((one + one_size).min(other + other_size) - one.max(other)).max(0.0)
        };
        let shared =
            side(self.x, self.size, other.x, other.size) * side(self.y, self.size, other.y, other.size);
        shared / self.size.min(other.size).powi(2)
    }
}

/// Groups windows that are alike in place and size, transitively.
pub(crate) fn group(hits: &[Hit]) -> Vec<Group> {
    let mut parents: Vec<usize> = (0..hits.len()).collect();
    fn root(parents: &mut [usize], mut at: usize) -> usize {
        while parents[at] != at {
            parents[at] = parents[parents[at]];
            at = parents[at];
        }
        at
    }
    for (number, one) in hits.iter().enumerate() {
        for (other_number, other) in hits[..number].iter().enumerate() {
            let far = 0.2 * one.size.min(other.size);
            let centre = |hit: &Hit| (hit.x + hit.size / 2.0, hit.y + hit.size / 2.0);
            let ((x, y), (other_x, other_y)) = (centre(one), centre(other));
            let ratio = one.size / other.size;
            if (x - other_x).abs() <= far && (y - other_y).abs() <= far && (0.8..=1.25).contains(&ratio) {
                let (one, other) = (root(&mut parents, number), root(&mut parents, other_number));
                parents[one.max(other)] = one.min(other);
            }
        }
    }
    let mut groups: Vec<Option<Group>> = vec![None; hits.len()];
    for (number, hit) in hits.iter().enumerate() {
        let empty = Group { x: 0.0, y: 0.0, size: 0.0, count: 0, margin: 0.0 };
        let group = groups[root(&mut parents, number)].get_or_insert(empty);
        group.x += hit.x;
        group.y += hit.y;
        group.size += hit.size;
        group.margin += hit.margin;
        group.count += 1;
    }
    let mean = |group: Group| {
        let count = group.count as f32;
        Group { x: group.x / count, y: group.y / count, size: group.size / count, ..group }
    };
    groups.into_iter().flatten().map(mean).collect()
}

/// The groups with most windows, without those that they cover.
pub(crate) fn apart(mut groups: Vec<Group>) -> Vec<Group> {
    groups.sort_by(|one, other| other.count.cmp(&one.count).then(other.size.total_cmp(&one.size)));
    let mut kept: Vec<Group> = Vec::new();
    for group in groups {
        if kept.iter().all(|other| group.overlap(other) < 0.4) {
            kept.push(group);
        }
    }
    kept
}
