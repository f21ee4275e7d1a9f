# SPDX-License-Identifier: GPL-2.0-or-later
#
# Kernel modules (through the kernel's own build) and the tool that drives
# ndk_ping.

##@ Guest driver for Linux
KDIR ?=

kmod: ## vrdma.ko and ndk_ping.ko for the guest kernels (KDIR=: for another)
	$(Q)guest-driver/linux/build.sh $(O) $(KDIR)

NDK_TOOL := $(O)/bin/ndk_ping

ndk-tool: $(NDK_TOOL)

$(O)/obj/linux/tools/%.o: guest-driver/linux/tools/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_COMMON) -c -o $@ $<

# static: the guest's image has no libraries of its own; a sanitizer wants them
$(NDK_TOOL): $(O)/obj/linux/tools/ndk_ping.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_COMMON) $(if $(SAN),,-static) -o $@ $^

-include $(O)/obj/linux/tools/ndk_ping.d

.PHONY: kmod ndk-tool
