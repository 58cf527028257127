/* Lets ThreadSanitizer see librdkafka's threads and locks, which are C11's: gcc's and clang's runtimes know the POSIX ones alone, and
 * crash in threads that they have not seen begin. In a build without it there is nothing here. */
#ifndef STROP_TESTS_TSAN_THREADS_H
#define STROP_TESTS_TSAN_THREADS_H

/* To be called once by a program that uses librdkafka, so that it is linked against what is here. */
void tsan_threads_use(void);

#endif
