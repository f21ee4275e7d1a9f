# SPDX-License-Identifier: GPL-2.0-or-later
#
# The interleaving explorer: $(O)/bin/explorer, and $(O)/bin/explorer-planted,
# which is the same with a copy of those product files that have a planted
# fault in them.  Both are optimised: they run half a million orders.

EXPLORER_SRC := $(wildcard tests/explorer/*.c)
EXPLORER_OBJ = $(EXPLORER_SRC:%.c=$(O)/%.o)
EXPLORER_INC := -Iqemu-device/include -Ihost-backend -Ihost-backend/local \
	-Iqemu-device/model -Iguest-driver/core -Itests/explorer
EXPLORER_CFLAGS = $(CFLAGS_COMMON) $(EXPLORER_INC)

# Files that include vrdma_plant.h, and the explorer itself, compiled once more
PLANTED_SRC := $(shell grep -l 'vrdma_plant\.h' qemu-device/model/*.c \
	host-backend/local/*.c guest-driver/core/*.c 2>/dev/null)
PLANTED_OBJ = $(PLANTED_SRC:%.c=$(O)/planted/%.o) \
	$(EXPLORER_SRC:%.c=$(O)/planted/%.o)

$(O)/tests/explorer/%.o: tests/explorer/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(EXPLORER_CFLAGS) -c -o $@ $<
$(O)/planted/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(EXPLORER_CFLAGS) -DVRDMA_PLANT -c -o $@ $<

$(O)/bin/explorer: $(EXPLORER_OBJ) $(O)/libvrdmad.a $(O)/libvrdmacore.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ $(VRDMAD_LIBS)
# Objects go before the libraries, which then only fill what is missing
$(O)/bin/explorer-planted: $(PLANTED_OBJ) $(O)/libvrdmad.a $(O)/libvrdmacore.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ $(VRDMAD_LIBS)

explorer: $(O)/bin/explorer $(O)/bin/explorer-planted ## every order of a connection's end: build
explorer-run: explorer ## and run: 500,000 orders, all planted faults
	$(Q)! nm $(O)/libvrdmad.a $(O)/libvrdmacore.a 2>/dev/null | \
		grep vrdma_plant || { echo "a planted fault is in the product"; exit 1; }
	$(Q)$(O)/bin/explorer

-include $(EXPLORER_OBJ:.o=.d) $(PLANTED_OBJ:.o=.d)
.PHONY: explorer explorer-run
