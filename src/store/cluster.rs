//! The store's own name, made on first start and kept for ever.

use super::Name;
use super::catalog::{atom, put};
use super::engine::{Expect, Refusal};
use super::error::StoreError;
use super::state::{Key, Value};
use super::view::View;

impl View {
    /// What this store is called: 22 characters of URL-safe base64, as Kafka writes a cluster id.
    pub async fn cluster(&self) -> Result<Name, StoreError> {
        loop {
            if let Some(Value::Cluster(name)) = self.get(&Key::Cluster).map(|entry| entry.value) {
                return Ok(name);
            }
            let random = uuid::Uuid::new_v4();
            let name = base64_simd::URL_SAFE_NO_PAD.encode_to_string(random.as_bytes());
            let value = Value::Cluster(name.into());
            match self
                .commit(atom([put(Key::Cluster, value, Expect::Absent)]))
                .await?
            {
                // Somebody else may have been first; either way there is a name now.
                Ok(_) | Err(Refusal::Unexpected { .. }) => {}
                Err(refusal) => return Err(refusal.into()),
            }
        }
    }
}
