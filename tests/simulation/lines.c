/* Lines; see the header. */
#include "tests/simulation/lines.h"

#include "transport/wire.h"
#include "transport/bare.h"

#include <stdio.h>
#include <stdlib.h>

static uint64_t mixed(uint64_t x)
{
        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        return x ^ x >> 31;
}

struct bytes line_payload(uint64_t seed, unsigned which, uint32_t number)
{
        static char text[LINE_TEXT_MAX];
        static uint8_t payload[LINE_TEXT_MAX + UINT_SIZE_MAX];
        uint64_t bits = mixed(seed * 0x9e3779b97f4a7c15u + number + 1 + which * 0x100000001u);
        size_t size = bits % 200 == 0 ? LINE_TEXT_MAX - 1 : bits % 100 < 10 ? 2000 : 80, n;
        struct writer w = writer_make(payload, sizeof payload);

        n = (size_t)snprintf(text, sizeof text, "line %u %u ", which, number);
        size = n + mixed(bits) % (size - n);
        for (; n < size; n++)
                text[n] = (char)('a' + mixed(bits + n) % 26);
        bare_put_string(&w, bytes_make(text, n));
        return writer_bytes(&w);
}

bool line_read(struct bytes payload, unsigned *which, uint32_t *number)
{
        char text[64], *end;
        struct bare_reader r = bare_reader_make(payload);
        struct bytes string = bare_string(&r);
        size_t n = string.n < sizeof text ? string.n : sizeof text - 1;

        memcpy(text, n ? string.p : (const uint8_t *)"", n);
        text[n] = 0;
        if (r.err || strncmp(text, "line ", 5) != 0) return false;
        *which = (unsigned)strtoul(text + 5, &end, 10);
        *number = (uint32_t)strtoul(end, NULL, 10);
        return true;
}
