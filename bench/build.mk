# Benchmarks. `make bench` runs all three; each result is printed and kept in build/bench/:
#   micro.json  host time of the hot functions (Google Benchmark)
#   exits.json  exact cost of each kind of exit, in guest ticks under Bochs
#   boot.json   what recording adds to the stock kernel's boot, and the trace's size
# Exit status 1: some figure is over its limit.

BENCH_ROUNDS ?= 3   # boots of each kind
BENCH_GUEST  := $(BUILD)/image/exits.elf   # installed: `hindvisor bench` runs it
BENCH_IMAGE  := HINDVISOR_IMAGE=$(BUILD)/image

.PHONY: bench-micro bench-exits bench-boot packages-bench
packages-bench:
	@.ci/packages bench

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

$(BUILD)/bench/initrd.img: tools/mkinitramfs | packages
	@mkdir -p $(@D)
	tools/mkinitramfs $@

bench-boot: | packages-bench
bench-boot: $(BUILD)/bench/boot $(BUILD)/bench/initrd.img image ## what recording adds to a boot, and the trace's size
	kernel=$$(tools/fetch-kernel $(BUILD)/guests/debian-cloud) && \
	    $(BENCH_IMAGE) $< $(BENCH_ROUNDS) "$$kernel" $(BUILD)/bench/initrd.img $(BUILD)/bench/boot.json

# The C++ shim is the only C++ here; it alone sees Google Benchmark's headers.
BENCH_MICRO := $(call objects,hosted,bench/micro.c $(wildcard bench/bench_*.c)) $(BUILD)/hosted/bench/shim.o

$(BUILD)/hosted/bench/shim.o: bench/shim.cc | packages-bench
	@mkdir -p $(@D)
	$(call say,CXX,$<)g++ -std=gnu++17 -O2 -g -I. -MMD -MP -Wall -Wextra -Werror -o $@ -c $<

$(BUILD)/bench/micro: $(BENCH_MICRO) $(BUILD)/hosted/hindvisor.a
	@mkdir -p $(@D)
	$(call say,LD,$@)g++ -o $@ $^ $(LIBS) -lbenchmark -lpthread

bench-micro: $(BUILD)/bench/micro ## host time of the hot functions; BENCH_TRACE=DIR: records of that trace
	$< --benchmark_out=$(BUILD)/bench/micro.json --benchmark_out_format=json $(BENCH_OPTIONS)
