/* lmdb: a table in a memory-mapped file in /dev/shm, as in kith/dict: each set is a transaction that is not
 * written to disk, each get a look at the newest state. */
#include "config.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bench.h"

enum { KEYS = 1000, SETS = 300000, GETS = 3000000 };

static char path[64];

static void must(int rc)
{
    if (rc != 0)
        die(mdb_strerror(rc));
}

/* Not to be used across a fork. */
static MDB_env *open_env(void)
{
    MDB_env *env;

    must(mdb_env_create(&env));
    must(mdb_env_set_mapsize(env, 1 << 26));
    must(mdb_env_open(env, path, MDB_NOSYNC | MDB_WRITEMAP, 0600));
    return env;
}

static void sets(MDB_env *env, int rounds)
{
    for (long long i = 0; i < rounds; i++) {
        long long number = i % KEYS;
        MDB_val key = { sizeof number, &number }, value = { sizeof i, &i };
        MDB_txn *txn;
        MDB_dbi table;

        must(mdb_txn_begin(env, NULL, 0, &txn));
        must(mdb_dbi_open(txn, NULL, 0, &table));
        must(mdb_put(txn, table, &key, &value, 0));
        must(mdb_txn_commit(txn));
    }
}

static void gets(MDB_env *env, int rounds)
{
    MDB_txn *txn;
    MDB_dbi table;

    must(mdb_txn_begin(env, NULL, MDB_RDONLY, &txn));
    must(mdb_dbi_open(txn, NULL, 0, &table));
    for (long long i = 0; i < rounds; i++) {
        long long number = i % KEYS;
        MDB_val key = { sizeof number, &number }, value;

        mdb_txn_reset(txn);
        must(mdb_txn_renew(txn));
        must(mdb_get(txn, table, &key, &value));
    }
    mdb_txn_abort(txn);
}

static void run(void (*fn)(MDB_env *env, int rounds), int rounds)
{
    fn(open_env(), rounds);
    _exit(0);
}

/* Until both have ended; of gets beside sets: until the gets have. */
static double seconds(void (*one)(MDB_env *, int), int rounds, void (*two)(MDB_env *, int), int more)
{
    double start = now(), end = start;
    pid_t pid[2];
    int status, bad = 0;

    if ((pid[0] = fork()) == 0)
        run(one, rounds);
    if (two && (pid[1] = fork()) == 0)
        run(two, more);
    for (int i = 0; i < (two ? 2 : 1); i++) {
        waitpid(pid[i], &status, 0);
        bad |= status;
        if (i == 0 || one == two)
            end = now();
    }
    if (bad)
        die("a process has failed");
    return end - start;
}

int main(void)
{
    char file[80];

    snprintf(path, sizeof path, "/dev/shm/kith-bench-%d", (int)getpid());
    if (mkdir(path, 0700) < 0)
        die("no /dev/shm");
    seconds(sets, KEYS, NULL, 0);
    say("set", 1e-6 * SETS / seconds(sets, SETS, NULL, 0));
    say("set2", 2e-6 * SETS / seconds(sets, SETS, sets, SETS));
    say("get", 1e-6 * GETS / seconds(gets, GETS, NULL, 0));
    say("get2", 2e-6 * GETS / seconds(gets, GETS, gets, GETS));
    say("beside", 1e-6 * GETS / seconds(gets, GETS, sets, SETS));
    snprintf(file, sizeof file, "%s/data.mdb", path);
    unlink(file);
    snprintf(file, sizeof file, "%s/lock.mdb", path);
    unlink(file);
    rmdir(path);
    return 0;
}
