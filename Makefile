# SPDX-License-Identifier: GPL-2.0
# The front door.
#
#   make demo, make check, make proof, make interop, make bench, make matrix, make lint,
#   make run CMD=…, make shell, make vng
#   make bench KDIR=<Rust-enabled kernel build>                     what it costs there
#   make cocci KDIR=<kernel source> DIR=net/smc                      devices used without RCU
#   make KDIR=<Rust-enabled kernel build>                            the module
#
# Everything that kbuild offers for an out-of-tree module works with KDIR:
# modules (the default), modules_install, clean, rust-analyzer, CLIPPY=1, MO=, LLVM=.

KDIR ?= /lib/modules/$(shell uname -r)/build
KBUILD_GOALS := modules modules_install clean rust-analyzer compile_commands.json
LAB_GOALS := demo check proof interop lint matrix shell vng

DIR ?= net/smc

.PHONY: $(KBUILD_GOALS) $(LAB_GOALS) bench run cocci
.DEFAULT_GOAL := modules

# Kbuild itself says what the kernel build lacks (scripts/preflight.mk).
ifeq ($(filter-out $(LAB_GOALS) bench run cocci clean,$(or $(MAKECMDGOALS),modules)),)
else ifeq ($(wildcard $(KDIR)/include/config/auto.conf),)
$(error smcify: no configured kernel build at $(KDIR): give one with KDIR=)
else
include $(KDIR)/include/config/auto.conf
ifdef CONFIG_CC_IS_CLANG
export LLVM ?= 1
endif
endif

$(KBUILD_GOALS):
	@$(MAKE) -C $(KDIR) M=$(CURDIR) $@

$(LAB_GOALS):
	@scripts/cargo lab $@

run:
	@scripts/cargo lab run -- $(CMD)

# A kernel only if one is named.
bench:
	@scripts/cargo lab bench $(if $(filter command environment,$(origin KDIR)),$(KDIR))

cocci:
	@scripts/cargo lab cocci $(KDIR) $(DIR)
