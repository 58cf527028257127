/* A library that tests of the programs put before libsodium, libcrypto and libc (LD_PRELOAD), told by the environment what to do:
 *
 *   STROP_WRONG=FUNCTION           that function gives a wrong answer
 *   STROP_WRONG="FUNCTION accepts" that function finds everything right
 *   STROP_KEYS=FILE                every key that a primitive is given is appended there: a byte that says how long it is, and the key
 *   STROP_DIALS=FILE               every address that is dialled, and every name that is looked up, is appended there, a line each
 *
 * It keeps no copy of a key in the memory of the program, which the tests search. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
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

static void note(const char *what, unsigned port)
{
        const char *path = getenv("STROP_DIALS");
        char line[512];
        int n, fd;

        if (!path) return;
        n = snprintf(line, sizeof line, "%s %u\n", what, port);
        fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0 || n < 0 || (size_t)n >= sizeof line || write(fd, line, (size_t)n) != n) abort();
        close(fd);
}

EXPORTED int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t n)
{
        const struct sockaddr_in *in4 = address.__sockaddr_in__;
        const struct sockaddr_in6 *in6 = address.__sockaddr_in6__;
        char text[INET6_ADDRSTRLEN] = "";

        if (in4->sin_family == AF_INET) note(inet_ntop(AF_INET, &in4->sin_addr, text, sizeof text), ntohs(in4->sin_port));
        if (in6->sin6_family == AF_INET6) note(inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text), ntohs(in6->sin6_port));
        return REAL(connect)(fd, address, n);
}

EXPORTED int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
        note(node ? node : "", 0);
        return REAL(getaddrinfo)(node, service, hints, found);
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
