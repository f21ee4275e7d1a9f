# SPDX-License-Identifier: GPL-2.0-or-later
#
# vrdmad: $(O)/bin/vrdmad, and $(O)/libvrdmad.a, which is all of it but main.c
# and is what unit tests are linked with.

VRDMAD_DIR := qemu-device/model
VRDMAD_SRC := $(filter-out $(VRDMAD_DIR)/main.c,$(wildcard $(VRDMAD_DIR)/*.c)) \
	$(wildcard host-backend/local/*.c host-backend/iwarp/*.c \
	host-backend/verbs/*.c)
VRDMAD_OBJ = $(VRDMAD_SRC:%.c=$(O)/%.o) $(O)/libvhost-user.o
# ISA-L has the CRC of iWARP; without it a table does
ISAL := $(shell pkg-config --exists libisal && echo yes)
VRDMAD_LIBS := -linih -lrdmacm -libverbs \
	$(if $(ISAL),$(shell pkg-config --libs libisal))
VRDMAD_VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

# The library's folder is known before the script has run; the script fills it
LIBVHOST_USER := $(VRDMA_CACHE)/libvhost-user

VRDMAD_CFLAGS = $(CFLAGS_COMMON) -Iqemu-device/include -Iqemu-device/model \
	-Ihost-backend -isystem $(LIBVHOST_USER) \
	-DVRDMAD_VERSION='"$(VRDMAD_VERSION)"' $(if $(ISAL),-DIWARP_ISAL)

# A message of 64 bytes passes through a dozen functions in as many files: the
# program is optimized as a whole.  Tests are linked from the same objects without
# that, which is quick.
VRDMAD_LTO := $(if $(SAN)$(findstring clang,$(CC)),,-flto=auto -ffat-lto-objects)

vrdmad: $(O)/bin/vrdmad

$(LIBVHOST_USER)/version:
	@scripts/qemu-build.sh --libvhost-user >/dev/null

# Not our code: its own warnings are not ours to mend
$(O)/libvhost-user.o: $(LIBVHOST_USER)/version
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -MMD -MP $(WARNINGS),$(CFLAGS_COMMON)) -w \
		-I$(LIBVHOST_USER) -c -o $@ $(LIBVHOST_USER)/libvhost-user.c

$(O)/$(VRDMAD_DIR)/%.o: $(VRDMAD_DIR)/%.c | $(LIBVHOST_USER)/version
	@mkdir -p $(@D)
	$(Q)$(CC) $(VRDMAD_CFLAGS) $(VRDMAD_LTO) -c -o $@ $<

$(O)/host-backend/%.o: host-backend/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(VRDMAD_CFLAGS) $(VRDMAD_LTO) -c -o $@ $<

$(O)/libvrdmad.a: $(VRDMAD_OBJ)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(O)/bin/vrdmad: $(O)/$(VRDMAD_DIR)/main.o $(VRDMAD_OBJ)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_COMMON:-fno-lto=$(VRDMAD_LTO)) -o $@ $^ $(VRDMAD_LIBS)

-include $(wildcard $(O)/$(VRDMAD_DIR)/*.d $(O)/host-backend/*/*.d)
.PHONY: vrdmad
