//! Measures, provenance and sequences.

use sutura_core::PhiClass::{Clinical, FreeText, Operational, OtherId, Url};

use super::spec::{Kind, Table};

pub(super) fn tables() -> Vec<Table> {
    vec![provenances(), measures(), measure_reports(), measure_report_groups(), molecular_sequences()]
}

fn provenances() -> Table {
    Table::of("provenances", "Provenance", "one row for each Provenance, with its first target, agent and entity")
        .reference("target", "target", "first target")
        .when("occurred_datetime", "occurredDateTime | occurredPeriod.start", "when it happened")
        .when("recorded", "recorded", "when it was recorded")
        .text("policy", "policy", Operational, "first policy")
        .actor("location", "location", "where it happened")
        .code("reason", "reason", Operational, "first reason")
        .code("activity", "activity", Operational, "activity")
        .code("agent_type", "agent.type", Operational, "first agent: how it took part")
        .actor("agent", "agent.who", "first agent")
        .actor("agent_on_behalf_of", "agent.onBehalfOf", "first agent: on whose behalf")
        .text("entity_role", "entity.role", Operational, "first entity: role")
        .reference("entity", "entity.what", "first entity")
}

fn measures() -> Table {
    Table::of("measures", "Measure", "one row for each Measure")
        .text("url", "url", Operational, "canonical address")
        .text("business_version", "version", Operational, "business version")
        .identifier("measure")
        .text("name", "name", Operational, "name for programs")
        .text("title", "title", Operational, "title")
        .text("status", "status", Operational, "status")
        .flag("experimental", "experimental", Operational, "whether for testing only")
        .when("date", "date", "last change")
        .text("publisher", "publisher", Operational, "publisher")
        .text("description", "description", Operational, "description")
        .period("effective_period", "effectivePeriod", "time it is meant for")
        .code("scoring", "scoring", Operational, "scoring (proportion, ratio, ...)")
        .code("type", "type", Operational, "first type (process, outcome, ...)")
        .code("improvement_notation", "improvementNotation", Operational, "whether more is better")
        .text("library", "library", Operational, "first library")
        .code("topic", "topic", Clinical, "first topic")
}

fn measure_reports() -> Table {
    Table::of("measure_reports", "MeasureReport", "one row for each MeasureReport; its groups are in measure_report_groups")
        .patient("subject")
        .identifier("report")
        .text("status", "status", Operational, "status")
        .text("type", "type", Operational, "individual, subject-list, summary or data-collection")
        .text("measure", "measure", Operational, "canonical address of the measure")
        .when("date", "date", "when it was made")
        .actor("reporter", "reporter", "who reports")
        .period("period", "period", "time it covers")
        .code("improvement_notation", "improvementNotation", Operational, "whether more is better")
}

fn measure_report_groups() -> Table {
    let count = |code: &str| format!("group.population.where(code.coding.code='{code}').count");
    let population = |table: Table, name: &str, code: &str| {
        table.column(format!("{name}_count"), count(code), Kind::Integer, Clinical, format!("number in population {code}"))
    };
    let mut table =
        Table::each("measure_report_groups", "MeasureReport", "group", "measure_report_id", "one row for each group of a MeasureReport")
            .patient("subject")
            .text("measure", "measure", Operational, "canonical address of the measure")
            .period("period", "period", "time it covers")
            .concept("code", "group.code", "meaning of the group")
            .quantity("score", "group.measureScore", "score");
    for (name, code) in [
        ("initial_population", "initial-population"),
        ("denominator", "denominator"),
        ("denominator_exclusion", "denominator-exclusion"),
        ("denominator_exception", "denominator-exception"),
        ("numerator", "numerator"),
        ("numerator_exclusion", "numerator-exclusion"),
    ] {
        table = population(table, name, code);
    }
    table
}

fn molecular_sequences() -> Table {
    Table::of("molecular_sequences", "MolecularSequence", "one row for each MolecularSequence, with its first variant")
        .patient("patient")
        .identifier("sequence")
        .text("type", "type", Clinical, "aa, dna or rna")
        .integer("coordinate_system", "coordinateSystem", "0: positions from 0, half-open; 1: from 1, closed")
        .reference("specimen", "specimen", "specimen")
        .reference("device", "device", "sequencer")
        .actor("performer", "performer", "who sequenced")
        .code("chromosome", "referenceSeq.chromosome", Clinical, "reference: chromosome")
        .text("genome_build", "referenceSeq.genomeBuild", Clinical, "reference: genome build")
        .code("reference_sequence", "referenceSeq.referenceSeqId", Clinical, "reference: accession")
        .text("strand", "referenceSeq.strand", Clinical, "reference: strand")
        .integer("window_start", "referenceSeq.windowStart", "reference: start of the window")
        .integer("window_end", "referenceSeq.windowEnd", "reference: end of the window")
        .integer("variant_start", "variant.start", "first variant: start")
        .integer("variant_end", "variant.end", "first variant: end")
        .text("observed_allele", "variant.observedAllele", OtherId, "first variant: observed allele")
        .text("reference_allele", "variant.referenceAllele", Clinical, "first variant: reference allele")
        .text("cigar", "variant.cigar", OtherId, "first variant: CIGAR")
        .text("observed_sequence", "observedSeq", OtherId, "observed sequence: identifies a person")
        .integer("read_coverage", "readCoverage", "coverage")
        .text("repository_url", "repository.url", Url, "first repository: address")
        .text("repository_name", "repository.name", FreeText, "first repository: name")
        .text("dataset_id", "repository.datasetId", OtherId, "first repository: data set")
}
