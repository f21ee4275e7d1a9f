# SPDX-License-Identifier: GPL-2.0-or-later
#
# Windows binaries, by mingw-w64: the driver, as far as Wine runs it, the NDSPI
# provider, and the nd_* tools.

##@ Guest driver for Windows
WIN_DIR := guest-driver/windows
WIN_CC ?= x86_64-w64-mingw32-gcc
WIN_O = $(O)/windows
WIN_CFLAGS := -std=gnu11 -O2 -g -MMD -MP $(WARNINGS)

# --- two drivers of one source: the core, a process' objects and the WDM half.  vrdma.sys has
# the miniport above and a PCI function below; wine/vrdma.sys has the bottom that Wine runs,
# and is not for Windows: it makes system calls of Linux. ---
WIN_DDK ?= /usr/share/mingw-w64/include/ddk
WIN_SYS_INC := -Iguest-driver/core -Iguest-driver/user -I$(WIN_DIR) \
	-I$(WIN_DIR)/compat -I$(WIN_DIR)/ndis -I$(WIN_DIR)/pci -Iguest-driver/linux \
	-Iqemu-device/include -I$(WIN_DDK)
WIN_BOTH_SRC := $(wildcard guest-driver/core/*.c guest-driver/user/*.c \
	$(WIN_DIR)/*.c $(WIN_DIR)/compat/*.c)
WIN_BOTH_OBJ = $(WIN_BOTH_SRC:%.c=$(WIN_O)/sys/%.o)
WIN_WINE_OBJ = $(WIN_BOTH_OBJ) \
	$(patsubst %.c,$(WIN_O)/sys/%.o,$(wildcard $(WIN_DIR)/wine/*.c))
WIN_SYS_OBJ = $(WIN_BOTH_OBJ) $(WIN_O)/sys/$(WIN_DIR)/sys/seh.o \
	$(patsubst %.c,$(WIN_O)/sys/%.o,$(wildcard $(WIN_DIR)/ndis/*.c \
	$(WIN_DIR)/pci/*.c $(WIN_DIR)/sys/*.c))

# shared with Linux, whose kernel is built without this warning
$(O)/windows/sys/guest-driver/user/%.o: WIN_CFLAGS += -Wno-unused-parameter

$(O)/windows/sys/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(WIN_CC) $(WIN_CFLAGS) -ffreestanding -fno-stack-protector -mno-red-zone \
		$(WIN_SYS_INC) -c -o $@ $<

$(O)/windows/sys/%.o: %.S
	@mkdir -p $(@D)
	$(Q)$(WIN_CC) -c -o $@ $<

# No -shared, or the entry would be taken for a DllMain.  Stripped: a driver's sections stay
# in memory
WIN_SYS_LD = $(WIN_CC) -nostdlib -s -Wl,--subsystem,native -Wl,--entry,DriverEntry \
	-Wl,--image-base,0x140000000 -Wl,--dynamicbase -Wl,--nxcompat \
	-Wl,--major-subsystem-version,6 -Wl,--minor-subsystem-version,2
$(O)/windows/wine/vrdma.sys: $(WIN_WINE_OBJ)
	@mkdir -p $(@D)
	$(Q)$(WIN_SYS_LD) -o $@ $^ -lntoskrnl -lhal
$(O)/windows/vrdma.sys: $(WIN_SYS_OBJ)
	$(Q)$(WIN_SYS_LD) -o $@ $^ -lndis -lntoskrnl -lhal

# --- vrdmand.dll: the NDSPI library, with its ends for Windows ---
# The version: where its DLLs have what is used here, Windows 8 and Server 2012
WIN_USER_INC := -D_WIN32_WINNT=0x0602 -D__USE_MINGW_ANSI_STDIO=1 \
	-I$(WIN_DIR)/dll/compat -I$(WIN_DIR)/compat -I$(WIN_DIR)/dll -I$(WIN_DIR) \
	-I$(WIN_DIR)/wine -I$(WIN_DIR)/tools -I$(NDSPI_DIR) -Iguest-driver/core -Iguest-driver/linux \
	-Iqemu-device/include
WIN_NOT_NDSPI := $(patsubst %,$(NDSPI_DIR)/%.c,file overlapped sys cq_notify)
WIN_DLL_SRC := $(filter-out $(WIN_NOT_NDSPI),$(NDSPI_SRC)) \
	$(wildcard $(WIN_DIR)/dll/*.c)
WIN_DLL_OBJ = $(WIN_DLL_SRC:%.c=$(WIN_O)/user/%.o)

$(O)/windows/user/%.o: %.c
	@mkdir -p $(@D)
	$(Q)$(WIN_CC) $(WIN_CFLAGS) $(WIN_USER_INC) -c -o $@ $<

$(O)/windows/vrdmand.dll: $(WIN_DLL_OBJ) $(WIN_DIR)/dll/provider.def
	$(Q)$(WIN_CC) -shared -static-libgcc -o $@ $^ -lntdll -luuid -lws2_32 \
		-Wl,--out-implib,$(O)/windows/libvrdmand.dll.a

# --- tools: the Linux ones' source, with the DLL ---
WIN_TOOL_LIB := $(ND_PING_SRC) $(ND_TOOLS_DIR)/tool.c $(NDSPI_DIR)/iid.c \
	$(WIN_DIR)/tools/tool_windows.c
WIN_TOOL_OBJ = $(WIN_TOOL_LIB:%.c=$(WIN_O)/user/%.o)
$(O)/windows/nd_info.exe $(O)/windows/nd_ping.exe: $(O)/windows/%.exe: \
		$(O)/windows/user/$(ND_TOOLS_DIR)/%.o $(WIN_TOOL_OBJ) \
		$(O)/windows/vrdmand.dll
	$(Q)$(WIN_CC) -static-libgcc -o $@ $(filter %.o,$^) \
		$(O)/windows/libvrdmand.dll.a -luuid -lws2_32

$(O)/windows/nd_install.exe: $(O)/windows/user/$(WIN_DIR)/tools/nd_install.o
	$(Q)$(WIN_CC) -static-libgcc -o $@ $^ -lws2_32

# --- tests that tests/wine/run.py runs ---
$(O)/windows/user/tests/%.o: WIN_USER_INC += -I$(ND_TOOLS_DIR)
WIN_NDTEST_OBJ = $(O)/windows/user/$(ND_TOOLS_DIR)/tool.o $(O)/windows/user/$(NDSPI_DIR)/iid.o \
		$(O)/windows/user/$(WIN_DIR)/tools/tool_windows.o
$(O)/windows/wine/nd_conform.exe: $(O)/windows/user/tests/guest/nd_conform.o
$(O)/windows/wine/nd_irp.exe: $(O)/windows/user/tests/wine/nd_irp.o
$(O)/windows/wine/nd_conform.exe $(O)/windows/wine/nd_irp.exe: $(WIN_NDTEST_OBJ) \
		$(O)/windows/vrdmand.dll
	@mkdir -p $(@D)
	$(Q)$(WIN_CC) -static-libgcc -o $@ $(filter %.o,$^) \
		$(O)/windows/libvrdmand.dll.a -luuid -lws2_32

$(O)/windows/wine/nd_wrong.exe: $(O)/windows/user/tests/wine/nd_wrong.o
	@mkdir -p $(@D)
	$(Q)$(WIN_CC) -static-libgcc -o $@ $^ -lntdll

# the driver's own object, with a program's exceptions
$(O)/windows/wine/nd_seh.exe: $(O)/windows/user/tests/wine/nd_seh.o \
		$(O)/windows/sys/$(WIN_DIR)/sys/seh.o
	@mkdir -p $(@D)
	$(Q)$(WIN_CC) -static-libgcc -o $@ $^

$(O)/windows/wine/vrdma_load.exe: $(O)/windows/user/$(WIN_DIR)/wine/tools/vrdma_load.o
	@mkdir -p $(@D)
	$(Q)$(WIN_CC) -static-libgcc -o $@ $^ -ladvapi32

$(O)/windows/vrdma.inf: $(WIN_DIR)/vrdma.inf
	@mkdir -p $(@D)
	$(Q)cp $< $@

WINDOWS := $(addprefix $(O)/windows/,vrdma.sys vrdma.inf vrdmand.dll nd_info.exe nd_ping.exe \
	nd_install.exe \
	wine/vrdma.sys wine/vrdma_load.exe \
	$(addprefix wine/,nd_conform.exe nd_irp.exe nd_wrong.exe nd_seh.exe))

windows-bin: $(WINDOWS)

-include $(WIN_SYS_OBJ:.o=.d) $(WIN_WINE_OBJ:.o=.d) $(WIN_DLL_OBJ:.o=.d) $(WIN_TOOL_OBJ:.o=.d)

.PHONY: windows-bin
