/* What the static analysers are told (included before each file that they look at; the compiler never sees it).
 *
 * They follow one file at a time. The macros of <sys/queue.h> and <uthash.h> they follow into every pointer of every element, without being
 * able to see that an element that was removed is no longer the first: dozens of wrong alarms, and minutes for one file. Here a list is
 * changed by a function that they know nothing about, so that they assume any content afterwards. And fail() returns what it is given. */
#ifndef STROP_ANALYSIS_MODELS_H
#define STROP_ANALYSIS_MODELS_H

#include "transport/base/err.h"

#include <sys/queue.h>
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

void analysis_changed(void *list, void *element);
void *analysis_first(const void *list);
void *analysis_find(const void *table, const void *key);
unsigned analysis_count(const void *table);

#undef LIST_FIRST
#undef STAILQ_FIRST
#undef TAILQ_FIRST
#define LIST_FIRST(head)   ((__typeof__((head)->lh_first))analysis_first(head))
#define STAILQ_FIRST(head) ((__typeof__((head)->stqh_first))analysis_first(head))
#define TAILQ_FIRST(head)  ((__typeof__((head)->tqh_first))analysis_first(head))

#undef LIST_INSERT_HEAD
#undef LIST_REMOVE
#undef STAILQ_INSERT_TAIL
#undef STAILQ_REMOVE_HEAD
#undef STAILQ_CONCAT
#undef TAILQ_INSERT_HEAD
#undef TAILQ_INSERT_TAIL
#undef TAILQ_REMOVE
#undef TAILQ_CONCAT
#define LIST_INSERT_HEAD(head, element, field)   analysis_changed((head), (element))
#define LIST_REMOVE(element, field)              analysis_changed((void *)(element)->field.le_prev, (element))
#define STAILQ_INSERT_TAIL(head, element, field) analysis_changed((head), (element))
#define STAILQ_REMOVE_HEAD(head, field)          analysis_changed((head), STAILQ_FIRST(head))
#define STAILQ_CONCAT(to, from)                  analysis_changed((to), (from))
#define TAILQ_INSERT_HEAD(head, element, field)  analysis_changed((head), (element))
#define TAILQ_INSERT_TAIL(head, element, field)  analysis_changed((head), (element))
#define TAILQ_REMOVE(head, element, field)       analysis_changed((head), (element))
#define TAILQ_CONCAT(to, from, field)            analysis_changed((to), (from))

#undef HASH_ADD
#undef HASH_ADD_KEYPTR
#undef HASH_ADD_STR
#undef HASH_COUNT
#undef HASH_DEL
#undef HASH_DELETE
#undef HASH_FIND
#undef HASH_FIND_STR
#define HASH_ADD(hh, table, field, n, element)       analysis_changed(&(table), (element))
#define HASH_ADD_KEYPTR(hh, table, key, n, element)  ((void)(key), (void)(n), analysis_changed(&(table), (element)))
#define HASH_ADD_STR(table, field, element)          analysis_changed(&(table), (element))
#define HASH_COUNT(table)                            analysis_count(table)
#define HASH_DEL(table, element)                     analysis_changed(&(table), (element))
#define HASH_DELETE(hh, table, element)              analysis_changed(&(table), (element))
#define HASH_FIND(hh, table, key, n, out)            ((void)(n), (out) = analysis_find((table), (key)))
#define HASH_FIND_STR(table, key, out)               ((out) = analysis_find((table), (key)))

#define fail(why, value, ...)                                      \
        ({                                                         \
                enum err same = fail((why), (value), __VA_ARGS__); \
                (void)same;                                        \
                (enum err)(value);                                 \
        })

#endif
