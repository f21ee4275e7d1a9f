# SPDX-License-Identifier: GPL-2.0-or-later
#
# Tests without a VM.  tests/unit: one piece each, linked with the library its
# name tells: test_core_* the guest core, test_ndspi_* the NDSPI library, others
# the device model.  tests/e2e: the real core against the real vrdmad.
# tests/conformance: the disconnect scheme, rule by rule, likewise.
# tests/hostile: wrong things said to the real vrdmad.  tests/userdev: NDSPI, and system
# calls, on a device file in the test's own process.  tests/scripts: what of
# scripts/ is for operators, in Python.  tests/wire: what another program reads on our
# wire.  tests/nested: with a real RDMA device; the reader of captures is tested here.
# Each file is a program.

CHECK_LIBS = $(shell pkg-config --libs check)
CHECK_CFLAGS = $(shell pkg-config --cflags check)

TEST_INC := -Iqemu-device/include -Ihost-backend -Ihost-backend/local \
	-Ihost-backend/iwarp \
	-Iqemu-device/model -Iguest-driver/core -Iguest-driver/ndspi \
	-Iguest-driver/linux -Itests/lib
TEST_CFLAGS = $(CFLAGS_COMMON) -O1 $(TEST_INC) $(CHECK_CFLAGS)

TEST_LIB_SRC := $(wildcard tests/lib/*.c)
TEST_LIB_OBJ = $(TEST_LIB_SRC:%.c=$(O)/%.o)

# They count the work of code that is compiled for it
WORK_CORE := $(O)/tests/unit/test_core_work
WORK_DATA := $(O)/tests/unit/test_data_work
UNIT_WORK := $(WORK_CORE) $(WORK_DATA)
UNIT_CORE := $(filter-out $(UNIT_WORK),\
	$(patsubst %.c,$(O)/%,$(wildcard tests/unit/test_core_*.c)))
UNIT_NDSPI := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/test_ndspi_*.c))
UNIT_VERBS := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/test_verbs_*.c))
UNIT_MODEL := $(filter-out $(UNIT_CORE) $(UNIT_NDSPI) $(UNIT_VERBS) $(UNIT_WORK),\
	$(patsubst %.c,$(O)/%,$(wildcard tests/unit/test_*.c)))
E2E := $(patsubst %.c,$(O)/%,$(wildcard tests/e2e/test_*.c))
CONFORMANCE := $(patsubst %.c,$(O)/%,$(wildcard tests/conformance/test_*.c))
HOSTILE := $(patsubst %.c,$(O)/%,$(wildcard tests/hostile/test_*.c))
SCRIPT_TESTS := $(wildcard tests/scripts/test_*.py tests/nested/test_*.py \
	tests/model/test_*.py)
WIRE_TESTS := $(wildcard tests/wire/test_*.py)
IN_NET := $(O)/tests/wire/in_net
SOAK := $(O)/tests/soak/soak
SLEEP := $(O)/tests/soak/sleep
COUNTS := $(O)/tests/bench/counts
# The Windows driver, compiled here, with stand-ins for NDIS, for NT's kernel and for the PCI
# function: its miniport alone, and the whole
NDIS := $(patsubst %.c,$(O)/%,$(wildcard tests/ndis/test_*.c))
NDIS_WHOLE := $(O)/tests/ndis/test_driver
NDIS_OBJ := $(patsubst %.c,$(O)/tests/obj/%.o,$(wildcard guest-driver/windows/ndis/*.c \
	guest-driver/windows/pci/*.c))
WHOLE_OBJ := $(NDIS_OBJ) $(patsubst %.c,$(O)/tests/obj/%.o,\
	$(wildcard guest-driver/user/*.c guest-driver/windows/*.c \
	guest-driver/windows/compat/*.c guest-driver/windows/sys/*.c))
NT_OBJ := $(addprefix $(O)/tests/ndis/,nt.o nt_io.o pcidev.o)
TEST_PROGRAMS = $(UNIT_MODEL) $(UNIT_CORE) $(UNIT_NDSPI) $(UNIT_VERBS) \
	$(UNIT_WORK) $(E2E) $(CONFORMANCE) $(HOSTILE) $(USERDEV) $(NDIS) \
	$(SCRIPT_TESTS) $(SOAK) $(SLEEP)

$(O)/tests/%.o: tests/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(TEST_CFLAGS) -c -o $@ $<

$(UNIT_MODEL) $(SLEEP) $(COUNTS): %: %.o $(O)/libvrdmad.a
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ $(VRDMAD_LIBS) $(CHECK_LIBS)
$(UNIT_CORE): %: %.o $(O)/libvrdmacore.a
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ $(CHECK_LIBS)
TRACED_CORE = $(CORE_SRC:%.c=$(O)/traced/%.o)
TRACED_MODEL = $(patsubst %.c,$(O)/traced/%.o,\
	$(filter $(VRDMAD_DIR)/%,$(VRDMAD_SRC)))
$(O)/traced/guest-driver/core/%.o: guest-driver/core/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_COMMON) $(CORE_CFLAGS) -fsanitize-coverage=trace-pc \
		-c -o $@ $<
$(O)/traced/$(VRDMAD_DIR)/%.o: $(VRDMAD_DIR)/%.c $(LIBVHOST_USER)/version
	@mkdir -p $(@D)
	$(Q)$(CC) $(VRDMAD_CFLAGS) -fsanitize-coverage=trace-pc -c -o $@ $<
$(O)/traced/libmodel.a: $(TRACED_MODEL)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^
$(WORK_CORE): %: %.o $(TRACED_CORE)
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ $(CHECK_LIBS)
$(WORK_DATA): %: %.o $(O)/traced/libmodel.a $(O)/libvrdmad.a
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ $(VRDMAD_LIBS) $(CHECK_LIBS)
UNIT_NDSPI_LIB := $(patsubst %.c,$(O)/%.o,$(wildcard tests/unit/nd_fake*.c))
$(UNIT_NDSPI): %: %.o $(UNIT_NDSPI_LIB) $(O)/libndping.a $(O)/libndspi.a
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ $(CHECK_LIBS)
# The backend alone: what it calls of the two libraries, and what of the C
# library a test may want to fail, is the fake's
UNIT_VERBS_OBJ := $(patsubst %.c,$(O)/%.o,$(wildcard tests/unit/verbs_*.c \
	host-backend/verbs/*.c))
UNIT_VERBS_WRAP := $(foreach f,calloc mmap eventfd epoll_create1 epoll_ctl \
	fcntl pthread_create sem_wait,-Wl,--wrap=$(f))
$(UNIT_VERBS): %: %.o $(UNIT_VERBS_OBJ)
	$(Q)$(CC) $(LDFLAGS_COMMON) $(UNIT_VERBS_WRAP) -o $@ $^ $(CHECK_LIBS)
$(E2E) $(CONFORMANCE) $(HOSTILE) $(SOAK): %: %.o $(TEST_LIB_OBJ) $(O)/libvrdmacore.a
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ $(CHECK_LIBS)
# As the driver sees it: its own headers by Linux' names before the system's
NDIS_INC := -Itests/ndis/nt -Iguest-driver/windows/ndis -Iguest-driver/windows/pci
WHOLE_INC := $(NDIS_INC) -Iguest-driver/windows -Iguest-driver/windows/compat \
	-Iguest-driver/core -Iguest-driver/user -Iguest-driver/linux -Iqemu-device/include
$(O)/tests/obj/guest-driver/%.o: guest-driver/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_COMMON) $(WHOLE_INC) -c -o $@ $<
$(O)/tests/obj/guest-driver/user/%.o: CFLAGS_COMMON += -Wno-unused-parameter
$(O)/tests/ndis/%.o: TEST_INC += $(NDIS_INC)
$(NDIS_WHOLE).o: TEST_INC := $(WHOLE_INC) $(TEST_INC)
$(filter-out $(NDIS_WHOLE),$(NDIS)): %: %.o $(O)/tests/ndis/standin.o \
		$(O)/tests/ndis/standin_guest.o $(NDIS_OBJ) $(TEST_LIB_OBJ) \
		$(O)/libvrdmacore.a
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ $(CHECK_LIBS)
$(NDIS_WHOLE): %: %.o $(O)/tests/ndis/standin.o $(NT_OBJ) $(WHOLE_OBJ) $(TEST_LIB_OBJ) \
		$(O)/libvrdmacore.a
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ $(CHECK_LIBS)

$(IN_NET): %: %.o $(O)/tests/lib/netns.o
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^

# Programs that take figures, of ours and of peers; the scripts beside them run them.
# -O2, as vrdmad is: some of them are the half of a ring.
BENCH_PARTS := $(foreach p,local workers bare cacheline guests tcp fabric,$(O)/tests/bench/$(p))
$(patsubst %.c,$(O)/%.o,$(wildcard tests/bench/*.c)): TEST_CFLAGS += -O2
$(O)/tests/bench/local: $(patsubst %.c,$(O)/%.o,$(wildcard tests/bench/local_*.c))
$(O)/tests/bench/fabric: BENCH_LIBS := -lfabric
$(BENCH_PARTS): %: %.o $(O)/tests/bench/measure.o $(TEST_LIB_OBJ) \
		$(O)/libvrdmacore.a
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ $(CHECK_LIBS) $(BENCH_LIBS)

# What the scenarios of tests/nested drive: one side that is ours, one that is not;
# our end point against a peer that is not; and what its last part measures
FOREIGN := $(O)/tests/nested/test_foreign \
	$(patsubst %.c,$(O)/%,$(wildcard tests/nested/test_siw*.c))
FOREIGN_LIB := $(patsubst %.c,$(O)/%.o,$(wildcard tests/nested/foreign*.c))
NESTED_NDK := $(addprefix $(O)/tests/nested/,test_device verbs_bench)
NESTED := $(O)/tests/nested/side $(O)/tests/nested/plain \
	$(FOREIGN) $(O)/tests/nested/peer $(NESTED_NDK)
$(NESTED_NDK): %: %.o $(TEST_LIB_OBJ) $(O)/libvrdmacore.a
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ $(CHECK_LIBS)
$(O)/tests/nested/side: $(O)/tests/nested/side.o $(O)/tests/nested/talk.o \
		$(TEST_LIB_OBJ) $(O)/libvrdmacore.a
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ $(CHECK_LIBS)
$(O)/tests/nested/plain: $(O)/tests/nested/plain.o $(O)/tests/nested/talk.o
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ -lrdmacm -libverbs
$(O)/tests/nested/peer: $(O)/tests/nested/peer.o
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ -lrdmacm -libverbs
$(FOREIGN): %: %.o $(FOREIGN_LIB) $(TEST_LIB_OBJ) $(O)/libvrdmacore.a
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $^ $(CHECK_LIBS)

# The scheme through NDSPI, for the guest image: make check-vm runs it there
ND_CONFORM := $(O)/bin/nd_conform
$(O)/tests/guest/nd_conform.o: TEST_INC += -I$(ND_TOOLS_DIR)
$(ND_CONFORM): $(O)/tests/guest/nd_conform.o \
		$(O)/$(ND_TOOLS_DIR)/tool.o $(O)/libndspi.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_COMMON) $(ND_STATIC) -o $@ $^
all: $(ND_CONFORM)

# NDSPI's objects on a guest's device: programs of its own, and of tests/unit those
# that can do without the fake
ND_GUEST := $(addprefix $(O)/bin/nd_test_,memory queues connector surface)
$(O)/bin/nd_test_memory: $(O)/tests/guest/test_nd_memory.o
$(O)/bin/nd_test_queues: $(O)/tests/guest/test_nd_queues.o
$(O)/bin/nd_test_connector: $(O)/tests/unit/test_ndspi_connector.o
$(O)/bin/nd_test_surface: $(O)/tests/unit/test_ndspi_surface.o
$(O)/tests/guest/%.o: TEST_INC += -Itests/unit
$(ND_GUEST): $(O)/tests/guest/nd_real.o $(O)/tests/guest/nd_unfaked.o $(O)/libndspi.a
	@mkdir -p $(@D)
	$(Q)$(CC) $(LDFLAGS_COMMON) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(CHECK_LIBS)
all: $(ND_GUEST)

include tests/userdev/build.mk

tests: $(TEST_PROGRAMS) $(IN_NET) $(NESTED) vrdmad ndspi explorer $(COUNTS) $(filter-out %/fabric,$(BENCH_PARTS))
unit: $(UNIT_MODEL) $(UNIT_CORE) $(UNIT_NDSPI) $(UNIT_VERBS) $(UNIT_WORK)
	$(Q)tests/run.py $(RUN_ARGS) $^
e2e: $(E2E) vrdmad
	$(Q)tests/run.py $(RUN_ARGS) $(foreach b,$(BACKENDS),$(E2E:%=%@$(b)))
# What joins two guests: each runs the same tests
BACKENDS ?= local iwarp
conformance: $(CONFORMANCE) vrdmad ## the disconnect scheme over each of BACKENDS
	$(Q)tests/run.py $(RUN_ARGS) $(foreach b,$(BACKENDS),$(CONFORMANCE:%=%@$(b)))
hostile: $(HOSTILE) vrdmad ndspi
	$(Q)tests/run.py $(RUN_ARGS) $(HOSTILE)
ndis: $(NDIS) vrdmad ## the Windows miniport in NDIS' orders and those of failure
	$(Q)tests/run.py $(RUN_ARGS) $(NDIS)
script-tests: $(SCRIPT_TESTS) vrdmad
	$(Q)tests/run.py $(RUN_ARGS) $(SCRIPT_TESTS)
wire: $(WIRE_TESTS) $(IN_NET) $(E2E) $(CONFORMANCE) vrdmad ## what tshark reads on our wire
	$(Q)tests/run.py $(RUN_ARGS) $(WIRE_TESTS)
SOAK_CYCLES ?= 1000000
soak: $(SOAK) vrdmad ## a million connections, kills and resets (SOAK_CYCLES=)
	$(Q)VRDMAD=$(O)/bin/vrdmad $(SOAK) -n $(SOAK_CYCLES)
SLEEPS ?= 100000000
stress-sleep: $(SLEEP) ## a hundred million sleeps of either side, no wake-up lost (SLEEPS=)
	$(Q)$(SLEEP) -n $(SLEEPS) -j 32
# How many objects there may be is no matter of the transport
IWARP_E2E := $(filter-out %/test_scale,$(E2E))
check-run: tests
	$(Q)tests/run.py $(RUN_ARGS) $(TEST_PROGRAMS) \
		$(IWARP_E2E:%=%@iwarp) $(CONFORMANCE:%=%@iwarp) $(UD_PAIRS:%=%@iwarp)
check-workers: $(E2E) $(CONFORMANCE) $(HOSTILE) vrdmad ndspi ## what starts vrdmad, with two workers
	$(Q)tests/run.py $(RUN_ARGS) $(foreach t,$(CONFORMANCE) $(HOSTILE) \
		$(E2E) $(IWARP_E2E:%=%@iwarp) $(CONFORMANCE:%=%@iwarp),$(t)@workers=2)
bench-run: $(BENCH_PARTS) $(COUNTS) vrdmad
	$(Q)VRDMAD=$(O)/bin/vrdmad tests/bench/bench_local.py
	$(Q)VRDMAD=$(O)/bin/vrdmad tests/bench/bench_iwarp.py

include tests/explorer/build.mk
include tests/fuzz/build.mk

-include $(shell find $(O)/tests $(O)/traced -name '*.d' 2>/dev/null)
.PHONY: tests unit e2e conformance hostile ndis script-tests wire soak stress-sleep check-run check-workers bench-run
.SECONDARY:
