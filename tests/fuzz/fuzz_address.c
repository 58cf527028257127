/* Texts that people and invitations give: host:port, and identifiers. What is taken is written and taken again, and is the same. */
#include "tests/fuzz/fuzz.h"
#include "transport/secure_channel/identity.h"
#include "transport/tcp.h"

#include <stdio.h>

enum { HOST_MAX = 256 };

static void check_address(const char *text)
{
        char host[HOST_MAX], again[HOST_MAX], written[HOST_MAX + 16];
        struct reason why = {""};
        uint16_t port, port_again;

        if (!tcp_address_split(text, host, sizeof host, &port, &why)) {
                fuzz_require(why.text[0] != '\0');
                return;
        }
        fuzz_require(host[0] && strlen(host) < sizeof host);
        snprintf(written, sizeof written, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, (unsigned)port);
        if (host[0] == '[') return; /* such a host comes in brackets of its own alone */
        fuzz_require(tcp_address_split(written, again, sizeof again, &port_again, &why));
        fuzz_require(strcmp(again, host) == 0 && port_again == port);
}

static void check_identifier(struct bytes text)
{
        char written[IDENTIFIER_TEXT_SIZE + 1];
        struct identifier id, again;

        if (identifier_parse(text, &id) != OK) return;
        fuzz_require(text.n == IDENTIFIER_TEXT_SIZE && strlen(identifier_text(&id, written)) == IDENTIFIER_TEXT_SIZE);
        fuzz_require(identifier_parse(bytes_of_text(written), &again) == OK && identifier_equal(&again, &id));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        char *text = fuzz_text(bytes_make(data, size));

        check_address(text);
        check_identifier(bytes_make(data, size));
        free(text);
        return 0;
}
