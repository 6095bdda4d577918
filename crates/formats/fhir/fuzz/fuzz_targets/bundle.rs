//! Whatever resources a stream holds, a Bundle of them is strict JSON, reads back as the same resources, and breaks none of
//! the rules bdl-1 to bdl-12.
#![no_main]

use std::sync::{Arc, LazyLock};

use libfuzzer_sys::fuzz_target;
use sutura_fhir::{
    bundle::{BundleError, BundleKind, BundleWriter, Entry, Options, ReferenceIndex, Requests, compact_into, read_resources},
    json::Parser,
    read,
    validate::Validator,
};

static VALIDATOR: LazyLock<Validator> = LazyLock::new(Validator::default);

fn resources(bytes: &[u8]) -> Vec<(Option<String>, Vec<u8>)> {
    let mut found = Vec::new();
    let mut take = |entry: Entry<'_>| {
        found.push((entry.full_url.map(str::to_owned), entry.resource.to_vec()));
        Ok::<(), BundleError>(())
    };
    let options = read::Options { max_record_bytes: 1 << 16, ..read::Options::default() };
    let stats = read_resources(bytes, "fuzz:bundle", &options, &mut take, &mut |_| {}).expect("reading does not fail");
    assert!(stats.balances());
    found
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, stream)) = data.split_first() else { return };
    let kind = [BundleKind::Collection, BundleKind::Transaction, BundleKind::Batch, BundleKind::Searchset][usize::from(choice & 3)];
    let requests = [Requests::PutById, Requests::Create, Requests::ConditionalCreate][usize::from(choice >> 2 & 3) % 3];
    let base = (choice & 16 > 0).then(|| "https://server/fhir".to_owned());
    let options = Options { requests, base, rewrite_references: choice & 32 > 0, remembered_entries: 8, ..Options::default() };
    let given = resources(stream);
    let entries: Vec<_> = given.iter().map(|(url, bytes)| Entry { full_url: url.as_deref(), ..Entry::from(bytes.as_slice()) }).collect();
    let mut index = ReferenceIndex::new(kind, &options).expect("good options");
    let indexed: Vec<_> = entries.iter().map(|entry| index.add(*entry).err().map(|error| error.code())).collect();
    let mut writer = BundleWriter::with_index(Vec::new(), kind, options, Arc::new(index)).expect("good options");
    let mut written = Vec::new();
    for (entry, indexed) in entries.iter().zip(indexed) {
        let result = writer.push(*entry);
        assert_eq!(result.as_ref().err().map(|error| error.code()), indexed);
        match result {
            Ok(()) => written.push(entry.resource),
            Err(error) => assert!(error.is_refusal(), "{error}"),
        }
    }
    let (bytes, summary) = writer.finish().expect("memory does not fail");
    assert_eq!((summary.bytes, summary.entries), (bytes.len() as u64, written.len() as u64));
    let mut parser = Parser::default();
    let document = parser.parse(&bytes).expect("a Bundle is JSON");
    // A name in the resources may break rules of its own; those of Bundles begin so.
    if entries.len() <= 8 {
        let broken = VALIDATOR
            .validate(document.root())
            .into_iter()
            .find(|issue| issue.diagnostics.contains("the rule bdl-") && !issue.expression.contains("resource"));
        assert!(broken.is_none(), "{broken:?}");
    }
    if summary.references_rewritten == 0 {
        let back: Vec<_> = document.root().get("entry").into_iter().flat_map(|list| list.items()).collect();
        assert_eq!(back.len(), written.len());
        for (entry, resource) in back.iter().zip(written) {
            let mut compact = Vec::new();
            compact_into(&mut compact, resource);
            assert_eq!(entry.get("resource").expect("a resource").raw(), compact);
        }
    }
});
