# SPDX-License-Identifier: GPL-2.0-or-later
# The NDSPI library, static and shared, and the nd_* tools, static for the
# guest image.

NDSPI_DIR := guest-driver/ndspi
NDSPI_SRC := $(wildcard $(NDSPI_DIR)/*.c)
NDSPI_OBJ := $(NDSPI_SRC:%.c=$(O)/%.o)
NDSPI_INC := -I$(NDSPI_DIR) -Iguest-driver/core -Iguest-driver/linux \
	-Iqemu-device/include
NDSPI_LIBS := $(O)/libndspi.a $(O)/libndspi.so

ND_TOOLS_DIR := $(NDSPI_DIR)/tools
ND_PING_SRC := $(wildcard $(ND_TOOLS_DIR)/ping_*.c)
ND_TOOL_SRC := $(wildcard $(ND_TOOLS_DIR)/*.c)
ND_TOOLS := $(O)/bin/nd_info $(O)/bin/nd_ping
# sanitizer run times do not link statically
ND_STATIC := $(if $(SAN),,-static)

ndspi: $(NDSPI_LIBS) $(ND_TOOLS)

$(O)/$(NDSPI_DIR)/%.o: $(NDSPI_DIR)/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_COMMON) $(NDSPI_INC) -c -o $@ $<

$(O)/libndspi.a: $(NDSPI_OBJ)
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(O)/libndspi.so: $(NDSPI_OBJ) $(NDSPI_DIR)/libndspi.map
	$(Q)$(CC) -shared $(LDFLAGS_COMMON) -Wl,-soname,libndspi.so \
		-Wl,--version-script=$(NDSPI_DIR)/libndspi.map -o $@ $(NDSPI_OBJ)

# nd_ping without its main(), which a test replaces
$(O)/libndping.a: $(ND_PING_SRC:%.c=$(O)/%.o) $(O)/$(ND_TOOLS_DIR)/tool.o
	$(Q)rm -f $@
	$(Q)$(AR) rcs $@ $^

$(O)/bin/nd_ping: $(O)/$(ND_TOOLS_DIR)/nd_ping.o $(O)/libndping.a $(O)/libndspi.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_COMMON) $(ND_STATIC) -o $@ $^

$(O)/bin/nd_info: $(O)/$(ND_TOOLS_DIR)/nd_info.o $(O)/$(ND_TOOLS_DIR)/tool.o \
		$(O)/libndspi.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_COMMON) $(ND_STATIC) -o $@ $^

-include $(NDSPI_OBJ:.o=.d) $(ND_TOOL_SRC:%.c=$(O)/%.d)

.PHONY: ndspi
