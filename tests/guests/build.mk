# The test guests: tests/guests/NAME.c (or NAME.S) becomes build/guests/NAME.elf.
# `make guests` builds them; `make check-guests` runs them (tests/runs/guests.sh).

GUEST_FLAGS := -std=gnu11 -O2 -g -I. -MMD -MP $(WARNINGS) -ffreestanding -nostdlib -fno-pie -mcmodel=small \
	-mno-red-zone -mgeneral-regs-only -fno-stack-protector -fno-asynchronous-unwind-tables \
	-fcf-protection=none -fno-tree-loop-distribute-patterns -fno-strict-aliasing -fwrapv
GUEST_SOURCES := $(wildcard tests/guests/*.c tests/guests/*.S tests/guests/long/*.c)
GUEST_LIB     := $(addsuffix .o,$(basename $(patsubst %,$(BUILD)/%,$(wildcard tests/guests/lib/*.c tests/guests/lib/*.S))))
GUESTS        := $(patsubst tests/guests/%,$(BUILD)/guests/%.elf,$(basename $(GUEST_SOURCES)))

.PHONY: guests check-guests
guests: $(GUESTS) ## build the test guests

$(BUILD)/tests/guests/%.o: tests/guests/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(GUEST_FLAGS) -o $@ -c $<

$(BUILD)/tests/guests/%.o: tests/guests/%.S
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(GUEST_FLAGS) -o $@ -c $<

$(BUILD)/guests/%.elf: $(BUILD)/tests/guests/%.o $(GUEST_LIB) tests/guests/lib/guest.ld
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -nostdlib -static -no-pie -Wl,-T,tests/guests/lib/guest.ld -Wl,--build-id=none \
	    -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack -o $@ $(filter %.o,$^)

check-guests: guests $(BUILD)/hindvisor ## run the test guests: record, replay, compare
	tests/runs/guests.sh $(if $(SEEDS),--seeds $(SEEDS)) $(GUEST)
