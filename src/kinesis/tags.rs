//! Tags, kept among a stream's settings as `kinesis.tag.<key>`.

use super::error::ApiError;
use crate::store::Settings;

/// Tags that one stream may have.
const TAGS_MAX: usize = 50;
const PREFIX: &str = "kinesis.tag.";

/// Puts tags to those that are there, all or none.
pub fn add(
    settings: &mut Settings,
    stream: &str,
    tags: Vec<(String, String)>,
) -> Result<(), ApiError> {
    let texts = || tags.iter().flat_map(|(key, value)| [key, value]);
    if !texts().all(|text| text.chars().all(is_tag_character)) {
        return Err(ApiError::invalid_argument(
            "Some tags contain invalid characters. Valid characters: Unicode letters, digits, \
             white space, _ . / = + - % @.",
        ));
    }
    for (key, value) in tags {
        settings.0.insert(format!("{PREFIX}{key}"), value);
    }
    let count = settings
        .0
        .keys()
        .filter(|name| name.starts_with(PREFIX))
        .count();
    if count > TAGS_MAX {
        return Err(ApiError::invalid_argument(format!(
            "Failed to add tags to stream {stream} because a given stream cannot have more than \
             {TAGS_MAX} tags associated with it."
        )));
    }
    Ok(())
}

fn is_tag_character(character: char) -> bool {
    character.is_alphanumeric()
        || character.is_whitespace()
        || matches!(character, '_' | '.' | '/' | '=' | '+' | '-' | '%' | '@')
}
