# Tests. `make unit` builds and runs the hosted unit tests; one file alone:
# `make unit FILTER=uart/*`.

UNIT_SOURCES := $(wildcard tests/unit/*.c)
UNIT_OBJECTS := $(call objects,sanitized,$(UNIT_SOURCES))
SANITIZE     := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer

$(BUILD)/sanitized/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(COMMON) -O1 $(SANITIZE) -o $@ -c $<

$(BUILD)/tests/unit: $(UNIT_OBJECTS) $(BUILD)/sanitized/hindvisor.a
	@mkdir -p $(@D)
	$(CC) $(SANITIZE) -o $@ $^ $(LIBS) -lcriterion

.PHONY: unit fuzz
unit: $(BUILD)/tests/unit ## run the hosted unit tests under ASan and UBSan
	$< $(if $(FILTER),--filter '$(FILTER)') --jobs 2

# Fuzz targets: tests/fuzz/fuzz_NAME.c, seeds in tests/fuzz/corpus/NAME/.
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_%.c,$(BUILD)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 5

$(BUILD)/fuzzed/%.o: %.c
	@mkdir -p $(@D)
	$(CLANG) $(COMMON) -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -o $@ -c $<

$(BUILD)/fuzzed/hindvisor.a: $(call objects,fuzzed,$(SHARED) $(HOSTED))

$(BUILD)/fuzz/%: $(BUILD)/fuzzed/tests/fuzz/fuzz_%.o $(BUILD)/fuzzed/hindvisor.a
	@mkdir -p $(@D)
	$(CLANG) -fsanitize=fuzzer,address,undefined -o $@ $^ $(LIBS)
.SECONDARY:

fuzz: $(FUZZ_TARGETS) ## run every fuzz target for FUZZ_SECONDS each
	@for target in $^; do \
	    name=$$(basename $$target); mkdir -p $(BUILD)/fuzz/corpus/$$name; \
	    $$target -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -print_final_stats=0 \
	        -artifact_prefix=$(BUILD)/fuzz/ $(BUILD)/fuzz/corpus/$$name $$(ls -d tests/fuzz/corpus/$$name 2>/dev/null) || exit 1; \
	done
