# Bookend's commands. Everything downloaded or written stays in .bookend/, target/ and the
# package managers' caches. KAFKA_BROKERS / DATABASE_URL, where set, name servers to use.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
CARGO := cargo
# Kafka nodes of `make up`: 1 or 3.
BROKERS := 1
TESTBED := target/release/testbed
# One place for what is built, whatever the caller's environment says.
export CARGO_TARGET_DIR := $(CURDIR)/target

.PHONY: help deps build python node wrk nginx test demo up down histories bench docs lint

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install the C compiler, make and perl that a build needs (Debian)
	@missing=; \
	for pair in cc:gcc make:make perl:perl; do \
	  command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair##*:}"; \
	done; \
	echo '#include <stdlib.h>' | cc -E - >/dev/null 2>&1 || missing="$$missing libc6-dev"; \
	if [ -n "$$missing" ]; then \
	  echo "installing$$missing"; \
	  [ "$$(id -u)" = 0 ] || { echo "a build needs$$missing: install them, or run as root" >&2; exit 1; }; \
	  apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends$$missing; \
	fi; \
	command -v $(CARGO) >/dev/null || { echo "a build needs Rust's cargo (rust-toolchain.toml names the version)" >&2; exit 1; }

build: deps ## build everything (release, the only profile)
	$(CARGO) build --release --locked --workspace

test: build python node nginx ## all tests, against a real Kafka and a real Postgres
	$(TESTBED) exec -- $(CARGO) test --release --locked --workspace --no-fail-fast

# The fake Stripe is judged by Stripe's own Python client, in a virtual environment.
python:
	@python3 -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "installing python3-venv"; \
	  [ "$$(id -u)" = 0 ] || { echo "the tests need python3-venv: install it, or run as root" >&2; exit 1; }; \
	  apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3-venv; \
	}

# … and by Stripe's own Node client.
node:
	@command -v npm >/dev/null || { \
	  echo "installing nodejs and npm"; \
	  [ "$$(id -u)" = 0 ] || { echo "the tests need nodejs and npm: install them, or run as root" >&2; exit 1; }; \
	  apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends nodejs npm; \
	}

# The listener is attacked behind a real nginx, too.
nginx:
	@PATH="$$PATH:/usr/sbin"; command -v nginx >/dev/null || { \
	  echo "installing nginx-light"; \
	  [ "$$(id -u)" = 0 ] || { echo "the tests need nginx: install it, or run as root" >&2; exit 1; }; \
	  apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends nginx-light; \
	}

demo: build ## the story of a bad day, from a fresh checkout to the verdict
	$(TESTBED) demo

up: build ## Kafka, Postgres, the fake Stripe and the services, left running; addresses in .bookend/env
	$(TESTBED) up --brokers $(BROKERS)

down: ## stop what `make up` started
	@if [ -x $(TESTBED) ]; then $(TESTBED) down; else echo "nothing is built, so nothing of ours is up"; fi

histories: ## made-up lives of Stripe objects, folded in any order and compared; how often Stripe must be asked
	HISTORIES=21000 $(CARGO) test --release --locked --quiet -p shared --test it -- thousands_of_histories --nocapture

# The load generator is judged by an outside one.
wrk:
	@command -v wrk >/dev/null || { \
	  echo "installing wrk"; \
	  [ "$$(id -u)" = 0 ] || { echo "the benchmark needs wrk: install it, or run as root" >&2; exit 1; }; \
	  apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends wrk; \
	}

bench: build wrk ## the benchmarks beside the floors, as a table and .bookend/bench.json
	$(TESTBED) bench

# The pages as a book, in target/book.
MDBOOK := $(CURDIR)/.bookend/mdbook/bin/mdbook
docs: deps ## the pages in docs/ as a book: target/book/index.html
	@[ -x $(MDBOOK) ] || $(CARGO) install --quiet --locked --root .bookend/mdbook mdbook@0.5.2
	$(MDBOOK) build

# What a check needs is installed into .bookend/tools, by name and version.
TOOLS := $(CURDIR)/.bookend/tools/bin
.PHONY: tools
tools: python
	@[ -x $(TOOLS)/pip ] || python3 -m venv .bookend/tools
	@$(TOOLS)/pip install -q --disable-pip-version-check -r testbed/lint-tools.txt

lint: deps tools ## formatting, lints, documentation, licences, advisories, compose file, Dockerfile, scripts
	$(CARGO) fmt --all --check
	python3 testbed/plain_words.py
	$(CARGO) clippy --release --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --locked --workspace --no-deps
	$(TOOLS)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(TOOLS)/hadolint deploy/Dockerfile
	$(TOOLS)/shellcheck deploy/*.sh .ci/run
	PATH="$(TOOLS):$$PATH" $(CARGO) deny --all-features check bans licenses sources
	@export PATH="$(TOOLS):$$PATH"; \
	if $(CARGO) deny fetch db >/dev/null 2>&1; then $(CARGO) deny check --disable-fetch advisories; \
	else echo "lint: the advisory database cannot be reached: advisories NOT checked" >&2; fi
