# SPDX-License-Identifier: GPL-2.0-or-later
#
# libFuzzer targets: $(O)/fuzz/iwarp_setup and iwarp_stream, each the backend's
# own files with a model of tests/fuzz around them, under ASan and UBSan.

FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SRC := $(wildcard host-backend/iwarp/*.c) tests/fuzz/fake_model.c
FUZZ_CFLAGS := -std=gnu11 -O1 -g -D_GNU_SOURCE -pthread $(WARNINGS) \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
	-Iqemu-device/include -Ihost-backend -Ihost-backend/iwarp -Itests/fuzz
FUZZ_SECONDS ?= 600

$(O)/fuzz/%: tests/fuzz/fuzz_%.c $(FUZZ_SRC) $(wildcard host-backend/iwarp/*.h) \
		tests/fuzz/fake_model.h host-backend/backend.h
	@mkdir -p $(@D)
	$(Q)clang $(FUZZ_CFLAGS) -o $@ $< $(FUZZ_SRC)

# A crash stays as a file that the target takes as its argument
define run_fuzzer
	@mkdir -p $(O)/fuzz/corpus-$(1)
	$(Q)$(O)/fuzz/$(1) -max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=10 \
		-print_final_stats=1 -artifact_prefix=$(O)/fuzz/$(1)- \
		$(O)/fuzz/corpus-$(1) $(O)/fuzz/seeds/$(1) >$(O)/fuzz/$(1).log 2>&1 || \
		{ tail -40 $(O)/fuzz/$(1).log; exit 1; }
	$(Q)sed -n 's/^stat::number_of_executed_units: */fuzz $(1): executions /p' \
		$(O)/fuzz/$(1).log

endef

fuzz: $(FUZZERS:%=$(O)/fuzz/%) ## each fuzzer for FUZZ_SECONDS (600)
	$(Q)tests/fuzz/seeds.py $(O)/fuzz/seeds
	$(foreach f,$(FUZZERS),$(call run_fuzzer,$(f)))
fuzz-brief: ## the same for seconds, as make test does
	$(Q)$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=10

.PHONY: fuzz fuzz-brief
