# SPDX-License-Identifier: Apache-2.0
# Builds $(BUILD)/libmerminbpf.so (default build/), and defines DEPENDENCIES (libbpf, libelf, zlib: include/ and lib/ beside it) in
# DEPENDENCIES_DIR. Included by the Makefile of the repository's root.

BUILD ?= build
ifndef DEPENDENCIES_DIR
DEPENDENCIES_DIR := $(shell libmerminbpf/dependencies.sh --directory)
endif
DEPENDENCIES := $(DEPENDENCIES_DIR)/complete
MERMINBPF_SOURCES := $(wildcard libmerminbpf/*.c)
MERMINBPF_OBJECTS := $(MERMINBPF_SOURCES:libmerminbpf/%.c=$(BUILD)/libmerminbpf/%.o)
MERMINBPF_CFLAGS ?= -O2
MERMINBPF_FLAGS := -std=gnu11 -fPIC -Wall -Wextra -Werror -fvisibility=hidden -ffunction-sections \
	-fdata-sections -fstack-protector-strong -D_FORTIFY_SOURCE=2 -Ilibmerminbpf -Ibpf

$(BUILD)/libmerminbpf.so: $(MERMINBPF_OBJECTS) libmerminbpf/merminbpf.map
	$(CC) $(MERMINBPF_CFLAGS) -shared -static-libgcc -Wl,--version-script=libmerminbpf/merminbpf.map \
		-Wl,--gc-sections,--as-needed,--no-undefined,-z,relro,-z,now,-s -o $@ $(MERMINBPF_OBJECTS) \
		-L$(DEPENDENCIES_DIR)/lib -lbpf -lelf -lz

$(BUILD)/libmerminbpf/%.o: libmerminbpf/%.c libmerminbpf/libmerminbpf.mk $(DEPENDENCIES) | $(BUILD_TOOLS)
	@mkdir -p $(@D)
	$(CC) $(MERMINBPF_FLAGS) $(MERMINBPF_CFLAGS) -isystem $(DEPENDENCIES_DIR)/include -MMD -c -o $@ $<

# The directory is named for the script's content: once complete it never goes stale.
$(DEPENDENCIES):
	libmerminbpf/dependencies.sh $(DEPENDENCIES_DIR)

-include $(MERMINBPF_OBJECTS:.o=.d)
