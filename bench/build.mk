# Benchmarks. `make bench` runs the first three; each result is printed and kept in build/bench/:
#   micro.json  host time of the hot functions (Google Benchmark)
#   exits.json  exact cost of each kind of exit, in guest ticks under Bochs
#   boot.json   what recording adds to the stock kernel's boot, and the trace's size
#   analysis.json  exits a second and memory of `hindvisor analyze` (`make bench-analysis`)
#   peers.json  the boot and workloads beside QEMU and Bochs (`make bench-peers`: some 20 minutes)
# Exit status 1: some figure is over its limit.

BENCH_ROUNDS ?= 3   # boots of each kind
ANALYSIS_ROUNDS ?= 5
# Beside the image: `hindvisor bench` runs it.
BENCH_GUEST  := $(BUILD)/image/exits.elf
BENCH_IMAGE  := HINDVISOR_IMAGE=$(BUILD)/image

.PHONY: bench-micro bench-exits bench-boot bench-analysis bench-peers packages-bench
packages-bench:
	@.ci/packages bench

bench: bench-micro bench-exits bench-boot ## measure: hot functions, exits, recording a boot

$(BUILD)/bench/guest/%.o: bench/guest/%.c | packages
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(GUEST_FLAGS) -o $@ -c $<

PROCESSOR_GUEST := $(BUILD)/bench/processor.elf

$(BENCH_GUEST): $(BUILD)/bench/guest/exits.o
$(PROCESSOR_GUEST): $(BUILD)/bench/guest/processor.o
$(BENCH_GUEST) $(PROCESSOR_GUEST): $(GUEST_LIB) tests/guests/lib/guest.ld
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

$(BUILD)/bench/analysis: $(call objects,hosted,bench/analysis.c bench/child.c bench/made_up.c) $(BUILD)/hosted/hindvisor.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -o $@ $^ $(LIBS)

bench-analysis: $(BUILD)/bench/analysis $(BUILD)/hindvisor ## exits a second of `hindvisor analyze`, and its memory at ten times the length; BENCH_TRACE=DIR: of that trace
	$< $(ANALYSIS_ROUNDS) $(BUILD)/hindvisor $(BUILD)/bench/analysis.json

# The C++ shim is the only C++ here; it alone sees Google Benchmark's headers.
BENCH_MICRO := $(call objects,hosted,bench/micro.c bench/made_up.c $(wildcard bench/bench_*.c)) $(BUILD)/hosted/bench/shim.o

$(BUILD)/hosted/bench/shim.o: bench/shim.cc | packages-bench
	@mkdir -p $(@D)
	$(call say,CXX,$<)g++ -std=gnu++17 -O2 -g -I. -MMD -MP -Wall -Wextra -Werror -o $@ -c $<

$(BUILD)/bench/micro: $(BENCH_MICRO) $(BUILD)/hosted/hindvisor.a
	@mkdir -p $(@D)
	$(call say,LD,$@)g++ -o $@ $^ $(LIBS) -lbenchmark -lpthread

bench-micro: $(BUILD)/bench/micro $(PROCESSOR_GUEST) ## host time of the hot functions; BENCH_TRACE=DIR: records of that trace
	BENCH_PROCESSOR_GUEST=$(PROCESSOR_GUEST) $< --benchmark_out=$(BUILD)/bench/micro.json --benchmark_out_format=json $(BENCH_OPTIONS)

# What the comparison runs in its guests: a static program for Linux, and an initramfs with it.
WORKLOADS := $(wildcard bench/workloads/*.c)

$(BUILD)/bench/workloads/bin/workload: $(WORKLOADS) bench/workloads/workload.h | packages
	@mkdir -p $(@D)
	$(call say,CC,bench/workloads (for guests))$(CC) -std=gnu11 -O2 -I. $(WARNINGS) -static -o $@ $(WORKLOADS)

$(BUILD)/bench/workloads.img: $(BUILD)/bench/workloads/bin/workload bench/workloads/init tools/mkinitramfs
	tools/mkinitramfs $@ --init bench/workloads/init --add $(BUILD)/bench/workloads

$(BUILD)/bench/peers: $(call objects,hosted,bench/child.c $(wildcard bench/peers*.c)) $(BUILD)/hosted/hindvisor.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -o $@ $^ $(LIBS)

bench-peers: | packages-bench
bench-peers: $(BUILD)/bench/peers $(BUILD)/hindvisor $(BUILD)/bench/workloads.img $(BUILD)/guests/power_off.elf image ## the boot and workloads beside QEMU and Bochs; PEERS="integer forking": only these
	kernel=$$(tools/fetch-kernel --cloud) && \
	    $< $(BENCH_ROUNDS) $(BUILD)/hindvisor "$$kernel" $(BUILD)/bench/workloads.img \
	        $(BUILD)/guests/power_off.elf $(BUILD)/bench/peers.json $(PEERS)
