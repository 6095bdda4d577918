//! E-mail addresses, web addresses, IP and MAC addresses: what has a grammar of its own.

use super::{Gap, Kind, Scan, TextClass};

impl Scan<'_> {
    /// Finds them before all else, so that no other rule cuts into them.
    pub(crate) fn contacts(&mut self) {
        for at in 0..self.tokens.len() {
            if self.taken[at] {
                continue;
            }
            let token = self.tokens[at];
            match token.kind {
                Kind::Sign if token.is_sign(b'@') => self.email(at),
                Kind::Sign if token.is_sign(b':') => {
                    self.url_with_scheme(at);
                    self.ipv6_from_colon(at);
                }
                Kind::Number => self.ipv4(at),
                Kind::Word | Kind::Mixed => {
                    self.bare_domain(at);
                    self.colon_hex(at);
                }
                Kind::Sign => {}
            }
        }
    }

    fn email(&mut self, at: usize) {
        if at == 0 || self.tokens[at].gap != Gap::None {
            return;
        }
        let mut first = at;
        while first > 0 && at - first < 24 {
            let before = &self.tokens[first - 1];
            let fits = before.kind != Kind::Sign || before.is_one_of(b"._-+%");
            if !fits || self.tokens[first].gap != Gap::None {
                break;
            }
            first -= 1;
        }
        while first < at && self.tokens[first].kind == Kind::Sign {
            first += 1;
        }
        let glued = self.get(at + 1).is_some_and(|next| next.gap == Gap::None);
        let Some(end) = self.domain_end(at + 1).filter(|_| first < at && glued) else { return };
        self.push(first, end, TextClass::Email, "email", 0.99);
        self.take(first, end);
    }

    /// The end of labels joined by points and hyphens without blanks, if there are at least two.
    fn domain_end(&self, first: usize) -> Option<usize> {
        let mut end = first;
        let mut points = 0;
        while let Some(token) = self.get(end) {
            if end > first && token.gap != Gap::None || end - first > 16 {
                break;
            }
            if token.kind == Kind::Sign {
                let next_is_part = self.get(end + 1).is_some_and(|next| next.gap == Gap::None && next.kind != Kind::Sign);
                if !token.is_one_of(b".-_") || !next_is_part || end == first {
                    break;
                }
                points += usize::from(token.is_sign(b'.'));
            }
            end += 1;
        }
        let last = self.get(end.checked_sub(1)?)?;
        (points > 0 && end > first && last.kind == Kind::Word && last.chars >= 2).then_some(end)
    }

    /// `scheme://...` from its colon.
    fn url_with_scheme(&mut self, colon: usize) {
        if colon == 0 || self.slice(colon, colon + 3) != "://" || self.tokens[colon].gap != Gap::None {
            return;
        }
        if self.tokens[colon - 1].kind != Kind::Word {
            return;
        }
        let end = self.url_end(colon + 3);
        if end > colon + 3 {
            self.push(colon - 1, end, TextClass::Url, "url", 0.99);
            self.take(colon - 1, end);
        }
    }

    /// The end of what may stand in a web address, without the sentence's own signs.
    fn url_end(&self, first: usize) -> usize {
        let mut end = first;
        while let Some(token) = self.get(end) {
            if (token.gap != Gap::None && end > first) || token.is_one_of(b"<>\"{}|\\^`") || end - first > 400 {
                break;
            }
            end += 1;
        }
        while end > first && self.tokens[end - 1].is_one_of(b".,;:!?)]'*") {
            end -= 1;
        }
        end
    }

    /// `www.example.org/x`, `clinic.example.com`.
    fn bare_domain(&mut self, at: usize) {
        let glued = at > 0 && self.tokens[at].gap == Gap::None && self.tokens[at - 1].is_one_of(b".-_@/");
        if glued || !self.get(at + 1).is_some_and(|next| next.is_sign(b'.') && next.gap == Gap::None) {
            return;
        }
        let Some(end) = self.domain_end(at) else { return };
        let is_www = self.slice(at, at + 1).eq_ignore_ascii_case("www");
        if !is_www && !self.is_web_ending(end - 1) {
            return;
        }
        let slash = self.get(end).is_some_and(|next| next.gap == Gap::None && next.is_one_of(b"/?#:"));
        let end = if slash { self.url_end(at) } else { end };
        self.push(at, end, TextClass::Url, "url.bare", 0.9);
        self.take(at, end);
    }

    fn is_web_ending(&self, at: usize) -> bool {
        const ENDINGS: [&str; 33] = [
            "com", "org", "net", "edu", "gov", "mil", "info", "biz", "io", "health", "uk", "es", "de", "fr", "it", "ca", "au", "nl", "eu",
            "mx", "ar", "cl", "br", "pt", "ch", "se", "dk", "fi", "ie", "nz", "jp", "cat", "app",
        ];
        let ending = self.word(at);
        ENDINGS.contains(&ending) && ending.len() >= 2
    }

    fn ipv4(&mut self, at: usize) {
        let glued = at > 0 && self.tokens[at].gap == Gap::None && self.tokens[at - 1].is_one_of(b".-");
        if glued || self.slice(at, at + 7).len() < 7 {
            return;
        }
        let mut end = at;
        for part in 0..4 {
            let fits = self.number_at(end).is_some_and(|number| number < 256)
                && self.tokens[end].chars <= 3
                && (part == 0 || self.tokens[end].gap == Gap::None);
            if !fits {
                return;
            }
            end += 1;
            if part < 3 {
                if !self.get(end).is_some_and(|token| token.is_sign(b'.') && token.gap == Gap::None) {
                    return;
                }
                end += 1;
            }
        }
        let goes_on = self.get(end).is_some_and(|token| token.gap == Gap::None && token.is_sign(b'.'))
            && self.get(end + 1).is_some_and(|token| token.gap == Gap::None && token.kind == Kind::Number);
        // A French telephone number written with points has no number over 99.
        let two_digits = (0..4).all(|part| self.tokens[at + 2 * part].chars == 2);
        if goes_on || two_digits && self.tokens[at].chars == 2 && self.get(end).is_some_and(|token| token.kind == Kind::Number) {
            return;
        }
        self.push(at, end, TextClass::Ip, "ip.v4", 0.97);
        self.take(at, end);
    }

    /// IPv6 and MAC addresses that start with a hexadecimal group.
    fn colon_hex(&mut self, at: usize) {
        if !self.get(at + 1).is_some_and(|next| next.is_one_of(b":-") && next.gap == Gap::None) || !self.is_hex(at) {
            return;
        }
        self.hex_groups(at);
    }

    /// The same, when it starts with digits or with `::`.
    fn ipv6_from_colon(&mut self, colon: usize) {
        let after_group = colon > 0 && self.tokens[colon].gap == Gap::None && self.is_hex(colon - 1);
        let first = if after_group { colon - 1 } else { colon };
        let starts = first == 0 || self.tokens[first].gap != Gap::None || self.tokens[first - 1].is_one_of(b"([\"'=,;");
        if starts {
            self.hex_groups(first);
        }
    }

    fn is_hex(&self, at: usize) -> bool {
        let word = self.word(at);
        (1..=4).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
    }

    fn hex_groups(&mut self, first: usize) {
        let mut end = first;
        let (mut groups, mut doubles, mut colons, mut dashes, mut pairs) = (0, 0, 0, 0, true);
        while let Some(token) = self.get(end) {
            if end > first && token.gap != Gap::None || end - first > 40 {
                break;
            }
            if token.is_sign(b':') {
                doubles += usize::from(end > first && self.tokens[end - 1].is_sign(b':'));
                colons += 1;
            } else if token.is_sign(b'-') {
                dashes += 1;
            } else if self.is_hex(end) {
                pairs &= token.chars == 2;
                groups += 1;
            } else {
                break;
            }
            end += 1;
        }
        while end > first && self.tokens[end - 1].is_one_of(b":-") && !(end >= 2 + first && self.tokens[end - 2].is_sign(b':')) {
            end -= 1;
            colons -= 1;
        }
        let text = self.slice(first, end);
        let is_mac = groups == 6 && pairs && (colons == 5 && dashes == 0 || dashes == 5 && colons <= 0) && text.len() == 17;
        let is_ipv6 = dashes == 0 && text.parse::<std::net::Ipv6Addr>().is_ok() && (groups == 8 || doubles == 1 && groups >= 2);
        if is_mac || is_ipv6 {
            self.push(first, end, TextClass::Ip, if is_mac { "ip.mac" } else { "ip.v6" }, 0.97);
            self.take(first, end);
        }
    }
}
