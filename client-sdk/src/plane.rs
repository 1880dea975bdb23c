//! The two planes as two types, so that an exercise cannot be taken for the real thing by a program that compiles.

use std::fmt;

use vigie_proto::channel::Plane;

mod sealed {
    /// Keeps [`super::OnPlane`] to the two planes that exist.
    #[expect(unnameable_types, reason = "that nobody else can name it is its purpose")]
    pub trait Sealed {}
}

/// Live or exercise, as a type. Only [`Live`] and [`Exercise`] are it.
pub trait OnPlane: sealed::Sealed + Copy + fmt::Debug + Send + Sync + Unpin + 'static {
    /// The plane as a value.
    const PLANE: Plane;
}

/// What is real.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a marker: it has no values")]
pub enum Live {}

/// Drills and tests. Every line that shows it says so in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a marker: it has no values")]
pub enum Exercise {}

impl sealed::Sealed for Live {}
impl sealed::Sealed for Exercise {}

impl OnPlane for Live {
    const PLANE: Plane = Plane::Live;
}

impl OnPlane for Exercise {
    const PLANE: Plane = Plane::Exercise;
}
