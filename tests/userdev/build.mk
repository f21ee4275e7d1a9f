# SPDX-License-Identifier: GPL-2.0-or-later
#
# /dev/vrdmaN inside of a process: the module's files that serve processes, and
# guest-driver/user, compiled with tests/userdev/kernel.h in the place of Linux'
# headers; and programs on it.  Those of NDSPI are the objects that a guest's image has
# (tests/guest), or that run over the fake (tests/unit).

UD_DIR := tests/userdev
UD_O = $(O)/tests/userdev
UD_HEADERS := $(addprefix $(O)/tests/userdev/linux/,completion.h fs.h kref.h llist.h log2.h \
	miscdevice.h mm.h module.h mutex.h poll.h sched/mm.h sched/signal.h slab.h \
	spinlock.h uaccess.h version.h virtio.h virtio_config.h vmalloc.h wait.h \
	workqueue.h xarray.h)
UD_KERNEL_SRC := $(wildcard guest-driver/user/*.c) \
	$(addprefix guest-driver/linux/,cdev.c request.c pin.c) \
	guest-driver/windows/compat/xarray.c
UD_KERNEL_OBJ = $(UD_KERNEL_SRC:%.c=$(O)/tests/userdev/%.o)
UD_OBJ = $(UD_KERNEL_OBJ) $(patsubst %,$(UD_O)/%.o,kernel pages device)
UD_INC := -I$(O)/tests/userdev -I$(UD_DIR) -Iguest-driver/user

$(UD_HEADERS):
	@mkdir -p $(@D)
	$(Q)echo '#include "kernel.h"' >$@

# as the kernel is built, without these
$(UD_KERNEL_OBJ): $(O)/tests/userdev/%.o: %.c | $(UD_HEADERS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_COMMON) -O1 -Wno-unused-parameter -Wno-sign-compare \
		$(UD_INC) $(TEST_INC) -c -o $@ $<
$(patsubst %,$(UD_O)/%.o,kernel pages device): $(UD_O)/%.o: $(UD_DIR)/%.c | $(UD_HEADERS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) $(UD_INC) -c -o $@ $<

# NDSPI's suites, one object each for the guest and for this
UD_PAIRS := $(addprefix $(UD_O)/test_nd_,memory queues connector)
UD_ND := $(UD_PAIRS) $(addprefix $(UD_O)/test_nd_,surface ping conform info)
$(UD_O)/test_nd_memory: $(O)/tests/guest/test_nd_memory.o
$(UD_O)/test_nd_queues: $(O)/tests/guest/test_nd_queues.o
$(UD_O)/test_nd_connector: $(O)/tests/unit/test_ndspi_connector.o
$(UD_O)/test_nd_surface: $(O)/tests/unit/test_ndspi_surface.o
$(UD_O)/test_nd_ping: $(O)/tests/unit/test_ndspi_ping.o
$(UD_O)/test_nd_ping: $(O)/libndping.a
$(UD_O)/test_nd_conform $(UD_O)/test_nd_info: $(UD_O)/%: $(UD_O)/%.o \
		$(O)/$(ND_TOOLS_DIR)/tool.o
$(UD_O)/test_nd_conform.o $(UD_O)/test_nd_info.o $(UD_O)/nd_userdev.o: \
	TEST_INC += -Itests/unit -I$(ND_TOOLS_DIR)
$(UD_ND): $(UD_O)/nd_userdev.o $(O)/tests/guest/nd_unfaked.o

# A program of system calls, which are made here
$(UD_O)/vrdma_uapi.o: guest-driver/linux/tools/vrdma_uapi.c $(UD_DIR)/calls.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) -I$(UD_DIR) -include $(UD_DIR)/calls.h \
		-Dmain=vrdma_uapi_main -Wno-missing-prototypes -c -o $@ $<
UD_UAPI := $(addprefix $(UD_O)/test_,uapi death)
$(UD_UAPI): %: %.o
$(UD_UAPI:=.o): TEST_INC += -I$(UD_DIR)
$(UD_O)/test_uapi: $(UD_O)/vrdma_uapi.o

USERDEV := $(UD_ND) $(UD_UAPI)
$(USERDEV): $(UD_OBJ) $(TEST_LIB_OBJ) $(O)/libndspi.a $(O)/libvrdmacore.a
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(CHECK_LIBS)

userdev: $(USERDEV) vrdmad ## NDSPI and ioctls on a device file in the test's process
	$(Q)tests/run.py $(RUN_ARGS) $(foreach b,$(filter-out local,$(BACKENDS)),\
		$(UD_PAIRS:%=%@$(b))) $(USERDEV)

.PHONY: userdev
