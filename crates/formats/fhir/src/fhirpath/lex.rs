//! Text to tokens. Comments and white space are dropped here.

use std::borrow::Cow;

use super::PathError;

/// A token and where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind<'a>,
    pub(crate) offset: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind<'a> {
    /// A plain word: an identifier or a keyword.
    Word(&'a str),
    /// An identifier in back ticks, unescaped.
    Delimited(Cow<'a, str>),
    /// A string literal, unescaped.
    Text(Cow<'a, str>),
    /// Digits with at most one point.
    Number(&'a str),
    /// `1L`: digits without the `L`.
    Long(&'a str),
    /// `@2014-01`: without the `@`.
    Date(&'a str),
    /// `@2014T..`: without the `@`.
    DateTime(&'a str),
    /// `@T14:30`: without `@T`.
    Time(&'a str),
    /// `$this`, `$index`, `$total`.
    Dollar(&'a str),
    /// An operator or a bracket.
    Symbol(&'static str),
    /// The end of the text.
    End,
}

/// Two characters before one, so that the longest wins.
const SYMBOLS: [&str; 24] =
    ["<=", ">=", "!=", "!~", "(", ")", "[", "]", "{", "}", ".", ",", "+", "-", "*", "/", "&", "|", "=", "~", "<", ">", "%", ";"];

/// All tokens of `text`, ending with [`TokenKind::End`].
pub(crate) fn tokens(text: &str) -> Result<Vec<Token<'_>>, PathError> {
    let mut lexer = Lexer { text, bytes: text.as_bytes(), at: 0 };
    let mut out = Vec::new();
    loop {
        lexer.skip_space()?;
        let offset = lexer.at;
        let kind = lexer.token()?;
        let end = kind == TokenKind::End;
        out.push(Token { kind, offset });
        if end {
            return Ok(out);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn fail<T>(&self, message: &'static str) -> Result<T, PathError> {
        Err(PathError::Syntax { offset: self.at, message })
    }

    fn skip_space(&mut self) -> Result<(), PathError> {
        loop {
            if self.peek(0).is_ascii_whitespace() {
                self.at += 1;
            } else if self.text[self.at..].starts_with('\u{feff}') || self.text[self.at..].starts_with('\u{a0}') {
                self.at += if self.peek(0) == 0xef { 3 } else { 2 };
            } else if self.bytes[self.at..].starts_with(b"//") {
                self.at = memchr::memchr2(b'\n', b'\r', &self.bytes[self.at..]).map_or(self.bytes.len(), |found| self.at + found);
            } else if self.bytes[self.at..].starts_with(b"/*") {
                let Some(end) = self.text[self.at + 2..].find("*/") else { return self.fail("the comment is not closed") };
                self.at += end + 4;
            } else {
                return Ok(());
            }
        }
    }

    fn take(&mut self, accepted: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.at < self.bytes.len() && accepted(self.bytes[self.at]) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn token(&mut self) -> Result<TokenKind<'a>, PathError> {
        if self.at >= self.bytes.len() {
            return Ok(TokenKind::End);
        }
        match self.peek(0) {
            b'\'' => Ok(TokenKind::Text(self.quoted(b'\'')?)),
            b'`' => Ok(TokenKind::Delimited(self.quoted(b'`')?)),
            b'@' => self.moment(),
            b'$' => {
                self.at += 1;
                Ok(TokenKind::Dollar(self.take(|b| b.is_ascii_alphabetic())))
            }
            b'0'..=b'9' => Ok(self.number()),
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => Ok(TokenKind::Word(self.take(|b| b.is_ascii_alphanumeric() || b == b'_'))),
            _ => match SYMBOLS.iter().find(|symbol| self.text[self.at..].starts_with(**symbol)) {
                Some(symbol) => {
                    self.at += symbol.len();
                    Ok(TokenKind::Symbol(symbol))
                }
                None => self.fail("a character that FHIRPath does not use"),
            },
        }
    }

    fn number(&mut self) -> TokenKind<'a> {
        let start = self.at;
        self.take(|b| b.is_ascii_digit());
        if self.peek(0) == b'L' {
            self.at += 1;
            return TokenKind::Long(&self.text[start..self.at - 1]);
        }
        // A point without a digit behind it is a path: `1.toString()`.
        if self.peek(0) == b'.' && self.peek(1).is_ascii_digit() {
            self.at += 1;
            self.take(|b| b.is_ascii_digit());
        }
        TokenKind::Number(&self.text[start..self.at])
    }

    fn digits(&mut self, count: usize) -> Result<(), PathError> {
        for _ in 0..count {
            if !self.peek(0).is_ascii_digit() {
                return self.fail("a date or time literal such as @2015-02-04T14:34:28.123+10:00");
            }
            self.at += 1;
        }
        Ok(())
    }

    fn moment(&mut self) -> Result<TokenKind<'a>, PathError> {
        self.at += 1;
        let start = self.at;
        if self.peek(0) == b'T' {
            self.at += 1;
            self.digits(2)?;
            self.clock()?;
            if matches!(self.peek(0), b'Z' | b'+') || (self.peek(0) == b'-' && self.peek(3) == b':') {
                return self.fail("a time literal has no time zone");
            }
            return Ok(TokenKind::Time(&self.text[start + 1..self.at]));
        }
        self.digits(4)?;
        for _ in 0..2 {
            if self.peek(0) == b'-' && self.peek(1).is_ascii_digit() && self.peek(2).is_ascii_digit() {
                self.at += 3;
            }
        }
        if self.peek(0) != b'T' {
            return Ok(TokenKind::Date(&self.text[start..self.at]));
        }
        self.at += 1;
        if self.peek(0).is_ascii_digit() {
            self.digits(2)?;
            self.clock()?;
            if self.peek(0) == b'Z' {
                self.at += 1;
            } else if matches!(self.peek(0), b'+' | b'-') && self.peek(1).is_ascii_digit() && self.peek(3) == b':' {
                self.at += 1;
                self.digits(2)?;
                self.at += 1;
                self.digits(2)?;
            }
        }
        Ok(TokenKind::DateTime(&self.text[start..self.at]))
    }

    /// `:mm`, `:ss` and a fraction after the hour.
    fn clock(&mut self) -> Result<(), PathError> {
        for _ in 0..2 {
            if self.peek(0) == b':' {
                self.at += 1;
                self.digits(2)?;
            }
        }
        if self.peek(0) == b'.' && self.peek(1).is_ascii_digit() {
            self.at += 1;
            self.take(|b| b.is_ascii_digit());
        }
        Ok(())
    }

    /// The text between `quote`s, with escapes undone. An unknown escape is kept as written, which is what regular
    /// expressions such as `'\d'` expect.
    fn quoted(&mut self, quote: u8) -> Result<Cow<'a, str>, PathError> {
        self.at += 1;
        let start = self.at;
        let mut owned: Option<String> = None;
        let mut plain = start;
        while self.at < self.bytes.len() {
            let byte = self.bytes[self.at];
            if byte == quote {
                let rest = &self.text[plain..self.at];
                self.at += 1;
                return Ok(match owned {
                    Some(text) => Cow::Owned(text + rest),
                    None => Cow::Borrowed(rest),
                });
            }
            if byte != b'\\' {
                self.at += 1;
                continue;
            }
            let text = owned.get_or_insert_with(String::new);
            text.push_str(&self.text[plain..self.at]);
            let (read, taken) = self.escape()?;
            match read {
                Some(read) => text.push(read),
                None => text.push('\\'),
            }
            self.at += taken;
            plain = self.at;
        }
        self.fail("the quote is not closed")
    }

    /// The character of the escape at the cursor and the bytes it takes; `None` keeps the backslash.
    fn escape(&self) -> Result<(Option<char>, usize), PathError> {
        Ok(match self.peek(1) {
            b'n' => (Some('\n'), 2),
            b'r' => (Some('\r'), 2),
            b't' => (Some('\t'), 2),
            b'f' => (Some('\u{c}'), 2),
            escaped @ (b'\'' | b'"' | b'`' | b'\\' | b'/') => (Some(escaped as char), 2),
            b'u' => {
                let Some(high) = self.unit(2) else { return self.fail("four hexadecimal digits after \\u") };
                if (0xd800..0xdc00).contains(&high) && self.peek(6) == b'\\' && self.peek(7) == b'u' {
                    let low = self.unit(8).filter(|low| (0xdc00..0xe000).contains(low));
                    let Some(low) = low else { return self.fail("the second half of a surrogate pair") };
                    return Ok((char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00)), 12));
                }
                match char::from_u32(high) {
                    Some(read) => (Some(read), 6),
                    None => return self.fail("the second half of a surrogate pair"),
                }
            }
            _ => (None, 1),
        })
    }

    fn unit(&self, ahead: usize) -> Option<u32> {
        let digits = self.bytes.get(self.at + ahead..self.at + ahead + 4)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    }
}
