# How the tests run; included by the Makefile. Each `test-<stage>` closes with one line `N passed, N failed`.

.PHONY: test-unit
test-unit: $(UNIT_BIN) ## unit tests and vectors
	@tests/run-unit $(UNIT_BIN)

.PHONY: test-unit-san
test-unit-san: ## unit tests and vectors under address and undefined behaviour sanitizers
	@$(MAKE) -s SAN=address,undefined test-unit

# Where threads meet: librdkafka's own, the helper's, and the loop's. All else is one thread.
THREADED := $(filter $(BUILD)/tests/unit/test_kafka_% $(addprefix $(BUILD)/tests/unit/test_log_,kafka model),$(UNIT_BIN))
.PHONY: threaded test-unit-tsan single test-unit-valgrind
threaded: $(THREADED)
	@tests/run-unit $(THREADED)
test-unit-tsan: ## the path to Kafka under the thread sanitizer
	@$(MAKE) -s SAN=thread threaded
single: $(filter-out $(THREADED),$(UNIT_BIN))
	@tests/run-unit --valgrind $^
test-unit-valgrind: ## units and vectors without threads under valgrind's memcheck
	@$(MAKE) -s single

SIMULATION_SEEDS := 2000
SIMULATION_SAN_SEEDS := 150
.PHONY: test-simulation
test-simulation: $(SIM_BIN) ## dialogues under faults and attacks, each replayable from its seed
	@$(SIM_BIN) --seed 1 --count $(SIMULATION_SEEDS) --jobs $$(nproc)

# A seed must give the same run in any build.
.PHONY: test-simulation-san
test-simulation-san: $(SIM_BIN) ## fewer of them under sanitizers
	@$(MAKE) -s SAN=address,undefined SIMULATION_SEEDS=$(SIMULATION_SAN_SEEDS) test-simulation
	@cmp <($(SIM_BIN) --count 5 --digest) <(build/san-address-undefined/tests/simulation/simulation --count 5 --digest) || \
	        { echo "FAILED: a seed goes another way in another build"; exit 1; }

# Fuzz targets, tests/fuzz/fuzz_<name>.c with tests/fuzz/corpus/<name>/. In a build of its own the fuzzer is what calls them; in
# any other, standalone.c does, with the corpus alone.
FUZZ_NAMES := $(patsubst tests/fuzz/fuzz_%.c,%,$(FUZZ_SRC))
FUZZ_BIN := $(patsubst %,$(BUILD)/tests/fuzz/fuzz_%,$(FUZZ_NAMES))
FUZZ_SECONDS ?= 10
FUZZ_ENGINE ?= standalone
FUZZ_SHARED := $(call obj,tests/fuzz/fuzz.c tests/fuzz/remember.c $(if $(filter standalone,$(FUZZ_ENGINE)),tests/fuzz/standalone.c))
FUZZ_WRAPPED := x25519_public x25519 ed25519_public ed25519_sign ed25519_verify hkdf2
$(FUZZ_BIN): override LDFLAGS += $(if $(filter libfuzzer,$(FUZZ_ENGINE)),-fsanitize=fuzzer) $(FUZZ_WRAPPED:%=-Wl,--wrap=crypto_%)
$(FUZZ_BIN): $(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(FUZZ_SHARED) $(SUPPORT_A) $(NODE_A) $(LIB_A) ; $(call link,$(PKGS_TEST))
# Of those whose input is a list of steps, the fuzzer does not see comparisons.
ifeq ($(FUZZ_ENGINE),libfuzzer)
FUZZ_STEPS := $(patsubst %,$(BUILD)/tests/fuzz/fuzz_%,node channel endpoint)
FUZZ_NO_COMPARES := $(foreach size,1 2 4 8,cmp$(size) const_cmp$(size)) switch
$(FUZZ_STEPS): override LDFLAGS += $(FUZZ_NO_COMPARES:%=-Wl,--wrap=__sanitizer_cov_trace_%)
$(FUZZ_STEPS): $(call obj,tests/fuzz/no_compares.c)
# What stands in the way of each call is no part of what is tried.
$(call obj,tests/fuzz/no_compares.c tests/fuzz/remember.c): private override CFLAGS += -fno-sanitize=all
endif

.PHONY: fuzz fuzz-targets fuzz-corpora fuzz-corpus fuzz-coverage test-fuzz test-fuzz-corpora
fuzz-targets: $(FUZZ_BIN)
fuzz: ## fuzz each target for FUZZ_SECONDS, or until FUZZ_RUNS executions; FUZZ_NAMES="cbor frame" for some of them
	@$(MAKE) -s CC=clang SAN=fuzzer-no-link,address,undefined OPTIMIZE=-O2 BUILD=build/fuzz FUZZ_ENGINE=libfuzzer fuzz-targets
	@BUILD=build/fuzz tests/fuzz/run fuzz $(FUZZ_SECONDS) $(FUZZ_NAMES)
test-fuzz: ## a few seconds of each
	@FUZZ_HANG_S=20 FUZZ_SEED=1 $(MAKE) -s FUZZ_SECONDS=3 fuzz
test-fuzz-corpora: ## each fuzz target with its corpus, without a fuzzer, under sanitizers
	@$(MAKE) -s SAN=$(if $(SAN),$(SAN),address$(comma)undefined) fuzz-corpora
fuzz-corpora: $(FUZZ_BIN)
	@BUILD=$(BUILD) tests/fuzz/run corpora $(FUZZ_NAMES)
fuzz-coverage: ## which lines of the decoders the corpora reach (needs the package llvm)
	@$(MAKE) -s CC=clang BUILD=build/coverage CFLAGS='-O1 -g -fprofile-instr-generate -fcoverage-mapping' LDFLAGS=-fprofile-instr-generate fuzz-targets
	@BUILD=build/coverage tests/fuzz/coverage $(FUZZ_NAMES)
fuzz-corpus: ## make the seeds of the corpora again, from the vectors
	@tests/fuzz/make-corpora

include tests/analysis/analysis.mk

.PHONY: lint test-lint
lint: test-lint
test-lint: ## the same as lint: warnings of gcc and clang, layering, banned functions, sizes, cppcheck, man pages
	@tests/run-lint

# The real programs, as files of the build that BUILD (so SAN too) selects; PYTEST_ARGS goes to pytest.
PYTEST = STROP_BUILD=$(BUILD) /usr/bin/python3 -m pytest -q -rfE -p no:cacheprovider $(PYTEST_ARGS)
# What tests put before the libraries of cryptography (LD_PRELOAD).
PRELOAD_SO := $(BUILD)/tests/harness/preload.so
$(PRELOAD_SO): $(BUILD)/tests/harness/preload.o
	@mkdir -p $(@D)
	$(if $(Q),@echo "  LD   $@")
	$(Q)$(CC) $(ALL_LDFLAGS) -shared $< -o $@
.PHONY: test-programs
test-programs: all $(LOAD_BIN) $(PRELOAD_SO) $(addprefix $(BUILD)/tests/unit/,test_log_kafka test_log_model) ## the programs against the embedded log and a real Kafka
	@$(PYTEST) tests/programs

.PHONY: test-programs-san
test-programs-san: ## the shorter tests of the programs under sanitizers
	@$(MAKE) -s SAN=address,undefined PYTEST_ARGS='-m sanitized' test-programs

.PHONY: scale
scale: all $(LOAD_BIN) ## 10,000 clients and more, 1,000 hostile ones, long waits; prints figures (some minutes)
	@$(PYTEST) -s tests/scale

# Programs of ours that compare what comes from Rust programs on a pipe.
COMPARE_BIN := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/interop/compare_*.c))
$(COMPARE_BIN): $(BUILD)/tests/interop/%: $(BUILD)/tests/interop/%.o $(LIB_A) ; $(call link,$(PKGS_LIB))
-include $(COMPARE_BIN:=.d)

.PHONY: test-programs-tsan
test-programs-tsan: ## the node on its embedded Kafka under the thread sanitizer
	@TSAN_OPTIONS=suppressions=$(CURDIR)/tests/tsan.supp $(MAKE) -s SAN=thread PYTEST_ARGS='-m sanitized -k embedded' test-programs

.PHONY: interop test-interop
interop: ## build the Ockam endpoints and other Rust programs that the tests talk to
	@tests/interop/build
test-interop: all interop $(COMPARE_BIN) ## against endpoints made with the Ockam crates; skipped where there is no cargo
	@$(PYTEST) tests/interop

# All that CI runs, in this order: each name is a target `test-<name>`.
TEST_STAGES := unit unit-san unit-tsan unit-valgrind analysis fuzz-corpora fuzz simulation simulation-san lint programs programs-san programs-tsan interop

.PHONY: test
test: ## everything
	@deploy/setup test
	@tests/run-stages $(TEST_STAGES)

.PHONY: bench
bench: $(BUILD)/strop-node $(LOAD_BIN) ## load a node on the embedded log, or on the Kafka at BENCH_KAFKA
	@tests/bench/run $(BUILD) $(or $(BENCH_KAFKA),embedded)
.PHONY: bench-reading
bench-reading: $(BUILD)/strop-node $(LOAD_BIN) ## how late others' records are, how fast the past is read, what waiting readers cost, on a real Kafka
	@tests/bench/reading $(BUILD)
.PHONY: bench-interop
bench-interop: $(BUILD)/strop-node interop ## how long an echo takes between two real Ockam endpoints through the node on a real Kafka
	@STROP_BUILD=$(BUILD) tests/interop/bench
