# SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later
# The miniport core: a library for the tests, and the freestanding check

CORE_DIR := guest-driver/core
CORE_SRC := $(wildcard $(CORE_DIR)/*.c)
CORE_OBJ := $(CORE_SRC:$(CORE_DIR)/%.c=$(O)/core/%.o)
CORE_CFLAGS := -I$(CORE_DIR) -Iqemu-device/include

$(O)/core/%.o: $(CORE_DIR)/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_COMMON) $(CORE_CFLAGS) -c -o $@ $<

$(O)/libvrdmacore.a: $(CORE_OBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

-include $(CORE_OBJ:.o=.d)

# Every source alone, with the compiler's own headers only and the one
# replacement in freestanding/: an OS header or a libc call does not compile.
.PHONY: core core-freestanding
core: $(O)/libvrdmacore.a ## the miniport core, as a library for the tests
core-freestanding: ## compile the core with no OS headers, by every compiler here
	$(Q)$(CORE_DIR)/freestanding/check.sh $(O)/core-freestanding
