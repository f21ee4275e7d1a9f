# SPDX-License-Identifier: GPL-2.0-or-later
#
# vRDMA: `make help` lists what there is.  Each part brings a build.mk of its
# own; this file holds what they share and the targets that span parts.
#
#   O=DIR          where results go (default build)
#   SAN=address    AddressSanitizer and UBSan;  SAN=thread: ThreadSanitizer
#   CC=clang       the other compiler
#   VRDMA_CACHE=   downloads, QEMU, kernels (default ~/.cache/vrdma)
#   V=1            show commands

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

O ?= build
SAN ?=
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
ifeq ($(origin CC),default)
CC := gcc
endif
VRDMA_CACHE ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/vrdma
export VRDMA_CACHE O

WARNINGS := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes \
	-Wvla -Wpointer-arith -Wwrite-strings -Werror
SAN_address := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer
SAN_thread := -fsanitize=thread -fno-omit-frame-pointer
SAN_coverage := --coverage
ifneq ($(SAN),)
SAN_FLAGS := $(or $(SAN_$(SAN)),$(error SAN=$(SAN): use address, thread or coverage))
HARDENING :=
OPT ?= -O1
else
HARDENING := -D_FORTIFY_SOURCE=2 -fstack-protector-strong
OPT ?= -O2
endif
CFLAGS_COMMON = -std=gnu11 $(OPT) -g -D_GNU_SOURCE -pthread -fPIC -MMD -MP \
	$(WARNINGS) $(HARDENING) $(SAN_FLAGS)
LDFLAGS_COMMON = -pthread $(SAN_FLAGS) -Wl,-z,relro,-z,now -fno-lto

# Named by hand, in the order of dependence, so that a missing part is an error.
include qemu-device/model/build.mk
include guest-driver/core/build.mk
include guest-driver/ndspi/build.mk
include guest-driver/linux/build.mk
include guest-driver/windows/build.mk
include tests/build.mk

##@ Build
all: vrdmad core ndspi ndk-tool ## the daemon, the core, the NDSPI library and the tools
deps: ## install the Debian packages that building needs
	$(Q)scripts/setup.sh build
qemu: ## QEMU with the vhost-user-rdma-pci device, once, into the cache
	$(Q)scripts/qemu-build.sh

##@ The two commands
demo: ## install, build, boot two guests, run the main job (DEMO_ARGS=--plain: without libvirt)
	$(Q)scripts/setup.sh build guest
	$(Q)$(MAKE) --no-print-directory all kmod
	$(Q)python3 scripts/demo.py $(DEMO_ARGS)
test: ## install, build, all tests; the last line is "N passed, N failed"
	$(Q)scripts/test.sh

##@ Tests
check: deps ## all tests that need no VM, under two minutes
	$(Q)$(MAKE) --no-print-directory check-run
check-asan: deps ## the same with AddressSanitizer and UBSan
	$(Q)$(MAKE) --no-print-directory check-run O=build-asan SAN=address
check-tsan: deps ## the same with ThreadSanitizer
	$(Q)$(MAKE) --no-print-directory check-run O=build-tsan SAN=thread
check-vm: ## two guests, each kernel
	$(Q)scripts/setup.sh build guest
	$(Q)$(MAKE) --no-print-directory all kmod
	$(Q)python3 tests/vm/run.py
nested: ## a host of our own with an RDMA link: the verbs backend, and other peers
	$(Q)scripts/setup.sh build guest nested
	$(Q)$(MAKE) --no-print-directory all tests kmod
	$(Q)python3 tests/nested/run.py $(NESTED_PARTS)
test-wine: ## Windows guests under Wine: the driver, the provider, nd_ping (WINE_TESTS=)
	$(Q)scripts/setup.sh build windows
	$(Q)$(MAKE) --no-print-directory vrdmad windows-bin
	$(Q)tests/wine/run.py $(WINE_TESTS)
test-wine-linux: ## the same against a Linux guest in a VM
	$(Q)scripts/setup.sh build guest windows
	$(Q)$(MAKE) --no-print-directory all kmod windows-bin
	$(Q)tests/wine/with_linux.py
bench: ## ratios against peers, in one run, without VMs (BENCH_ROUNDS=1: quick)
	$(Q)scripts/setup.sh build bench
	$(Q)$(MAKE) --no-print-directory bench-run
bench-vm: ## two guests beside rxe in the same two (BENCH_ROUNDS=)
	$(Q)scripts/setup.sh build guest bench
	$(Q)$(MAKE) --no-print-directory all kmod
	$(Q)python3 tests/bench/bench_vm.py
coverage: deps ## line coverage of the tests that need no VM
	$(Q)scripts/coverage.sh

##@ Source
lint: ## formatting, clang-tidy, cppcheck, shellcheck, sparse, include borders
	$(Q)scripts/setup.sh build lint
	$(Q)scripts/lint.sh
layers: ## which part may include which
	$(Q)scripts/check-layers.sh
functions: ## docs/functions.md: every function of the headers has its tests
	$(Q)scripts/check-functions.py
format: ## bring the C lines changed since HEAD to .clang-format
	$(Q)git clang-format --force --extensions c,h HEAD -- $(shell git ls-files -m '*.c' '*.h' ':!qemu-device/frontend')
# One line a folder: what clang-tidy must know to compile it
compile-flags:
	@echo "qemu-device/model -std=gnu11 -D_GNU_SOURCE -Iqemu-device/include -Iqemu-device/model -Ihost-backend -isystem $(LIBVHOST_USER) -DVRDMAD_VERSION='\"lint\"'"
	@echo "host-backend/local -std=gnu11 -D_GNU_SOURCE -Iqemu-device/include -Ihost-backend"
	@echo "host-backend/iwarp -std=gnu11 -D_GNU_SOURCE -DIWARP_ISAL -Iqemu-device/include -Ihost-backend"
	@echo "host-backend/verbs -std=gnu11 -D_GNU_SOURCE -Iqemu-device/include -Ihost-backend"
	@echo "guest-driver/core -std=gnu11 -Iqemu-device/include -Iguest-driver/core"
	@echo "guest-driver/ndspi -std=gnu11 -D_GNU_SOURCE $(NDSPI_INC)"
clean: ## remove build*/, leave the cache
	rm -rf build build-*

help: ## this text
	$(Q)awk 'BEGIN { FS = ":.*## "; print "usage: make TARGET [O=DIR] [CC=clang] [SAN=address|thread]" } \
		/^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

windows: ## vrdma.sys, vrdmand.dll and the tools for Windows, checked
	$(Q)scripts/setup.sh windows
	$(Q)$(MAKE) --no-print-directory windows-bin
	$(Q)guest-driver/windows/check.sh $(O)/windows

.PHONY: all deps qemu demo test check check-asan check-tsan check-vm nested bench bench-vm \
	test-wine test-wine-linux windows coverage lint layers functions format clean help compile-flags
