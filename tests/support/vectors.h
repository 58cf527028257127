/* Reading tests/vectors: JSON files of recorded bytes. Everything here fails the running test when a file or a field is not as expected. */
#ifndef STROP_TESTS_VECTORS_H
#define STROP_TESTS_VECTORS_H

#include "transport/base/bytes.h"

#include <jansson.h>

/* Loads a file, path from the top of the tree. What this and vector_hex hand out lives until vectors_clear. */
const json_t *vectors_load(const char *path);
void vectors_clear(void);

/* Members of an object: a text; bytes written in hex; a number, as such or as a decimal string; a truth; NULL where it is null or absent. */
const char *vector_text(const json_t *object, const char *key);
struct bytes vector_hex(const json_t *object, const char *key);
uint64_t vector_uint(const json_t *object, const char *key);
bool vector_bool(const json_t *object, const char *key);
const json_t *vector_member(const json_t *object, const char *key);
/* Bytes of a hex string. */
struct bytes hex_bytes(const char *hex);

/* Fails with both in hex, beside the case's name, unless they are equal. */
void assert_bytes_equal(const char *name, struct bytes got, struct bytes expected);

#endif
