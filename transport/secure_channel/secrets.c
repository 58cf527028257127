/* The slab of secrets (secrets.h): whole pages from the system, with a page that nobody may touch before and behind, so that
 * a read or write that runs off either end stops the process instead of meeting a key. */
#include "transport/secure_channel/secrets.h"
#include "transport/base/logger.h"
#include "transport/secure_channel/crypto.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

static struct {
        uint8_t *map;     /* guard page, pages, guard page */
        size_t map_size;
        uint8_t *pages;
        size_t page_size; /* of a guard page */
        bool *taken;      /* one for each slot */
        size_t *free;     /* stack of slots that are free */
        size_t slots, free_count;
} slab;

static bool slab_map(size_t size)
{
        slab.page_size = (size_t)sysconf(_SC_PAGESIZE);
        const size_t pages_size = (size + slab.page_size - 1) / slab.page_size * slab.page_size;

        slab.map_size = pages_size + 2 * slab.page_size;
        slab.map = mmap(NULL, slab.map_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (slab.map == MAP_FAILED) {
                slab.map = NULL;
                return false;
        }
        slab.pages = slab.map + slab.page_size;
        return mprotect(slab.pages, pages_size, PROT_READ | PROT_WRITE) == 0;
}

static void slab_protect(void)
{
        const size_t size = slab.map_size - 2 * slab.page_size;

        if (mlock(slab.pages, size))
                log_warning("secrets", "keys may be written to swap: locking %zu bytes of memory failed: %s; raise the limit (ulimit -l)",
                            size, strerror(errno));
#ifdef MADV_DONTDUMP
        if (madvise(slab.pages, size, MADV_DONTDUMP))
                log_warning("secrets", "keys may be in core dumps: %s", strerror(errno));
#endif
}

enum err secrets_init(size_t slots)
{
        if (slab.map) return ERR_UNEXPECTED;
        if (slots == 0 || slots > SIZE_MAX / SECRET_SLOT_SIZE / 2) return ERR_NO_MEMORY;
        slab.taken = calloc(slots, sizeof *slab.taken);
        slab.free = calloc(slots, sizeof *slab.free);
        if (!slab.taken || !slab.free || !slab_map(slots * SECRET_SLOT_SIZE)) {
                secrets_clear();
                return ERR_NO_MEMORY;
        }
        slab_protect();
        slab.slots = slots;
        slab.free_count = slots;
        for (size_t i = 0; i < slots; i++) slab.free[i] = slots - 1 - i;
        return OK;
}

void secrets_clear(void)
{
        if (slab.map) {
                if (slab.slots) crypto_wipe(slab.pages, slab.map_size - 2 * slab.page_size);
                munmap(slab.map, slab.map_size);
        }
        free(slab.taken);
        free(slab.free);
        memset(&slab, 0, sizeof slab);
}

void secrets_harden_process(void)
{
        const struct rlimit none = {0, 0};

        if (setrlimit(RLIMIT_CORE, &none)) log_warning("secrets", "core dumps stay on: %s", strerror(errno));
#ifdef __linux__
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0))
                log_warning("secrets", "other processes of this user may read our memory: %s", strerror(errno));
#endif
}

void *secret_new(void)
{
        if (slab.free_count == 0) return NULL;

        const size_t slot = slab.free[--slab.free_count];
        slab.taken[slot] = true;
        return slab.pages + slot * SECRET_SLOT_SIZE;
}

void secret_free(void *secret)
{
        if (!secret) return;

        const size_t offset = (size_t)((uint8_t *)secret - slab.pages);
        const size_t slot = offset / SECRET_SLOT_SIZE;
        /* A slot that is not ours, or is given back twice, would hand one key's memory to two owners. */
        if (!slab.map || offset % SECRET_SLOT_SIZE || slot >= slab.slots || !slab.taken[slot]) abort();
        crypto_wipe(secret, SECRET_SLOT_SIZE);
        slab.taken[slot] = false;
        slab.free[slab.free_count++] = slot;
}

size_t secrets_used(void)
{
        return slab.slots - slab.free_count;
}
