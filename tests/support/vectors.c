/* Reading tests/vectors: see the header. Memory is kept in one list and freed all at once, so that tests need not care. */
#include "tests/support/vectors.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include <cmocka.h>

struct kept {
        SLIST_ENTRY(kept) link;
        json_t *json;  /* or NULL */
        uint8_t bytes[];
};

static SLIST_HEAD(, kept) all_kept = SLIST_HEAD_INITIALIZER(all_kept);

static struct kept *keep(json_t *json, size_t n)
{
        struct kept *kept = malloc(sizeof *kept + n);

        assert_non_null(kept);
        kept->json = json;
        SLIST_INSERT_HEAD(&all_kept, kept, link);
        return kept;
}

const json_t *vectors_load(const char *path)
{
        json_error_t error;
        json_t *json = json_load_file(path, JSON_ALLOW_NUL, &error);

        /* The hub's recording has numbers over 63 bits in its readable part, which no test compares. */
        if (!json && json_error_code(&error) == json_error_numeric_overflow)
                json = json_load_file(path, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
        if (!json) fail_msg("%s: %s (line %d)", path, error.text, error.line);
        return keep(json, 0)->json;
}

void vectors_clear(void)
{
        struct kept *kept;

        while ((kept = SLIST_FIRST(&all_kept))) {
                SLIST_REMOVE_HEAD(&all_kept, link);
                json_decref(kept->json);
                free(kept);
        }
}

const json_t *vector_member(const json_t *object, const char *key)
{
        const json_t *member = json_object_get(object, key);

        return json_is_null(member) ? NULL : member;
}

static const json_t *must_have(const json_t *object, const char *key)
{
        const json_t *member = vector_member(object, key);

        if (!member) fail_msg("a vector lacks \"%s\"", key);
        return member;
}

const char *vector_text(const json_t *object, const char *key)
{
        const char *text = json_string_value(must_have(object, key));

        if (!text) fail_msg("a vector's \"%s\" is no text", key);
        return text;
}

static int digit(char c)
{
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        fail_msg("'%c' is no hex digit", c);
        return 0;
}

struct bytes hex_bytes(const char *hex)
{
        size_t n = strlen(hex) / 2;
        struct kept *kept = keep(NULL, n);

        assert_int_equal(strlen(hex) % 2, 0);
        for (size_t i = 0; i < n; i++)
                kept->bytes[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
        return bytes_make(kept->bytes, n);
}

struct bytes vector_hex(const json_t *object, const char *key)
{
        return hex_bytes(vector_text(object, key));
}

uint64_t vector_uint(const json_t *object, const char *key)
{
        const json_t *member = must_have(object, key);
        char *end = NULL;

        if (json_is_integer(member)) return (uint64_t)json_integer_value(member);
        uint64_t value = strtoull(vector_text(object, key), &end, 10);
        assert_int_equal(*end, 0);
        return value;
}

bool vector_bool(const json_t *object, const char *key)
{
        const json_t *member = must_have(object, key);

        assert_true(json_is_boolean(member));
        return json_is_true(member);
}

static void print_hex(const char *what, struct bytes in)
{
        fprintf(stderr, "%s (%zu bytes): ", what, in.n);
        for (size_t i = 0; i < in.n && i < 4096; i++) fprintf(stderr, "%02x", in.p[i]);
        fprintf(stderr, "\n");
}

void assert_bytes_equal(const char *name, struct bytes got, struct bytes expected)
{
        if (bytes_equal(got, expected)) return;
        print_hex("got", got);
        print_hex("expected", expected);
        fail_msg("%s: bytes differ", name);
}
