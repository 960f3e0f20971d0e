//! A request's members as they were sent, in the shape of the model.

use crate::store::Timestamp;
use bytes::Bytes;

/// A decoded value. Its type is that of the shape it was decoded by, or `Wrong`.
#[derive(Debug)]
pub enum Value {
    Text(String),
    Integer(i64),
    Boolean(bool),
    Blob(Bytes),
    Timestamp(Timestamp),
    List(Elements),
    /// In the order sent; a repeated key keeps its last value.
    Map(Vec<(String, Value)>),
    /// One for each member of the structure, in the model's order.
    Structure(Members),
    /// Of another type than the model says; the service's words for that.
    Wrong(String),
}

/// The members of one structure in the model's order; `None` where absent or null.
pub type Members = Vec<Option<Value>>;

/// A list's elements, as many as can matter: of a list that is too long, one more than allowed.
#[derive(Debug, Default)]
pub struct Elements {
    pub kept: Vec<Option<Value>>,
    /// How many were sent.
    pub count: usize,
}

/// What a Rust type is read from. A type that can be absent says so, and so decides whether the
/// member is required.
pub trait Field: Sized {
    const IS_REQUIRED: bool = true;

    /// `None` only for a value that validation would have refused.
    fn read(value: Option<Value>) -> Option<Self>;
}

impl<T: Field> Field for Option<T> {
    const IS_REQUIRED: bool = false;

    fn read(value: Option<Value>) -> Option<Option<T>> {
        match value {
            None => Some(None),
            some => T::read(some).map(Some),
        }
    }
}

impl<T: Field> Field for Vec<T> {
    fn read(value: Option<Value>) -> Option<Vec<T>> {
        match value? {
            Value::List(elements) => elements.kept.into_iter().map(T::read).collect(),
            _ => None,
        }
    }
}

macro_rules! field {
    ($($type:ty = $variant:ident($found:ident) => $value:expr;)*) => {
        $(impl Field for $type {
            fn read(value: Option<Value>) -> Option<$type> {
                match value? {
                    Value::$variant($found) => $value,
                    _ => None,
                }
            }
        })*
    };
}

field! {
    String = Text(found) => Some(found);
    i32 = Integer(found) => i32::try_from(found).ok();
    u32 = Integer(found) => u32::try_from(found).ok();
    usize = Integer(found) => usize::try_from(found).ok();
    bool = Boolean(found) => Some(found);
    Bytes = Blob(found) => Some(found);
    Timestamp = Timestamp(found) => Some(found);
    Vec<(String, String)> = Map(found) => found.into_iter().map(|(key, value)| match value {
        Value::Text(text) => Some((key, text)),
        _ => None,
    }).collect();
}
