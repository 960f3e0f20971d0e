//! JSON scanned where it lies, as long as it is written the way clients write it: no escapes, no
//! member twice. Whoever meets anything else gives up, and the body is read by its shape (`codec`),
//! which takes whatever is JSON. What both take, they must read alike.

use super::base64::Encoded;
use super::shape::Shape;
use crate::store::NewValue;

/// A place in a body. Every step is `None` where the scan gives up.
pub struct Scan<'a> {
    rest: &'a [u8],
}

impl<'a> Scan<'a> {
    /// A whole body that is one object: `member` reads the value of each member.
    pub fn body(
        body: &'a [u8],
        member: impl FnMut(&mut Scan<'a>, &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        let mut scan = Scan { rest: body };
        scan.object(member)?;
        scan.white_space();
        scan.rest.is_empty().then_some(())
    }

    /// An object: `member` reads the value of each member.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Scan<'a>, &'a [u8]) -> Option<()>,
    ) -> Option<()> {
        self.expect(b'{')?;
        loop {
            let name = self.string()?;
            self.expect(b':')?;
            member(self, name)?;
            if self.ends(b'}')? {
                return Some(());
            }
        }
    }

    /// An array that is not empty: `element` reads each element.
    pub fn array(&mut self, mut element: impl FnMut(&mut Scan<'a>) -> Option<()>) -> Option<()> {
        self.expect(b'[')?;
        loop {
            element(self)?;
            if self.ends(b']')? {
                return Some(());
            }
        }
    }

    /// A string without escapes.
    fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.string()?).ok()
    }

    /// A string that is what the shape says.
    pub fn legal(&mut self, shape: &Shape) -> Option<&'a str> {
        self.text().filter(|text| shape.accepts(text))
    }

    /// Base64 of bytes that are what the shape says.
    pub fn legal_blob(&mut self, shape: &Shape) -> Option<Encoded<'a>> {
        let Shape::Blob(length) = shape else {
            return None;
        };
        // Nothing but base64 is legal, so that the text needs no other check.
        let encoded = Encoded::checked(self.quoted()?)?;
        length.holds(encoded.bytes_len()).then_some(encoded)
    }

    /// Whatever is up to the next quote.
    fn quoted(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let end = memchr::memchr(b'"', self.rest)?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(1..)?;
        Some(text)
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let is_plain = |byte: &u8| *byte >= b' ' && *byte != b'"' && *byte != b'\\';
        let end = self.rest.iter().position(|byte| !is_plain(byte))?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.strip_prefix(b"\"")?;
        Some(text)
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        self.white_space();
        self.rest = self.rest.strip_prefix(&[byte])?;
        Some(())
    }

    /// Whether the list that is being read ends here; if not, a comma is passed.
    fn ends(&mut self, end: u8) -> Option<bool> {
        self.white_space();
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        match *first {
            b',' => Some(false),
            byte => (byte == end).then_some(true),
        }
    }

    fn white_space(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }
}

/// Sets a member once; a second time is for the general reading.
pub fn once<T>(member: &mut Option<T>, value: T) -> Option<()> {
    match member.replace(value) {
        None => Some(()),
        Some(_) => None,
    }
}
