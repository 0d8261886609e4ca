//! JSON as answers need it: one object, written as it goes.

use std::fmt;

/// An object that is being written.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    joint: u8,
}

/// The inside of a string that is being written; what is put in is escaped.
pub(super) struct Str<'a>(&'a mut Vec<u8>);

impl<'a> Object<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        Self { out, joint: b'{' }
    }

    pub(super) fn end(self) {
        if self.joint == b'{' {
            self.out.push(b'{');
        }
        self.out.push(b'}');
    }

    fn name(&mut self, name: &str) {
        self.out.extend([self.joint, b'"']);
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.joint = b',';
    }

    /// A member that is a text, put together by `write`.
    pub(super) fn written(&mut self, name: &str, write: impl FnOnce(&mut Str<'_>)) {
        self.name(name);
        quoted(self.out, write);
    }

    /// A member that is a text.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.written(name, |inside| inside.push(text));
    }

    /// A member that is a text, or null.
    pub(super) fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        } else {
            self.name(name);
            self.out.extend_from_slice(b"null");
        }
    }

    /// A member that is a number.
    pub(super) fn number(&mut self, name: &str, number: u64) {
        self.name(name);
        self.out
            .extend_from_slice(super::text::Decimal::new(number).bytes());
    }

    /// A member that is a list of texts.
    pub(super) fn texts(&mut self, name: &str, texts: &[Box<str>]) {
        self.name(name);
        self.out.push(b'[');
        for (place, text) in texts.iter().enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            quoted(self.out, |inside| inside.push(text));
        }
        self.out.push(b']');
    }

    /// A member that is a list of one object.
    pub(super) fn single(&mut self, name: &str, write: impl FnOnce(&mut Object<'_>)) {
        self.name(name);
        self.out.push(b'[');
        let mut object = Object::begin(self.out);
        write(&mut object);
        object.end();
        self.out.push(b']');
    }
}

impl Str<'_> {
    pub(super) fn push(&mut self, text: &str) {
        for byte in text.bytes() {
            match byte {
                b'"' | b'\\' => self.0.extend([b'\\', byte]),
                0..0x20 => {
                    // JSON has no shorter way for all of them.
                    let [high, low] =
                        [byte >> 4, byte & 15].map(|half| b"0123456789abcdef"[usize::from(half)]);
                    self.0.extend([b'\\', b'u', b'0', b'0', high, low]);
                }
                _ => self.0.push(byte),
            }
        }
    }
}

impl fmt::Write for Str<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Str<'_>)) {
    out.push(b'"');
    write(&mut Str(out));
    out.push(b'"');
}
