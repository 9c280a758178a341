# Builds build/libmerminbpf.so. Included by the Makefile of the repository's root.

ifndef MERMINBPF_DEPENDENCIES
MERMINBPF_DEPENDENCIES := $(shell libmerminbpf/dependencies.sh --directory)
endif
MERMINBPF_SOURCES := $(wildcard libmerminbpf/*.c)
MERMINBPF_OBJECTS := $(MERMINBPF_SOURCES:libmerminbpf/%.c=build/libmerminbpf/%.o)
MERMINBPF_CFLAGS ?= -O2
MERMINBPF_FLAGS := -std=gnu11 -fPIC -Wall -Wextra -Werror -fvisibility=hidden -ffunction-sections \
	-fdata-sections -fstack-protector-strong -D_FORTIFY_SOURCE=2 -Ilibmerminbpf -Ibpf

build/libmerminbpf.so: $(MERMINBPF_OBJECTS) libmerminbpf/merminbpf.map
	$(CC) $(MERMINBPF_CFLAGS) -shared -static-libgcc -Wl,--version-script=libmerminbpf/merminbpf.map \
		-Wl,--gc-sections,--as-needed,--no-undefined,-z,relro,-z,now,-s -o $@ $(MERMINBPF_OBJECTS) \
		-L$(MERMINBPF_DEPENDENCIES)/lib -lbpf -lelf -lz

build/libmerminbpf/%.o: libmerminbpf/%.c libmerminbpf/libmerminbpf.mk $(MERMINBPF_DEPENDENCIES)/complete
	@mkdir -p $(@D)
	$(CC) $(MERMINBPF_FLAGS) $(MERMINBPF_CFLAGS) -isystem $(MERMINBPF_DEPENDENCIES)/include -MMD -c -o $@ $<

# The directory is named for the script's content: once complete it never goes stale.
$(MERMINBPF_DEPENDENCIES)/complete:
	libmerminbpf/dependencies.sh $(MERMINBPF_DEPENDENCIES)

-include $(MERMINBPF_OBJECTS:.o=.d)
