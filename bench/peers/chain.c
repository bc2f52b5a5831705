/* chain: the least that has to be done to bring so many MiB from rank 0 to all others by encrypted streams:
 * each rank reads from the one before it, opens each piece into memory that was not touched before, and
 * passes the piece on. TCP and AES-128-GCM by libcrypto, and nothing else: no messages, nothing is shared,
 * nobody may fail. Prints GB/s of one copy. chain MIB         each rank seals what it passes on for the next
 * one chain MIB once    rank 0 seals for all of them, and what is sealed is passed on as it came */
#include "config.h"

#include <mpi.h>
#include <netdb.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../bench.h"

enum { PIECE = 256 << 10, TAG = 16, NAME = 256 };

static int rank, ranks;

/* -------------------------------------------------------------------- streams */

struct place {
    char host[NAME], port[8];
};

static void must(int is, const char *what)
{
    if (!is)
        die(what);
}

/* A socket that listens, at any port: *at. */
static int listen_anywhere(struct place *at)
{
    struct sockaddr_storage a;
    socklen_t size = sizeof a;
    int s = socket(AF_INET, SOCK_STREAM, 0);

    must(s >= 0 && listen(s, 1) == 0 && getsockname(s, (struct sockaddr *)&a, &size) == 0, "cannot listen");
    must(getnameinfo((struct sockaddr *)&a, size, NULL, 0, at->port, sizeof at->port, NI_NUMERICSERV) == 0,
         "no port");
    must(gethostname(at->host, sizeof at->host) == 0, "no host name");
    return s;
}

static int connect_to(const struct place *at)
{
    struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *list;
    int s;

    must(getaddrinfo(at->host, at->port, &hints, &list) == 0, "no address of the next rank");
    s = socket(AF_INET, SOCK_STREAM, 0);
    must(s >= 0 && connect(s, list->ai_addr, list->ai_addrlen) == 0, "cannot connect to the next rank");
    freeaddrinfo(list);
    return s;
}

static void send_all(int s, const void *bytes, size_t size)
{
    ssize_t n;

    for (const char *p = bytes; size > 0; p += n, size -= (size_t)n)
        must((n = send(s, p, size, MSG_NOSIGNAL)) > 0, "cannot send");
}

static void receive_all(int s, void *bytes, size_t size)
{
    ssize_t n;

    for (char *p = bytes; size > 0; p += n, size -= (size_t)n)
        must((n = recv(s, p, size, MSG_WAITALL)) > 0, "cannot receive");
}

/* The streams from the rank before, and to the one behind; -1: there is none. */
static void join(int *from, int *to)
{
    struct place own, next;
    int listener = listen_anywhere(&own), before = rank > 0 ? rank - 1 : MPI_PROC_NULL,
        behind = rank < ranks - 1 ? rank + 1 : MPI_PROC_NULL;

    MPI_Sendrecv(&own, sizeof own, MPI_BYTE, before, 0, &next, sizeof next, MPI_BYTE, behind, 0,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    *to = behind != MPI_PROC_NULL ? connect_to(&next) : -1;
    *from = before != MPI_PROC_NULL ? accept(listener, NULL, NULL) : -1;
    close(listener);
}

/* -------------------------------------------------------------------- pieces */

static EVP_CIPHER_CTX *cipher;

/* Another nonce for each piece. */
static void begin(uint64_t number, int seals)
{
    unsigned char nonce[12] = { 0 };

    memcpy(nonce, &number, sizeof number);
    must(EVP_CipherInit_ex(cipher, NULL, NULL, NULL, nonce, seals) == 1, "no cipher");
}

static void seal(uint64_t number, const unsigned char *from, unsigned char *to)
{
    int n;

    begin(number, 1);
    must(EVP_CipherUpdate(cipher, to, &n, from, PIECE) == 1 &&
             EVP_CipherFinal_ex(cipher, to + PIECE, &n) == 1 &&
             EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, TAG, to + PIECE) == 1,
         "cannot seal");
}

static void open_piece(uint64_t number, unsigned char *from, unsigned char *to)
{
    int n;

    begin(number, 0);
    must(EVP_CipherUpdate(cipher, to, &n, from, PIECE) == 1 &&
             EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, TAG, from + PIECE) == 1 &&
             EVP_CipherFinal_ex(cipher, to + PIECE, &n) == 1,
         "other bytes have come");
}

static void pass(unsigned char *data, size_t size, int from, int to, int once)
{
    static unsigned char came[PIECE + TAG], goes[PIECE + TAG];

    for (size_t at = 0; at < size; at += PIECE) {
        uint64_t number = at / PIECE;

        if (from >= 0) {
            receive_all(from, came, sizeof came);
            if (to >= 0 && once)
                send_all(to, came, sizeof came);
            open_piece(number, came, data + at);
        }
        if (to >= 0 && (from < 0 || !once)) {
            seal(number, data + at, goes);
            send_all(to, goes, sizeof goes);
        }
    }
}

int main(int argc, char **argv)
{
    static const unsigned char key[16] = { 1, 2, 3 };
    size_t size = number(argc, argv, 1, 1024) << 20;
    unsigned char *data, done = 1;
    int from, to;
    double t;

    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &ranks);
    /* The rank that opens has room behind its last piece, though nothing is written there. */
    if (ranks < 2 || !(data = malloc(size + TAG)) || !(cipher = EVP_CIPHER_CTX_new()) ||
        EVP_CipherInit_ex(cipher, EVP_aes_128_gcm(), NULL, key, NULL, 1) != 1)
        die("no memory, no cipher, or only one rank");
    if (rank == 0)
        memset(data, 42, size);
    join(&from, &to);
    MPI_Barrier(MPI_COMM_WORLD);
    t = now();
    pass(data, size, from, to, argc > 2 && strcmp(argv[2], "once") == 0);
    if (to >= 0)
        receive_all(to, &done, 1); /* the next one has all, and so have those behind it */
    if (rank == 0)
        say("bytes", (double)size / (now() - t) * 1e-9);
    else
        send_all(from, &done, 1);
    if (data[size - 1] != 42)
        die("other bytes have come");
    EVP_CIPHER_CTX_free(cipher);
    free(data);
    return MPI_Finalize();
}
