# make          both binaries, in target/dist/
# make run      boots a guest, does the main job and shows it
# make packages deb, rpm and tar.gz, in target/dist/
# make test     everything that is checked, in order
# make help     the rest

TOOLCHAIN := image-build/toolchain
CARGO_MUSL := $(TOOLCHAIN)/cargo-musl
ARCHES := x86_64 aarch64
DIST := target/dist
# The programs in the tests' hosts: a crate of its own.
GUEST := qemu-tests/guest/Cargo.toml

# One step after the other: a link with LTO takes all that the machine has.
.NOTPARALLEL:
.DELETE_ON_ERROR:
export PATH := $(PATH):/usr/sbin:/sbin
# A registry may hiccup.
export CARGO_NET_RETRY := 10
.PHONY: all $(ARCHES) prerequisites packages run test shape lint bench clean help

all: $(ARCHES)

# cargo knows best what is out of date, so it is always asked.
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

# Those of the goals that do more than build.
prerequisites-%:
	@$(TOOLCHAIN)/prerequisites $*

# From what fails fast to what takes long.
test: prerequisites-test lint
	cargo test --locked
	cargo test --locked --manifest-path $(GUEST)
	qemu-tests/selftest
	$(MAKE) all
	$(MAKE) shape
	image-build/packages/test
	image-build/check-recipes
	image-build/packages/build $(DIST)
	qemu-tests/run --demo
	qemu-tests/run

packages: prerequisites-packages all
	image-build/packages/build $(DIST)

shape:
	$(TOOLCHAIN)/shape.py $(DIST)

lint: prerequisites-lint
	cargo fmt --all -- --check
	cargo clippy --locked --all-targets -- -D warnings
	cargo fmt --manifest-path $(GUEST) -- --check
	cargo clippy --locked --all-targets --manifest-path $(GUEST) -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --locked --no-deps --document-private-items
	$(TOOLCHAIN)/deny
	$(TOOLCHAIN)/python

run: prerequisites-hosts x86_64
	qemu-tests/run --demo

bench: prerequisites-bench all
	qemu-tests/run --bench

# The cache outside the tree stays: see ECS_INIT_CACHE in the README.
clean:
	cargo clean

help:
	@echo 'make [all]     build ecs-init for x86_64 and aarch64 into $(DIST)/'
	@echo 'make x86_64    only this one; make aarch64 likewise'
	@echo 'make packages  deb, rpm and tar.gz of both architectures into $(DIST)/'
	@echo 'make run       boot a guest, do the main job and show it'
	@echo 'make test      lint, unit tests, both binaries and their shape, packages, recipes, guests'
	@echo 'make lint      format, clippy, documentation, dependencies'
	@echo 'make shape     what file, readelf and the sizes say of the two binaries'
	@echo 'make bench     the figures: sizes, times, memory'
	@echo 'make clean     remove what cargo built (the cache stays)'
