/* Which histories are remembered, and for how long (C13). */
#include "tests/support/party.h"
#include "tests/support/test.h"
#include "transport/secure_channel/secrets.h"

enum { NOW = 1700000000 };

static struct bytes history_of(const struct party *party)
{
        return identity_history(party->identity);
}

static void C13_only_the_same_or_a_longer_history(void **state)
{
        (void)state;
        struct known_peers *known = known_peers_new(10);
        struct party one, two, three, other;

        party_init(&one, 1, 1, NOW);
        party_init(&two, 1, 2, NOW);
        party_init(&three, 1, 3, NOW);
        party_init(&other, 2, 1, NOW);
        assert_ok(known_peers_check(known, &one.id, history_of(&one)));
        assert_false(known_peers_has(known, &one.id, history_of(&one)));

        assert_ok(known_peers_remember(known, &two.id, history_of(&two), true));
        assert_true(known_peers_has(known, &two.id, history_of(&two)));
        assert_false(known_peers_has(known, &two.id, history_of(&three)));
        assert_err(known_peers_check(known, &one.id, history_of(&one)), ERR_IDENTITY);
        assert_ok(known_peers_check(known, &two.id, history_of(&two)));
        assert_ok(known_peers_check(known, &three.id, history_of(&three)));
        assert_ok(known_peers_check(known, &other.id, history_of(&other)));
        assert_err(known_peers_check(known, &two.id, history_of(&other)), ERR_IDENTITY);

        assert_ok(known_peers_remember(known, &three.id, history_of(&three), true));
        assert_err(known_peers_check(known, &two.id, history_of(&two)), ERR_IDENTITY);
        known_peers_free(known);
        party_clear(&one);
        party_clear(&two);
        party_clear(&three);
        party_clear(&other);
}

static struct identifier id_of(unsigned number)
{
        return (struct identifier){{(uint8_t)number, (uint8_t)(number >> 8), 7}};
}

static bool remembers(const struct known_peers *known, unsigned number)
{
        const struct identifier id = id_of(number);

        return known_peers_has(known, &id, BYTES_LITERAL("h"));
}

static void see(struct known_peers *known, unsigned number, bool named)
{
        const struct identifier id = id_of(number);

        assert_ok(known_peers_remember(known, &id, BYTES_LITERAL("h"), named));
}

static void the_least_recently_seen_goes_first(void **state)
{
        (void)state;
        struct known_peers *known = known_peers_new(3);

        for (unsigned i = 0; i < 3; i++) see(known, i, false);
        see(known, 0, false);
        see(known, 3, false);
        assert_true(remembers(known, 0));
        assert_false(remembers(known, 1));
        assert_true(remembers(known, 2) && remembers(known, 3));
        known_peers_free(known);
}

static void strangers_push_out_nobody_who_is_named(void **state)
{
        (void)state;
        struct known_peers *known = known_peers_new(5);

        see(known, 0, true);
        see(known, 1, true);
        for (unsigned i = 2; i < 1000; i++) see(known, i, false);
        assert_true(remembers(known, 0) && remembers(known, 1) && remembers(known, 999));
        assert_false(remembers(known, 2));
        for (unsigned i = 1000; i < 1005; i++) see(known, i, true); /* only the named push out the named */
        assert_false(remembers(known, 0) || remembers(known, 1) || remembers(known, 999));
        assert_true(remembers(known, 1000) && remembers(known, 1004));
        known_peers_free(known);
}

static void a_limit_of_nobody(void **state)
{
        (void)state;
        struct known_peers *known = known_peers_new(0);

        see(known, 1, true);
        assert_false(remembers(known, 1));
        known_peers_free(known);
        known_peers_free(NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(C13_only_the_same_or_a_longer_history),
                cmocka_unit_test(the_least_recently_seen_goes_first),
                cmocka_unit_test(strangers_push_out_nobody_who_is_named),
                cmocka_unit_test(a_limit_of_nobody),
        };

        if (crypto_init(NULL) || secrets_init(16)) return 1;
        const int failed = cmocka_run_group_tests(tests, NULL, NULL);
        secrets_clear();
        return failed;
}
