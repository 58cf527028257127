# How the tests run; included by the Makefile.

.PHONY: test-unit
test-unit: $(UNIT_BIN) ## unit tests and vectors
	@tests/run-unit $(UNIT_BIN)
