# SPDX-License-Identifier: GPL-2.0-or-later
#
# Kernel modules (through the kernel's own build) and the tool that drives
# ndk_ping.

##@ Guest driver for Linux
KDIR ?=

kmod: ## vrdma.ko, ndk_ping.ko and ndk_test.ko for the guest kernels (KDIR=: for another)
	$(Q)guest-driver/linux/build.sh $(O) $(KDIR)

kmod-sparse: ## sparse over the kernel module: byte order, address spaces, locks
	$(Q)guest-driver/linux/build.sh -s $(O) $(KDIR)

# ndk_ping drives the kernel consumer; vrdma_uapi tests the character device
LINUX_TOOLS := $(O)/bin/ndk_ping $(O)/bin/vrdma_uapi
LINUX_TOOL_INCLUDES := -Iguest-driver/linux -Iguest-driver/core -Iqemu-device/include

ndk-tool: $(LINUX_TOOLS)

$(O)/obj/linux/tools/%.o: guest-driver/linux/tools/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_COMMON) $(LINUX_TOOL_INCLUDES) -c -o $@ $<

# static: the guest's image has no libraries of its own; a sanitizer wants them
$(LINUX_TOOLS): $(O)/bin/%: $(O)/obj/linux/tools/%.o
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_COMMON) $(if $(SAN),,-static) -o $@ $^

-include $(LINUX_TOOLS:$(O)/bin/%=$(O)/obj/linux/tools/%.d)

.PHONY: kmod kmod-sparse ndk-tool
