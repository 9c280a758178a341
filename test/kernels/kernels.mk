# SPDX-License-Identifier: Apache-2.0
# Older kernels under emulation, with the built agent inside. The cache holds downloaded kernels and the
# guest's initramfs; it may be deleted at any time. KERNELS_OPTIONS: --line 6.1, --scenario veth.

.PHONY: test-kernels
test-kernels: build
	$(BUN) test/kernels/run.ts --binary dist/mermin --cache "$(CACHE_DIR)/kernels" $(KERNELS_OPTIONS)
