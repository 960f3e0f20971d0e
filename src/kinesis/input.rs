//! A structure of the model as a Rust type: one declaration gives the fields, the constraints and
//! the reading of one from a checked request.

use super::codec;
use super::error::ApiError;
use super::shape::Structure;
use super::validate;
use super::value::Members;
use bytes::Bytes;

/// A structure of the model, read from values that were validated.
pub trait Shaped: Sized {
    const STRUCTURE: &'static Structure;

    /// `None` only for values that validation would have refused.
    fn read(members: Members) -> Option<Self>;
}

/// What an operation is asked. The default goes by the declaration; an operation may read the
/// body its own way, as long as it refuses the same things in the same words.
pub trait Input: Sized + Send + 'static {
    fn read(body: Bytes) -> impl Future<Output = Result<Self, ApiError>> + Send;
}

/// A body that the operation itself reads.
pub struct Raw(pub Bytes);

impl Input for Raw {
    async fn read(body: Bytes) -> Result<Raw, ApiError> {
        Ok(Raw(body))
    }
}

/// Bytes of a body that are worked on without leaving the runtime's thread: about a millisecond.
const INLINE_BYTES_MAX: usize = 1 << 20;

/// Does work on so many bytes: what is long must not hold up the requests of others.
pub async fn work<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    if bytes <= INLINE_BYTES_MAX {
        return work();
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(ApiError::internal("a request was not finished")))
}

/// Decodes and validates a JSON body: form first, then types, then constraints (spec A.6).
pub fn decode<T: Shaped>(body: &Bytes) -> Result<T, ApiError> {
    let members = T::STRUCTURE.members;
    let values = codec::decode(body, members).map_err(|_| ApiError::unparsable())?;
    if let Some(message) = validate::wrong_type(&values) {
        return Err(ApiError::serialization(message));
    }
    if let Some(message) = validate::violations(members, &values) {
        return Err(ApiError::validation(message));
    }
    T::read(values).ok_or_else(|| ApiError::internal("a validated request could not be read"))
}

/// Declares a structure: `field: type = "Member", shape;` in the service's order. The type says
/// whether the member is required.
macro_rules! structure {
    ($(#[$doc:meta])* $vis:vis struct $name:ident = $model:literal {
        $($(#[$field_doc:meta])* $field:ident: $type:ty = $member:literal, $shape:expr;)*
    }) => {
        $(#[$doc])*
        #[derive(Debug)]
        $vis struct $name {
            $($(#[$field_doc])* pub $field: $type,)*
        }

        impl $crate::kinesis::input::Shaped for $name {
            const STRUCTURE: &'static $crate::kinesis::shape::Structure =
                &$crate::kinesis::shape::Structure {
                    name: $model,
                    members: &[$($crate::kinesis::shape::Member {
                        name: $member,
                        is_required: <$type as $crate::kinesis::value::Field>::IS_REQUIRED,
                        shape: $shape,
                    },)*],
                };

            fn read(members: $crate::kinesis::value::Members) -> Option<$name> {
                let mut members = members.into_iter();
                Some($name {
                    $($field: <$type as $crate::kinesis::value::Field>::read(members.next()?)?,)*
                })
            }
        }

        impl $crate::kinesis::value::Field for $name {
            fn read(value: Option<$crate::kinesis::value::Value>) -> Option<$name> {
                match value? {
                    $crate::kinesis::value::Value::Structure(members) => {
                        <$name as $crate::kinesis::input::Shaped>::read(members)
                    }
                    _ => None,
                }
            }
        }
    };
}

/// Declares an operation's input: a structure that is read from a body by its declaration.
macro_rules! input {
    ($($declaration:tt)*) => {
        $crate::kinesis::input::structure! {
            $($declaration)*
        }

        impl $crate::kinesis::input::Input for Input {
            async fn read(body: bytes::Bytes) -> Result<Input, $crate::kinesis::error::ApiError> {
                let bytes = body.len();
                let decode = move || $crate::kinesis::input::decode(&body);
                $crate::kinesis::input::work(bytes, decode).await
            }
        }
    };
}

pub(super) use {input, structure};
