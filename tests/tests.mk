# How the tests run; included by the Makefile. Each `test-<stage>` closes with one line `N passed, N failed`.

.PHONY: test-unit
test-unit: $(UNIT_BIN) ## unit tests and vectors
	@tests/run-unit $(UNIT_BIN)

.PHONY: test-unit-san
test-unit-san: ## unit tests and vectors under address and undefined behaviour sanitizers
	@$(MAKE) -s SAN=address,undefined test-unit

SIMULATION_SEEDS := 500
.PHONY: test-simulation
test-simulation: $(SIM_BIN) ## dialogues under faults, each replayable from its seed
	@$(SIM_BIN) --seed 1 --count $(SIMULATION_SEEDS)

.PHONY: test-simulation-san
test-simulation-san: ## fewer of them under sanitizers
	@$(MAKE) -s SAN=address,undefined SIMULATION_SEEDS=100 test-simulation

.PHONY: lint test-lint
lint: test-lint
test-lint: ## the same as lint: warnings of gcc and clang, layering, banned functions, sizes, cppcheck, man pages
	@tests/run-lint

# The real programs, as files of the build that BUILD (so SAN too) selects; PYTEST_ARGS goes to pytest.
PYTEST = STROP_BUILD=$(BUILD) /usr/bin/python3 -m pytest -q -rfE -p no:cacheprovider $(PYTEST_ARGS)
.PHONY: test-programs
test-programs: all ## the programs against the embedded log and a real Kafka
	@$(PYTEST) tests/programs

.PHONY: test-programs-san
test-programs-san: ## the shorter tests of the programs under sanitizers
	@$(MAKE) -s SAN=address,undefined PYTEST_ARGS='-m sanitized' test-programs

.PHONY: interop test-interop
interop: ## build the Ockam endpoints that the tests talk to
	@tests/interop/build
test-interop: all interop ## against endpoints made with the Ockam crates
	@$(PYTEST) tests/interop

# All that CI runs, in this order: each name is a target `test-<name>`.
TEST_STAGES := unit unit-san simulation simulation-san lint programs programs-san interop

.PHONY: test
test: ## everything
	@deploy/setup test
	@tests/run-stages $(TEST_STAGES)

.PHONY: bench
bench: all ## measure echoes through a node and a real Kafka
	@deploy/setup test
	@STROP_BUILD=$(BUILD) /usr/bin/python3 tests/programs/bench.py
