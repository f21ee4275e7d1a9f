# SPDX-License-Identifier: GPL-2.0-or-later
#
# ndk_test.ko, included by guest-driver/linux/Kbuild: the files of this folder
# and, beside them by links that build.sh makes, those of tests/e2e and tests/lib
# that they run.

obj-m += ndk_test.o

ndk_test-y := $(patsubst $(src)/%.c,%.o,$(wildcard $(src)/ndk_test/*.c))

# Tests are written for user space: declarations where they are needed, a page
# list on the stack
ndk_test_flags := -I$(src)/ndk_test/posix -I$(src)/ndk_test -DLISTENER_QUEUE=32 \
	-Wno-declaration-after-statement -Wframe-larger-than=6144

# main() of test_cq.c is ndk_suite_cq()
$(foreach o,$(ndk_test-y),$(eval CFLAGS_$(o) := $(ndk_test_flags) \
	-Dmain=ndk_suite_$(patsubst ndk_test/test_%.o,%,$(filter ndk_test/test_%,$(o)))))
