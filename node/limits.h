/* What the node's own parts bound, beside the layers below; what an operator should set is in the option table. */
#ifndef STROP_NODE_LIMITS_H
#define STROP_NODE_LIMITS_H

enum {
        DESCRIPTORS_KEPT = 256, /* of those that the system allows, not for clients: Kafka must be reachable when they hold all of theirs */
        FINISH_MS = 1000,       /* at the end, for closed connections to take what they were answered */
        TRIM_LOOK_MS = 1000,          /* how often free memory is looked for; given back to the system, ... */
        TRIM_MUCH_BYTES = 32 << 20,   /* ... when it is so much ... */
        TRIM_FREE_BYTES = 2 << 20,    /* ... or so much, at every ... */
        TRIM_SELDOM = 10,             /* ... look of so many: what is used again soon is cheaper kept */

        HTTP_CONNECTIONS_MAX = 32, /* open at once; more wait until one of them ends */
        HTTP_BODY_MAX = 0,         /* bytes of a request's body: an error */
        HTTP_HEADERS_MAX = 8192,   /* bytes of a request's head; more: an error */
        HTTP_INPUT_MAX = 16384,    /* bytes read ahead on a connection; then reading waits */
        HTTP_TIMEOUT_S = 10,       /* without a byte: closed */
        HTTP_AGE_MAX_MS = 60000,   /* of a connection, however busy it is: closed */
        HTTP_LOOK_MS = 100,        /* how often connections are looked after while there are any */
        HTTP_PAUSE_MS = 200,       /* without a descriptor or memory accepting rests so long */

        OPTION_TEXT_MAX = 1024,      /* bytes of an option's value with its end; more: refused */
        OPTION_PROPERTIES_MAX = 128, /* properties for librdkafka; more: refused */
        OPTION_FILE_MAX = 1 << 20,   /* bytes of a configuration file; more: refused */
};

#endif
