# SPDX-License-Identifier: GPL-2.0
# What a kernel build must have before smcify can be built against it. What it lacks is said, a
# line each with what to do about it, before anything is compiled. Read by Kbuild, so that it holds
# for whoever calls that: `make KDIR=…` here, `make -C KDIR M=…`, DKMS, akmods.

needs := RUST SMC CGROUPS NET_NS CONFIGFS_FS DYNAMIC_FTRACE DYNAMIC_FTRACE_WITH_ARGS FPROBE KPROBES
lacks = $(strip $(foreach option,$(needs),$(if $(CONFIG_$(option)),,CONFIG_$(option))))
quoted = $(patsubst "%",%,$(1))

wrong :=
say = $(info smcify: $(1))$(eval wrong := y)

ifneq ($(shell test $$(($(VERSION) * 1000 + $(PATCHLEVEL))) -ge 6016 || echo n),)
$(call say,this is Linux $(VERSION).$(PATCHLEVEL): it takes 6.16 or later)
endif
ifneq ($(lacks),)
$(call say,the kernel lacks $(lacks): take one that has them or configure and build it with them)
endif

ifdef CONFIG_RUST
metadata := rust/libcore.rmeta rust/libkernel.rmeta rust/libmacros.so
absent := $(strip $(foreach file,$(metadata),$(if $(wildcard $(objtree)/$(file)),,$(file))))
ifneq ($(absent),)
$(call say,no $(absent) in $(abspath $(objtree)): install what your distribution ships with its \
headers for Rust (Ubuntu: linux-lib-rust-*) or build the kernel yourself (Debian ships nothing))
endif

wanted := $(call quoted,$(CONFIG_RUSTC_VERSION_TEXT))
found := $(shell $(RUSTC) --version 2>/dev/null)
ifeq ($(found),)
$(call say,no $(RUSTC): install $(wanted) which built the kernel)
else ifneq ($(found),$(wanted))
$(call say,the kernel was built by $(wanted) and $(RUSTC) is $(found): install the former and \
name it by RUSTC=)
else ifneq ($(shell test $(CONFIG_RUSTC_VERSION) -ge 108200 || echo n),)
$(call say,the kernel was built by $(wanted): it takes one that was built by rustc 1.82 or later)
endif

ifeq ($(shell $(BINDGEN) --version 2>/dev/null),)
$(call say,no $(BINDGEN): install it (Debian and Ubuntu: bindgen or bindgen-0.71; Fedora and Arch: \
rust-bindgen) or name it by BINDGEN=)
endif
endif

compiler := $(shell $(CC) --version 2>/dev/null)
ifeq ($(compiler),)
$(call say,no $(CC): install $(call quoted,$(CONFIG_CC_VERSION_TEXT)) or one like it)
else ifeq ($(CONFIG_CC_IS_CLANG)$(findstring clang,$(compiler)),y)
$(call say,the kernel was built by clang and $(CC) is none: say LLVM=1)
endif

ifneq ($(wrong),)
$(error smcify cannot be built against $(abspath $(objtree)))
endif
