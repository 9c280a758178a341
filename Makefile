# SPDX-License-Identifier: Apache-2.0
# The front door. Each target installs what it lacks (Debian packages and npm packages by name), builds what is
# older than its sources, and does nothing a second time.

.DEFAULT_GOAL := build
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

CLANG ?= clang-19
ARCH := $(shell uname -m)
COMMIT := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
VERSION := $(shell sed -n 's/.*"version": "\(.*\)".*/\1/p' package.json)

BPF_SOURCES := $(wildcard bpf/*.c bpf/*.h)
TS_SOURCES := $(shell find src -name '*.ts')
C_SOURCES := $(BPF_SOURCES) $(wildcard libmerminbpf/*.c libmerminbpf/*.h)
SHELL_SOURCES := .ci/run $(shell git ls-files '*.sh')

include tools/tools.mk
include libmerminbpf/libmerminbpf.mk
include test/kernels/kernels.mk

.PHONY: build run demo test lint format bench docs clean FORCE

build: dist/mermin

# The BPF object. -g keeps BTF, which the maps and the knobs need; DWARF is stripped.
build/mermin.bpf.o: $(BPF_SOURCES) $(DEPENDENCIES) | $(BUILD_TOOLS)
	@mkdir -p build
	$(CLANG) -target bpf -mcpu=v3 -O2 -g -Wall -Wextra -Werror -I/usr/include/$(ARCH)-linux-gnu \
		-I$(DEPENDENCIES_DIR)/include -c bpf/mermin.bpf.c -o $@
	llvm-strip-19 -g $@

node_modules/.installed: package.json bun.lock | $(BUN_TOOL)
	$(BUN) install --frozen-lockfile
	@touch $@

# Changes only when the commit does, so that `mermin version` is true and a second build does nothing.
build/commit: FORCE
	@mkdir -p build
	@echo $(COMMIT) | cmp -s - $@ || echo $(COMMIT) >$@

# Everything in one file: runtime, code as bytecode, shim and BPF object. No .env or bunfig of the working directory is read.
dist/mermin: build/mermin.bpf.o build/libmerminbpf.so node_modules/.installed $(TS_SOURCES) package.json build/commit
	@mkdir -p dist
	$(BUN) build src/main.ts src/export-worker.ts --compile --bytecode --format=esm --conditions=require \
		--no-compile-autoload-dotenv --no-compile-autoload-bunfig \
		--define BUILD_VERSION='"$(VERSION)"' --define BUILD_COMMIT='"$(COMMIT)"' --outfile $@

run: build
	./dist/mermin run

demo: build | $(DEMO_TOOLS)
	test/demo.sh

test: build | $(TEST_TOOLS) $(COLLECTOR) $(API_SERVER)
	tools/test.sh

lint: node_modules/.installed build/mermin.bpf.o build/libmerminbpf.so | $(LINT_TOOLS)
	$(BUN) x --bun biome ci --colors=off --error-on-warnings --max-diagnostics=200 .
	$(BUN) x --bun tsc --noEmit
	$(BUN) x --bun knip
	! git grep -n "process\.exit(" -- src ":!src/main.ts"
	clang-format-19 --dry-run -Werror $(C_SOURCES)
	clang-tidy-19 --quiet --warnings-as-errors='*' libmerminbpf/*.c -- $(MERMINBPF_FLAGS) \
		-isystem $(DEPENDENCIES_DIR)/include
	shellcheck $(SHELL_SOURCES)

format: node_modules/.installed | $(LINT_TOOLS)
	$(BUN) x --bun biome check --write .
	clang-format-19 -i $(C_SOURCES)

# Pages made from the tables in the code; a test compares them.
docs: node_modules/.installed
	for page in docs/generate-*.ts; do $(BUN) $$page; done

bench: build | $(TEST_TOOLS)
	$(BUN) bench/run.ts

clean:
	rm -rf build dist node_modules
