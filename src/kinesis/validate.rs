//! The one place that words what is wrong with a value: every violation, in the service's order
//! (spec A.8).

use super::shape::{Integer, Length, List, Map, Member, Shape, TEXT, Text};
use super::value::{Elements, Members, Value};

/// The service lists no more than this many.
const VIOLATIONS_MAX: usize = 10;
/// Characters of a value that a message shows; ours, so that a refusal is never larger than what
/// it refuses.
const SHOWN_CHARACTERS_MAX: usize = 8192;

/// The message about the first value of the wrong type, in the model's order.
pub fn wrong_type(members: &[Option<Value>]) -> Option<&str> {
    members.iter().flatten().find_map(wrong_value)
}

fn wrong_value(value: &Value) -> Option<&str> {
    match value {
        Value::Wrong(message) => Some(message),
        Value::List(elements) => wrong_type(&elements.kept),
        Value::Map(entries) => entries.iter().find_map(|(_, value)| wrong_value(value)),
        Value::Structure(members) => wrong_type(members),
        Value::Text(_)
        | Value::Integer(_)
        | Value::Boolean(_)
        | Value::Blob(_)
        | Value::Timestamp(_) => None,
    }
}

/// The message that lists every violation, if there is one.
pub fn violations(members: &'static [Member], values: &Members) -> Option<String> {
    let mut found = Violations::default();
    found.structure("", members, values);
    let count = found.0.len();
    let plural = if count == 1 { "" } else { "s" };
    (count > 0).then(|| {
        format!(
            "{count} validation error{plural} detected: {}",
            found.0.join("; ")
        )
    })
}

/// A value as a message may show it.
pub fn shortened(text: &str) -> &str {
    match text.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// Renders the offending value, if it is needed.
type Shown<'a> = &'a dyn Fn() -> Option<String>;

#[derive(Default)]
struct Violations(Vec<String>);

impl Violations {
    fn structure(&mut self, parent: &str, members: &'static [Member], values: &Members) {
        for (member, value) in members.iter().zip(values) {
            if self.0.len() >= VIOLATIONS_MAX {
                return;
            }
            let path = format!("{parent}{}", lower_first(member.name));
            match value {
                Some(value) => self.value(&path, &member.shape, value),
                None if member.is_required => self.must(&path, None, "not be null"),
                None => {}
            }
        }
    }

    fn value(&mut self, path: &str, shape: &'static Shape, value: &Value) {
        match (shape, value) {
            (Shape::Text(rules), Value::Text(text)) => self.text(path, rules, text),
            (Shape::Integer(rules), Value::Integer(found)) => self.integer(path, *rules, *found),
            (Shape::Blob(length), Value::Blob(bytes)) => {
                for rule in broken_lengths(*length, bytes.len()) {
                    self.must(path, Some(shown(shape, value)), &rule);
                }
            }
            (Shape::List(rules), Value::List(elements)) => {
                self.list(path, rules, elements, &|| Some(shown(shape, value)));
            }
            (Shape::Map(rules), Value::Map(entries)) => {
                self.map(path, rules, entries, &|| Some(shown(shape, value)));
            }
            (Shape::Structure(structure), Value::Structure(values)) => {
                self.structure(&format!("{path}."), structure.members, values);
            }
            // A boolean or a time has no bounds, and of another type there is none left.
            _ => {}
        }
    }

    fn text(&mut self, path: &str, rules: &Text, text: &str) {
        let shown = || Some(shortened(text).to_owned());
        if let Some(pattern) = rules.pattern
            && !(pattern.accepts)(text)
        {
            let rule = format!("satisfy regular expression pattern: {}", pattern.text);
            self.must(path, shown(), &rule);
        }
        let length = text.chars().count();
        for rule in broken_lengths(rules.length, length) {
            self.must(path, shown(), &rule);
        }
        if !rules.choices.is_empty() && !rules.choices.contains(&text) {
            self.must(path, shown(), &among(rules.choices));
        }
    }

    fn integer(&mut self, path: &str, rules: Integer, found: i64) {
        let shown = Some(found.to_string());
        if let Some(min) = rules.min.filter(|min| found < *min) {
            let rule = format!("have value greater than or equal to {min}");
            self.must(path, shown.clone(), &rule);
        }
        if let Some(max) = rules.max.filter(|max| found > *max) {
            self.must(
                path,
                shown,
                &format!("have value less than or equal to {max}"),
            );
        }
    }

    fn list(&mut self, path: &str, rules: &List, elements: &Elements, shown: Shown) {
        for rule in broken_lengths(rules.length, elements.count) {
            self.must(path, shown(), &rule);
        }
        if let Shape::Text(text) = rules.element {
            let texts = elements
                .kept
                .iter()
                .map(|element| text_of(element.as_ref()));
            if let Some(rule) = rule_of_each(text, texts) {
                self.must(path, shown(), &format!("satisfy constraint: [{rule}]"));
            }
            return;
        }
        for (number, element) in (1..).zip(&elements.kept) {
            if self.0.len() >= VIOLATIONS_MAX {
                return;
            }
            let path = format!("{path}.{number}.member");
            match element {
                Some(element) => self.value(&path, rules.element, element),
                None => self.must(&path, None, "not be null"),
            }
        }
    }

    fn map(&mut self, path: &str, rules: &Map, entries: &[(String, Value)], shown: Shown) {
        for rule in broken_lengths(rules.length, entries.len()) {
            self.must(path, shown(), &rule);
        }
        let keys = entries.iter().map(|(key, _)| key.as_str());
        if let Some(rule) = rule_of_each(&lengths_only(rules.key_length), keys) {
            let rule = format!("Map keys must satisfy constraint: [{rule}]");
            self.say(path, shown(), &rule);
        }
        let values = entries.iter().map(|(_, value)| text_of(Some(value)));
        if let Some(rule) = rule_of_each(&lengths_only(rules.value_length), values) {
            let rule = format!("Map value must satisfy constraint: [{rule}]");
            self.say(path, shown(), &rule);
        }
    }

    fn must(&mut self, path: &str, shown: Option<String>, rule: &str) {
        self.say(path, shown, &format!("Member must {rule}"));
    }

    fn say(&mut self, path: &str, shown: Option<String>, rule: &str) {
        if self.0.len() < VIOLATIONS_MAX {
            let value = shown.map_or("null".into(), |shown| format!("'{shown}'"));
            self.0.push(format!(
                "Value {value} at '{path}' failed to satisfy constraint: {rule}"
            ));
        }
    }
}

fn text_of(value: Option<&Value>) -> &str {
    match value {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

fn broken_lengths(rules: Length, found: usize) -> Vec<String> {
    let short = rules.min.filter(|min| found < *min);
    let long = rules.max.filter(|max| found > *max);
    let short = short.map(|min| format!("have length greater than or equal to {min}"));
    let long = long.map(|max| format!("have length less than or equal to {max}"));
    short.into_iter().chain(long).collect()
}

fn lengths_only(length: Length) -> Text {
    Text {
        pattern: None,
        length,
        choices: &[],
    }
}

/// What all elements have to satisfy, if one of them does not: longest first, as recorded.
fn rule_of_each<'a>(rules: &Text, mut texts: impl Iterator<Item = &'a str>) -> Option<String> {
    if texts.all(|text| rules.accept(text)) {
        return None;
    }
    let max = rules
        .length
        .max
        .map(|max| format!("have length less than or equal to {max}"));
    let min = rules
        .length
        .min
        .map(|min| format!("have length greater than or equal to {min}"));
    let pattern = rules
        .pattern
        .map(|pattern| format!("satisfy regular expression pattern: {}", pattern.text));
    let choices = (!rules.choices.is_empty()).then(|| among(rules.choices));
    let all = [max, min, pattern, choices].into_iter().flatten();
    let all: Vec<String> = all.map(|rule| format!("Member must {rule}")).collect();
    Some(all.join(", "))
}

fn among(choices: &[&str]) -> String {
    format!("satisfy enum value set: [{}]", choices.join(", "))
}

fn lower_first(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_lowercase() + rest
}

/// A value as Java prints it.
fn shown(shape: &Shape, value: &Value) -> String {
    let mut out = String::new();
    show(shape, value, &mut out);
    shortened(&out).to_owned()
}

fn show(shape: &Shape, value: &Value, out: &mut String) {
    let text = match (shape, value) {
        (_, Value::Text(text)) => shortened(text).to_owned(),
        (_, Value::Integer(number)) => number.to_string(),
        (_, Value::Blob(bytes)) => {
            format!(
                "java.nio.HeapByteBuffer[pos=0 lim={0} cap={0}]",
                bytes.len()
            )
        }
        (Shape::List(list), Value::List(elements)) => {
            return show_list(list.element, &elements.kept, out);
        }
        (_, Value::Map(entries)) => return show_map(entries, out),
        // Java shows the object's identity, which means nothing to anybody.
        (Shape::Structure(structure), _) => {
            format!("com.amazonaws.kinesis.v20131202.{}@0", structure.name)
        }
        _ => String::new(),
    };
    out.push_str(&text);
}

fn show_list(shape: &Shape, elements: &[Option<Value>], out: &mut String) {
    out.push('[');
    for (index, element) in elements.iter().enumerate() {
        if out.len() > SHOWN_CHARACTERS_MAX {
            break;
        }
        out.push_str(if index == 0 { "" } else { ", " });
        match element {
            Some(element) => show(shape, element, out),
            None => out.push_str("null"),
        }
    }
    out.push(']');
}

fn show_map(entries: &[(String, Value)], out: &mut String) {
    out.push('{');
    for (index, (key, value)) in entries.iter().enumerate() {
        if out.len() > SHOWN_CHARACTERS_MAX {
            break;
        }
        out.push_str(if index == 0 { "" } else { ", " });
        out.push_str(shortened(key));
        out.push('=');
        show(&TEXT, value, out);
    }
    out.push('}');
}
