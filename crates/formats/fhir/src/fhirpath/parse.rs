//! Tokens to the compiled form: the FHIRPath grammar by precedence climbing.
//!
//! Recursion is bounded, so that hostile nesting is an error and not a stack overflow.

use super::{
    Date, DateTime, Decimal, PathError, Quantity, Time,
    ast::{Literal, Node, Operator, Pattern, TypeName, TypeTest},
    function::Function,
    lex::{Token, TokenKind, tokens},
};

/// Longest expression, in bytes.
pub(crate) const MAX_LENGTH: usize = 64 * 1024;
/// Deepest nesting of brackets, arguments and operands on the right of operators: the recursion of the parser. The expression itself is no level.
const MAX_NESTING: usize = 64;
/// Deepest tree, chained steps and operators included: the recursion of the evaluator.
const MAX_DEPTH: usize = 192;
/// Binding strength of `is` and `as`.
const TYPE_PRECEDENCE: u8 = 9;

/// A node and how deep its tree is.
type Parsed = (Node, usize);

/// Parses a whole expression.
pub(crate) fn parse(text: &str) -> Result<Node, PathError> {
    if text.len() > MAX_LENGTH {
        return Err(PathError::TooComplex);
    }
    let mut parser = Parser { tokens: tokens(text)?, at: 0, nesting: 0 };
    let (node, _) = parser.expression(0)?;
    match parser.peek() {
        TokenKind::End => Ok(node),
        _ => parser.fail("an operator or the end of the expression"),
    }
}

/// One level above children of that depth.
fn above(depth: usize) -> Result<usize, PathError> {
    if depth >= MAX_DEPTH { Err(PathError::TooComplex) } else { Ok(depth + 1) }
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
    nesting: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &TokenKind<'a> {
        self.tokens.get(self.at).map_or(&TokenKind::End, |token| &token.kind)
    }

    fn next(&mut self) -> TokenKind<'a> {
        let kind = self.peek().clone();
        self.at += 1;
        kind
    }

    fn fail<T>(&self, message: &'static str) -> Result<T, PathError> {
        let offset = self.tokens.get(self.at).or(self.tokens.last()).map_or(0, |token| token.offset);
        Err(PathError::Syntax { offset, message })
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), TokenKind::Symbol(found) if *found == symbol);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str, message: &'static str) -> Result<(), PathError> {
        if self.accept(symbol) { Ok(()) } else { self.fail(message) }
    }

    fn expression(&mut self, least: u8) -> Result<Parsed, PathError> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING + 1 {
            return Err(PathError::TooComplex);
        }
        let (mut left, mut depth) = self.unary()?;
        loop {
            let token = match self.peek() {
                TokenKind::Word(word) => *word,
                TokenKind::Symbol(symbol) => *symbol,
                _ => break,
            };
            if matches!(token, "is" | "as") && TYPE_PRECEDENCE > least {
                let test = if token == "is" { TypeTest::Is } else { TypeTest::As };
                self.at += 1;
                let ty = self.type_name()?;
                left = Node::OfType { base: Some(Box::new(left)), test, ty };
                depth = above(depth)?;
                continue;
            }
            let Some((operator, precedence)) = Operator::of(token) else { break };
            if precedence <= least {
                break;
            }
            self.at += 1;
            let (right, right_depth) = self.expression(precedence)?;
            left = Node::Binary { operator, left: Box::new(left), right: Box::new(right) };
            depth = above(depth.max(right_depth))?;
        }
        self.nesting -= 1;
        Ok((left, depth))
    }

    fn unary(&mut self) -> Result<Parsed, PathError> {
        let mut signs = Vec::new();
        while let TokenKind::Symbol(symbol @ ("-" | "+")) = self.peek() {
            signs.push(*symbol == "-");
            self.at += 1;
        }
        let (mut operand, mut depth) = self.chain()?;
        for negative in signs.into_iter().rev() {
            operand = Node::Sign { negative, operand: Box::new(operand) };
            depth = above(depth)?;
        }
        Ok((operand, depth))
    }

    /// A term and the steps behind it.
    fn chain(&mut self) -> Result<Parsed, PathError> {
        let (mut node, mut depth) = self.term()?;
        loop {
            if self.accept(".") {
                (node, depth) = match self.next() {
                    TokenKind::Dollar("this") => (Node::This, depth),
                    TokenKind::Word(name) => self.invocation(Some((node, depth)), name)?,
                    TokenKind::Delimited(name) => self.invocation(Some((node, depth)), &name)?,
                    _ => {
                        self.at -= 1;
                        return self.fail("a path or a function behind the point");
                    }
                };
            } else if self.accept("[") {
                let (index, index_depth) = self.expression(0)?;
                self.expect("]", "a closing ]")?;
                node = Node::Item { base: Box::new(node), index: Box::new(index) };
                depth = above(depth.max(index_depth))?;
            } else {
                return Ok((node, depth));
            }
        }
    }

    fn term(&mut self) -> Result<Parsed, PathError> {
        let node = match self.next() {
            TokenKind::Text(text) => Node::Literal(Literal::Text(text.into())),
            TokenKind::Number(digits) => self.number(digits)?,
            TokenKind::Long(digits) => match digits.parse() {
                Ok(value) => Node::Literal(Literal::Integer(value)),
                Err(_) => return self.fail("an integer below 2^63"),
            },
            TokenKind::Date(text) => match Date::parse(text) {
                Some(date) => Node::Literal(Literal::Date(date)),
                None => return self.fail("a date that exists"),
            },
            TokenKind::DateTime(text) => match DateTime::parse(text) {
                Some(moment) => Node::Literal(Literal::DateTime(moment)),
                None => return self.fail("a date and time that exist"),
            },
            TokenKind::Time(text) => match Time::parse(text) {
                Some(time) => Node::Literal(Literal::Time(time)),
                None => return self.fail("a time that exists"),
            },
            TokenKind::Dollar("this") => Node::This,
            TokenKind::Dollar("index") => Node::Index,
            TokenKind::Dollar("total") => Node::Total,
            TokenKind::Symbol("(") => {
                let inner = self.expression(0)?;
                self.expect(")", "a closing )")?;
                return Ok(inner);
            }
            TokenKind::Symbol("{") => {
                self.expect("}", "a closing }")?;
                Node::Empty
            }
            TokenKind::Symbol("%") => match self.next() {
                TokenKind::Word(name) => self.variable(name),
                TokenKind::Delimited(name) | TokenKind::Text(name) => Node::Variable(name.into()),
                _ => return self.fail("the name of a variable behind %"),
            },
            TokenKind::Word(word @ ("true" | "false")) => Node::Literal(Literal::Boolean(word == "true")),
            TokenKind::Word(name) => return self.invocation(None, name),
            TokenKind::Delimited(name) => return self.invocation(None, &name),
            _ => {
                self.at -= 1;
                return self.fail("a value, a path or a function");
            }
        };
        Ok((node, 1))
    }

    /// `%vs-name` and `%ext-name` may be written without quotes; the hyphen then belongs to the name.
    fn variable(&mut self, name: &str) -> Node {
        let mut full = name.to_owned();
        if matches!(name, "vs" | "ext") {
            while let (TokenKind::Symbol("-"), Some(TokenKind::Word(word))) =
                (self.peek(), self.tokens.get(self.at + 1).map(|token| token.kind.clone()))
            {
                full.push('-');
                full.push_str(word);
                self.at += 2;
            }
        }
        Node::Variable(full.into())
    }

    fn number(&mut self, digits: &str) -> Result<Node, PathError> {
        let Some(value) = Decimal::parse(digits) else { return self.fail("a number of at most 38 digits") };
        let quantity = match self.peek().clone() {
            TokenKind::Text(unit) => Some(Quantity::new(value, &unit)),
            TokenKind::Word(word) => Quantity::calendar(value, word),
            _ => None,
        };
        if let Some(quantity) = quantity {
            self.at += 1;
            return Ok(Node::Literal(Literal::Quantity(Box::new(quantity))));
        }
        if digits.contains('.') {
            return Ok(Node::Literal(Literal::Decimal(value)));
        }
        // An integer that does not fit is kept as a decimal rather than wrapped.
        Ok(Node::Literal(digits.parse().map_or(Literal::Decimal(value), Literal::Integer)))
    }

    /// A member or a function call behind `base`.
    fn invocation(&mut self, base: Option<Parsed>, name: &str) -> Result<Parsed, PathError> {
        let (base, mut depth) = base.map_or((None, 0), |(node, depth)| (Some(Box::new(node)), depth));
        if !self.accept("(") {
            return Ok((Node::Member { base, name: name.into() }, above(depth)?));
        }
        let Some((function, least, most)) = Function::named(name) else { return Err(PathError::UnknownFunction(name.into())) };
        let test = match function {
            Function::Is => Some(TypeTest::Is),
            Function::As => Some(TypeTest::As),
            Function::OfType => Some(TypeTest::OfType),
            _ => None,
        };
        if let Some(test) = test {
            let ty = self.type_name()?;
            self.expect(")", "a closing ) behind the type")?;
            return Ok((Node::OfType { base, test, ty }, above(depth)?));
        }
        let mut arguments = Vec::new();
        if !self.accept(")") {
            loop {
                let (argument, argument_depth) = self.expression(0)?;
                depth = depth.max(argument_depth);
                arguments.push(if function == Function::Sort { self.sort_direction(argument) } else { argument });
                if self.accept(")") {
                    break;
                }
                self.expect(",", "a comma or a closing )")?;
            }
        }
        if !(least..=most).contains(&arguments.len()) {
            return Err(PathError::Arguments(function.name()));
        }
        Ok((Node::Call { base, function, arguments, pattern: Pattern::default() }, above(depth)?))
    }

    /// `sort(name desc)`: descending is kept as a negative sign.
    fn sort_direction(&mut self, key: Node) -> Node {
        match self.peek() {
            TokenKind::Word("desc") => {
                self.at += 1;
                Node::Sign { negative: true, operand: Box::new(key) }
            }
            TokenKind::Word("asc") => {
                self.at += 1;
                key
            }
            _ => key,
        }
    }

    fn type_name(&mut self) -> Result<TypeName, PathError> {
        let first = self.name()?;
        let mut ty = TypeName { namespace: None, name: first };
        // Backbone elements are named with a path: `FHIR.Patient.contact`.
        while self.accept(".") {
            let next = self.name()?;
            if ty.namespace.is_none() && matches!(&*ty.name, "FHIR" | "System") {
                ty = TypeName { namespace: Some(ty.name), name: next };
            } else {
                ty.name = format!("{}.{next}", ty.name).into();
            }
        }
        Ok(ty)
    }

    fn name(&mut self) -> Result<Box<str>, PathError> {
        match self.next() {
            TokenKind::Word(name) => Ok(name.into()),
            TokenKind::Delimited(name) => Ok(name.into()),
            _ => {
                self.at -= 1;
                self.fail("the name of a type")
            }
        }
    }
}
