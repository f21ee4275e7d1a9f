# SPDX-License-Identifier: GPL-2.0-or-later
#
# Windows binaries, by mingw-w64: the driver, as far as Wine runs it, the NDSPI
# provider, and the nd_* tools.

##@ Guest driver for Windows
WIN_DIR := guest-driver/windows
WIN_CC ?= x86_64-w64-mingw32-gcc
WIN_O = $(O)/windows
WIN_CFLAGS := -std=gnu11 -O2 -g -MMD -MP $(WARNINGS)

# --- vrdma.sys: the core, a process' objects, and the shell ---
WIN_DDK ?= /usr/share/mingw-w64/include/ddk
WIN_SYS_INC := -I$(WIN_DDK) -Iguest-driver/core -Iguest-driver/user -I$(WIN_DIR) \
	-I$(WIN_DIR)/compat -Iguest-driver/linux -Iqemu-device/include
WIN_SYS_SRC := $(wildcard guest-driver/core/*.c guest-driver/user/*.c \
	$(WIN_DIR)/*.c $(WIN_DIR)/compat/*.c $(WIN_DIR)/wine/*.c)
WIN_SYS_OBJ = $(WIN_SYS_SRC:%.c=$(WIN_O)/sys/%.o)

# shared with Linux, whose kernel is built without this warning
$(O)/windows/sys/guest-driver/user/%.o: WIN_CFLAGS += -Wno-unused-parameter

$(O)/windows/sys/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(WIN_CC) $(WIN_CFLAGS) -ffreestanding -fno-stack-protector -mno-red-zone \
		-fno-unwind-tables -fno-asynchronous-unwind-tables \
		$(WIN_SYS_INC) -c -o $@ $<

# No -shared, or the entry would be taken for a DllMain
$(O)/windows/vrdma.sys: $(WIN_SYS_OBJ)
	$(Q)$(WIN_CC) -nostdlib -Wl,--subsystem,native -Wl,--entry,DriverEntry \
		-Wl,--image-base,0x140000000 -Wl,--dynamicbase -o $@ $^ \
		-lntoskrnl -lhal

WINDOWS := $(O)/windows/vrdma.sys

windows-bin: $(WINDOWS)

-include $(WIN_SYS_OBJ:.o=.d)

.PHONY: windows-bin
