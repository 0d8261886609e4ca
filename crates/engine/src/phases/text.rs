//! Short texts on the stack: numbers and such for header values.

use std::fmt;

/// The longest text: the policies of all windows, with the largest numbers.
const ROOM: usize = 384;

/// A text that is being put together. What doesn't fit is left out.
pub(super) struct Text {
    bytes: [u8; ROOM],
    length: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            bytes: [0; ROOM],
            length: 0,
        }
    }
}

impl Text {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(bytes);
            self.length = end;
        }
    }

    pub(super) fn push_number(&mut self, number: u64) {
        self.push(Decimal::new(number).bytes());
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// A number in decimal digits.
pub(super) struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    pub(super) fn new(number: u64) -> Self {
        let mut decimal = Self {
            digits: [b'0'; 20],
            start: 20,
        };
        let mut rest = number;
        loop {
            decimal.start -= 1;
            decimal.digits[decimal.start] = b"0123456789"[(rest % 10) as usize];
            rest /= 10;
            if rest == 0 {
                return decimal;
            }
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 7, 10, 123_456, u64::MAX] {
            assert_eq!(Decimal::new(number).bytes(), number.to_string().as_bytes());
        }
    }
}
