/* A library that tests of the programs put before libsodium and libcrypto (LD_PRELOAD), told by the environment what to do:
 *
 *   STROP_WRONG=FUNCTION           that function gives a wrong answer
 *   STROP_WRONG="FUNCTION accepts" that function finds everything right
 *   STROP_KEYS=FILE                every key that a primitive is given is appended there: a byte that says how long it is, and the key
 *
 * It keeps no copy of a key in the memory of the program, which the tests search. */
#include <dlfcn.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))
/* The function itself. POSIX says that what dlsym returns can be made a function pointer. */
#define REAL(name) ((__typeof__(&(name)))real(#name))

static void *real(const char *name)
{
        void *found = dlsym(RTLD_NEXT, name);

        if (!found) abort();
        return found;
}

static bool is_wrong(const char *name)
{
        const char *wrong = getenv("STROP_WRONG");

        return wrong && strcmp(wrong, name) == 0;
}

static bool accepts(const char *name)
{
        const char *wrong = getenv("STROP_WRONG");
        const size_t n = strlen(name);

        return wrong && strncmp(wrong, name, n) == 0 && strcmp(wrong + n, " accepts") == 0;
}

static void record(const unsigned char *key, size_t n)
{
        static int fd = -1;
        unsigned char size = (unsigned char)n;
        const struct iovec parts[] = {{&size, 1}, {(void *)(uintptr_t)key, n}};
        const char *path = getenv("STROP_KEYS");

        if (!path || n > UINT8_MAX) return;
        if (fd < 0) fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0 || writev(fd, parts, 2) != (ssize_t)n + 1) abort();
}

EXPORTED int crypto_hash_sha256(unsigned char *out, const unsigned char *in, unsigned long long n)
{
        const int result = REAL(crypto_hash_sha256)(out, in, n);

        out[0] ^= is_wrong(__func__);
        return result;
}

EXPORTED int crypto_hash_sha256_final(crypto_hash_sha256_state *state, unsigned char *out)
{
        const int result = REAL(crypto_hash_sha256_final)(state, out);

        out[0] ^= is_wrong(__func__);
        return result;
}

EXPORTED int crypto_auth_hmacsha256_init(crypto_auth_hmacsha256_state *state, const unsigned char *key, size_t n)
{
        record(key, n);
        return REAL(crypto_auth_hmacsha256_init)(state, key, n);
}

EXPORTED int crypto_auth_hmacsha256_final(crypto_auth_hmacsha256_state *state, unsigned char *out)
{
        const int result = REAL(crypto_auth_hmacsha256_final)(state, out);

        out[0] ^= is_wrong(__func__);
        return result;
}

EXPORTED int crypto_scalarmult(unsigned char *q, const unsigned char *n, const unsigned char *p)
{
        record(n, crypto_scalarmult_SCALARBYTES);

        const int result = REAL(crypto_scalarmult)(q, n, p);

        q[0] ^= is_wrong(__func__);
        return accepts(__func__) ? 0 : result;
}

EXPORTED int crypto_scalarmult_base(unsigned char *q, const unsigned char *n)
{
        record(n, crypto_scalarmult_SCALARBYTES);

        const int result = REAL(crypto_scalarmult_base)(q, n);

        q[0] ^= is_wrong(__func__);
        return result;
}

EXPORTED int crypto_sign_seed_keypair(unsigned char *public, unsigned char *secret, const unsigned char *seed)
{
        record(seed, crypto_sign_SEEDBYTES);

        const int result = REAL(crypto_sign_seed_keypair)(public, secret, seed);

        public[0] ^= is_wrong(__func__);
        return result;
}

EXPORTED int crypto_sign_detached(unsigned char *signature, unsigned long long *size, const unsigned char *in, unsigned long long n,
                                  const unsigned char *secret)
{
        const int result = REAL(crypto_sign_detached)(signature, size, in, n, secret);

        signature[0] ^= is_wrong(__func__);
        return result;
}

EXPORTED int crypto_sign_verify_detached(const unsigned char *signature, const unsigned char *in, unsigned long long n,
                                         const unsigned char *public)
{
        const int result = REAL(crypto_sign_verify_detached)(signature, in, n, public);

        if (is_wrong(__func__)) return -1;
        return accepts(__func__) ? 0 : result;
}

EXPORTED int EVP_DigestVerify(EVP_MD_CTX *ctx, const unsigned char *signature, size_t signature_n, const unsigned char *in, size_t n)
{
        const int result = REAL(EVP_DigestVerify)(ctx, signature, signature_n, in, n);

        if (is_wrong(__func__)) return 0;
        return accepts(__func__) ? 1 : result;
}

EXPORTED int EVP_EncryptInit_ex2(EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher, const unsigned char *key, const unsigned char *iv,
                                 const OSSL_PARAM params[])
{
        if (key) record(key, 32);
        return REAL(EVP_EncryptInit_ex2)(ctx, cipher, key, iv, params);
}

EXPORTED int EVP_CipherUpdate(EVP_CIPHER_CTX *ctx, unsigned char *out, int *out_n, const unsigned char *in, int n)
{
        const int result = REAL(EVP_CipherUpdate)(ctx, out, out_n, in, n);

        if (out) out[0] ^= is_wrong(__func__);
        return result;
}

EXPORTED int EVP_CipherFinal_ex(EVP_CIPHER_CTX *ctx, unsigned char *out, int *n)
{
        const int result = REAL(EVP_CipherFinal_ex)(ctx, out, n);

        return accepts(__func__) ? 1 : result;
}
