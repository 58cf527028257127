/* A reader's index, between two bounds; see the header. */
#include "tests/support/reader_checker.h"

enum { PULLED_AHEAD_MAX = 16 * 256 }; /* the most that a consumer asks for beyond what it has */

const char *reader_asks_index(const struct reader_checker *reader)
{
        return reader->pulls ? "I7: a reader asks the node for its index though it has one" : NULL;
}

void reader_is_told(struct reader_checker *reader, uint64_t index)
{
        if (!reader->pulls && reader->told_count < READER_TOLD_MAX) reader->told[reader->told_count++] = index;
}

/* The first pull shows which of the answers it took: it pulls from there, or from one before (a check). */
static const char *begin(struct reader_checker *reader, uint64_t from)
{
        bool found = false;

        for (size_t i = 0; i < reader->told_count; i++) {
                uint64_t index = reader->told[i];

                if (from != index && from + 1 != index) continue;
                if (!found || index > reader->reach) reader->reach = index;
                if (!found || index < reader->low) reader->low = index;
                found = true;
        }
        reader->pulls = true;
        if (reader->told_count == READER_TOLD_MAX) return NULL; /* some were not noted */
        return found ? NULL : "I7: a reader begins at %llu, which nobody has told it";
}

const char *reader_pulls(struct reader_checker *reader, uint64_t from, uint64_t limit)
{
        if (!reader->pulls) return begin(reader, from);
        if (from == 0 && limit == 1) return NULL; /* looks whether there is anything at all */
        if (from > reader->reach + PULLED_AHEAD_MAX) return "I7: a reader pulls from %llu, and has been given what lies before %llu";
        if (from + 1 >= reader->low) return NULL;
        if (!reader->ended) return "I7: a reader goes back to %llu from %llu";
        reader->low = from;
        return NULL;
}

static void merge_ahead(struct reader_checker *reader)
{
        for (size_t i = 0; i < reader->ahead_count;) {
                if (reader->ahead[i].from > reader->reach) {
                        i++;
                        continue;
                }
                if (reader->ahead[i].end > reader->reach) reader->reach = reader->ahead[i].end;
                reader->ahead[i] = reader->ahead[--reader->ahead_count];
                i = 0;
        }
}

void reader_is_given(struct reader_checker *reader, uint64_t from, uint64_t limit, uint64_t count, uint64_t last)
{
        if (count == 0) {
                if (limit == 1 && from + 1 >= reader->low) reader->ended = true;
        } else if (from <= reader->reach) {
                if (last + 1 > reader->reach) reader->reach = last + 1;
                merge_ahead(reader);
        } else if (reader->ahead_count < READER_AHEAD_MAX) {
                reader->ahead[reader->ahead_count++] = (struct reader_span){from, last + 1};
        }
}

const char *reader_saves(struct reader_checker *reader, uint64_t index)
{
        if (!reader->pulls) return "I7: a reader saves %llu before it has read anything";
        if (index > reader->reach) return "I7: a reader saves %llu, and has been given what lies before %llu";
        if (index < reader->low && !reader->ended) return "I7: a reader saves %llu, and had come to %llu";
        reader->low = index;
        return NULL;
}
