# SPDX-License-Identifier: Apache-2.0
# What the targets need of the machine: installed where it is missing, looked at once a build tree. Included by the
# Makefile of the repository's root.

CACHE_DIR := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mermin
BUN_DIR := $(CACHE_DIR)/bun-$(shell sed -n 's/^BUN_VERSION=//p' tools/install.sh)
BUN := $(or $(shell command -v bun),$(BUN_DIR)/node_modules/.bin/bun)
# Scripts call `bun` and tools of iproute2 by name.
export PATH := $(PATH):/usr/sbin:/sbin:$(dir $(BUN))

BUILD_TOOLS := build/.tools-build
DEMO_TOOLS := build/.tools-demo
TEST_TOOLS := build/.tools-test
LINT_TOOLS := build/.tools-lint
BUN_TOOL := build/.tools-bun
# Not there where they cannot be built: the tests that need them are skipped then, with the reason.
COLLECTOR := build/.tools-collector
API_SERVER := build/.tools-kubernetes

build/.tools-bun: tools/install.sh
	@mkdir -p build
	@command -v bun >/dev/null || tools/install.sh bun $(BUN_DIR)
	@touch $@

build/.tools-collector: $(wildcard tools/collector/*) tools/go.sh
	@tools/collector/build.sh $(CACHE_DIR) build/otelcol
	@[ ! -e build/otelcol ] || touch $@

build/.tools-kubernetes: $(wildcard tools/kubernetes/*) tools/go.sh
	@tools/kubernetes/build.sh $(CACHE_DIR) build
	@[ ! -e build/kube-apiserver ] || touch $@

build/.tools-%: tools/install.sh
	@mkdir -p build
	@tools/install.sh $*
	@touch $@
