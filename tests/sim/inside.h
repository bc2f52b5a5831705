/* inside.h: what the parts of the simulation know of each other: nodes (node.c), the fork server of each
 * (server.c), and the clients and the world (sim.c). */
#ifndef SIM_INSIDE_H
#define SIM_INSIDE_H

#include "sim.h"
#include "strand.h"
#include "agent/engine.h"
#include "member/members.h"

#include <setjmp.h>

struct frame {
    uint32_t from;
    size_t size;
    void *bytes;
};

struct sim_node {
    struct kith__mapping mapping;
    struct kith__engine *engine;
    struct kith__seat *seat;
    uint32_t number, head, agent;
    int lost;
    int64_t due, stopped; /* stopped: until then nothing of it runs, and nobody knows whether it lives */
    uint64_t blocks;      /* in use when nothing had happened */
    uint64_t deaths, may_leave;
    struct frame *inbox; /* a ring */
    int first, count, room;
    struct frame received; /* until the next one */
};

enum state { FREE, RUNS, DEAD }; /* DEAD: its janitor comes */

/* A RANK does what its test likes; the others are as the fork server starts them, but for a THREAD, which is
 * one more of some process. */
enum part { RANK, WORKER, PROCESS, JANITOR, THREAD };

/* What the library keeps for a process: while it does not run, its variables of KITH__OF_PROCESS are here. */
struct life {
    int threads;
    struct kith__feeds *feeds;
    char *variables;
};

struct client {
    enum state state;
    enum part part;
    uint32_t number, node, member;
    program *fn;
    void *arg;
    void *(*run)(void *);   /* of a THREAD */
    uint64_t thread_number; /* its own in a run: by which the library knows it from the others */
    struct life *of;
    struct strand *strand;
    jmp_buf out;
    int dies, died, ended, doing, spared;
    int process_died;  /* another thread of its process has */
    int process_ended; /* its first thread has, by itself */
    int status;        /* of a PROCESS */
    /* What it waits for; blocked 0: it could go on. */
    int blocked;
    _Atomic uint32_t *word;
    uint32_t expected;
    int64_t until; /* INT64_MAX: for ever. Of DEAD: when its janitor comes */
    int guards;    /* in which it is */
};

extern struct weather sim_world;
extern struct sim_node *sim_nodes;
extern struct client **sim_clients; /* each stays where it is, and is used again */
extern int sim_client_count, sim_is_calm, sim_processes_live;
extern _Atomic uint32_t sim_threads_ended; /* counts them */

/* ---- node.c */

void sim_enter_as(struct sim_node *n, uint32_t who);
void sim_start_node(struct sim_node *n, uint32_t number);
void sim_check_node(const struct sim_node *n); /* nothing is left there */
void sim_stop_node(struct sim_node *n);
void sim_arrived(uint32_t from, uint32_t to, const void *bytes, size_t size);
int sim_turn(struct sim_node *n); /* of its agent: 1: it had something to do */
void sim_running(uint32_t who);   /* a member of the node that is entered */

/* ---- server.c */

void sim_serve(struct sim_node *n);       /* what was asked for begins, what is to end dies */
void sim_reap(struct client *c);          /* it has ended */
void sim_begin_janitor(struct client *c); /* of one that is DEAD */

/* ---- sim.c */

struct client *sim_new_client(enum part part, uint32_t node, uint32_t member, program *fn, void *arg);
struct client *sim_begin_client(enum part part, uint32_t node, uint32_t member, program *fn, void *arg);
void sim_begin_life(struct client *c);
void sim_end_life(struct client *c);
int64_t sim_janitor_delay(const struct client *c); /* ns */

#endif
