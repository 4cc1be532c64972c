# Two commands do everything: `make up` and `make test`. The logic is in scripts/ and `cargo xtask`.
.DEFAULT_GOAL := help
.PHONY: help up demo build test test-kubernetes lint bench bench-kubernetes image-sizes fuzz clean prepare

# Where rustup puts cargo, for those whose shell does not look there.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
GOTRS := target/release/gotrs
ARGS ?=
FUZZ_SECONDS ?= 600

help: ## Shows this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 24

up: ## Installs what is missing, builds, starts the whole platform on this machine
	@scripts/bootstrap run
	@$(MAKE) --no-print-directory build
	@$(GOTRS) up $(ARGS)

demo: ## The same, with a tenant that has something in it
	@$(MAKE) --no-print-directory up ARGS="--demo $(ARGS)"

build: prepare ## Builds target/release/gotrs, and lambda-worker beside it
	@cargo build --release --locked -p gotrs -p lambda-worker

test: ## Installs what is missing, runs every check and every test
	@scripts/bootstrap test
	@scripts/test

test-kubernetes: prepare ## The part of `make test` on a real cluster, which it makes (as root; builds the cluster's parts once)
	@scripts/bootstrap test
	@cargo build --locked --workspace --exclude lambda-guest --lib --bins --tests
	@e2e/kubernetes/test

lint: prepare ## Format, clippy, house rules
	@scripts/lint

bench: prepare ## Measures, and writes docs/performance.md
	@scripts/bootstrap test
	@cargo build --release --locked -p gotrs
	@cargo run --release --locked -p e2e --bin bench
	@cargo xtask bench-sandbox

bench-kubernetes: prepare ## Measures the operator with 1 000 tenants, and writes its part of docs/performance.md (some 10 minutes); looks at the sizes of images first
	@scripts/bootstrap test
	@e2e/kubernetes/build
	@$(MAKE) --no-print-directory image-sizes
	@cargo xtask with-postgres -- cargo run --release --locked -p e2e --bin bench_kubernetes
	@cargo bench --locked -p control-plane --bench routes

image-sizes: prepare ## Builds the release programs of the chart's images, and fails where an image has 40 MB or more
	@cargo build --release --locked -p operator -p control-plane -p tenant-runtime -p gotrs
	@e2e/kubernetes/image-sizes

fuzz: ## Fuzzes parser, protocol, SQL gate and sanitiser (FUZZ_SECONDS=600 each)
	@scripts/bootstrap test
	@fuzz/run $(FUZZ_SECONDS)

clean: ## Removes what was built (never data/)
	@cargo clean
	@rm -rf fuzz/target fuzz/corpus fuzz/artifacts
	@rm -rf crates/service-kit/assets/dist crates/service-kit/assets/node_modules crates/module-engine/guest

prepare:
	@scripts/bootstrap build
	@cargo xtask guest
	@cargo xtask assets
