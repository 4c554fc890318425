# Tests. `make check` runs all suites but the longest through tests/run. The hosted unit tests
# alone: `make unit`, one file of them: `make unit FILTER=uart/*`.

UNIT_SOURCES := $(filter-out $(wildcard tests/unit/test_software_*.c),$(wildcard tests/unit/*.c))
# Handlers that call each other in tail position need an optimiser that makes jumps of them.
$(BUILD)/sanitized/vmx/software/%.o: OPTIMIZE := -O2
# libFuzzer's look at each comparison would take half of its time.
$(BUILD)/fuzzed/vmx/software/%.o: OPTIMIZE := -O2 -fno-sanitize-coverage=trace-cmp

UNIT_OBJECTS := $(call objects,sanitized,$(UNIT_SOURCES))
SANITIZE     := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

.PHONY: unit fuzz fuzzers layout tests
$(BUILD)/sanitized/%.o: %.c | packages
	@mkdir -p $(@D)
	$(call say,CC,$< (sanitized))$(CC) $(COMMON) -O1 $(OPTIMIZE) $(SANITIZE) -o $@ -c $<

$(BUILD)/tests/unit: $(UNIT_OBJECTS) $(BUILD)/sanitized/hindvisor.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(SANITIZE) -o $@ $^ $(LIBS) -lcriterion

# Those of the software processor: the others link one that is made for tests.
$(BUILD)/tests/unit_software: $(call objects,sanitized,$(wildcard tests/unit/test_software_*.c) tests/software/machine.c) \
    $(BUILD)/sanitized/hindvisor.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(SANITIZE) -o $@ $^ $(LIBS) -lcriterion

UNIT_TESTS := $(BUILD)/tests/unit $(BUILD)/tests/unit_software
unit: $(UNIT_TESTS) ## run the hosted unit tests under ASan and UBSan
	@set -e; for program in $^; do $$program $(if $(FILTER),--filter '$(FILTER)') --jobs 2; done

# Fuzz targets: tests/fuzz/fuzz_NAME.c, seeds in tests/fuzz/corpus/NAME/ and of tests/fuzz/seeds.c.
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 5

$(BUILD)/fuzzed/%.o: %.c | packages
	@mkdir -p $(@D)
	$(call say,CC,$< (fuzzed))$(CLANG) $(COMMON) -Wno-gnu-variable-sized-type-not-at-end -O1 -fsanitize=fuzzer-no-link,address,undefined \
	    -fno-sanitize-recover=undefined $(OPTIMIZE) -o $@ -c $<

$(BUILD)/fuzz/%: $(BUILD)/fuzzed/tests/fuzz/fuzz_%.o $(BUILD)/fuzzed/hindvisor.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LIBS)
# Guests for the software processor.
$(BUILD)/fuzz/software $(BUILD)/fuzz/hypervisor: $(addprefix $(BUILD)/fuzzed/tests/software/,machine.o generator.o)
# These two run the hypervisor itself, on a processor made for tests.
$(BUILD)/fuzz/exits $(BUILD)/fuzz/log: $(addprefix $(BUILD)/fuzzed/tests/unit/,fake_processor.o tiny_guest.o)
.SECONDARY:

# Seeds that are made of today's formats.
FUZZ_SEEDS := $(BUILD)/fuzz/seeds
$(BUILD)/tests/fuzz_seeds: $(BUILD)/hosted/tests/fuzz/seeds.o $(BUILD)/hosted/hindvisor.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -o $@ $^ $(LIBS)
$(FUZZ_SEEDS): $(BUILD)/tests/fuzz_seeds
	@mkdir -p $(@D)
	$(call say,SEEDS,$@)rm -rf $@ && $< $@

fuzzers: $(FUZZ_TARGETS) $(FUZZ_SEEDS)
fuzz: fuzzers ## run every fuzz target for FUZZ_SECONDS each
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/runs/fuzz.sh $(BUILD)

# Programs that the whole-run tests use: tests/runs/NAME.c
RUN_TOOLS := $(patsubst tests/runs/%.c,$(BUILD)/tests/%,$(wildcard tests/runs/*.c))

$(BUILD)/tests/%: $(BUILD)/hosted/tests/runs/%.o $(BUILD)/hosted/hindvisor.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -o $@ $^ $(LIBS)

# A program for a Linux guest, static: the stock kernel's own numbers of its scheduler.
WITNESS := $(BUILD)/tests/scheduler/bin/witness
$(WITNESS): tests/scheduler/witness.c | packages
	@mkdir -p $(@D)
	$(call say,CC,$< (for guests))$(CC) -std=gnu11 -O2 $(WARNINGS) -static -o $@ $<

# The same of its interrupts.
COUNTS := $(BUILD)/tests/views/bin/counts
$(COUNTS): tests/views/counts.c | packages
	@mkdir -p $(@D)
	$(call say,CC,$< (for guests))$(CC) -std=gnu11 -O2 $(WARNINGS) -static -o $@ $<

# All that the suites of tests/run need.
tests: all $(UNIT_TESTS) $(BUILD)/tests/oracle fuzzers $(RUN_TOOLS) $(WITNESS) $(COUNTS)

layout: ## check the dependency directions and the headers
	@.ci/layout

check: tests ## run all test suites (about 15 minutes on 2 cores, building included)
	@BUILD=$(BUILD) tests/run all

check-fast: tests ## run the suites that take seconds
	@BUILD=$(BUILD) tests/run fast

check-long: tests ## ten noise seeds of the stock kernel under each clock, longer fuzzing (hours)
	@BUILD=$(BUILD) tests/run long

# The host CPU as judge of the software processor: tests/oracle/. Bound at the start, as its child
# has no thread-local storage for ld.so.
ORACLE_OBJECTS := $(call objects,hosted,$(wildcard tests/oracle/*.c))
SECONDS_ASKED  := $(if $(filter-out undefined default,$(origin SECONDS)),$(SECONDS))
SEED           ?= 1

.PHONY: oracle
$(BUILD)/tests/oracle: $(ORACLE_OBJECTS) $(BUILD)/hosted/hindvisor.a
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) -Wl,-z,now -o $@ $^ $(LIBS)

oracle: $(BUILD)/tests/oracle ## compare random instructions with the host CPU: SECONDS=60 SEED=1
	$< --seed $(SEED) --seconds $(or $(SECONDS_ASKED),60)
