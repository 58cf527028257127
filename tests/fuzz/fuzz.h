/* For every fuzz target: the function that libFuzzer calls, a check that is there in every build, and a cursor over the input for those
 * targets that take it as a list of steps.
 *
 * A target decodes foreign bytes; what it takes it encodes again, and the two have to mean the same. A target of something with a state
 * does what the input says, step by step, and asks of each state what must hold of all of them. Every string of bytes is a list of steps,
 * so what the fuzzer makes of one is another, and needs no mutator that knows the format. The fuzzer calls a target with inputs of its own
 * making
 * (`make fuzz`), tests/fuzz/standalone.c with those of the corpus (`make test-fuzz-corpora`). */
#ifndef STROP_TESTS_FUZZ_H
#define STROP_TESTS_FUZZ_H

#include "transport/base/bytes.h"
#include "transport/base/err.h"
#include "transport/base/writer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process, so that the fuzzer keeps the input, unless the condition holds. */
#define fuzz_require(condition)                                                                                                            \
        do {                                                                                                                               \
                if (!(condition)) fuzz_failed(#condition, __FILE__, __LINE__);                                                             \
        } while (0)
_Noreturn void fuzz_failed(const char *condition, const char *file, int line);

/* Makes primitives and secret slots ready; at the first call only. */
void fuzz_need_secrets(void);

/* Memory of exactly n bytes, so that the address sanitizer sees each step beyond; never NULL. */
void *fuzz_memory(size_t n);
/* The bytes and a NUL, in memory of exactly that size. */
char *fuzz_text(struct bytes in);

/* Scratch memory of a router: a frame of the largest size and an answer to a usual one. What is larger than 128 KiB the address sanitizer
 * maps anew each time, which costs more than a run. */
enum { FUZZ_ARENA = 120 << 10 };

/* Lines that the logger would write go nowhere. */
void fuzz_silence(void);

/* What is left of the input. At its end there are zeros and no bytes. */
struct fuzz_input {
        struct bytes rest;
};

static inline struct fuzz_input fuzz_input_make(const uint8_t *data, size_t size) { return (struct fuzz_input){bytes_make(data, size)}; }
static inline bool fuzz_more(const struct fuzz_input *in) { return in->rest.n > 0; }
uint8_t fuzz_u8(struct fuzz_input *in);
uint16_t fuzz_u16(struct fuzz_input *in);
/* Below `below`, which is at least 1 and at most 256. */
size_t fuzz_below(struct fuzz_input *in, size_t below);
/* Up to n bytes; fewer where there are no more. */
struct bytes fuzz_take(struct fuzz_input *in, size_t n);
/* A length of one byte, then so many. */
struct bytes fuzz_data(struct fuzz_input *in);

#endif
