# One non-recursive build. `make help` lists the targets; `make V=1` shows the commands.
#
# The same C builds three times: hosted (the command), freestanding (the image)
# and hosted under ASan and UBSan (the tests). Folders decide what goes where.

BUILD   ?= build
PREFIX  ?= /usr/local
CC      := gcc
CLANG   ?= clang-14
VERSION := 0.1.0

ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif

# $(call say,CC,what) in front of a command shows those words instead of it.
ifneq ($(V),1)
say = @printf '  %-5s %s\n' '$(1)' '$(2)';
endif

WARNINGS := -Wall -Wextra -Wshadow -Wundef -Wmissing-prototypes -Wstrict-prototypes -Wvla -Werror
COMMON   := -std=gnu11 -O2 -g -I. -msse4.2 -MMD -MP $(WARNINGS) -DHINDVISOR_VERSION='"$(VERSION)"'
LIBS     := -lzstd -lcapstone -lxxhash -lcrypto -lsqlite3 -lutil -lm

# Both worlds: the guest machine, VT-x above the processor seam, the gate's answers.
SHARED := $(wildcard core/*.c core/*/*.c vmx/*.c replay/*.c)
# The command only.
HOSTED := $(shell find trace analysis vmx/carriers vmx/software replay/commands -name '*.c' -not -path 'trace/lttng/*')
# The image only.
IMAGE_C := $(wildcard vmx/hardware/*.c vmx/image/*.c)
IMAGE_S := $(wildcard vmx/hardware/*.S vmx/image/*.S)

objects = $(patsubst %,$(BUILD)/$(1)/%.o,$(basename $(2)))

HOSTED_OBJECTS    := $(call objects,hosted,$(SHARED) $(HOSTED))
SANITIZED_OBJECTS := $(call objects,sanitized,$(SHARED) $(HOSTED))
IMAGE_OBJECTS     := $(call objects,image,$(SHARED) $(IMAGE_C) $(IMAGE_S))

.PHONY: all demo check check-long check-fast bench install uninstall clean help image guests packages layout
all: $(BUILD)/hindvisor $(BUILD)/hindvisor-lttng.so image guests ## build the command, the image and the test guests

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile $(wildcard */build.mk */*/build.mk) | sed 's/:.*##/\t/' | expand -t 14

# Order-only before the first compiler run: says what is missing, or installs it as root.
packages:
	@set -e; for purpose in $(PURPOSES); do .ci/packages $$purpose; done

# What the goals need beyond a compiler.
PURPOSES = build $(if $(filter demo bench%,$(MAKECMDGOALS)),demo) $(if $(filter bench%,$(MAKECMDGOALS)),bench) \
	$(if $(filter check% tests unit fuzz%,$(MAKECMDGOALS)),check) $(if $(filter man install,$(MAKECMDGOALS)),docs)

# --- the command -----------------------------------------------------------
$(BUILD)/hosted/%.o: %.c | packages
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(COMMON) -o $@ -c $<

# What the report's page brings along is read by the assembler, which make does not see.
ASSETS := $(wildcard analysis/report/page.*s)
$(foreach world,hosted sanitized fuzzed,$(BUILD)/$(world)/analysis/report/assets.o): $(ASSETS)

# Archives: only what is used is linked.
%/hindvisor.a:
	$(call say,AR,$@)rm -f $@ && ar rcs $@ $^
$(BUILD)/hosted/hindvisor.a: $(HOSTED_OBJECTS)
$(BUILD)/sanitized/hindvisor.a: $(SANITIZED_OBJECTS)
$(BUILD)/fuzzed/hindvisor.a: $(call objects,fuzzed,$(SHARED) $(HOSTED))

$(BUILD)/hindvisor: $(BUILD)/hosted/main.o $(BUILD)/hosted/hindvisor.a
	$(call say,LD,$@)$(CC) -o $@ $^ $(LIBS)

# The LTTng-UST plug-in, where LTTng's headers are; `hindvisor record --lttng` says what is missing.
LTTNG_SOURCES := trace/lttng/plugin.c trace/layout.c
$(BUILD)/hindvisor-lttng.so: $(LTTNG_SOURCES) $(wildcard trace/lttng/*.h) trace/schema.h trace/manifest.h | packages
	@mkdir -p $(@D)
	@if ! echo '#include <lttng/tracepoint.h>' | $(CC) -E - >/dev/null 2>&1; then exit 0; fi; \
	$(if $(V),set -x;,printf '  %-5s %s\n' LD $@;) \
	$(CC) $(filter-out -MMD -MP,$(COMMON)) -fPIC -shared -o $@ $(LTTNG_SOURCES) -llttng-ust -ldl

# --- the image ---------------------------------------------------------------
# No SSE or x87 in it: the guest's registers of those kinds stay live in the CPU.
FREESTANDING := -ffreestanding -nostdlib -fno-pie -mcmodel=small -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -fno-tree-loop-distribute-patterns -flto

$(BUILD)/image/%.o: %.c | packages
	@mkdir -p $(@D)
	$(call say,CC,$< (image))$(CC) $(filter-out -msse4.2,$(COMMON)) $(FREESTANDING) -o $@ -c $<

$(BUILD)/image/%.o: %.S | packages
	@mkdir -p $(@D)
	$(call say,AS,$< (image))$(CC) -I. -MMD -MP -g -o $@ -c $<

-include vmx/image/build.mk
-include tests/build.mk
-include tests/guests/build.mk
-include bench/build.mk
-include docs/build.mk

# --- using it ------------------------------------------------------------------
demo: $(BUILD)/hindvisor | packages ## record and replay the boot of Debian's cloud kernel
	@tools/demo $(BUILD)

install: $(BUILD)/hindvisor $(BUILD)/hindvisor-lttng.so image man ## copy the command, the image and the man pages below PREFIX (/usr/local)
	install -D -m 755 $(BUILD)/hindvisor $(DESTDIR)$(PREFIX)/bin/hindvisor
	! [ -e $(BUILD)/hindvisor-lttng.so ] || install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/hindvisor $(BUILD)/hindvisor-lttng.so
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/hindvisor $(BUILD)/image/hindvisor.bin $(BUILD)/image/rom.bin $(BUILD)/image/exits.elf
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man1 $(MAN_PAGES)

uninstall: ## remove what install copied
	rm -f $(DESTDIR)$(PREFIX)/bin/hindvisor $(MAN_PAGES:$(BUILD)/man/%=$(DESTDIR)$(PREFIX)/share/man/man1/%)
	rm -rf $(DESTDIR)$(PREFIX)/lib/hindvisor

clean: ## remove what was built
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
