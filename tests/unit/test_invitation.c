/* Invitations: round trip, limits, and a sentence for each kind of damage. */
#include "client/invitation.h"

#include "tests/support/test.h"
#include "tests/support/test_context.h"
#include "tests/support/vectors.h"
#include "transport/base/pack.h"

#include <stdio.h>
#include <stdlib.h>

#define NODE "relay.example:4000"

static struct invitation usual(void)
{
        struct invitation inv = {.node_count = 2,
                                 .nodes = {NODE, "[2001:db8::1]:65535"},
                                 .alice_to_bob = "alice_to_bob_0123456789abcdef",
                                 .bob_to_alice = "bob_to_alice_0123456789abcdef"};

        for (size_t i = 0; i < IDENTIFIER_SIZE; i++) inv.identifier.hash[i] = (uint8_t)(i * 7);
        return inv;
}

static void assert_same(const struct invitation *a, const struct invitation *b)
{
        assert_int_equal(a->node_count, b->node_count);
        for (size_t i = 0; i < a->node_count; i++) assert_string_equal(a->nodes[i], b->nodes[i]);
        assert_string_equal(a->alice_to_bob, b->alice_to_bob);
        assert_string_equal(a->bob_to_alice, b->bob_to_alice);
        assert_true(identifier_equal(&a->identifier, &b->identifier));
}

static void assert_round_trip(const struct invitation *inv)
{
        char text[INVITATION_TEXT_MAX + 1];
        struct invitation again;
        struct reason why = {""};

        assert_ok(invitation_print(inv, text));
        assert_true(strlen(text) <= INVITATION_TEXT_MAX);
        assert_ok(invitation_parse(bytes_of_text(text), &again, &why));
        assert_string_equal(why.text, "");
        assert_same(&again, inv);
}

/* --- another opinion on base64url: bit by bit -------------------------------------------------------------------------------- */

static void other_base64(char *out, struct bytes in)
{
        static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        size_t n = 0;

        for (size_t bit = 0; bit < 8 * in.n; bit += 6) {
                unsigned value = 0;

                for (size_t i = bit; i < bit + 6; i++) value = value << 1 | (i < 8 * in.n ? (unsigned)in.p[i / 8] >> (7 - i % 8) & 1u : 0u);
                out[n++] = digits[value];
        }
        out[n] = '\0';
}

static void text_of(char *out, struct bytes packed)
{
        memcpy(out, "strop:", 6);
        other_base64(out + 6, packed);
}

/* --- round trip ---------------------------------------------------------------------------------------------------------------- */

static void what_is_printed_comes_back(void **state)
{
        (void)state;
        struct invitation inv = usual();

        assert_round_trip(&inv);
        for (size_t n = 1; n <= 12; n++) { /* each remainder of base64 */
                memset(inv.alice_to_bob, 0, sizeof inv.alice_to_bob);
                memset(inv.alice_to_bob, 'a', n);
                assert_round_trip(&inv);
        }
}

static void the_text_is_as_described(void **state)
{
        (void)state;
        struct invitation inv = usual();
        uint8_t memory[512];
        struct writer w = writer_make(memory, sizeof memory);
        msgpack_packer pk = pack_into(&w);
        char expected[1024], text[INVITATION_TEXT_MAX + 1];

        msgpack_pack_array(&pk, 5);
        msgpack_pack_int(&pk, 1);
        msgpack_pack_array(&pk, 2);
        pack_put_str(&pk, bytes_of_text(inv.nodes[0]));
        pack_put_str(&pk, bytes_of_text(inv.nodes[1]));
        pack_put_str(&pk, bytes_of_text(inv.alice_to_bob));
        pack_put_str(&pk, bytes_of_text(inv.bob_to_alice));
        pack_put_bin(&pk, bytes_make(inv.identifier.hash, IDENTIFIER_SIZE));
        text_of(expected, writer_bytes(&w));
        assert_ok(invitation_print(&inv, text));
        assert_string_equal(text, expected);
}

static void the_largest_fits(void **state)
{
        (void)state;
        struct invitation inv = usual();

        inv.node_count = INVITATION_NODES_MAX;
        for (size_t i = 0; i < INVITATION_NODES_MAX; i++) {
                memset(inv.nodes[i], 'h', INVITATION_NODE_MAX);
                memcpy(inv.nodes[i] + INVITATION_NODE_MAX - 5, ":4000", 6);
        }
        memset(inv.alice_to_bob, 'a', INVITATION_NAME_MAX);
        memset(inv.bob_to_alice, 'b', INVITATION_NAME_MAX);
        assert_round_trip(&inv);
}

static void white_space_around_is_passed_over(void **state)
{
        (void)state;
        struct invitation inv = usual(), again;
        char text[INVITATION_TEXT_MAX + 1], padded[INVITATION_TEXT_MAX + 16];

        assert_ok(invitation_print(&inv, text));
        snprintf(padded, sizeof padded, " \t%s\r\n", text);
        assert_ok(invitation_parse(bytes_of_text(padded), &again, NULL));
        assert_same(&again, &inv);
}

/* --- damage -------------------------------------------------------------------------------------------------------------------- */

static void assert_refused(const char *name, struct bytes text, enum err err, const char *says)
{
        struct invitation inv = {.node_count = 77};
        struct reason why = {""};
        enum err got = invitation_parse(text, &inv, &why);

        if (got != err || !strstr(why.text, says)) fail_msg("%s: %s, \"%s\"", name, err_name(got), why.text);
        assert_int_equal(inv.node_count, 77);
}

static void texts_that_are_no_invitation(void **state)
{
        (void)state;
        static const struct { const char *text; enum err err; const char *says; } cases[] = {
                {"", ERR_MALFORMED, "has to begin with \"strop:\""},
                {"   ", ERR_MALFORMED, "has to begin with"},
                {"strop", ERR_MALFORMED, "has to begin with"},
                {"Strop:abc", ERR_MALFORMED, "has to begin with"},
                {"https://example.org", ERR_MALFORMED, "has to begin with"},
                {"strop:", ERR_TRUNCATED, "its end is missing"},
                {"strop:A", ERR_TRUNCATED, "its end is missing"},
                {"strop:lQ", ERR_TRUNCATED, "its end is missing"},
                {"strop:lR", ERR_TRUNCATED, "its end is missing"}, /* bits left over that are not zero */
                {"strop:lQ==", ERR_MALFORMED, "character 9 cannot"},
                {"strop:lQ+/", ERR_MALFORMED, "character 9 cannot"},
                {"strop:lQ lQ", ERR_MALFORMED, "character 9 cannot"},
                {"strop:\xc3\xa9", ERR_MALFORMED, "character 7 cannot"},
                {"strop:AAAA", ERR_MALFORMED, "is damaged: the input is not well-formed"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
                assert_refused(cases[i].text, bytes_of_text(cases[i].text), cases[i].err, cases[i].says);
}

static void too_long_a_text_is_not_looked_at(void **state)
{
        (void)state;
        char *text = malloc(1 << 20);

        assert_non_null(text);
        memset(text, 'A', 1 << 20);
        memcpy(text, "strop:", 6);
        assert_refused("1 MiB", bytes_make(text, 1 << 20), ERR_TOO_LARGE, "more than 4096 characters");
        assert_refused("4097", bytes_make(text, INVITATION_TEXT_MAX + 1), ERR_TOO_LARGE, "more than 4096 characters");
        assert_refused("4096", bytes_make(text, INVITATION_TEXT_MAX), ERR_MALFORMED, "is damaged");
        free(text);
}

static void every_cut_is_told(void **state)
{
        (void)state;
        struct invitation inv = usual();
        char text[INVITATION_TEXT_MAX + 1];

        assert_ok(invitation_print(&inv, text));
        for (size_t n = 6; n < strlen(text); n++) assert_refused("cut", bytes_make(text, n), ERR_TRUNCATED, "its end is missing");
}

/* "packed" in hex, with parts in which a byte of the usual is something else. */
#define HEAD "9501"
#define NODES "91a3613a31"         /* ["a:1"] */
#define NAMES "a178" "a179"        /* "x", "y" */
#define ID "c420" "0000000000000000000000000000000000000000000000000000000000000000"

static void wrong_parts_have_sentences_of_their_own(void **state)
{
        (void)state;
        static const struct { const char *name, *hex; enum err err; const char *says; } cases[] = {
                {"version 2", "9502" NODES NAMES ID, ERR_UNEXPECTED, "is of version 2, this program knows version 1"},
                {"version 2, other items", "9102", ERR_UNEXPECTED, "is of version 2"},
                {"four items", "9401" NODES NAMES, ERR_MALFORMED, "is damaged"},
                {"six items", "9601" NODES NAMES ID "00", ERR_MALFORMED, "is damaged"},
                {"a map", "8501" NODES NAMES ID, ERR_MALFORMED, "is damaged"},
                {"something behind", HEAD NODES NAMES ID "00", ERR_TRAILING, "bytes are left over"},
                {"no nodes", HEAD "90" NAMES ID, ERR_MALFORMED, "names 0 nodes; it has to be 1 to 8"},
                {"nine nodes", HEAD "99" "a3613a31a3613a31a3613a31a3613a31a3613a31a3613a31a3613a31a3613a31a3613a31" NAMES ID, ERR_MALFORMED,
                 "names 9 nodes"},
                {"a node without port", HEAD "91a161" NAMES ID, ERR_MALFORMED, "no HOST:PORT"},
                {"a node without host", HEAD "91a23a31" NAMES ID, ERR_MALFORMED, "no HOST:PORT"},
                {"port 0", HEAD "91a3613a30" NAMES ID, ERR_MALFORMED, "no HOST:PORT"},
                {"port 65536", HEAD "91a7613a3635353336" NAMES ID, ERR_MALFORMED, "no HOST:PORT"},
                {"port with a sign", HEAD "91a4613a2b31" NAMES ID, ERR_MALFORMED, "no HOST:PORT"},
                {"a node with a newline", HEAD "91a4610a3a31" NAMES ID, ERR_MALFORMED, "no HOST:PORT"},
                {"a node with NUL", HEAD "91a461003a31" NAMES ID, ERR_MALFORMED, "no HOST:PORT"},
                {"a node that is no text", HEAD "91c403613a31" NAMES ID, ERR_MALFORMED, "is damaged"},
                {"nodes that are no array", HEAD "a3613a31" NAMES ID, ERR_MALFORMED, "is damaged"},
                {"an empty name", HEAD NODES "a0a179" ID, ERR_BAD_NAME, "by a name that none can have"},
                {"a name with a slash", HEAD NODES "a12fa179" ID, ERR_BAD_NAME, "by a name that none can have"},
                {"a name with NUL", HEAD NODES "a2780078" ID, ERR_BAD_NAME, "by a name that none can have"},
                {"two dots", HEAD NODES "a22e2ea179" ID, ERR_BAD_NAME, "by a name that none can have"},
                {"a name that is not UTF-8", HEAD NODES "a1ffa179" ID, ERR_MALFORMED, "is damaged"},
                {"the same name twice", HEAD NODES "a178a178" ID, ERR_BAD_NAME, "one stream for both ways"},
                {"a short identifier", HEAD NODES NAMES "c4021122", ERR_MALFORMED, "has 2 bytes instead of 32"},
                {"a text for an identifier", HEAD NODES NAMES "a161", ERR_MALFORMED, "is damaged"},
                {"an array of 2^32 - 1", "ddffffffff01", ERR_TRUNCATED, "its end is missing"},
                {"2^32 - 1 nodes", HEAD "ddffffffff" NAMES ID, ERR_TRUNCATED, "its end is missing"},
                {"a name of 2^32 - 1", HEAD NODES "dbffffffff78" NAMES ID, ERR_TRUNCATED, "its end is missing"},
                {"deep nesting", "9191919191919191919191919191919191919191919191919191919191919191", ERR_MALFORMED, "is damaged"},
                {"deep nesting for nodes", HEAD "9191919191919191919191919191919191919191919191919191919191919191", ERR_MALFORMED, "is damaged"},
        };
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                char text[1024];

                text_of(text, hex_bytes(cases[i].hex));
                assert_refused(cases[i].name, bytes_of_text(text), cases[i].err, cases[i].says);
        }
        char text[1024];
        struct invitation inv;
        text_of(text, hex_bytes(HEAD NODES NAMES ID));
        assert_ok(invitation_parse(bytes_of_text(text), &inv, NULL));
}

static void names_and_nodes_one_byte_too_long(void **state)
{
        (void)state;
        for (int which = 0; which < 4; which++) {
                uint8_t memory[2048], name[INVITATION_NAME_MAX + 1], node[INVITATION_NODE_MAX + 1];
                struct writer w = writer_make(memory, sizeof memory);
                msgpack_packer pk = pack_into(&w);
                char text[4096];
                bool long_name = which & 1, long_node = which & 2;

                memset(name, 'n', sizeof name);
                memset(node, 'h', sizeof node);
                memcpy(node + INVITATION_NODE_MAX - 2 + long_node, ":1", 2);
                msgpack_pack_array(&pk, 5);
                msgpack_pack_int(&pk, 1);
                msgpack_pack_array(&pk, 1);
                pack_put_str(&pk, bytes_make(node, INVITATION_NODE_MAX + long_node));
                pack_put_str(&pk, bytes_make(name, INVITATION_NAME_MAX + long_name));
                pack_put_str(&pk, BYTES_LITERAL("y"));
                pack_put_bin(&pk, bytes_make(name, IDENTIFIER_SIZE));
                text_of(text, writer_bytes(&w));
                if (long_node) assert_refused("node", bytes_of_text(text), ERR_MALFORMED, "no HOST:PORT");
                else if (long_name) assert_refused("name", bytes_of_text(text), ERR_BAD_NAME, "none can have");
                else assert_ok(invitation_parse(bytes_of_text(text), &(struct invitation){.node_count = 0}, NULL));
        }
}

/* Whatever is flipped: nothing is read beyond what there is, and what is taken prints as the same text. */
static void flipped_characters_never_harm(void **state)
{
        (void)state;
        struct invitation inv = usual(), got;
        char text[INVITATION_TEXT_MAX + 1], again[INVITATION_TEXT_MAX + 1];
        struct test_context tc;

        test_context_init(&tc, 3);
        assert_ok(invitation_print(&inv, text));
        for (int turn = 0; turn < 20000; turn++) {
                size_t at = context_random_below(&tc.ctx, strlen(text));
                char before = text[at];

                text[at] = (char)(1 + context_random_below(&tc.ctx, 127));
                if (invitation_parse(bytes_of_text(text), &got, NULL) == OK) {
                        struct invitation reread;

                        assert_ok(invitation_print(&got, again));
                        assert_ok(invitation_parse(bytes_of_text(again), &reread, NULL));
                        assert_same(&reread, &got);
                }
                text[at] = before;
        }
        test_context_clear(&tc);
}

static void what_none_would_take_is_not_printed(void **state)
{
        (void)state;
        char text[INVITATION_TEXT_MAX + 1] = "untouched";
        struct invitation inv = usual();

        inv.node_count = 0;
        assert_err(invitation_print(&inv, text), ERR_USAGE);
        inv.node_count = INVITATION_NODES_MAX + 1;
        assert_err(invitation_print(&inv, text), ERR_USAGE);
        inv = usual();
        memcpy(inv.nodes[1], "nohost", 7);
        assert_err(invitation_print(&inv, text), ERR_USAGE);
        inv = usual();
        inv.alice_to_bob[3] = '/';
        assert_err(invitation_print(&inv, text), ERR_BAD_NAME);
        inv = usual();
        memcpy(inv.alice_to_bob, inv.bob_to_alice, sizeof inv.alice_to_bob);
        assert_err(invitation_print(&inv, text), ERR_BAD_NAME);
        assert_string_equal(text, "untouched");
}

static int clear(void **state)
{
        (void)state;
        vectors_clear();
        return 0;
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_printed_comes_back),
                cmocka_unit_test(the_text_is_as_described),
                cmocka_unit_test(the_largest_fits),
                cmocka_unit_test(white_space_around_is_passed_over),
                cmocka_unit_test(texts_that_are_no_invitation),
                cmocka_unit_test(too_long_a_text_is_not_looked_at),
                cmocka_unit_test(every_cut_is_told),
                cmocka_unit_test(wrong_parts_have_sentences_of_their_own),
                cmocka_unit_test(names_and_nodes_one_byte_too_long),
                cmocka_unit_test(flipped_characters_never_harm),
                cmocka_unit_test(what_none_would_take_is_not_printed),
        };
        return cmocka_run_group_tests(tests, NULL, clear);
}
