# Static analysis, file by file: what was clean is not looked at again until it, a header of it or the rules change. Each analyser leaves
# a mark for a file that it has nothing to say about, and prints `FAILED` and what it says of any other.
#
# gcc's own leak check is off: gcc 12 loses a pointer as soon as it is stored in a structure. clang's, the sanitizers and valgrind do that part.

ANALYSIS := build/analysis
ANALYSED := $(filter %.c,$(LIB_SRC) $(NODE_SRC) node/main.c client/alice.c client/bob.c)
ANALYSIS_MARKS := $(ANALYSED:%=$(ANALYSIS)/%.gcc) $(ANALYSED:%=$(ANALYSIS)/%.tidy)
ANALYSIS_FLAGS = -std=c17 -D_GNU_SOURCE -DSTROP_VERSION='"$(VERSION)"' -I. $(PKG_CFLAGS)
# fail() cannot be defined where it is a model of itself.
models = $(if $(filter %/err.c,$(1)),,-include tests/analysis/models.h)

define analyse
	@mkdir -p $(@D)
	@$(1) >$@.said 2>&1 || { echo "FAILED: $< ($(2))"; grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed|^Use -header' $@.said; exit 1; }
	@gcc $(ANALYSIS_FLAGS) $(call models,$<) -MM -MP -MT $@ -MF $@.d $<
	@touch $@
endef

$(ANALYSIS)/%.c.gcc: %.c tests/analysis/models.h tests/analysis/analysis.mk
	$(call analyse,gcc $(ANALYSIS_FLAGS) $(call models,$<) -O2 -Werror -fanalyzer -fdiagnostics-path-format=none -Wno-analyzer-malloc-leak -c $< -o /dev/null,gcc -fanalyzer)
$(ANALYSIS)/%.c.tidy: %.c tests/analysis/models.h tests/analysis/analysis.mk .clang-tidy
	$(call analyse,clang-tidy --quiet $< -- $(ANALYSIS_FLAGS) $(call models,$<),clang-tidy)
-include $(ANALYSIS_MARKS:=.d)

.PHONY: analysis test-analysis
analysis: $(ANALYSIS_MARKS)
test-analysis: ## gcc -fanalyzer and clang-tidy, file by file
	@tests/analysis/run $(words $(ANALYSIS_MARKS))
