# Sutura. Needs Rust 1.94 or newer, make and a C compiler (for zstd). `make` alone lists the targets.

TARGET := $(or $(CARGO_TARGET_DIR),target)
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help demo build test conformance bench bench-peers bench-deid fuzz lint links docs

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: build ## generate 50,000 messages, run examples/hospital.toml, say where the report is
	$(TARGET)/release/sutura demo

build: ## the release binary
	cargo build --release --locked -p sutura

test: ## every test (installs cargo-nextest and an S3 test server into the target folder if absent)
	@tools/test-tools.sh || true
	@tools/test.sh

conformance: ## every suite over the shared test data, into target/conformance.json
	cargo run --locked --quiet -p sutura-conformance

bench: ## criterion benches of the crates
	cargo bench --locked --workspace --bench '*'

bench-peers: build ## this beside other tools on the same input, into target/bench.json and docs/benchmarks.md
	python3 benches/run.py

bench-deid: ## how well and how fast free text is de-identified, by type, into target/bench-deid.json
	@cargo run --release --locked --quiet -p sutura-privacy --example bench_deid

fuzz: ## every fuzz target for a minute (FUZZ_SECONDS=60)
	@cargo fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is not installed: cargo install cargo-fuzz --locked"; exit 1; }
	@for format in hl7v2 fhir ccda dicom; do \
		cd $(CURDIR)/crates/formats/$$format || exit 1; \
		for target in $$(cargo fuzz list); do \
			echo "== $$format: $$target"; \
			RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none $$target -- -max_total_time=$(FUZZ_SECONDS) -dict=fuzz/$$format.dict || exit 1; \
		done; \
	done
	@for crate in terminology convert privacy deid; do \
		cd $(CURDIR)/crates/$$crate || exit 1; \
		for target in $$(cargo fuzz list); do \
			echo "== $$crate: $$target"; \
			RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none $$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
		done; \
	done

lint: ## format check, and clippy with warnings denied
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings

links: ## every relative link of the documentation leads somewhere
	python3 tools/check-links.py

docs: ## the book in docs/, into docs/book
	@command -v mdbook >/dev/null || { echo "mdbook is not installed: cargo install mdbook --locked"; exit 1; }
	mdbook build docs
