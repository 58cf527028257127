/* UTF-8, after RFC 3629. */
#include "transport/base/bytes.h"

/* How long a character is that begins with `first`, and the range of its second byte, which is what rules out overlong forms,
 * surrogates and what lies beyond U+10FFFF. */
static size_t lead(uint8_t first, uint8_t *low, uint8_t *high)
{
        *low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        *high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        if (first < 0x80) return 1;
        if (first < 0xc2) return 0;
        if (first < 0xe0) return 2;
        if (first < 0xf0) return 3;
        return first < 0xf5 ? 4 : 0;
}

size_t bytes_utf8_char(struct bytes in)
{
        uint8_t low, high;
        size_t n = in.n ? lead(in.p[0], &low, &high) : 0;

        if (n < 2) return n;
        if (n > in.n || in.p[1] < low || in.p[1] > high) return 0;
        for (size_t i = 2; i < n; i++)
                if ((in.p[i] & 0xc0) != 0x80) return 0;
        return n;
}

bool bytes_are_utf8(struct bytes in)
{
        for (size_t i = 0; i < in.n;) {
                size_t n = bytes_utf8_char(bytes_make(in.p + i, in.n - i));
                if (n == 0) return false;
                i += n;
        }
        return true;
}
