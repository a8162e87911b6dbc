//! The circumstances under which recognition is measured.

use super::{Picture, View, portrait};

/// A circumstance: its name, the view of a person, and the quality of the JPEG file.
pub type Condition = (&'static str, fn(u64) -> View, u8);

/// The first picture of a person, which the others are compared with.
pub fn reference(person: u64) -> Picture {
    portrait(person, &view(person))
}

fn view(person: u64) -> View {
    View { width: 256, background: person, ..View::default() }
}

/// To one side for some people, to the other for the rest.
fn side(person: u64) -> f32 {
    if person.is_multiple_of(2) { 1.0 } else { -1.0 }
}

/// From easy to hard. Every one has another background than the reference.
pub const CONDITIONS: &[Condition] = &[
    ("another background", |person| View { background: person + 50, ..view(person) }, 90),
    ("light from the other side", |person| View { light: 0.6, background: person + 51, ..view(person) }, 90),
    ("underexposed, noise", |it| View { exposure: 0.55, noise: 6.0, background: it + 52, ..view(it) }, 90),
    ("overexposed", |person| View { exposure: 1.35, background: person + 53, ..view(person) }, 90),
    ("strong noise (sigma 14)", |person| View { noise: 14.0, background: person + 54, ..view(person) }, 90),
    ("JPEG quality 25", |person| View { background: person + 55, ..view(person) }, 25),
    ("half the size", |person| View { width: 128, background: person + 56, ..view(person) }, 90),
    ("twice the size", |person| View { width: 512, background: person + 57, ..view(person) }, 90),
    ("rolled by 8 degrees", |it| View { roll: 8.0 * side(it), background: it + 58, ..view(it) }, 90),
    ("nodding by 6 degrees", |it| View { pitch: 6.0 * side(it), background: it + 59, ..view(it) }, 90),
    ("turned by 6 degrees", |it| View { yaw: 6.0 * side(it), background: it + 60, ..view(it) }, 90),
    ("turned by 12 degrees", |it| View { yaw: 12.0 * side(it), background: it + 61, ..view(it) }, 90),
    ("smiling", |person| View { smile: 0.9, background: person + 62, ..view(person) }, 90),
    (
        "a bit of everything",
        |it| View {
            yaw: 5.0 * side(it),
            pitch: 3.0,
            roll: -4.0,
            light: 0.2,
            exposure: 0.85,
            smile: 0.5,
            noise: 4.0,
            size: 0.5,
            background: it + 63,
            ..view(it)
        },
        70,
    ),
];
