/* Buckets of tokens, and the table of hosts that has two of them for each: what is let through in a second, who waits for how long, and
 * that nobody gets rid of a debt by leaving. */
#include "tests/support/test.h"
#include "transport/bucket.h"
#include "transport/hosts.h"

#include <stdio.h>

static void a_bucket_gives_a_second_s_worth_at_once_and_then_its_rate(void **state)
{
        struct bucket bucket = {0};
        uint64_t now = 1000000;

        (void)state;
        for (int i = 0; i < 10; i++)
                assert_int_equal(bucket_take(&bucket, 10, now, 1), 0);
        assert_int_equal(bucket_take(&bucket, 10, now, 1), 100);
        assert_int_equal(bucket_take(&bucket, 10, now + 99, 0), 1);
        assert_int_equal(bucket_take(&bucket, 10, now + 100, 0), 0);
        assert_int_equal(bucket_take(&bucket, 10, now + 100, 1), 100);
        assert_int_equal(bucket_take(&bucket, 10, now + 5000, 10), 0); /* no more is saved than a second's worth */
        assert_int_equal(bucket_take(&bucket, 10, now + 5000, 1), 100);
        assert_int_equal(bucket_take(&bucket, 0, now, 1000000), 0); /* no limit */
}

static void a_bucket_counts_right_at_the_ends_of_its_numbers(void **state)
{
        struct bucket bucket = {0};

        (void)state;
        assert_int_equal(bucket_take(&bucket, UINT32_MAX, 1, UINT64_MAX), 0); /* TAKE_MAX is less than a second's worth of this */
        bucket = (struct bucket){0};
        assert_int_equal(bucket_take(&bucket, 1, UINT64_MAX - 1, 1u << 30), ((1ull << 30) - 1) * 1000);
        assert_int_equal(bucket_take(&bucket, 1, UINT64_MAX, 0), ((1ull << 30) - 1) * 1000 - 1);
        bucket = (struct bucket){0};
        for (uint64_t ms = 0; ms < 3000; ms++) { /* parts of a token add up */
                assert_int_equal(bucket_take(&bucket, 3, 5000 + ms, 0), 0);
                if (ms % 1000 == 999) assert_int_equal(bucket_take(&bucket, 3, 5000 + ms, 3), 0);
        }
}

static struct host *join(struct hosts *hosts, const char *peer, uint64_t now)
{
        struct host *host;

        assert_ok(hosts_join(hosts, peer, now, &host));
        return host;
}

static void hosts_are_told_apart_by_their_addresses(void **state)
{
        static const struct {
                const char *one, *other;
                bool same;
        } cases[] = {
                {"192.0.2.1:4000", "192.0.2.1:4001", true},
                {"192.0.2.1:4000", "192.0.2.2:4000", false},
                {"[2001:db8:1:2::1]:4000", "[2001:db8:1:2:ffff::7]:9", true}, /* one network of one machine */
                {"[2001:db8:1:2::1]:4000", "[2001:db8:1:3::1]:4000", false},
                {"[::ffff:192.0.2.1]:4000", "[::ffff:192.0.2.2]:4000", false},
                {"[fe80::1%eth0]:4000", "[fe80::2%eth1]:4000", true},
                {"alice", "alice", true},
                {"alice", "bob", false},
                {"", "", true},
        };

        (void)state;
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
                struct transport_limits limits = TRANSPORT_LIMITS_DEFAULT;
                struct hosts *hosts = hosts_new(&limits);
                struct host *one, *other;

                assert_non_null(hosts);
                one = join(hosts, cases[i].one, 1);
                other = join(hosts, cases[i].other, 1);
                if ((one == other) != cases[i].same) fail_msg("case %zu: %s and %s", i, cases[i].one, cases[i].other);
                assert_int_equal(hosts_count(hosts), cases[i].same ? 1 : 2);
                hosts_free(hosts);
        }
}

static void R4_a_host_is_refused_one_connection_too_many(void **state)
{
        struct transport_limits limits = TRANSPORT_LIMITS_DEFAULT;
        struct hosts *hosts;
        struct host *host, *none = NULL;

        (void)state;
        limits.host_connections = 2;
        assert_non_null(hosts = hosts_new(&limits));
        host = join(hosts, "192.0.2.1:1", 1);
        assert_ptr_equal(join(hosts, "192.0.2.1:2", 1), host);
        assert_err(hosts_join(hosts, "192.0.2.1:3", 1, &none), ERR_FULL);
        assert_null(none);
        join(hosts, "192.0.2.2:1", 1);
        hosts_leave(hosts, host, 1);
        assert_ptr_equal(join(hosts, "192.0.2.1:4", 1), host);
        hosts_free(hosts);
}

static void R4_leaving_pays_no_debt_and_paid_hosts_are_forgotten(void **state)
{
        struct transport_limits limits = TRANSPORT_LIMITS_DEFAULT;
        struct hosts *hosts;
        struct host *host;
        uint64_t now = 1000000;

        (void)state;
        limits.host_bytes_per_s = 1000;
        assert_non_null(hosts = hosts_new(&limits));
        host = join(hosts, "192.0.2.1:1", now);
        assert_int_equal(hosts_charge(hosts, host, now, 11000), 10000);
        hosts_leave(hosts, host, now);
        assert_int_equal(hosts_count(hosts), 1);
        host = join(hosts, "192.0.2.1:2", now + 4000);
        assert_int_equal(hosts_charge(hosts, host, now + 4000, 1), 6001);
        hosts_leave(hosts, host, now + 4000);
        for (unsigned i = 0; i < 1000; i++) { /* others come and go: nothing is left of them */
                char peer[32];

                snprintf(peer, sizeof peer, "198.51.%u.%u:1", i / 250, i % 250);
                hosts_leave(hosts, join(hosts, peer, now + 5000), now + 5000);
                assert_in_range(hosts_count(hosts), 1, 3);
        }
        host = join(hosts, "192.0.2.9:1", now + 20000);
        hosts_leave(hosts, host, now + 20000);
        assert_int_equal(hosts_count(hosts), 0);
        hosts_free(hosts);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(a_bucket_gives_a_second_s_worth_at_once_and_then_its_rate),
                cmocka_unit_test(a_bucket_counts_right_at_the_ends_of_its_numbers),
                cmocka_unit_test(hosts_are_told_apart_by_their_addresses),
                cmocka_unit_test(R4_a_host_is_refused_one_connection_too_many),
                cmocka_unit_test(R4_leaving_pays_no_debt_and_paid_hosts_are_forgotten),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
