# One non-recursive build. `make help` lists the targets.
#
# The same C builds three times: hosted (the command), freestanding (the image)
# and hosted under ASan and UBSan (the tests). Folders decide what goes where.

BUILD   ?= build
CC      := gcc
CLANG   ?= clang-14
VERSION := 0.1.0

WARNINGS := -Wall -Wextra -Wshadow -Wundef -Wmissing-prototypes -Wstrict-prototypes -Wvla -Werror
COMMON   := -std=gnu11 -O2 -g -I. -msse4.2 -MMD -MP $(WARNINGS) -DHINDVISOR_VERSION='"$(VERSION)"'
LIBS     := -lzstd -lcapstone -lxxhash -lcrypto -lutil

# Both worlds: the guest machine, VT-x above the processor seam, the gate's answers.
SHARED := $(wildcard core/*.c core/*/*.c vmx/*.c replay/*.c)
# The command only.
HOSTED := $(wildcard trace/*.c trace/commands/*.c vmx/carriers/*.c replay/commands/*.c analysis/*.c)
# The image only.
IMAGE_C := $(wildcard vmx/hardware/*.c vmx/image/*.c)
IMAGE_S := $(wildcard vmx/hardware/*.S vmx/image/*.S)

objects = $(patsubst %,$(BUILD)/$(1)/%.o,$(basename $(2)))

HOSTED_OBJECTS    := $(call objects,hosted,$(SHARED) $(HOSTED))
SANITIZED_OBJECTS := $(call objects,sanitized,$(SHARED) $(HOSTED))
IMAGE_OBJECTS     := $(call objects,image,$(SHARED) $(IMAGE_C) $(IMAGE_S))

.PHONY: all demo check check-long check-fast bench install uninstall clean help image guests packages layout
all: packages $(BUILD)/hindvisor image guests

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

packages:
	@.ci/packages build

# --- the command -----------------------------------------------------------
$(BUILD)/hosted/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(COMMON) -o $@ -c $<

# Archives: only what is used is linked. The hosted world has no processor yet,
# so what needs one (the run loop) stays out of the command.
%/hindvisor.a:
	rm -f $@ && ar rcs $@ $^
$(BUILD)/hosted/hindvisor.a: $(HOSTED_OBJECTS)
$(BUILD)/sanitized/hindvisor.a: $(SANITIZED_OBJECTS)

$(BUILD)/hindvisor: $(BUILD)/hosted/main.o $(BUILD)/hosted/hindvisor.a
	$(CC) -o $@ $^ $(LIBS)

# --- the image ---------------------------------------------------------------
# No SSE or x87 in it: the guest's registers of those kinds stay live in the CPU.
FREESTANDING := -ffreestanding -nostdlib -fno-pie -mcmodel=small -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fcf-protection=none -fno-tree-loop-distribute-patterns

$(BUILD)/image/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(filter-out -msse4.2,$(COMMON)) $(FREESTANDING) -o $@ -c $<

$(BUILD)/image/%.o: %.S
	@mkdir -p $(@D)
	$(CC) -I. -MMD -MP -g -o $@ -c $<

-include vmx/image/build.mk
-include tests/build.mk
-include bench/build.mk
-include docs/build.mk

clean: ## remove what was built
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
