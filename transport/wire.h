/* Numbers that the wire fixes, each with its source in docs/protocol.md. What we chose ourselves stands in limits.h. */
#ifndef STROP_TRANSPORT_WIRE_H
#define STROP_TRANSPORT_WIRE_H

enum {
        FRAME_LENGTH_SIZE = 2,          /* TCP frame: big-endian length before each message */
        FRAME_MAX = 65535,              /* TCP frame: the largest message */
        MESSAGE_VERSION = 1,            /* transport message: written; not looked at when read */
        ADDRESS_LOCAL = 0,              /* address type: a worker of this process */
        ADDRESS_TCP = 1,                /* address type: "host:port"; never dialled for a client */
        ADDRESS_RANDOM_SIZE = 32,       /* a random local address: 16 bytes as lower-case hex */
        UINT_SIZE_MAX = 10,             /* BARE: the longest uint of 64 bits */
};

#endif
