/* For every fuzz target: the function that libFuzzer calls, and a check that is there in every build.
 *
 * A target decodes foreign bytes; what it takes it encodes again, and the two have to mean the same. The fuzzer calls it with
 * inputs of its own making (`make fuzz`), tests/fuzz/standalone.c with those of the corpus (`make test-fuzz-corpora`). */
#ifndef STROP_TESTS_FUZZ_H
#define STROP_TESTS_FUZZ_H

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/writer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, so that the fuzzer keeps the input, unless the condition holds. */
#define fuzz_require(condition) \
        do { if (!(condition)) fuzz_failed(#condition, __FILE__, __LINE__); } while (0)
_Noreturn void fuzz_failed(const char *condition, const char *file, int line);

/* Makes primitives and secret slots ready; at the first call only. */
void fuzz_need_secrets(void);

/* Memory of exactly n bytes, so that the address sanitizer sees each step beyond; never NULL. */
void *fuzz_memory(size_t n);

#endif
