//! Reading and writing DER by Go's rules: short tags, shortest lengths of at most four bytes, nothing indefinite.

/// Universal tags that certificates use.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// A primitive context-specific tag.
    pub(crate) const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// A constructed context-specific tag.
    pub(crate) const fn explicit(number: u8) -> u8 {
        0xa0 | number
    }
}

/// The dotted numbers of an object identifier, as encoded; compare with [`Oid`] constants of encoded content.
pub(crate) type Oid<'a> = &'a [u8];

/// One element: its tag, its content, and all its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) whole: &'a [u8],
}

/// Reads elements off the front of some bytes; `None` means that the bytes are not what was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn next_is(&self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    pub(crate) fn any(&mut self) -> Option<Element<'a>> {
        let (&tag, after_tag) = self.0.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, after_length) = after_tag.split_first()?;
        let (head, length) = if first < 0x80 {
            (2, usize::from(first))
        } else {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 || after_length.len() < count {
                return None;
            }
            let value = after_length[..count].iter().fold(0usize, |n, b| n << 8 | usize::from(*b));
            if value < 0x80 || value >> ((count - 1) * 8) == 0 {
                return None;
            }
            (2 + count, value)
        };
        let end = head.checked_add(length)?;
        let whole = self.0.get(..end)?;
        self.0 = &self.0[end..];
        Some(Element { tag, content: &whole[head..], whole })
    }

    pub(crate) fn element(&mut self, tag: u8) -> Option<Element<'a>> {
        let mut ahead = *self;
        let element = ahead.any().filter(|e| e.tag == tag)?;
        *self = ahead;
        Some(element)
    }

    pub(crate) fn content(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.element(tag).map(|e| e.content)
    }

    pub(crate) fn sequence(&mut self) -> Option<Reader<'a>> {
        self.content(tag::SEQUENCE).map(Reader)
    }

    /// An element that may be missing: `None` for malformed bytes, `Some(None)` for another tag or the end.
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Option<Element<'a>>> {
        if self.next_is(tag) { self.element(tag).map(Some) } else { Some(None) }
    }

    /// The content of an INTEGER in its shortest form.
    pub(crate) fn integer(&mut self) -> Option<&'a [u8]> {
        let bytes = self.content(tag::INTEGER)?;
        match bytes {
            [] => None,
            [0x00, second, ..] if second & 0x80 == 0 => None,
            [0xff, second, ..] if second & 0x80 != 0 => None,
            _ => Some(bytes),
        }
    }

    /// A BOOLEAN, which DER writes as 00 or FF only.
    pub(crate) fn boolean(&mut self) -> Option<bool> {
        match self.content(tag::BOOLEAN)? {
            [0x00] => Some(false),
            [0xff] => Some(true),
            _ => None,
        }
    }

    pub(crate) fn oid(&mut self) -> Option<Oid<'a>> {
        let bytes = self.content(tag::OID)?;
        let well_ended = bytes.last().is_some_and(|b| b & 0x80 == 0);
        let padded = bytes.iter().enumerate().any(|(i, b)| {
            *b == 0x80 && (i == 0 || bytes[i - 1] & 0x80 == 0) // a number starts with a zero digit
        });
        (well_ended && !padded).then_some(bytes)
    }

    /// A BIT STRING with its unused bits shifted out at the front, as Go's `RightAlign` gives it.
    pub(crate) fn bit_string(&mut self) -> Option<BitString<'a>> {
        let (&unused, bytes) = self.content(tag::BIT_STRING)?.split_first()?;
        let last = bytes.last().copied();
        let fits = match last {
            None => unused == 0,
            Some(last) => unused < 8 && u16::from(last) & ((1 << unused) - 1) == 0,
        };
        fits.then_some(BitString { unused, bytes })
    }
}

/// The content of a BIT STRING.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BitString<'a> {
    unused: u8,
    pub(crate) bytes: &'a [u8],
}

impl BitString<'_> {
    /// Whether bit `index`, counted from the front, is set.
    pub(crate) fn at(&self, index: usize) -> bool {
        index < self.bytes.len() * 8 - usize::from(self.unused)
            && self.bytes[index / 8] & (0x80 >> (index % 8)) != 0
    }

    /// The bits as a number: the unused ones are shifted out.
    pub(crate) fn right_aligned(&self) -> Vec<u8> {
        if self.unused == 0 {
            return self.bytes.to_vec();
        }
        let mut carry = 0u8;
        let mut out = Vec::with_capacity(self.bytes.len());
        for byte in self.bytes {
            out.push(carry | byte >> self.unused);
            carry = byte << (8 - self.unused);
        }
        out
    }
}

/// Appends one element to `out`.
pub(crate) fn write(out: &mut Vec<u8>, tag: u8, content: &[&[u8]]) {
    let length: usize = content.iter().map(|part| part.len()).sum();
    out.push(tag);
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let skip = bytes.iter().take_while(|b| **b == 0).count();
        out.push(0x80 | (bytes.len() - skip) as u8);
        out.extend_from_slice(&bytes[skip..]);
    }
    content.iter().for_each(|part| out.extend_from_slice(part));
}

/// Appends a positive INTEGER in its shortest form.
pub(crate) fn write_unsigned(out: &mut Vec<u8>, number: &[u8]) {
    let skip = number.iter().take_while(|b| **b == 0).count();
    let digits = &number[skip..];
    let needs_zero = digits.first().is_none_or(|b| b & 0x80 != 0);
    write(out, tag::INTEGER, &[if needs_zero { &[0][..] } else { &[] }, digits]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_shortest_lengths_are_read() {
        for (bytes, read) in [
            (&[0x04, 0x00][..], true),
            (&[0x04, 0x01, 0xaa], true),
            (&[0x04, 0x81, 0x01, 0xaa], false),
            (&[0x04, 0x80, 0x00, 0x00], false),
            (&[0x04, 0x02, 0xaa], false),
            (&[0x1f, 0x20, 0x00], false),
        ] {
            assert_eq!(Reader::new(bytes).any().is_some(), read, "{bytes:x?}");
        }
    }

    #[test]
    fn integers_are_read_in_their_shortest_form_only() {
        for (bytes, read) in [
            (&[0x02, 0x01, 0x00][..], true),
            (&[0x02, 0x02, 0x00, 0x80], true),
            (&[0x02, 0x02, 0x00, 0x7f], false),
            (&[0x02, 0x02, 0xff, 0x80], false),
            (&[0x02, 0x00], false),
        ] {
            assert_eq!(Reader::new(bytes).integer().is_some(), read, "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut out = Vec::new();
        write(&mut out, tag::OCTET_STRING, &[&[7; 300]]);
        write_unsigned(&mut out, &[0, 0, 0x80]);
        let mut reader = Reader::new(&out);
        assert_eq!(reader.content(tag::OCTET_STRING), Some(&[7; 300][..]));
        assert_eq!(reader.integer(), Some(&[0, 0x80][..]));
        assert!(reader.is_empty());
    }
}
