//! JSON into values, guided by the shape: what the model does not know is passed over unread, a
//! list that is too long is counted but not kept, so a hostile body costs time and not memory.
//!
//! Messages about types: spec A.7, as recorded from the service.

use super::base64;
use super::shape::{Length, Member, Shape};
use super::value::{Elements, Members, Value};
use crate::store::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Elements kept of a list that the model does not bound.
const ELEMENTS_KEPT_MAX: usize = 10_000;

/// The body is not one JSON object.
#[derive(Debug)]
pub struct Unparsable;

/// Reads a whole body as a structure with these members.
pub fn decode(body: &[u8], members: &'static [Member]) -> Result<Members, Unparsable> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = json.deserialize_map(Object { members });
    let members = read.map_err(|_| Unparsable)?;
    json.end().map_err(|_| Unparsable)?;
    Ok(members)
}

/// Whether a body is one JSON object, whatever is in it.
pub fn is_object(body: &[u8]) -> bool {
    decode(body, &[]).is_ok()
}

/// Reads a structure's members.
struct Object {
    members: &'static [Member],
}

impl<'de> Visitor<'de> for Object {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut found: Members = self.members.iter().map(|_| None).collect();
        while let Some(index) = map.next_key_seed(MemberIndex(self.members))? {
            match index {
                Some(index) => {
                    found[index] = map.next_value_seed(Guided(&self.members[index].shape))?;
                }
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// Reads a member's name as its place in the structure.
struct MemberIndex(&'static [Member]);

impl<'de> DeserializeSeed<'de> for MemberIndex {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<Option<usize>, D::Error> {
        key.deserialize_str(self)
    }
}

impl Visitor<'_> for MemberIndex {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|member| member.name == name))
    }
}

/// Reads any value as what the shape says, `None` for null.
#[derive(Clone, Copy)]
struct Guided(&'static Shape);

impl<'de> DeserializeSeed<'de> for Guided {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Option<Value>, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Guided {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<Value>, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, found: bool) -> Result<Option<Value>, E> {
        Ok(Some(match self.0 {
            Shape::Boolean => Value::Boolean(found),
            other => wrong_scalar(other, "class java.lang.Boolean"),
        }))
    }

    fn visit_i64<E: Error>(self, found: i64) -> Result<Option<Value>, E> {
        self.visit_f64(found as f64)
    }

    fn visit_u64<E: Error>(self, found: u64) -> Result<Option<Value>, E> {
        self.visit_f64(found as f64)
    }

    /// Fractions are cut off and what is too large saturates (spec A.2); a double holds every
    /// integer that a member may be.
    fn visit_f64<E: Error>(self, found: f64) -> Result<Option<Value>, E> {
        Ok(Some(match self.0 {
            Shape::Integer(_) => Value::Integer(i64::from(found as i32)),
            Shape::Timestamp => Value::Timestamp(Timestamp((found * 1000.0).round() as i64)),
            other => wrong_scalar(
                other,
                "class com.amazon.coral.value.json.numbers.TruncatingBigNumber",
            ),
        }))
    }

    fn visit_str<E: Error>(self, found: &str) -> Result<Option<Value>, E> {
        Ok(Some(match self.0 {
            Shape::Text(_) => Value::Text(found.to_owned()),
            Shape::Blob(_) => base64::decode(found).map_or_else(Value::Wrong, Value::Blob),
            Shape::Boolean => boolean(found),
            other => wrong_scalar(other, "class java.lang.String"),
        }))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<Value>, A::Error> {
        let Shape::List(list) = self.0 else {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            let message = "Start of list found where not expected";
            return Ok(Some(Value::Wrong(message.into())));
        };
        let kept_max = kept_max(list.length);
        let mut elements = Elements::default();
        while elements.count < kept_max {
            let Some(element) = seq.next_element_seed(Guided(list.element))? else {
                return Ok(Some(Value::List(elements)));
            };
            elements.kept.push(element);
            elements.count += 1;
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            elements.count += 1;
        }
        Ok(Some(Value::List(elements)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Value>, A::Error> {
        match self.0 {
            Shape::Structure(structure) => {
                let members = structure.members;
                Ok(Some(Value::Structure(Object { members }.visit_map(map)?)))
            }
            Shape::Map(shape) => entries(map, kept_max(shape.length)).map(Some),
            _ => {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                let message = "Start of structure or map found where not expected.";
                Ok(Some(Value::Wrong(message.into())))
            }
        }
    }
}

/// One more than allowed, so that validation sees the excess.
fn kept_max(length: Length) -> usize {
    length.max.map_or(ELEMENTS_KEPT_MAX, |max| max + 1)
}

/// A map from text to text; of one that is too long, as much as shows it.
fn entries<'de, A: MapAccess<'de>>(mut map: A, kept_max: usize) -> Result<Value, A::Error> {
    let mut entries: Vec<(String, Value)> = Vec::new();
    while entries.len() < kept_max {
        let Some(key) = map.next_key::<String>()? else {
            return Ok(Value::Map(entries));
        };
        let Some(value) = map.next_value_seed(Guided(&super::shape::TEXT))? else {
            continue;
        };
        match entries.iter_mut().find(|(known, _)| *known == key) {
            Some((_, kept)) => *kept = value,
            None => entries.push((key, value)),
        }
    }
    while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
    Ok(Value::Map(entries))
}

/// Words that convert, in any case; others are shown in capitals.
fn boolean(found: &str) -> Value {
    let is = |word: &&str| found.eq_ignore_ascii_case(word);
    if ["true", "1", "yes"].iter().any(is) {
        return Value::Boolean(true);
    }
    if ["false", "0", "no"].iter().any(is) {
        return Value::Boolean(false);
    }
    let shown = super::validate::shortened(found).to_uppercase();
    Value::Wrong(format!("'{shown}' can not be converted to an Boolean"))
}

fn wrong_scalar(wanted: &Shape, found: &str) -> Value {
    Value::Wrong(match wanted {
        Shape::Text(_) => format!("{found} can not be converted to an String"),
        Shape::Integer(integer) => format!("{found} can not be converted to an {}", integer.class),
        Shape::Boolean => format!("{found} can not be converted to an Boolean"),
        Shape::Blob(_) => format!("{found} can not be converted to a Blob"),
        Shape::Timestamp => format!("{found} can not be converted to milliseconds since epoch"),
        Shape::List(_) => "Expected list or null".into(),
        Shape::Map(_) => "Expected map or null".into(),
        Shape::Structure(_) => "Expected null".into(),
    })
}
