# Benchmarks. `make bench` runs all three; each result is printed and kept in build/bench/:
#   micro.json  host time of the hot functions (Google Benchmark)
#   exits.json  exact cost of each kind of exit, in guest ticks under Bochs
#   boot.json   what recording adds to the stock kernel's boot, and the trace's size
# Exit status 1: some figure is over its limit.

BENCH_ROUNDS ?= 3   # boots of each kind
BENCH_GUEST  := $(BUILD)/bench/exits.elf
BENCH_IMAGE  := HINDVISOR_IMAGE=$(BUILD)/image

.PHONY: bench-micro bench-exits bench-boot
bench: bench-micro bench-exits bench-boot ## measure: hot functions, exits, recording a boot

$(BUILD)/bench/guest/%.o: bench/guest/%.c | packages
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(GUEST_FLAGS) -o $@ -c $<

$(BENCH_GUEST): $(BUILD)/bench/guest/exits.o $(GUEST_LIB) tests/guests/lib/guest.ld
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -nostdlib -static -no-pie -Wl,-T,tests/guests/lib/guest.ld -Wl,--build-id=none \
	    -Wl,--no-warn-rwx-segments -Wl,-z,noexecstack -o $@ $(filter %.o,$^)

$(BUILD)/bench/exits $(BUILD)/bench/boot: $(BUILD)/bench/%: $(BUILD)/hosted/bench/%.o $(BUILD)/hosted/bench/run.o \
		$(BUILD)/hosted/hindvisor.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -o $@ $^ $(LIBS)

bench-exits: $(BUILD)/bench/exits $(BENCH_GUEST) image ## exact cost of each kind of exit, in ticks
	$(BENCH_IMAGE) $< $(BENCH_GUEST) $(BUILD)/bench/exits.json
