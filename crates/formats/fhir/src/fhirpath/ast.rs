//! The compiled form of an expression: functions resolved to ids, literals converted, names owned once.

use std::sync::OnceLock;

use regex::Regex;

use super::{Date, DateTime, Decimal, Quantity, Time, function::Function};

/// One node of the expression tree. A missing `base` means the focus (`$this`).
#[derive(Debug)]
pub(crate) enum Node {
    /// `{}`.
    Empty,
    /// A literal.
    Literal(Literal),
    /// `$this`.
    This,
    /// `$index`.
    Index,
    /// `$total`.
    Total,
    /// `%name`.
    Variable(Box<str>),
    /// `base.name`.
    Member { base: Option<Box<Node>>, name: Box<str> },
    /// `base.function(arguments)`.
    Call { base: Option<Box<Node>>, function: Function, arguments: Vec<Node>, pattern: Pattern },
    /// `is`, `as`, `ofType`, as operators or functions.
    OfType { base: Option<Box<Node>>, test: TypeTest, ty: TypeName },
    /// `base[index]`.
    Item { base: Box<Node>, index: Box<Node> },
    /// `-operand` (and `+operand`, which only checks the type).
    Sign { negative: bool, operand: Box<Node> },
    /// `left operator right`.
    Binary { operator: Operator, left: Box<Node>, right: Box<Node> },
}

/// A literal value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Literal {
    Boolean(bool),
    Integer(i64),
    Decimal(Decimal),
    Text(Box<str>),
    Date(Date),
    DateTime(DateTime),
    Time(Time),
    Quantity(Box<Quantity>),
}

/// The three ways to look at a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeTest {
    Is,
    As,
    OfType,
}

impl TypeTest {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Is => "is",
            Self::As => "as",
            Self::OfType => "ofType",
        }
    }
}

/// A type specifier as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TypeName {
    pub(crate) namespace: Option<Box<str>>,
    pub(crate) name: Box<str>,
}

/// A compiled regular expression of a literal argument, kept for the life of the expression.
#[derive(Debug, Default)]
pub(crate) struct Pattern(pub(crate) OnceLock<Regex>);

/// The binary operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Multiply,
    Divide,
    Div,
    Mod,
    Add,
    Subtract,
    Concatenate,
    Union,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
    Equivalent,
    NotEquivalent,
    In,
    Contains,
    And,
    Or,
    Xor,
    Implies,
}

impl Operator {
    /// The operator as written, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Div => "div",
            Self::Mod => "mod",
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Concatenate => "&",
            Self::Union => "|",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Equivalent => "~",
            Self::NotEquivalent => "!~",
            Self::In => "in",
            Self::Contains => "contains",
            Self::And => "and",
            Self::Or => "or",
            Self::Xor => "xor",
            Self::Implies => "implies",
        }
    }

    /// The operator of a token and how tightly it binds; `is` and `as` stand between `+` and `|` (precedence 9).
    pub(crate) fn of(token: &str) -> Option<(Self, u8)> {
        Some(match token {
            "*" => (Self::Multiply, 11),
            "/" => (Self::Divide, 11),
            "div" => (Self::Div, 11),
            "mod" => (Self::Mod, 11),
            "+" => (Self::Add, 10),
            "-" => (Self::Subtract, 10),
            "&" => (Self::Concatenate, 10),
            "|" => (Self::Union, 8),
            "<" => (Self::Less, 7),
            "<=" => (Self::LessOrEqual, 7),
            ">" => (Self::Greater, 7),
            ">=" => (Self::GreaterOrEqual, 7),
            "=" => (Self::Equal, 6),
            "!=" => (Self::NotEqual, 6),
            "~" => (Self::Equivalent, 6),
            "!~" => (Self::NotEquivalent, 6),
            "in" => (Self::In, 5),
            "contains" => (Self::Contains, 5),
            "and" => (Self::And, 4),
            "or" => (Self::Or, 3),
            "xor" => (Self::Xor, 3),
            "implies" => (Self::Implies, 2),
            _ => return None,
        })
    }
}
