//! Telephone numbers without a label, by the shapes of their groups.

use super::{Gap, Kind, Scan, TextClass};

/// Groups of digits with what stands before each.
struct Groups {
    digits: [u8; 8],
    before: [u8; 8],
    end: [usize; 8],
    count: usize,
    plus: bool,
    parens: bool,
}

impl Scan<'_> {
    /// A telephone number that starts with a digit, `+` or `(` at a token.
    pub(crate) fn phone(&mut self, at: usize) {
        if self.taken[at] {
            return;
        }
        let groups = self.digit_groups(at);
        for count in (1..=groups.count).rev() {
            if let Some(score) = self.phone_score(at, &groups, count) {
                let end = self.extension_end(groups.end[count - 1]);
                let next = self.get(end);
                // The number goes on as something else.
                let goes_on = next.is_some_and(|token| token.gap == Gap::None && token.kind != Kind::Sign)
                    || next.is_some_and(|token| token.gap == Gap::None && token.is_one_of(b"-/"))
                        && self
                            .get(end + 1)
                            .is_some_and(|token| token.gap == Gap::None && matches!(token.kind, Kind::Number | Kind::Mixed));
                if goes_on || self.unit_follows(end) {
                    continue;
                }
                self.push(at, end, TextClass::Phone, "phone", score);
                return;
            }
        }
    }

    fn digit_groups(&self, at: usize) -> Groups {
        let mut groups = Groups { digits: [0; 8], before: [0; 8], end: [0; 8], count: 0, plus: false, parens: false };
        let mut separator = 0u8;
        let mut place = at;
        let mut open = false;
        while groups.count < 8 {
            let Some(token) = self.get(place) else { break };
            if place > at && token.gap >= Gap::Wide {
                break;
            }
            if place > at && token.gap == Gap::Space && separator == 0 {
                separator = b' ';
            }
            match token.kind {
                Kind::Number => {
                    if token.chars > 15 || place > at && groups.count > 0 && separator == 0 {
                        break;
                    }
                    groups.digits[groups.count] = token.chars;
                    groups.before[groups.count] = separator;
                    groups.end[groups.count] = place + 1;
                    groups.count += 1;
                    separator = 0;
                }
                // `3560x4587`: the last group with its extension.
                Kind::Mixed if groups.count > 0 && separator != 0 => {
                    let word = self.word(place);
                    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
                    let extension = word.get(digits + 1..).unwrap_or_default();
                    if !(2..=4).contains(&digits)
                        || !word[digits..].starts_with(['x', 'X'])
                        || extension.is_empty()
                        || !extension.bytes().all(|byte| byte.is_ascii_digit())
                    {
                        break;
                    }
                    groups.digits[groups.count] = digits as u8;
                    groups.before[groups.count] = separator;
                    groups.end[groups.count] = place + 1;
                    groups.count += 1;
                    break;
                }
                Kind::Sign if token.is_sign(b'+') && place == at => groups.plus = true,
                Kind::Sign if token.is_sign(b'(') && !open && (groups.count <= 1) => {
                    open = true;
                    separator = b'(';
                    groups.parens = true;
                }
                Kind::Sign if token.is_sign(b')') && open => {
                    open = false;
                    separator = b')';
                    if groups.count > 0 {
                        groups.end[groups.count - 1] = place + 1;
                    }
                }
                Kind::Sign if token.is_one_of(b"-./") => {
                    if groups.count == 0 {
                        break;
                    }
                    separator = if separator == b')' { b')' } else { token.hash as u8 };
                }
                _ => break,
            }
            place += 1;
        }
        groups
    }

    fn phone_score(&self, at: usize, groups: &Groups, count: usize) -> Option<f32> {
        let digits = &groups.digits[..count];
        let before = &groups.before[..count];
        let total: u32 = digits.iter().map(|digits| u32::from(*digits)).sum();
        let first = self.get(if groups.plus || groups.digits[0] > 0 && self.tokens[at].is_sign(b'(') { at + 1 } else { at })?;
        let lead = self.text.as_bytes().get(first.start as usize).copied().unwrap_or(0);
        if groups.plus {
            return ((8..=15).contains(&total) && (count > 1 || total >= 10)).then_some(0.93);
        }
        let same = |separators: &[u8]| separators.windows(2).all(|pair| pair[0] == pair[1]);
        let in_parens = groups.parens && (self.tokens[at].is_sign(b'(') || count > 1 && before[1] == b'(');
        match digits {
            [3, 3, 4] if in_parens || before[1] != b'/' => return Some(if before[1] == b' ' && !in_parens { 0.78 } else { 0.9 }),
            [1, 3, 3, 4] if lead == b'1' => return Some(0.91),
            [3, 7] if in_parens || before[1] == b'-' => return Some(0.85),
            [3, 4] if before[1] == b'-' || before[1] == b'.' && lead >= b'2' => return Some(0.7),
            [10] if (b'2'..=b'9').contains(&lead) => return self.is_north_american(first).then_some(0.56),
            [11] if lead == b'1' => return Some(0.56),
            _ => {}
        }
        if in_parens && (7..=13).contains(&total) && count >= 2 {
            return Some(0.85);
        }
        // Numbers of other countries: a leading nought in groups, or pairs and threes.
        let in_groups = count >= 2 && digits.iter().all(|digits| (2..=6).contains(digits));
        if in_groups
            && lead == b'0'
            && (9..=12).contains(&total)
            && before[1..].iter().all(|sign| matches!(sign, b' ' | b'-' | b'.' | b'/'))
        {
            return Some(0.82);
        }
        let pairs = count >= 4 && digits.iter().all(|digits| *digits == 2) && same(&before[1..]);
        if pairs && (8..=10).contains(&total) && (before[1] != b' ' || count == 5) && before[1] != b'/' {
            return Some(0.75);
        }
        let spain = total == 9 && (b'6'..=b'9').contains(&lead);
        if spain && matches!(digits, [3, 3, 3] | [3, 2, 2, 2] | [2, 3, 2, 2] | [3, 6] | [2, 7]) && same(&before[1..]) {
            return Some(if digits == [3, 3, 3] && before[1] == b'-' { 0.6 } else { 0.8 });
        }
        // `00 44 20 7946 0958`: the other way to write a plus.
        (count >= 3 && digits[0] <= 4 && self.word(at).starts_with("00") && (10..=16).contains(&total)).then_some(0.8)
    }

    /// A ten-digit number whose area and exchange codes could exist.
    fn is_north_american(&self, token: &super::Token) -> bool {
        let digits = &self.text.as_bytes()[token.start as usize..token.end as usize];
        digits.len() == 10 && (b'2'..=b'9').contains(&digits[3]) && digits[1] != b'9'
    }

    /// `x524`, `ext. 12`, `extension 9`.
    fn extension_end(&self, end: usize) -> usize {
        let Some(token) = self.get(end).filter(|token| token.gap <= Gap::Space) else { return end };
        let word = self.word(end);
        if token.kind == Kind::Mixed
            && word.len() <= 7
            && word.starts_with(['x', 'X'])
            && word[1..].bytes().all(|byte| byte.is_ascii_digit())
        {
            return end + 1;
        }
        if ["x", "ext", "extn", "extension"].iter().any(|name| word.eq_ignore_ascii_case(name)) {
            let skip = usize::from(self.get(end + 1).is_some_and(|next| next.is_one_of(b".:")));
            if self.number_at(end + 1 + skip).is_some() && self.tokens[end + 1 + skip].gap <= Gap::Space {
                return end + 2 + skip;
            }
        }
        if token.is_one_of(b",;")
            && ["ext", "x"].iter().any(|name| self.get(end + 1).is_some() && self.word(end + 1).eq_ignore_ascii_case(name))
        {
            return self.extension_end(end + 1).max(end);
        }
        end
    }
}
