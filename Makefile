# make run      build, boot a guest, run a demo in it
# make test     everything
# make check    the inner loop, five minutes: format, clippy, Rust tests, cases in namespaces
# make          both binaries, in target/dist/
# make help     all targets

TOOLCHAIN := image-build/toolchain
CARGO_MUSL := $(TOOLCHAIN)/cargo-musl
MINIMAL_ROOT := $(TOOLCHAIN)/minimal-root
ARCHES := x86_64 aarch64
DIST := target/dist
# The crate of the programs that run inside the hosts of the end-to-end tests.
GUEST := qemu-tests/guest/Cargo.toml

# One target at a time: a link with LTO needs much memory.
.NOTPARALLEL:
.DELETE_ON_ERROR:
export PATH := $(PATH):/usr/sbin:/sbin
export CARGO_NET_RETRY := 10
.PHONY: all $(ARCHES) packages run check test bench lint modules shape clean help \
	format clippy words unit harness binaries package packages-test recipes demo cases \
	hosts bench-quick prerequisites

all: $(ARCHES)

# cargo decides what is out of date.
$(ARCHES): prerequisites
	$(CARGO_MUSL) $@ build --release --locked
	$(call into_dist,$@)

define into_dist
@mkdir -p $(DIST)
@rm -f $(DIST)/ecs-init-$(1)
@cp target/$(1)-unknown-linux-musl/release/ecs-init $(DIST)/ecs-init-$(1)
@ls -l $(DIST)/ecs-init-$(1)
endef

prerequisites:
	@$(TOOLCHAIN)/prerequisites build

prerequisites-%:
	@$(TOOLCHAIN)/prerequisites $*

packages: prerequisites-packages all package

run: prerequisites-hosts x86_64 demo

bench: prerequisites-bench all
	qemu-tests/run --bench

# `stages` makes the targets and prints the seconds that each one took.
check: prerequisites-test
	@$(TOOLCHAIN)/stages 'format clippy unit cases'

# A stage GROUP/TARGET makes the target in a minimal Debian 12 that has only the packages of that
# group of prerequisites, which tests the group. lint, harness and unit keep one core busy, the
# binaries the other.
test: prerequisites-gate
	@$(TOOLCHAIN)/stages 'lint/lint test/harness test/unit | build/binaries' \
		'shape/shape packages/package test/packages-test test/recipes' \
		'hosts/demo test/hosts bench/bench-quick'

GROUPS := build lint shape packages hosts test bench
$(GROUPS:%=%/%):
	$(MINIMAL_ROOT) $(MINIMAL_ROOT_OPTIONS) $(@D) make --no-print-directory $(@F)
build/binaries: MINIMAL_ROOT_OPTIONS := --binaries
# Takes two minutes, and only tests the group: skipped if the bench has not changed.
bench/bench-quick: MINIMAL_ROOT_OPTIONS := --once qemu-tests/bench

# The targets below expect the packages of their group of prerequisites; those that need the
# binaries expect that `make` has built them.

lint: prerequisites-lint format modules words clippy
	cargo fmt --manifest-path $(GUEST) -- --check
	cargo clippy --locked --all-targets --manifest-path $(GUEST) -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items
	$(TOOLCHAIN)/deny
	$(TOOLCHAIN)/python

format:
	cargo fmt --all -- --check

clippy:
	cargo clippy --locked --all-targets -- -D warnings

# The layers of the modules, and that they have no cycle.
modules:
	$(TOOLCHAIN)/modules

# Words that the rules for writing in CONTRIBUTING.md exclude.
words:
	$(TOOLCHAIN)/words

binaries: all

unit:
	cargo test --locked

harness:
	cargo test --locked --manifest-path $(GUEST)
	qemu-tests/selftest
	$(TOOLCHAIN)/selftest

shape:
	$(TOOLCHAIN)/shape.py $(DIST)

package:
	image-build/packages/build $(DIST)

packages-test:
	image-build/packages/test

recipes:
	image-build/check-recipes

demo:
	qemu-tests/run --demo

# Every case once, in namespaces, with a debug build.
cases:
	$(CARGO_MUSL) x86_64 build --locked
	qemu-tests/run --stage ns --engine 26.1 --debug

# All stages: namespaces with every Engine, QEMU guests, boots.
hosts:
	qemu-tests/run

bench-quick:
	qemu-tests/run --bench

# Keeps the cache, which is outside the tree: see docs/development.md.
clean:
	cargo clean

help:
	@echo 'make           build ecs-init for x86_64 and aarch64 into $(DIST)/'
	@echo 'make x86_64    build for x86_64 only; make aarch64 likewise'
	@echo 'make packages  build deb, rpm and tar.gz of both architectures into $(DIST)/'
	@echo 'make run       build, boot a guest and run an end-to-end demo in it (root)'
	@echo 'make check     format, clippy, Rust tests, end-to-end cases in namespaces (5 minutes, root)'
	@echo 'make test      everything: lint, tests, both binaries, packages, recipes, guests (root)'
	@echo 'make lint      format, modules, words, clippy, documentation, dependencies, Python'
	@echo 'make modules   check the layers of the modules, and that they have no cycle'
	@echo 'make words     words that CONTRIBUTING.md excludes'
	@echo 'make shape     check the ELF headers and the sizes of both binaries'
	@echo 'make bench     measure sizes, times and memory'
	@echo 'make clean     remove what cargo built (the cache stays)'
