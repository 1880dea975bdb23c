//! Places as CAP writes them in text, read as numbers. A view: the text stays what was signed, and where it cannot be
//! read that says so instead of a guess.

use super::info::Area;

/// A place in WGS 84 degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// From -90 to 90, north positive.
    pub latitude: f64,
    /// From -180 to 180, east positive.
    pub longitude: f64,
}

/// A ring: at least four points, the last of which is the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Polygon {
    /// In the order of the text.
    pub points: Vec<Point>,
}

/// All within a distance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Circle {
    /// Where it is.
    pub center: Point,
    /// From 0 to half the girth of the Earth, in kilometres.
    pub radius_km: f64,
}

/// Why a text is no place that a map can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeFault {
    /// Other than `lat,lon lat,lon …` or `lat,lon radius`.
    #[error("not written as CAP writes places")]
    Malformed,
    /// A latitude beyond 90, a longitude beyond 180, or a radius below 0 or beyond half the Earth.
    #[error("no such place on Earth")]
    OutOfRange,
    /// Fewer than four points.
    #[error("a polygon has at least four points, the last of which is the first")]
    TooFewPoints,
    /// The last point is not the first.
    #[error("the last point of a polygon is its first")]
    NotClosed,
}

/// Half the girth of the Earth, in kilometres: a circle that is larger has no outside.
const RADIUS_KM_MAX: f64 = 20_040.0;

/// Points of the smallest polygon, a triangle with its first point again.
const POLYGON_POINTS_MIN: usize = 4;

impl Area {
    /// Its polygons as numbers, each where it can be read, in their order.
    pub fn polygons(&self) -> impl Iterator<Item = Result<Polygon, ShapeFault>> {
        self.polygon.iter().map(|text| Polygon::parse(text))
    }

    /// Its circles as numbers, each where it can be read, in their order.
    pub fn circles(&self) -> impl Iterator<Item = Result<Circle, ShapeFault>> {
        self.circle.iter().map(|text| Circle::parse(text))
    }
}

impl Polygon {
    /// Reads `lat,lon lat,lon …`, separated by white space.
    ///
    /// # Errors
    /// [`ShapeFault`], in the order malformed, out of range, too few, not closed.
    pub fn parse(text: &str) -> Result<Self, ShapeFault> {
        let points = text.split_ascii_whitespace().map(Point::parse).collect::<Option<Vec<_>>>();
        let points = points.ok_or(ShapeFault::Malformed)?;
        if !points.iter().all(Point::exists) {
            return Err(ShapeFault::OutOfRange);
        }
        if points.len() < POLYGON_POINTS_MIN {
            return Err(ShapeFault::TooFewPoints);
        }
        if points.first() == points.last() { Ok(Self { points }) } else { Err(ShapeFault::NotClosed) }
    }
}

impl Circle {
    /// Reads `lat,lon radius`.
    ///
    /// # Errors
    /// [`ShapeFault::Malformed`] or [`ShapeFault::OutOfRange`].
    pub fn parse(text: &str) -> Result<Self, ShapeFault> {
        let mut words = text.split_ascii_whitespace();
        let (Some(center), Some(radius), None) = (words.next(), words.next(), words.next()) else {
            return Err(ShapeFault::Malformed);
        };
        let (Some(center), Some(radius_km)) = (Point::parse(center), decimal(radius)) else {
            return Err(ShapeFault::Malformed);
        };
        let exists = center.exists() && (0.0..=RADIUS_KM_MAX).contains(&radius_km);
        if exists { Ok(Self { center, radius_km }) } else { Err(ShapeFault::OutOfRange) }
    }
}

impl Point {
    fn parse(text: &str) -> Option<Self> {
        let (latitude, longitude) = text.split_once(',')?;
        Some(Self { latitude: decimal(latitude)?, longitude: decimal(longitude)? })
    }

    fn exists(&self) -> bool {
        (-90.0..=90.0).contains(&self.latitude) && (-180.0..=180.0).contains(&self.longitude)
    }
}

/// A decimal of XML Schema: no exponent, no `inf`, no `NaN`.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.'));
    if plain { text.parse().ok() } else { None }
}

/// Whether a text is a decimal as CAP writes altitudes.
pub fn is_decimal(text: &str) -> bool {
    decimal(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polygons() {
        for (text, fault) in [
            ("48.8,2.3 48.9,2.3 48.9,2.4 48.8,2.3", None),
            ("48.8,2.3\n48.9,2.3   48.9,2.4\t48.80,2.30", None),
            (" -90,-180 90,-180 90,180 -90,-180 ", None),
            ("48.8,2.3 48.9,2.3 48.9,2.4 48.8,2.4", Some(ShapeFault::NotClosed)),
            ("48.8,2.3 48.9,2.3 48.8,2.3", Some(ShapeFault::TooFewPoints)),
            ("", Some(ShapeFault::TooFewPoints)),
            ("148.8,2.3 48.9,2.3 48.9,2.4 148.8,2.3", Some(ShapeFault::OutOfRange)),
            ("48.8,182.3 48.9,2.3 48.9,2.4 48.8,182.3", Some(ShapeFault::OutOfRange)),
            ("48.8, 2.3 48.9,2.3", Some(ShapeFault::Malformed)),
            ("48.8,2.3,0 48.9,2.3,0", Some(ShapeFault::Malformed)),
            ("NaN,2.3 inf,2.3", Some(ShapeFault::Malformed)),
            ("4e1,2.3", Some(ShapeFault::Malformed)),
        ] {
            assert_eq!(Polygon::parse(text).err(), fault, "{text}");
        }
        let points = Polygon::parse("48.8,2.3 48.9,-2.3 +48.9,2.4 48.8,2.3").unwrap().points;
        assert_eq!(points[1], Point { latitude: 48.9, longitude: -2.3 });
        assert_eq!(points.len(), 4);
    }

    #[test]
    fn circles() {
        let circle = Circle::parse(" 48.85,2.35\n 10 ").unwrap();
        assert_eq!(circle, Circle { center: Point { latitude: 48.85, longitude: 2.35 }, radius_km: 10.0 });
        for (text, fault) in [
            ("48.85,2.35  0.5", None),
            ("48.85,2.35 0", None),
            ("48.85,2.35", Some(ShapeFault::Malformed)),
            ("48.85 2.35 10", Some(ShapeFault::Malformed)),
            ("48.85,2.35 dix", Some(ShapeFault::Malformed)),
            ("48.85,2.35 10 km", Some(ShapeFault::Malformed)),
            ("48.85,2.35 -1", Some(ShapeFault::OutOfRange)),
            ("48.85,2.35 20041", Some(ShapeFault::OutOfRange)),
            ("98.85,2.35 1", Some(ShapeFault::OutOfRange)),
        ] {
            assert_eq!(Circle::parse(text).err(), fault, "{text}");
        }
    }
}
