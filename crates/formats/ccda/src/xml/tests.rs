#![allow(clippy::format_collect, clippy::format_push_string)]

use proptest::prelude::*;

use super::*;
use crate::{error::CcdaErrorKind, limits::Limits};

fn read(text: &str) -> (Tree, Oddities) {
    parse(text.to_owned(), &Limits::default()).map_err(|error| error.0).unwrap()
}

fn refused(text: &str) -> CcdaErrorKind {
    parse(text.to_owned(), &Limits::default()).err().unwrap().0.kind
}

/// The tree as text again, without comments and the like.
fn shown(tree: &Tree) -> String {
    fn node(tree: &Tree, at: usize, out: &mut String) {
        let this = &tree.nodes[at];
        if this.kind != NodeKind::Element {
            return out.push_str(&format!("{:?}", tree.text_of(this)));
        }
        out.push_str(tree.name(this));
        out.push('(');
        for attribute in tree.attributes_of(this) {
            out.push_str(&format!("{}={};", tree.attribute_name(attribute), tree.attribute_value(attribute)));
        }
        let mut child = at + 1;
        while child < this.subtree_end as usize {
            node(tree, child, out);
            child = tree.nodes[child].subtree_end as usize;
        }
        out.push(')');
    }
    let mut out = String::new();
    node(tree, 0, &mut out);
    out
}

#[test]
fn a_tree_with_all_there_is() {
    let (tree, odd) = read(
        "<?xml version='1.0'?><!-- c --><a xmlns='urn:hl7-org:v3' xmlns:s='urn:hl7-org:sdtc' x=\"1 &lt; 2\">\n <b y='z'/><s:c>t&amp;u<![CDATA[<&]]></s:c>\n <text> <d>e</d> <f/></text></a>\n<!-- end -->\n",
    );
    assert_eq!(shown(&tree), "a(x=1 < 2;b(y=z;)c(\"t&u\"\"<&\")text(\" \"d(\"e\")\" \"f()))");
    assert_eq!(odd, Oddities::default());
    let namespaces: Vec<_> = tree.nodes.iter().filter(|node| node.kind == NodeKind::Element).map(|node| node.namespace).collect();
    assert_eq!(namespaces, [Namespace::Hl7, Namespace::Hl7, Namespace::Sdtc, Namespace::Hl7, Namespace::Hl7, Namespace::Hl7]);
    let c = tree.nodes.iter().find(|node| tree.name(node) == "c").unwrap();
    assert_eq!(&tree.text[c.start as usize..c.end as usize], "<s:c>t&amp;u<![CDATA[<&]]></s:c>");
}

#[test]
fn prefixes_count_where_they_are_declared() {
    let (tree, odd) = read(
        "<h:a xmlns:h='urn:hl7-org:v3' xmlns:i='http://www.w3.org/2001/XMLSchema-instance'><h:b i:type='CD' type='x'/><b xmlns='urn:x'><c/></b><xsi:d sdtc:e='1'/></h:a>",
    );
    let spaces: Vec<_> = tree.nodes.iter().map(|node| node.namespace).collect();
    assert_eq!(spaces, [Namespace::Hl7, Namespace::Hl7, Namespace::Other, Namespace::Other, Namespace::Xsi]);
    let attributes: Vec<_> = tree.attributes.iter().map(|attribute| attribute.namespace).collect();
    assert_eq!(attributes, [Namespace::Xsi, Namespace::None, Namespace::Sdtc]);
    assert_eq!((odd.undeclared_prefixes, odd.no_namespace), (2, false));
    let (tree, odd) = read("<a><b/></a>");
    assert!(odd.no_namespace && tree.nodes.iter().all(|node| node.namespace == Namespace::Hl7));
}

#[test]
fn a_document_type_is_passed_over() {
    let (tree, odd) = read("<!DOCTYPE a [<!ENTITY b 'c>'><!-- ] > --> <!ENTITY x SYSTEM \"file:///etc/passwd\">]><a d='&b;'>&x;&nbsp;</a>");
    assert_eq!(shown(&tree), "a(d=&b;;\"&x;&nbsp;\")");
    assert!(odd.document_type && odd.entities.unresolved == 3);
    let (_, odd) = read("<!DOCTYPE html PUBLIC '-//x//EN' 'http://x/y.dtd'><a>&nbsp;</a>");
    assert_eq!((odd.document_type, odd.entities.html), (true, 1));
    for cut in ["<!DOCTYPE a [<!ENTITY b 'c'>", "<!DOCTYPE a", "<!DOCTYPE a [ <!-- ]>", "<!DOCTYPE a '>"] {
        assert_eq!(refused(cut), CcdaErrorKind::Unbalanced, "{cut}");
    }
    assert_eq!(refused("<a/><!DOCTYPE a>"), CcdaErrorKind::Malformed);
}

#[test]
fn odd_attributes_are_survived() {
    let (tree, odd) = read("<a b='1' b='2' c='A & B' xsi:b='3'/>");
    assert_eq!(shown(&tree), "a(b=1;c=A & B;b=3;)");
    assert_eq!((odd.repeated_attributes, odd.entities.bare), (1, 1));
}

#[test]
fn what_is_refused() {
    for (text, kind) in [
        ("", CcdaErrorKind::Empty),
        ("  \n", CcdaErrorKind::Empty),
        ("text", CcdaErrorKind::Malformed),
        ("<a>", CcdaErrorKind::Unbalanced),
        ("<a", CcdaErrorKind::Unbalanced),
        ("<a b='", CcdaErrorKind::Unbalanced),
        ("<a></b>", CcdaErrorKind::Unbalanced),
        ("</a>", CcdaErrorKind::Unbalanced),
        ("<a/><b/>", CcdaErrorKind::Trailing),
        ("<a/>x", CcdaErrorKind::Trailing),
        ("<a b=1/>", CcdaErrorKind::Malformed),
        ("<a b='1'c='2'/>", CcdaErrorKind::Malformed),
        ("<a b='<'/>", CcdaErrorKind::Malformed),
        ("<1/>", CcdaErrorKind::Malformed),
        ("<a:/>", CcdaErrorKind::Malformed),
        ("<!CDATA[x]]>", CcdaErrorKind::Malformed),
        ("<![CDATA[x]]>", CcdaErrorKind::Malformed),
        ("<a><!-- </a>", CcdaErrorKind::Unbalanced),
        ("<", CcdaErrorKind::Malformed),
    ] {
        assert_eq!(refused(text), kind, "{text}");
    }
}

#[test]
fn bombs_are_refused() {
    assert_eq!(refused(&"<a>".repeat(1000)), CcdaErrorKind::TooDeep);
    let many: String = (0..200).map(|n| format!(" a{n}=''")).collect();
    assert_eq!(refused(&format!("<a{many}/>")), CcdaErrorKind::TooMany);
    assert_eq!(refused(&format!("<{}/>", "n".repeat(300))), CcdaErrorKind::TooLong);
    let limits = Limits { nodes: 100, text: 10, ..Limits::default() };
    let parsed = |text: String| parse(text, &limits).err().map(|error| error.0.kind);
    assert_eq!(parsed(format!("<a>{}</a>", "<b/>".repeat(100))), Some(CcdaErrorKind::TooMany));
    assert_eq!(parsed("<a>12345678901</a>".to_owned()), Some(CcdaErrorKind::TooLong));
    assert_eq!(parsed("<a>1234567890</a>".to_owned()), None);
    // Entities within entities stay as they are: nothing grows.
    let laughs: String = (1..30).map(|n| format!("<!ENTITY l{n} \"{}\">", format!("&l{};", n - 1).repeat(10))).collect();
    let (tree, odd) = read(&format!("<!DOCTYPE a [<!ENTITY l0 'lol'>{laughs}]><a>&l29;&l29;</a>"));
    assert_eq!((tree.text_of(&tree.nodes[1]), odd.entities.unresolved), ("&l29;&l29;", 2));
}

proptest! {
    #[test]
    fn whatever_is_read_nests_and_is_bounded(parts in prop::collection::vec(prop::sample::select(vec![
        "<a xmlns='urn:hl7-org:v3'>", "</a>", "<b>", "</b>", "<b x='1'/>", "<text>", "</text>", "t\u{e9}xt", " ", "&amp;", "&x;", "&", "<![CDATA[", "]]>", "<!--",
        "-->", "<?p?>", "<!DOCTYPE a [", "]>", "<", ">", "'", "\"", "ID='i'", "<content ID='i'>", "</content>", "<x:y xmlns:x='u'>", "</x:y>", "\0", "&#65;",
    ]), 0..40)) {
        let text = parts.concat();
        for text in [format!("<a>{text}</a>"), text] {
            let length = text.len();
            match parse(text, &Limits::default()) {
                Err((error, _)) => prop_assert!(error.offset <= length),
                Ok((tree, _)) => {
                    prop_assert!(tree.decoded.len() <= length);
                    prop_assert_eq!(tree.nodes[0].subtree_end as usize, tree.nodes.len());
                    for (at, node) in tree.nodes.iter().enumerate() {
                        let parent = &tree.nodes[node.parent as usize];
                        prop_assert!(node.subtree_end > at as u32 && node.subtree_end <= parent.subtree_end);
                        prop_assert!(node.kind == NodeKind::Decoded || (parent.start <= node.start && node.end <= parent.end));
                    }
                    let _ = shown(&tree);
                }
            }
        }
    }
}
